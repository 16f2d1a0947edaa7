"""An order from sending to its last execution at a venue that keeps it, also where an answer is lost on the way."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from broker_cases import (
    ID,
    MODULES,
    NOW,
    QUANTITY,
    SINCE,
    alpaca_order,
    bybit_fill,
    bybit_order,
    bybit_says,
    healthy,
    oanda_fill,
    oanda_order,
    order,
)
from broker_wire import Asked, Line, Told, line

from services.execution.brokers.protocol import Ambiguous, BrokerOrder, Rejected

EVERY = pytest.mark.parametrize("name", MODULES)
WORD = {
    "alpaca": {"working": "partially_filled", "filled": "filled", "cancelled": "canceled"},
    "bybit": {"working": "PartiallyFilled", "filled": "Filled", "cancelled": "Cancelled"},
    "oanda": {"working": "PENDING", "filled": "FILLED", "cancelled": "CANCELLED"},
}
NOBODY = {
    "alpaca": Told({"code": 40410000, "message": "order not found"}, 404),
    "bybit": bybit_says({"list": [], "nextPageCursor": ""}),
    "oanda": Told({"errorCode": "NO_SUCH_ORDER", "errorMessage": "The order specified does not exist"}, 404),
}
SEEN = {
    "alpaca": Told({"code": 40010001, "message": "client_order_id must be unique"}, 422),
    "bybit": bybit_says({}, 110072, "OrderLinkedID is duplicate"),
    "oanda": Told({"orderRejectTransaction": {"rejectReason": "CLIENT_ORDER_ID_ALREADY_EXISTS"}}, 400),
}


class Venue:
    """Keeps one order and its executions, and shows them in the words of a broker."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.status: str | None = None
        self.parts: list[Decimal] = []
        self.accepted = 0
        self.losing: list[Told] = []
        """What is told instead of the truth to the next changes, which are carried out all the same."""

    def fill(self, quantity: Decimal) -> None:
        """Execute a part."""
        self.parts.append(quantity)
        self.status = "filled" if sum(self.parts) == QUANTITY[self.name] else "working"

    def respond(self, asked: Asked) -> Told:
        """Answer, or lose the answer."""
        told = self._change(asked) if asked.changes else self._show(asked)
        return self.losing.pop(0) if asked.changes and self.losing else told

    def _change(self, asked: Asked) -> Told:
        if asked.method == "DELETE" or asked.path.endswith("cancel"):
            if self.status == "working":
                self.status = "cancelled"
            return healthy(self.name)(asked)
        assert str(ID) in str(asked.body)
        if self.status is not None and (self.name != "oanda" or self.status == "working"):
            return SEEN[self.name]
        self.accepted += 1
        self.status = "working"
        return healthy(self.name)(asked)

    def _show(self, asked: Asked) -> Told:
        path = asked.path.rpartition("/")[2]
        if asked.path.endswith(("/order/realtime", "/orders:by_client_order_id", f"@{ID}")):
            return Told(self._order(asked)) if self._here(asked) else NOBODY[self.name]
        if path in ("FILL", "list", "idrange"):
            return self._executions()
        if path == "history":
            return NOBODY["bybit"]
        return Told({"orders": []}) if asked.path.endswith("/orders") else healthy(self.name)(asked)

    def _here(self, asked: Asked) -> bool:
        closed = self.status != "working"
        return self.status is not None and (self.name != "bybit" or (asked.query["openOnly"] == "1") == closed)

    def _order(self, asked: Asked) -> Any:
        word, done = WORD[self.name][str(self.status)], str(sum(self.parts, Decimal(0)))
        if self.name == "alpaca":
            return alpaca_order(status=word, filled_qty=done)
        if self.name == "oanda":
            return {"order": oanda_order(state=word)}
        shown = bybit_order(orderStatus=word, cumExecQty=done)
        return {"retCode": 0, "retMsg": "OK", "result": {"list": [shown], "nextPageCursor": ""}}

    def _executions(self) -> Told:
        numbered = list(enumerate(str(part) for part in self.parts))
        if self.name == "bybit":
            return bybit_says({"list": [bybit_fill(execId=f"{n}", execQty=part) for n, part in numbered]})
        if self.name == "oanda":
            return Told({"transactions": [oanda_fill(id=f"{n}", units=part) for n, part in numbered]})
        shown = {"activity_type": "FILL", "symbol": "NVDA", "side": "buy", "price": "174.78"}
        shown |= {"transaction_time": "2026-03-04T09:31:00Z", "order_id": alpaca_order()["id"]}
        return Told([shown | {"id": f"{n}::x", "qty": part} for n, part in numbered])


