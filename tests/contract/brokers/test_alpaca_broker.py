"""Alpaca: what it is asked, and what is made of its answers. Bodies are hand-made after its description."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from broker_cases import ID, NOW, SINCE, alpaca_order, changes, healthy, order, questions
from broker_wire import Asked, Line, Told, line
from described import told

from services.execution.brokers import alpaca
from services.execution.brokers.protocol import Broker, Rejected
from services.kernel.provider_errors import BadKey, BadReply, RateLimited, SymbolNotOffered


def ask(question: Callable[[Broker], Any], answers: dict[str, Any] | None = None, **more: Any) -> tuple[Any, Line]:
    def respond(asked: Asked) -> Told:
        found = (answers or {}).get(f"{asked.method} {asked.path}", healthy("alpaca"))
        body = found(asked) if callable(found) else found
        return body if isinstance(body, Told) else Told(body)

    async def run() -> tuple[Any, Line]:
        async with line(alpaca, respond, clock=lambda: NOW, **more) as opened:
            return await question(opened.broker), opened

    return asyncio.run(run())


def sent(**more: Any) -> Any:
    return ask(lambda broker: broker.submit(order("alpaca", **more)))[1].sent[0].body


def test_a_market_order_is_for_the_day_and_may_be_for_a_fraction() -> None:
    assert sent() == {
        "symbol": "NVDA",
        "qty": "1.5",
        "side": "buy",
        "type": "market",
        "time_in_force": "day",
        "client_order_id": str(ID),
    }


def test_a_stop_on_whole_shares_stays_and_one_on_a_fraction_ends_with_the_day() -> None:
    whole = sent(kind="stop", side="sell", quantity=Decimal("100"), stop_price=Decimal("190.50"))
    assert (whole["time_in_force"], whole["qty"], whole["stop_price"]) == ("gtc", "100", "190.5")
    fraction = sent(kind="stop", side="sell", stop_price=Decimal("190.50"))
    assert (fraction["time_in_force"], fraction["type"]) == ("day", "stop")


def test_numbers_are_written_without_exponents() -> None:
    assert sent(quantity=Decimal("0.00000010"))["qty"] == "0.0000001"
    assert sent(quantity=Decimal("1E+3"))["qty"] == "1000"


def test_keys_go_in_headers() -> None:
    request = ask(lambda broker: broker.cash())[1].asked[0]
    assert request.headers["apca-api-key-id"] == "planted-alpaca-api-key-id-5f3c9"
    assert request.headers["apca-api-secret-key"] == "planted-alpaca-api-secret-key-5f3c9"
    assert request.query == {}


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (403, {"code": 40310000, "message": "insufficient buying power"}, "insufficient buying power"),
        (403, {"code": 40310100, "message": "trade denied due to pattern day trading protection"}, "trade denied"),
        (422, {"code": 42210000, "message": "fractional orders must be DAY orders"}, "fractional orders"),
    ],
)
def test_a_refused_order_says_why_in_the_brokers_words(status: int, body: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected) as refused:
        ask(changes("alpaca")["submit"], {"POST /v2/orders": Told(body, status)})
    assert reason in refused.value.reason
    assert "POST" not in refused.value.reason


def test_an_order_that_is_taken_and_rejected_at_once_is_rejected() -> None:
    with pytest.raises(Rejected, match="rejected"):
        ask(changes("alpaca")["submit"], {"POST /v2/orders": alpaca_order(status="rejected")})


@pytest.mark.parametrize("call", ["cash", "positions", "order"])
def test_a_403_that_says_forbidden_is_a_bad_key(call: str) -> None:
    answers = Told({"code": 40310000, "message": "forbidden."}, 403)
    paths = ("/v2/account", "/v2/positions", "/v2/orders:by_client_order_id")
    with pytest.raises(BadKey, match="forbidden"):
        ask(questions("alpaca")[call], {f"GET {path}": answers for path in paths})


def test_cancels_by_the_brokers_id() -> None:
    _, opened = ask(changes("alpaca")["cancel"])
    assert [(one.method, one.path) for one in opened.sent] == [("DELETE", f"/v2/orders/{alpaca_order()['id']}")]


@pytest.mark.parametrize("status", ["filled", "canceled", "expired", "rejected", "replaced"])
def test_what_is_done_is_not_cancelled(status: str) -> None:
    answers = {"GET /v2/orders:by_client_order_id": alpaca_order(status=status)}
    assert ask(changes("alpaca")["cancel"], answers)[1].sent == []


@pytest.mark.parametrize(("after", "refused"), [("filled", False), ("pending_replace", True)])
def test_a_cancellation_that_comes_too_late_is_told_from_one_that_is_refused(after: str, refused: bool) -> None:
    seen = [alpaca_order(), alpaca_order(status=after)]
    answers = {
        "GET /v2/orders:by_client_order_id": lambda _: Told(seen.pop(0)),
        f"DELETE /v2/orders/{alpaca_order()['id']}": Told({"message": "order is not cancelable"}, 422),
    }
    if refused:
        with pytest.raises(Rejected, match="not cancelable"):
            ask(changes("alpaca")["cancel"], answers)
    else:
        ask(changes("alpaca")["cancel"], answers)
    assert seen == []


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        ("new", "working"),
        ("accepted", "working"),
        ("partially_filled", "working"),
        ("done_for_day", "working"),
        ("held", "working"),
        ("filled", "filled"),
        ("canceled", "cancelled"),
        ("expired", "expired"),
        ("rejected", "rejected"),
    ],
)
def test_every_state_of_an_order_has_its_word(status: str, ours: str) -> None:
    shown = alpaca_order(status=status, filled_qty="0.5", side="sell", type="stop", stop_price="190.5")
    found = ask(questions("alpaca")["order"], {"GET /v2/orders:by_client_order_id": shown})[0]
    assert (found.status, found.filled, found.side, found.kind, str(found.stop_price)) == (
        ours,
        Decimal("0.5"),
        "sell",
        "stop",
        "190.5",
    )


def test_an_unknown_state_is_refused() -> None:
    with pytest.raises(BadReply, match="'status'"):
        ask(questions("alpaca")["order"], {"GET /v2/orders:by_client_order_id": alpaca_order(status="dreaming")})


def test_a_strangers_order_is_shown_without_our_id() -> None:
    shown = [alpaca_order(client_order_id="by hand", qty=None, notional="500", type="limit", filled_qty="2")]
    (found,) = ask(questions("alpaca")["open_orders"], {"GET /v2/orders": shown})[0]
    assert (found.client_id, found.kind, found.quantity, found.filled) == (None, "limit", Decimal(2), Decimal(2))


def test_more_open_orders_than_can_be_read_is_an_error() -> None:
    with pytest.raises(BadReply, match="500 open orders or more"):
        ask(questions("alpaca")["open_orders"], {"GET /v2/orders": [alpaca_order()] * 500})


def fill(n: int, **more: Any) -> dict[str, Any]:
    shown = {"id": f"2026030409{n:04}::x", "activity_type": "FILL", "symbol": "NVDA", "side": "buy", "qty": "0.5"}
    shown |= {"price": "174.78", "order_id": alpaca_order()["id"], "type": "partial_fill"}
    return shown | {"transaction_time": f"2026-03-04T09:{31 + n // 60:02}:{n % 60:02}.5Z"} | more


def test_executions_are_read_page_by_page_and_their_order_is_asked_for_once() -> None:
    pages = [[fill(n) for n in range(100)], [fill(100), fill(101, side="sell_short")]]
    answers = {"GET /v2/account/activities/FILL": lambda _: Told(pages.pop(0))}
    found, opened = ask(questions("alpaca")["fills"], answers)
    assert (len(found), {one.client_id for one in found}, found[-1].side) == (102, {ID}, "sell")
    assert found[0].at == datetime(2026, 3, 4, 9, 31, 0, 500_000, UTC)
    assert [one.path for one in opened.asked].count(f"/v2/orders/{alpaca_order()['id']}") == 1
    first, second = (one.query for one in opened.asked if one.path.endswith("FILL"))
    assert first == {"after": "2026-03-04T09:29:59Z", "direction": "asc", "page_size": "100"}
    assert second == first | {"page_token": "20260304090099::x"}


def test_an_execution_of_an_order_that_is_gone_is_nobodys() -> None:
    gone = Told({"code": 40410000, "message": "order not found"}, 404)
    answers = {"GET /v2/account/activities/FILL": [fill(1)], f"GET /v2/orders/{alpaca_order()['id']}": gone}
    assert [one.client_id for one in ask(questions("alpaca")["fills"], answers)[0]] == [None]


def test_executions_before_the_moment_are_left_out() -> None:
    early = fill(1, transaction_time="2026-03-04T09:29:59.9Z")
    assert ask(questions("alpaca")["fills"], {"GET /v2/account/activities/FILL": [early]})[0] == []


def test_charges_are_cash_that_moved_without_a_fill() -> None:
    entries = [
        {"id": "a", "activity_type": "DIV", "net_amount": "1.02", "date": "2026-03-04", "symbol": "NVDA"},
        {"id": "b", "activity_type": "FEE", "net_amount": "-0.03", "date": "2026-03-03"},
        {"id": "c", "activity_type": "FEE", "net_amount": "-0.04", "date": "2026-03-04", "status": "canceled"},
        {"id": "d", "activity_type": "SPLIT", "date": "2026-03-04", "qty": "10"},
        {"id": "e", "activity_type": "JNLC", "net_amount": "500", "created_at": "2026-03-04T09:00:00Z"},
        {"id": "f", "activity_type": "INT", "net_amount": "-0.5", "created_at": "2026-03-04T10:00:00Z"},
    ]
    found = ask(questions("alpaca")["charges"], {"GET /v2/account/activities": entries})[0]
    assert [(one.id, one.kind, str(one.amount), one.symbol) for one in found] == [
        ("a", "div", "1.02", "NVDA"),
        ("f", "int", "-0.5", None),
    ]


@pytest.mark.parametrize("quantity", ["-5", "5"])
def test_a_short_position_is_negative_however_it_is_written(quantity: str) -> None:
    answers = {"GET /v2/positions": [{"symbol": "NVDA", "qty": quantity, "side": "short"}]}
    assert [one.quantity for one in ask(questions("alpaca")["positions"], answers)[0]] == [Decimal(-5)]


@pytest.mark.parametrize(("buying_power", "available"), [("4002", "1000.5"), ("10", "10"), ("-3", "0")])
def test_no_more_is_available_than_there_is_cash(buying_power: str, available: str) -> None:
    account = {"currency": "USD", "cash": "1000.50", "buying_power": buying_power}
    found = ask(questions("alpaca")["cash"], {"GET /v2/account": account})[0]
    assert (found.amount, found.available, found.basis) == (Decimal("1000.5"), Decimal(available), "cash")


def asset(**more: Any) -> dict[str, Any]:
    return {"symbol": "NVDA", "status": "active", "tradable": True, "fractionable": False, "shortable": True} | more


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (asset(), {"quantity_step": Decimal(1), "min_notional": Decimal(0), "shortable": True, "tradable": True}),
        (asset(fractionable=True), {"quantity_step": Decimal("1E-8"), "min_notional": Decimal(1)}),
        (asset(borrow_status="hard_to_borrow"), {"shortable": False}),
        (asset(shortable=False), {"shortable": False}),
        (asset(tradable=False), {"tradable": False}),
        (asset(status="inactive"), {"tradable": False}),
        (asset(min_trade_increment="0.001", price_increment="0.5"), {"quantity_step": Decimal("0.001")}),
    ],
)
def test_the_rules_of_a_share(shown: dict[str, Any], wanted: dict[str, Any]) -> None:
    found = ask(questions("alpaca")["instrument"], {"GET /v2/assets/NVDA": shown})[0]
    assert {key: getattr(found, key) for key in wanted} == wanted


def test_an_asset_that_is_not_there_is_not_offered() -> None:
    missing = Told({"code": 40410000, "message": "asset not found for NVDA"}, 404)
    with pytest.raises(SymbolNotOffered, match="NVDA"):
        ask(questions("alpaca")["instrument"], {"GET /v2/assets/NVDA": missing})


def test_waits_until_the_minute_is_over_when_told_so() -> None:
    busy = Told({"message": "too many requests"}, 429, {"X-RateLimit-Reset": str(int(NOW.timestamp()) + 42)})
    with pytest.raises(RateLimited) as limited:
        ask(questions("alpaca")["cash"], {"GET /v2/account": busy})
    assert limited.value.wait_s == 42.0


DESCRIBED: dict[str, tuple[Callable[[Broker], Any], list[httpx.Response]]] = {
    "submit": (changes("alpaca")["submit"], []),
    "stop": (lambda b: b.submit(order("alpaca", kind="stop", side="sell", stop_price=Decimal("190.5"))), []),
    "cancel": (changes("alpaca")["cancel"], [httpx.Response(200, json=alpaca_order())]),
    "order": (questions("alpaca")["order"], []),
    "open_orders": (questions("alpaca")["open_orders"], []),
    "fills": (questions("alpaca")["fills"], []),
    "next fills": (
        questions("alpaca")["fills"],
        [httpx.Response(200, json=[fill(n, order_id="x") for n in range(100)])],
    ),
    "fills since midnight": (lambda b: b.fills(SINCE.replace(hour=0, minute=0)), []),
    "charges": (questions("alpaca")["charges"], []),
    "positions": (questions("alpaca")["positions"], []),
    "cash": (questions("alpaca")["cash"], []),
    "instrument": (questions("alpaca")["instrument"], []),
}


@pytest.mark.parametrize("call", DESCRIBED)
def test_requests_are_right_by_the_brokers_own_description(call: str, prism: Any, specs_dir: Path) -> None:
    question, prepared = DESCRIBED[call]
    asked = told(alpaca, prism(specs_dir / "alpaca-trading.json"), question, *prepared)
    assert asked.exchanged, "the mock was not asked"
    assert asked.objections == []


def test_the_description_finds_what_is_wrong_with_an_order(prism: Any, specs_dir: Path) -> None:
    wrong: Any = order("alpaca", kind="whenever")
    asked = told(alpaca, prism(specs_dir / "alpaca-trading.json"), lambda b: b.submit(wrong))
    assert "type" in asked.objections[0]
