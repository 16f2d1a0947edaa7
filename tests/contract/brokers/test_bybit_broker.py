"""Bybit through ccxt itself, against a server on this machine. Bodies are hand-made unless a test says otherwise."""

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from broker_cases import ID, MS, NOW, SINCE, bybit_fill, bybit_order, bybit_says, changes, healthy, order, questions
from broker_wire import Asked, Line, Told, line
from recording import keys_of

from services.execution.brokers import bybit
from services.execution.brokers.protocol import Ambiguous, Broker, Rejected
from services.kernel.errors import StartRefused
from services.kernel.provider_errors import (
    BadKey,
    BadReply,
    Blocked,
    FeedError,
    NotEntitled,
    RateLimited,
    SourceDown,
    SymbolNotOffered,
)

SECRET = keys_of(bybit.NEEDS)["BYBIT_API_SECRET"]


def ask(question: Callable[[Broker], Any], answers: dict[str, Any] | None = None, **more: Any) -> tuple[Any, Line]:
    def respond(asked: Asked) -> Told:
        found = (answers or {}).get(asked.path.removeprefix("/v5/"), healthy("bybit"))
        result = found(asked) if callable(found) else found
        return result if isinstance(result, Told) else bybit_says(result)

    async def run() -> tuple[Any, Line]:
        async with line(bybit, respond, **({"clock": lambda: NOW} | more)) as opened:
            return await question(opened.broker), opened

    return asyncio.run(run())


def sent(category: str = "spot", **more: Any) -> Any:
    return ask(lambda broker: broker.submit(order("bybit", **more)), category=category)[1].sent[0].body


def test_a_spot_order_counts_in_coins_not_in_money() -> None:
    assert sent() == {
        "category": "spot",
        "symbol": "BTCUSDT",
        "side": "Buy",
        "orderType": "Market",
        "qty": "0.025",
        "orderLinkId": str(ID),
        "marketUnit": "baseCoin",
        "isLeverage": 0,
    }


@pytest.mark.parametrize(("side", "direction"), [("buy", 1), ("sell", 2)])
def test_a_stop_of_a_perpetual_says_from_which_side_it_is_reached(side: str, direction: int) -> None:
    stop = sent("linear", side=side, kind="stop", stop_price=Decimal("60000.10"), reduce_only=True)
    assert (stop["triggerPrice"], stop["triggerDirection"], stop["triggerBy"]) == ("60000.1", direction, "LastPrice")
    assert (stop["orderType"], stop["reduceOnly"], stop["positionIdx"]) == ("Market", True, 0)
    assert "orderFilter" not in stop
    assert "marketUnit" not in stop


def test_a_stop_on_spot_is_a_conditional_order() -> None:
    stop = sent(side="sell", kind="stop", stop_price=Decimal("60000.1"))
    assert (stop["orderFilter"], stop["triggerPrice"], stop["side"]) == ("StopOrder", "60000.1", "Sell")
    assert "triggerDirection" not in stop


def test_requests_are_signed_with_the_secret_and_the_secret_stays_here() -> None:
    _, opened = ask(changes("bybit")["cancel"])
    for one in opened.asked:
        told = (
            json.dumps(one.body, separators=(",", ":"))
            if one.changes
            else "&".join(f"{k}={v}" for k, v in one.query.items())
        )
        text = (
            one.headers["x-bapi-timestamp"] + one.headers["x-bapi-api-key"] + one.headers["x-bapi-recv-window"] + told
        )
        wanted = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        assert one.headers["x-bapi-sign"] == wanted
        assert SECRET not in str(one)


def test_rules_are_asked_without_a_key() -> None:
    _, opened = ask(questions("bybit")["instrument"])
    assert [one.path for one in opened.asked] == ["/v5/market/instruments-info"]
    assert not [name for name in opened.asked[0].headers if "bapi" in name]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (170131, Rejected),
        (110007, Rejected),
        (10001, Rejected),
        (170140, Rejected),
        (170121, SymbolNotOffered),
        (10003, BadKey),
        (10004, BadKey),
        (33004, BadKey),
        (10005, NotEntitled),
        (10010, Blocked),
        (10024, Blocked),
        (10002, Blocked),
        (10006, RateLimited),
        (10018, RateLimited),
        (10000, Ambiguous),
        (10014, Ambiguous),
        (10016, Ambiguous),
        (170007, Ambiguous),
        (170146, Ambiguous),
    ],
)
def test_every_code_says_whether_the_order_may_be_there(code: int, kind: type[Exception]) -> None:
    refusal = bybit_says({}, code, "because of this")
    with pytest.raises(kind, match=f"{code} because of this") as caught:
        ask(changes("bybit")["submit"], {"order/create": refusal})
    assert type(caught.value) is kind
    if isinstance(caught.value, Rejected):
        assert caught.value.reason == f"{code} because of this"


