"""Whoever knows one broker knows all: constants, how it is connected, what it can be asked, and what live needs."""

import asyncio
import inspect
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from broker_cases import ID, MODULES, NOW, QUANTITY, SINCE, SYMBOL, changes, healthy, order, questions
from broker_wire import Asked, Line, Told, line
from recording import keys_of

from services.execution.brokers import alpaca, bybit, oanda
from services.execution.brokers.protocol import Ack, Broker
from services.execution.brokers.wire import utc_now
from services.kernel.errors import StartRefused

EVERY = pytest.mark.parametrize("name", MODULES)
CONNECT: list[Callable[..., Broker]] = [alpaca.connect, bybit.connect, oanda.connect]
"""That each makes a broker is checked by its types, here."""
HOME = {"alpaca": "paper", "bybit": "testnet", "oanda": "practice"}
METHODS = ("submit", "cancel", "order", "open_orders", "fills", "charges", "positions", "cash", "instrument", "close")


def ask(name: str, question: Callable[[Broker], Any], **more: Any) -> tuple[Any, Line]:
    async def run() -> tuple[Any, Line]:
        async with line(MODULES[name], healthy(name), clock=lambda: NOW, **more) as opened:
            return await question(opened.broker), opened

    return asyncio.run(run())


@EVERY
def test_says_what_it_is(name: str) -> None:
    module = MODULES[name]
    assert module.NAME == name == Path(str(module.__file__)).stem
    assert module.__doc__
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]+", variable) for variable in module.NEEDS)
    assert set(module.URLS) == {HOME[name], "live"}
    assert all(re.fullmatch(r"https://[a-z0-9.-]+(/[\w./-]*\w)?", url) for url in module.URLS.values())
    assert len(set(module.URLS.values())) == 2
    assert len(Path(str(module.__file__)).read_text().splitlines()) <= 400


@EVERY
def test_is_connected_like_all(name: str) -> None:
    assert MODULES[name].connect in CONNECT
    found = inspect.signature(MODULES[name].connect).parameters
    assert next(iter(found)) == "environment"
    wanted = {"venue": HOME[name], "currency": "USD", "base_url": None, "symbols": None, "clock": utc_now}
    for key, default in wanted.items():
        assert found[key].kind is inspect.Parameter.KEYWORD_ONLY, key
        assert found[key].default is default or found[key].default == default, key
    others = [parameter for key, parameter in found.items() if key != "environment"]
    assert all(parameter.default is not inspect.Parameter.empty for parameter in others)


@EVERY
def test_has_the_methods_of_the_protocol_and_asks_nothing_by_being_made(name: str) -> None:
    async def nothing(_: Broker) -> None:
        return None

    async def run() -> None:
        async with line(MODULES[name], healthy(name)) as opened:
            broker = opened.broker
            assert (broker.name, broker.environment) == (name, HOME[name])
            assert isinstance(broker.unique_ids, bool)
            for method in METHODS:
                mine, wanted = (
                    inspect.signature(getattr(type(broker), method)),
                    inspect.signature(getattr(Broker, method)),
                )
                assert list(mine.parameters) == list(wanted.parameters), method
                assert inspect.iscoroutinefunction(getattr(broker, method)), method
                assert inspect.getdoc(getattr(broker, method)), method
        assert opened.asked == []

    asyncio.run(run())


@EVERY
def test_goes_to_the_play_account_by_default(name: str) -> None:
    seen = _address(name, keys_of(MODULES[name].NEEDS))
    assert seen == MODULES[name].URLS[HOME[name]]


@EVERY
def test_goes_to_the_real_account_only_with_the_word_and_the_switch(name: str) -> None:
    module, keys = MODULES[name], keys_of(MODULES[name].NEEDS)
    for switch in ({}, {"CHLOE_LIVE": ""}, {"CHLOE_LIVE": "true"}, {"CHLOE_LIVE": "YES"}, {"CHLOE_LIVE": "no"}):
        with pytest.raises(StartRefused, match="CHLOE_LIVE=yes"):
            module.connect(keys | switch, venue="live")
        with pytest.raises(StartRefused, match="CHLOE_LIVE=yes"):
            module.connect(keys | switch, venue="live", base_url="http://127.0.0.1:1")
    assert _address(name, keys | {"CHLOE_LIVE": "yes"}) == module.URLS[HOME[name]]
    assert _address(name, keys | {"CHLOE_LIVE": "yes"}, venue="live") == module.URLS["live"]


@EVERY
def test_refuses_a_venue_that_it_does_not_have(name: str) -> None:
    other = "paper" if name != "alpaca" else "testnet"
    with pytest.raises(StartRefused, match=f"'{other}' does not exist; choose one of {HOME[name]}, live"):
        MODULES[name].connect(keys_of(MODULES[name].NEEDS), venue=other)


@EVERY
def test_names_the_variables_that_are_missing(name: str) -> None:
    module = MODULES[name]
    with pytest.raises(StartRefused, match=f"set {', '.join(module.NEEDS)} in the environment"):
        module.connect({})
    keys = keys_of(module.NEEDS) | {module.NEEDS[1]: ""}
    with pytest.raises(StartRefused, match=f"set {module.NEEDS[1]} in"):
        module.connect(keys)


