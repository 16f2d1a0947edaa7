"""OANDA: what it is asked, and what is made of its answers. Bodies are hand-made unless a test says otherwise."""

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from broker_cases import ID, NOW, SINCE, changes, healthy, oanda_fill, oanda_order, order, questions
from broker_wire import Asked, Line, Told, line
from described import told
from oandapyV20.endpoints.responses import accounts, orders, positions  # type: ignore[import-untyped]

from services.execution.brokers import oanda
from services.execution.brokers.protocol import Ambiguous, Broker, Rejected
from services.kernel.provider_errors import BadKey, BadReply, SymbolNotOffered

ACCOUNT = "/v3/accounts/planted-oanda-account-id-5f3c9"


def ask(question: Callable[[Broker], Any], answers: dict[str, Any] | None = None, **more: Any) -> tuple[Any, Line]:
    def respond(asked: Asked) -> Told:
        found = (answers or {}).get(f"{asked.method} {asked.path.removeprefix(ACCOUNT)}", healthy("oanda"))
        body = found(asked) if callable(found) else found
        return body if isinstance(body, Told) else Told(body)

    async def run() -> tuple[Any, Line]:
        async with line(oanda, respond, clock=lambda: NOW, **more) as opened:
            return await question(opened.broker), opened

    return asyncio.run(run())


def sent(**more: Any) -> Any:
    return ask(lambda broker: broker.submit(order("oanda", **more)))[1].sent[0].body["order"]


def refused(body: dict[str, Any], status: int = 201) -> str:
    with pytest.raises(Rejected) as caught:
        ask(changes("oanda")["submit"], {"POST /orders": Told(body, status)})
    return caught.value.reason


def test_a_purchase_is_positive_a_sale_negative_and_it_is_filled_whole_or_not_at_all() -> None:
    bought = {
        "type": "MARKET",
        "instrument": "GBP_JPY",
        "units": "1200",
        "timeInForce": "FOK",
        "positionFill": "REDUCE_FIRST",
        "clientExtensions": {"id": str(ID)},
    }
    assert sent() == bought
    assert sent(side="sell", reduce_only=True) == bought | {"units": "-1200", "positionFill": "REDUCE_ONLY"}


def test_a_stop_waits_until_it_is_cancelled() -> None:
    stop = sent(kind="stop", side="sell", stop_price=Decimal("189.500"), reduce_only=True)
    assert (stop["type"], stop["price"], stop["timeInForce"], stop["units"]) == ("STOP", "189.5", "GTC", "-1200")


def test_the_token_goes_in_a_header() -> None:
    request = ask(lambda broker: broker.cash())[1].asked[0]
    assert request.headers["authorization"] == "Bearer planted-oanda-token-5f3c9"
    assert request.headers["accept-datetime-format"] == "RFC3339"
    assert request.path == f"{ACCOUNT}/summary"


@pytest.mark.parametrize("status", [400, 404])
def test_a_refused_order_says_why_in_the_brokers_words(status: int) -> None:
    reject = {"id": "2305", "type": "MARKET_ORDER_REJECT", "rejectReason": "UNITS_LIMIT_EXCEEDED"}
    body = {"orderRejectTransaction": reject, "errorMessage": "The units specified exceed the maximum"}
    assert refused(body, status) == "UNITS_LIMIT_EXCEEDED: The units specified exceed the maximum"


@pytest.mark.parametrize("reason", ["INSUFFICIENT_MARGIN", "MARKET_HALTED", "INSUFFICIENT_LIQUIDITY"])
def test_an_order_that_is_taken_and_cancelled_at_once_is_rejected(reason: str) -> None:
    created = {"id": "2304", "type": "MARKET_ORDER"}
    cancelled = {"id": "2305", "type": "ORDER_CANCEL", "reason": reason}
    assert reason in refused({"orderCreateTransaction": created, "orderCancelTransaction": cancelled})


def test_an_order_that_was_filled_before_its_rest_was_cancelled_is_acknowledged() -> None:
    body = {"orderCreateTransaction": {"id": "2304"}, "orderFillTransaction": oanda_fill(units="700")}
    body |= {"orderCancelTransaction": {"id": "2306", "reason": "TIME_IN_FORCE_EXPIRED"}}
    assert ask(changes("oanda")["submit"], {"POST /orders": Told(body, 201)})[0].broker_id == "2304"