def test_too_many_requests_come_as_403_too() -> None:
    with pytest.raises(RateLimited):
        ask(questions("bybit")["cash"], {"account/wallet-balance": Told(b"access too frequent", 403)})


@pytest.mark.parametrize("code", [110001, 110008, 110010, 170139, 170142, 170143, 170213])
def test_cancelling_what_is_over_is_no_error(code: int) -> None:
    answer, opened = ask(changes("bybit")["cancel"], {"order/cancel": bybit_says({}, code, "over")})
    assert answer is None
    assert opened.sent[0].body == {"category": "spot", "symbol": "BTCUSDT", "orderLinkId": str(ID)}


@pytest.mark.parametrize("status", ["Filled", "Cancelled", "Rejected", "PartiallyFilledCanceled", "Deactivated"])
def test_what_is_done_is_not_cancelled(status: str) -> None:
    assert (
        ask(changes("bybit")["cancel"], {"order/realtime": {"list": [bybit_order(orderStatus=status)]}})[1].sent == []
    )


def test_a_waiting_stop_on_spot_is_cancelled_as_a_conditional_order() -> None:
    waiting = bybit_order(orderStatus="Untriggered", stopOrderType="Stop", triggerPrice="60000")
    _, opened = ask(changes("bybit")["cancel"], {"order/realtime": {"list": [waiting]}})
    assert opened.sent[0].body["orderFilter"] == "StopOrder"


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        ("New", "working"),
        ("PartiallyFilled", "working"),
        ("Untriggered", "working"),
        ("Triggered", "working"),
        ("Filled", "filled"),
        ("Cancelled", "cancelled"),
        ("PartiallyFilledCanceled", "cancelled"),
        ("Deactivated", "cancelled"),
        ("Rejected", "rejected"),
    ],
)
def test_every_state_of_an_order_has_its_word(status: str, ours: str) -> None:
    shown = bybit_order(orderStatus=status, cumExecQty="0.010", side="Sell", triggerPrice="60000.1")
    found = ask(questions("bybit")["order"], {"order/realtime": {"list": [shown]}})[0]
    assert (found.status, found.filled, found.side, found.kind) == (ours, Decimal("0.010"), "sell", "stop")
    assert found.stop_price == Decimal("60000.1")


def test_a_rejection_comes_with_its_reason() -> None:
    shown = bybit_order(orderStatus="Rejected", rejectReason="EC_NoEnoughQtyToFill", cancelType="UNKNOWN")
    assert ask(questions("bybit")["order"], {"order/realtime": {"list": [shown]}})[0].detail == "EC_NoEnoughQtyToFill"


def test_an_unknown_state_is_refused() -> None:
    with pytest.raises(BadReply, match="'orderStatus'"):
        ask(questions("bybit")["order"], {"order/realtime": {"list": [bybit_order(orderStatus="Dreaming")]}})


def test_an_order_that_is_done_is_looked_for_in_the_history() -> None:
    answers = {"order/realtime": {"list": []}, "order/history": {"list": [bybit_order(orderStatus="Filled")]}}
    found, opened = ask(questions("bybit")["order"], answers)
    assert found.status == "filled"
    places = [(one.path.removeprefix("/v5/order/"), one.query.get("openOnly")) for one in opened.asked]
    assert places == [("realtime", "0"), ("realtime", "1"), ("history", None)]
    assert {one.query["orderLinkId"] for one in opened.asked} == {str(ID)}


def test_open_orders_are_read_page_by_page_and_strangers_come_with_them() -> None:
    pages = [
        {"list": [bybit_order(orderLinkId="by hand", orderType="Limit")], "nextPageCursor": "a%3A2"},
        {"list": [bybit_order(), bybit_order(orderStatus="Filled")], "nextPageCursor": ""},
    ]
    found, opened = ask(
        questions("bybit")["open_orders"], {"order/realtime": lambda _: bybit_says(pages.pop(0))}, category="linear"
    )
    assert [(one.client_id, one.kind) for one in found] == [(None, "limit"), (ID, "market")]
    first, second = (one.query for one in opened.asked)
    assert first == {"category": "linear", "openOnly": "0", "limit": "50", "settleCoin": "USDT"}
    assert set(second.items()) - set(first.items()) == {("cursor", "a:2")}