def live(name: str, story: Callable[[Line, Venue], Awaitable[None]]) -> None:
    async def run() -> None:
        venue = Venue(name)
        async with line(MODULES[name], venue.respond, clock=lambda: NOW) as opened:
            await story(opened, venue)

    asyncio.run(run())


async def known(opened: Line) -> BrokerOrder:
    found = await opened.broker.order(ID)
    assert found is not None
    return found


@EVERY
def test_an_order_is_filled_in_parts_and_each_is_told_once_under_its_own_id(name: str) -> None:
    async def story(opened: Line, venue: Venue) -> None:
        assert await opened.broker.order(ID) is None
        ack = await opened.broker.submit(order(name))
        assert (await known(opened)).broker_id == ack.broker_id
        assert await opened.broker.fills(SINCE) == []
        part = QUANTITY[name] / 5
        venue.fill(part)
        assert (await known(opened)).status == "working"
        venue.fill(QUANTITY[name] - part)
        assert ((await known(opened)).status, (await known(opened)).filled) == ("filled", QUANTITY[name])
        fills = await opened.broker.fills(SINCE)
        assert [fill.quantity for fill in fills] == [part, QUANTITY[name] - part]
        assert {fill.client_id for fill in fills} == {ID}
        assert len({fill.id for fill in fills}) == 2
        assert await opened.broker.fills(SINCE) == fills

    live(name, story)


@EVERY
@pytest.mark.parametrize("lost", [Told(b"", 503), Told(how="drop"), Told(b"<html>", 200)], ids=["503", "drop", "page"])
def test_an_order_whose_answer_is_lost_is_found_and_there_is_one_of_it(name: str, lost: Told) -> None:
    async def story(opened: Line, venue: Venue) -> None:
        venue.losing.append(lost)
        with pytest.raises(Ambiguous):
            await opened.broker.submit(order(name))
        assert venue.accepted == len(opened.sent) == 1
        found = await known(opened)
        assert found.status == "working"
        # Whoever sends it again all the same, while it works, is told of the one that is there.
        assert (await opened.broker.submit(order(name))).broker_id == found.broker_id
        assert venue.accepted == 1

    live(name, story)


@EVERY
def test_what_unique_ids_promises_holds_after_an_order_is_done(name: str) -> None:
    async def story(opened: Line, venue: Venue) -> None:
        await opened.broker.submit(order(name))
        venue.fill(QUANTITY[name])
        await opened.broker.submit(order(name))
        assert (venue.accepted == 1) is opened.broker.unique_ids

    live(name, story)


@EVERY
def test_a_cancellation_whose_answer_is_lost_can_be_asked_for_again(name: str) -> None:
    async def story(opened: Line, venue: Venue) -> None:
        await opened.broker.submit(order(name))
        venue.losing.append(Told(b"", 500))
        with pytest.raises(Ambiguous):
            await opened.broker.cancel(ID)
        assert (await known(opened)).status == "cancelled"
        await opened.broker.cancel(ID)

    live(name, story)


@EVERY
def test_an_order_that_is_refused_leaves_nothing_behind(name: str) -> None:
    reasons = {
        "alpaca": Told({"code": 40310000, "message": "insufficient buying power"}, 403),
        "bybit": bybit_says({}, 170131, "Insufficient balance."),
        "oanda": Told({"orderRejectTransaction": {"rejectReason": "INSUFFICIENT_MARGIN"}, "errorMessage": "no"}, 400),
    }

    async def run() -> None:
        def respond(asked: Asked) -> Told:
            if asked.path.endswith("/orders") and not asked.changes:
                return Told({"orders": []})
            return reasons[name] if asked.changes else NOBODY[name]

        async with line(MODULES[name], respond, clock=lambda: NOW) as opened:
            with pytest.raises(Rejected, match=r"(?i)insufficient"):
                await opened.broker.submit(order(name))
            assert await opened.broker.order(ID) is None

    asyncio.run(run())