def test_a_success_without_a_transaction_is_not_believed() -> None:
    with pytest.raises(Ambiguous, match="orderCreateTransaction"):
        ask(changes("oanda")["submit"], {"POST /orders": Told({"lastTransactionID": "9"}, 201)})


def test_an_id_that_is_refused_as_seen_and_cannot_be_found_is_ambiguous() -> None:
    reject = Told({"orderRejectTransaction": {"rejectReason": "CLIENT_ORDER_ID_ALREADY_EXISTS"}}, 400)
    gone = Told({"errorCode": "NO_SUCH_ORDER", "errorMessage": "no such order"}, 404)
    for lookup in (gone, Told(b"", 503), Told(b"", 429)):
        answers = {"POST /orders": reject, f"GET /orders/@{ID}": lookup, "GET /orders": Told({"orders": []})}
        with pytest.raises(Ambiguous, match=str(ID)):
            ask(changes("oanda")["submit"], answers)


def test_an_account_that_is_somebody_elses_is_a_bad_key() -> None:
    with pytest.raises(BadKey, match="forbidden"):
        ask(
            questions("oanda")["cash"],
            {"GET /summary": Told({"errorMessage": "The provided request was forbidden."}, 403)},
        )


def test_cancels_by_our_id_and_what_is_over_is_no_error() -> None:
    assert ask(changes("oanda")["cancel"])[1].sent[0].path == f"{ACCOUNT}/orders/@{ID}/cancel"
    over = Told({"orderCancelRejectTransaction": {"rejectReason": "ORDER_DOESNT_EXIST"}}, 404)
    assert ask(changes("oanda")["cancel"], {f"PUT /orders/@{ID}/cancel": over})[0] is None


@pytest.mark.parametrize(
    ("state", "ours", "filled"),
    [("PENDING", "working", 0), ("TRIGGERED", "working", 0), ("FILLED", "filled", 1200), ("CANCELLED", "cancelled", 0)],
)
def test_every_state_of_an_order_has_its_word(state: str, ours: str, filled: int) -> None:
    shown = oanda_order(state=state, type="STOP", price="189.500", units="-1200")
    found = ask(questions("oanda")["order"], {f"GET /orders/@{ID}": {"order": shown}})[0]
    assert (found.status, found.filled, found.side, found.kind) == (ours, filled, "sell", "stop")
    assert found.stop_price == Decimal("189.5")


def test_an_order_that_is_done_is_found_among_the_last_ones() -> None:
    gone = Told({"errorCode": "NO_SUCH_ORDER", "errorMessage": "The order specified does not exist"}, 404)
    others = {"orders": [oanda_order(id="9", clientExtensions={"id": "x"}), oanda_order(state="FILLED")]}
    found, opened = ask(questions("oanda")["order"], {f"GET /orders/@{ID}": gone, "GET /orders": others})
    assert (found.broker_id, found.status) == ("2304", "filled")
    assert opened.asked[-1].query == {"state": "ALL", "count": "500"}


def test_a_404_that_is_no_word_of_the_broker_is_no_proof_that_there_is_no_order() -> None:
    with pytest.raises(SymbolNotOffered, match="404"):
        ask(questions("oanda")["order"], {f"GET /orders/@{ID}": Told(b"<html>gone</html>", 404)})


def test_pending_orders_of_strangers_are_shown_as_recorded_ones_are_read() -> None:
    recorded = orders.responses["_v3_accounts_accountID_orders_pending"]["response"]
    attached = {"id": "7", "type": "TAKE_PROFIT", "tradeID": "6", "price": "1.3", "state": "PENDING"}
    body = {"orders": [*recorded["orders"], attached]}
    first, second = ask(questions("oanda")["open_orders"], {"GET /pendingOrders": body})[0]
    assert (first.client_id, first.symbol, first.side, first.quantity) == (None, "EUR/USD", "sell", Decimal(100))
    assert (first.kind, first.broker_id, first.status) == ("limit", "2304", "working")
    assert (second.symbol, second.kind, second.quantity) == ("trade 6", "take_profit", 0)