def fills(*shown: dict[str, Any], **more: Any) -> Any:
    return ask(questions("bybit")["fills"], {"execution/list": {"list": list(shown)}}, **more)[0]


def test_a_purchase_on_spot_pays_its_fee_in_coins() -> None:
    (bought,) = fills(bybit_fill())
    assert (bought.withheld, bought.fee, bought.price, bought.rate) == (Decimal("0.000025"), 0, Decimal("65123.4"), 1)
    assert bought.at == SINCE + timedelta(minutes=1)


@pytest.mark.parametrize("coin", ["USDT", ""])
def test_a_sale_on_spot_pays_its_fee_in_money(coin: str) -> None:
    (sold,) = fills(bybit_fill(side="Sell", execFee="1.62", feeCurrency=coin))
    assert (sold.withheld, sold.fee, sold.side) == (0, Decimal("1.62"), "sell")


def test_a_perpetual_pays_its_fee_in_money_and_may_get_some() -> None:
    (bought,) = fills(bybit_fill(execFee="-0.4", feeCurrency=""), category="linear")
    assert (bought.withheld, bought.fee) == (0, Decimal("-0.4"))


def test_a_fee_in_the_exchanges_own_token_is_refused_by_name() -> None:
    with pytest.raises(BadReply, match="paid in MNT"):
        fills(bybit_fill(feeCurrency="MNT"))


def test_funding_is_no_execution_and_executions_come_in_order() -> None:
    later = bybit_fill(execId="9", execTime=str(MS + 5000))
    funding = bybit_fill(execType="Funding", execId="8")
    assert [one.id for one in fills(later, funding, bybit_fill(), category="linear")] == ["2100000000007764263", "9"]


def test_a_long_time_is_asked_for_a_week_at_a_time_without_a_gap() -> None:
    since = NOW - timedelta(days=16)
    _, opened = ask(lambda broker: broker.fills(since), {"execution/list": {"list": []}})
    spans = [(int(one.query["startTime"]), int(one.query["endTime"])) for one in opened.asked]
    assert len(spans) == 3
    assert spans[0][0] == int(since.timestamp() * 1000)
    assert spans[-1][1] >= int(NOW.timestamp() * 1000)
    assert all(end - start < 7 * 86_400_000 for start, end in spans)
    assert all(after[0] <= before[1] + 1 for before, after in pairwise(spans))


def test_charges_are_what_the_log_says_besides_trades() -> None:
    def entry(n: int, kind: str, change: str, symbol: str = "") -> dict[str, Any]:
        return {"id": f"{n}", "type": kind, "change": change, "transactionTime": str(MS + n), "symbol": symbol}

    log = [entry(3, "TRANSFER_IN", "500"), entry(2, "TRADE", "-7"), entry(1, "SETTLEMENT", "-0.0036", "BTCUSDT")]
    log += [entry(4, "INTEREST", ""), entry(-90_000, "BONUS", "5")]
    found, opened = ask(questions("bybit")["charges"], {"account/transaction-log": {"list": log}})
    assert [(one.id, one.kind, str(one.amount), one.symbol) for one in found] == [
        ("1", "settlement", "-0.0036", "BTC/USDT"),
        ("3", "transfer_in", "500", None),
    ]
    assert opened.asked[0].query["currency"] == "USDT"


def test_positions_on_spot_are_the_coins_that_are_held() -> None:
    coins = [
        {"coin": "USDT", "walletBalance": "7"},
        {"coin": "POL", "walletBalance": "3"},
        {"coin": "X", "walletBalance": "0"},
    ]
    answers = {"account/wallet-balance": {"list": [{"coin": coins}]}}
    found = ask(questions("bybit")["positions"], answers, symbols={"MATIC/USDT": "POL/USDT"})[0]
    assert [(one.symbol, one.quantity) for one in found] == [("MATIC/USDT", Decimal(3))]


def test_positions_of_perpetuals_are_signed() -> None:
    held = [
        {"symbol": "ETHUSDT", "side": "Sell", "size": "0.5"},
        {"symbol": "BTCUSDT", "side": "Buy", "size": "0.02"},
        {"symbol": "XRPUSDT", "side": "", "size": "0"},
        {"symbol": "BTCPERP", "side": "Sell", "size": "1"},
    ]
    found, opened = ask(questions("bybit")["positions"], {"position/list": {"list": held}}, category="linear")
    assert [(one.symbol, str(one.quantity)) for one in found] == [
        ("ETH/USDT", "-0.5"),
        ("BTC/USDT", "0.02"),
        ("BTCPERP", "-1"),
    ]
    assert opened.asked[0].query["settleCoin"] == "USDT"