@EVERY
def test_an_order_carries_our_id_and_is_acknowledged_under_it(name: str) -> None:
    answer, opened = ask(name, changes(name)["submit"])
    assert isinstance(answer, Ack)
    assert answer.client_id == ID
    assert answer.broker_id
    (sent,) = opened.sent
    assert str(ID) in str(sent.body)
    assert len(str(ID)) == 36, "Bybit takes no more"


@EVERY
def test_every_answer_is_in_our_words(name: str) -> None:
    found = {call: ask(name, question)[0] for call, question in questions(name).items()}
    symbol = SYMBOL[name]
    assert (found["order"].client_id, found["order"].symbol, found["order"].status) == (ID, symbol, "working")
    assert found["order"].quantity == QUANTITY[name]
    assert [(one.client_id, one.symbol, one.side) for one in found["open_orders"]] == [(ID, symbol, "buy")]
    assert [(one.client_id, one.symbol, one.quantity) for one in found["fills"]] == [(ID, symbol, QUANTITY[name])]
    assert [(one.symbol, one.quantity) for one in found["positions"]] == [(symbol, QUANTITY[name])]
    assert (found["cash"].currency, found["cash"].amount) == ("USD", Decimal("1000.5"))
    assert found["instrument"].symbol == symbol
    assert found["instrument"].tradable
    assert len(found["charges"]) == 1
    assert found["charges"][0].amount < 0
    moments = [one.at for one in found["fills"] + found["charges"]]
    assert all(moment.tzinfo is not None and moment.utcoffset() == SINCE.utcoffset() for moment in moments)
    assert min(moments) >= SINCE
    numbers = [
        getattr(one, field) for one in found["fills"] for field in ("quantity", "price", "fee", "rate", "withheld")
    ]
    assert {type(number) for number in numbers} == {Decimal}


@EVERY
def test_an_order_that_nobody_knows_is_none(name: str) -> None:
    unknown = {
        "alpaca": Told({"code": 40410000, "message": f"order not found for {ID}"}, 404),
        "oanda": Told({"errorCode": "NO_SUCH_ORDER", "errorMessage": "The order specified does not exist"}, 404),
        "bybit": Told({"retCode": 0, "retMsg": "OK", "result": {"list": [], "nextPageCursor": ""}}),
    }

    def respond(asked: Asked) -> Told:
        if name == "oanda" and asked.path.endswith("/orders"):
            return Told({"orders": []})
        return unknown[name]

    async def run() -> None:
        async with line(MODULES[name], respond) as opened:
            assert await opened.broker.order(ID) is None
            await opened.broker.cancel(ID)

    asyncio.run(run())


@EVERY
def test_an_order_that_is_there_already_is_acknowledged_as_it_is(name: str) -> None:
    refusal = {
        "alpaca": Told({"code": 40010001, "message": "client_order_id must be unique"}, 422),
        "oanda": Told({"orderRejectTransaction": {"rejectReason": "CLIENT_ORDER_ID_ALREADY_EXISTS"}}, 400),
        "bybit": Told({"retCode": 170141, "retMsg": "Duplicate clientOrderId", "result": {}}),
    }

    def respond(asked: Asked) -> Told:
        return refusal[name] if asked.changes else healthy(name)(asked)

    async def run() -> None:
        async with line(MODULES[name], respond) as opened:
            there = await opened.broker.order(ID)
            assert there is not None
            assert await opened.broker.submit(order(name)) == Ack(ID, there.broker_id)
            assert len(opened.sent) == 1

    asyncio.run(run())


@EVERY
def test_an_answer_about_another_order_is_not_believed(name: str) -> None:
    other = str(ID).replace("6", "7")

    def respond(asked: Asked) -> Told:
        told = healthy(name)(asked)
        return Told(Told(told.body).content.replace(str(ID).encode(), other.encode()), told.status)

    async def run() -> None:
        async with line(MODULES[name], respond) as opened:
            with pytest.raises(Exception, match="another order"):
                await opened.broker.order(ID)

    asyncio.run(run())


@EVERY
def test_our_names_stand_for_the_brokers(name: str) -> None:
    theirs = {"alpaca": "NVDA", "bybit": "BTC/USDT", "oanda": "GBP_JPY"}[name]
    found, opened = ask(name, lambda broker: broker.submit(order(name, symbol="MINE")), symbols={"MINE": theirs})
    assert isinstance(found, Ack)
    assert theirs.replace("/", "") in str(opened.sent[0].body)
    assert ask(name, lambda broker: broker.positions(), symbols={"MINE": theirs})[0][0].symbol == "MINE"
    assert ask(name, lambda broker: broker.fills(SINCE), symbols={"MINE": theirs})[0][0].symbol == "MINE"


def _address(name: str, keys: dict[str, str], **more: Any) -> str:
    """Where an adapter would send, without sending."""
    seen: list[str] = []
    module = MODULES[name]
    if name == "bybit":
        broker = module.connect(keys, **more)
        return str(broker._calls._exchange.implode_hostname(broker._calls._exchange.urls["api"]["private"]))

    def http(_: str, base_url: str, *__: Any, **___: Any) -> Any:
        seen.append(base_url)

    module.connect(keys, http=http, **more)
    return seen[0]