def test_executions_are_read_by_the_ranges_that_the_broker_names_on_our_own_host() -> None:
    pages = [f"https://elsewhere.example/v3/accounts/1/transactions/idrange?from={n}01&to={n}99" for n in (1, 2)]
    held = {"101": [oanda_fill(id="150")], "201": [oanda_fill(id="250", units="-200", time="2026-03-04T10:00:00Z")]}
    answers = {
        "GET /transactions": {"count": 150, "pages": pages},
        "GET /transactions/idrange": lambda asked: {"transactions": held[asked.query["from"]]},
    }
    found, opened = ask(questions("oanda")["fills"], answers)
    assert [(one.id, one.side, one.quantity) for one in found] == [("150", "buy", 1200), ("250", "sell", 200)]
    assert opened.asked[0].query == {"from": "2026-03-04T09:30:00.000000Z", "pageSize": "1000", "type": "ORDER_FILL"}
    assert [one.query for one in opened.asked[1:]] == [
        {"from": "101", "to": "199", "type": "ORDER_FILL"},
        {"from": "201", "to": "299", "type": "ORDER_FILL"},
    ]


def fills(*shown: dict[str, Any], **more: Any) -> Any:
    answers = {"GET /transactions/idrange": {"transactions": list(shown)}}
    return ask(questions("oanda")["fills"], answers, **more)[0]


def test_an_execution_carries_profit_fee_and_the_rate_that_the_broker_used() -> None:
    lost, won = fills(oanda_fill(commission="0.5", guaranteedExecutionFee="0.25"), oanda_fill(id="2306", pl="4.1"))
    assert (lost.price, lost.fee, lost.realised, lost.rate) == (
        Decimal("190.123"),
        Decimal("0.75"),
        Decimal("-3.25"),
        Decimal("0.00667"),
    )
    assert (won.realised, won.rate) == (Decimal("4.1"), Decimal("0.0066"))


def test_both_spellings_of_the_rate_are_read_and_none_is_one_only_at_home() -> None:
    bare = {key: value for key, value in oanda_fill().items() if "Factor" not in key}
    newer = bare | {
        "homeConversionFactors": {"lossQuoteHome": {"factor": "0.0067"}, "gainQuoteHome": {"factor": "0.0065"}}
    }
    assert fills(newer)[0].rate == Decimal("0.0067")
    assert fills(bare | {"instrument": "EUR_USD"})[0].rate == 1
    assert fills(bare, currency="JPY")[0].rate == 1
    with pytest.raises(BadReply, match="lossQuoteHomeConversionFactor"):
        fills(bare)


def test_a_page_without_a_range_and_a_missing_list_are_not_an_empty_account() -> None:
    for body in ({"count": 3}, {"count": 3, "pages": ["https://x.example/?from=1"]}, {"pages": [7]}, {"pages": "x"}):
        with pytest.raises(BadReply):
            ask(questions("oanda")["fills"], {"GET /transactions": body})
    assert ask(questions("oanda")["fills"], {"GET /transactions": {"count": 0}})[0] == []


def test_financing_of_the_day_and_of_a_fill_and_transfers_are_charges() -> None:
    time = {"time": "2026-03-04T11:00:00Z"}
    entries = [
        oanda_fill(financing="-0.0100"),
        time | {"type": "DAILY_FINANCING", "id": "7", "financing": "-0.41"},
        time | {"type": "TRANSFER_FUNDS", "id": "8", "amount": "500"},
        time | {"type": "TRANSFER_FUNDS_REJECT", "id": "9", "amount": "700"},
        time | {"type": "CLIENT_CONFIGURE", "id": "10"},
    ]
    found = ask(questions("oanda")["charges"], {"GET /transactions/idrange": {"transactions": entries}})[0]
    assert [(one.id, one.kind, str(one.amount), one.symbol) for one in found] == [
        ("2305-financing", "financing", "-0.0100", "GBP/JPY"),
        ("7", "daily_financing", "-0.41", None),
        ("8", "transfer_funds", "500", None),
    ]