def test_what_is_bound_or_lost_is_not_available() -> None:
    coin = {"coin": "USDT", "walletBalance": "1000", "locked": "100", "totalPositionIM": "200", "totalOrderIM": "50"}
    answers = {"account/wallet-balance": {"list": [{"coin": [coin | {"unrealisedPnl": "-30"}]}]}}
    cash = ask(questions("bybit")["cash"], answers, category="linear")[0]
    assert (cash.amount, cash.available, cash.basis, cash.currency) == (1000, 620, "margin", "USD")
    assert ask(questions("bybit")["cash"], {"account/wallet-balance": {"list": [{"coin": []}]}})[0].amount == 0


@pytest.mark.parametrize("accounts", [[], [{"coin": []}, {"coin": []}]])
def test_an_account_that_is_not_one_unified_account_is_refused(accounts: list[Any]) -> None:
    with pytest.raises(BadReply, match="instead of one"):
        ask(questions("bybit")["cash"], {"account/wallet-balance": {"list": accounts}})


def test_the_rules_of_a_pair_are_read_off_a_recorded_reply(specs_dir: Path) -> None:
    recorded = Told((specs_dir / "recorded" / "bybit" / "instrument.2.json").read_bytes())
    found = ask(questions("bybit")["instrument"], {"market/instruments-info": recorded})[0]
    assert (found.price_step, found.quantity_step) == (Decimal("0.1"), Decimal("0.000001"))
    assert (found.min_quantity, found.min_notional, found.shortable) == (Decimal("0.000011"), Decimal(5), False)


def test_the_rules_of_a_perpetual() -> None:
    lots = {"qtyStep": "0.001", "minOrderQty": "0.001", "minNotionalValue": "5"}
    rules = {"symbol": "BTCUSDT", "status": "Closed", "lotSizeFilter": lots, "priceFilter": {"tickSize": "0.10"}}
    found = ask(questions("bybit")["instrument"], {"market/instruments-info": {"list": [rules]}}, category="linear")[0]
    assert (found.quantity_step, found.min_notional, found.shortable, found.tradable) == (
        Decimal("0.001"),
        5,
        True,
        False,
    )


@pytest.mark.parametrize("answer", [{"list": []}, bybit_says({}, 10001, "params error: symbol invalid")])
def test_a_pair_that_is_not_there_is_not_offered(answer: Any) -> None:
    with pytest.raises(SymbolNotOffered):
        ask(questions("bybit")["instrument"], {"market/instruments-info": answer})


@pytest.mark.parametrize(("code", "kind"), [(10016, SourceDown), (10006, RateLimited)])
def test_a_question_is_asked_again_while_the_exchange_is_busy(code: int, kind: type[FeedError]) -> None:
    replies = [bybit_says({}, code, "later")] * 2
    answers = {"market/instruments-info": lambda asked: replies.pop() if replies else healthy("bybit")(asked)}
    found, opened = ask(questions("bybit")["instrument"], answers)
    assert found.tradable
    assert len(opened.asked) == 3
    assert len(opened.time.slept) == 2
    with pytest.raises(kind):
        ask(questions("bybit")["instrument"], {"market/instruments-info": bybit_says({}, code, "later")})


def test_a_redirect_to_another_host_gets_neither_key_nor_order() -> None:
    async def run() -> list[Asked]:
        async with line(bybit, healthy("bybit")) as stranger:
            address = stranger.broker._calls._exchange.urls["api"]["private"]  # type: ignore[attr-defined]
            away = Told(b"", 307, {"Location": f"{address}/v5/order/create"})
            async with line(bybit, lambda _: away) as opened:
                with pytest.raises(Ambiguous, match="redirects"):
                    await opened.broker.submit(order("bybit"))
                with pytest.raises(BadReply, match="redirects"):
                    await opened.broker.cash()
            return stranger.asked

    assert asyncio.run(run()) == []


def test_ccxt_may_not_write_its_headers_into_the_log() -> None:
    logging.getLogger("ccxt").setLevel(logging.DEBUG)
    ask(questions("bybit")["cash"])
    assert not logging.getLogger("ccxt.base.exchange").isEnabledFor(logging.DEBUG)


def test_a_category_that_there_is_not_is_refused() -> None:
    with pytest.raises(StartRefused, match="category 'option' does not exist"):
        bybit.connect(keys_of(bybit.NEEDS), category="option")  # type: ignore[arg-type]


def test_a_moment_is_read_in_utc() -> None:
    (one,) = fills(bybit_fill(execTime="1772616660123"))
    assert one.at == datetime(2026, 3, 4, 9, 31, 0, 123_000, UTC)