def test_positions_and_balance_are_read_off_recorded_replies() -> None:
    held = positions.responses["_v3_accounts_accountID_openpositions"]["response"]
    found = ask(questions("oanda")["positions"], {"GET /openPositions": held})[0]
    assert [(one.symbol, one.quantity) for one in found] == [("DE30/EUR", Decimal(10)), ("EUR/USD", Decimal(-100))]
    summary = accounts.responses["_v3_account_by_accountID_summary"]["response"]
    cash = ask(questions("oanda")["cash"], {"GET /summary": summary})[0]
    assert (cash.currency, str(cash.amount), str(cash.available), cash.basis) == (
        "EUR",
        "35454.4740",
        "24872.9740",
        "margin",
    )


def test_the_rules_of_an_instrument_are_read_off_a_recorded_reply() -> None:
    recorded = accounts.responses["_v3_account_by_accountID_instruments"]["response"]
    found = ask(lambda broker: broker.instrument("EUR/USD"), {"GET /instruments": recorded})[0]
    assert (found.price_step, found.quantity_step, found.min_quantity) == (Decimal("0.00001"), 1, 1)
    assert found.shortable


@pytest.mark.parametrize(
    "answer",
    [Told({"instruments": []}), Told({"errorMessage": "Invalid value specified for 'instruments'"}, 400)],
)
def test_an_instrument_that_is_not_there_is_not_offered(answer: Told) -> None:
    with pytest.raises(SymbolNotOffered):
        ask(questions("oanda")["instrument"], {"GET /instruments": answer})


GONE = httpx.Response(404, json={"errorCode": "NO_SUCH_ORDER", "errorMessage": "no such order"})
PAGES = {"count": 1, "pages": ["https://api-fxpractice.oanda.com/v3/x/idrange?from=1&to=6&type=ORDER_FILL"]}
DESCRIBED: dict[str, tuple[Callable[[Broker], Any], list[httpx.Response]]] = {
    "submit": (changes("oanda")["submit"], []),
    "stop": (lambda b: b.submit(order("oanda", kind="stop", side="sell", stop_price=Decimal("189.5"))), []),
    "cancel": (changes("oanda")["cancel"], []),
    "order": (questions("oanda")["order"], []),
    "order among the last": (questions("oanda")["order"], [GONE]),
    "open_orders": (questions("oanda")["open_orders"], []),
    "fills": (questions("oanda")["fills"], []),
    "fills of a range": (questions("oanda")["fills"], [httpx.Response(200, json=PAGES)]),
    "charges": (questions("oanda")["charges"], []),
    "charges of a range": (lambda b: b.charges(SINCE), [httpx.Response(200, json=PAGES)]),
    "positions": (questions("oanda")["positions"], []),
    "cash": (questions("oanda")["cash"], []),
    "instrument": (questions("oanda")["instrument"], []),
}


@pytest.mark.parametrize("call", DESCRIBED)
def test_requests_are_right_by_the_brokers_own_description(call: str, prism: Any, specs_dir: Path) -> None:
    question, prepared = DESCRIBED[call]
    again = [httpx.Response(one.status_code, content=one.content) for one in prepared]
    keys = {"OANDA_TOKEN": "planted-token", "OANDA_ACCOUNT_ID": "101-004-1234567-001"}
    asked = told(oanda, prism(specs_dir / "oanda-v20.json"), question, *again, keys=keys)
    assert asked.exchanged, "the mock was not asked"
    assert asked.objections == []


@pytest.mark.parametrize(
    ("kind", "definition"),
    [("market", "MarketOrderRequest"), ("stop", "StopOrderRequest")],
)
def test_an_order_has_only_fields_and_words_of_the_brokers_own_description(
    kind: str, definition: str, specs_dir: Path
) -> None:
    """The mock lets any order pass: the description of the request's body is empty, those of its kinds are not."""
    described = json.loads((specs_dir / "oanda-v20.json").read_text())["definitions"]
    stop = {"stop_price": Decimal("189.5")} if kind == "stop" else {}
    body = sent(kind=kind, reduce_only=True, id=UUID(int=7), **stop)
    fields = described[definition]["properties"]
    for key, value in body.items():
        assert key in fields
        assert value in fields[key].get("enum", [value])
        assert isinstance(value, str if fields[key].get("type") == "string" else dict)
    assert set(body["clientExtensions"]) <= set(described["ClientExtensions"]["properties"])
