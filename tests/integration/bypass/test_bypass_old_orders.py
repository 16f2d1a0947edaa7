"""Orders of another slice than the one that was settled last are refused, whoever stored them; nothing is settled."""

from datetime import timedelta

import msgspec
import pytest
from forging import START, message

from services.contracts.messages import OrdersDecided, SliceClosed
from services.contracts.topics import ORDERS, SLICES
from services.execution.book import open_book
from services.execution.service import ExecutionStage, load_stage
from services.kernel.errors import StreamCorrupt
from services.kernel.inbox import Inbox
from services.kernel.streams import Envelope

SETTLED = START + timedelta(hours=10)


def settled_stage() -> ExecutionStage:
    stage = load_stage()
    stage.book = msgspec.structs.replace(open_book(stage.starting_cash), last_slice=SETTLED)
    return stage


def inbox_with(hours: int) -> Inbox:
    """Hold the next slice, and under the next number orders that are so many hours away from the settled one."""
    inbox = Inbox([SLICES.name, ORDERS.name], {SLICES.name: {"clock": 10}, ORDERS.name: {"risk": 10}})
    closed, decided = (
        message(SLICES, 11),
        msgspec.structs.replace(message(ORDERS, 1), ts=SETTLED + timedelta(hours=hours)),
    )
    assert isinstance(closed, SliceClosed)
    assert isinstance(decided, OrdersDecided)
    assert inbox.offer(Envelope(SLICES.name, "clock", 11, closed))
    assert inbox.offer(Envelope(ORDERS.name, "risk", 11, decided))
    return inbox


@pytest.mark.parametrize("hours", [-9, -1, 1])
def test_orders_of_an_older_or_later_slice_stop_execution_before_it_settles(hours: int) -> None:
    stage, inbox = settled_stage(), inbox_with(hours)
    before = stage.book
    with pytest.raises(StreamCorrupt, match=r"execution: orders of .* after the books of"):
        stage.take(inbox)
    assert stage.book is before
    assert len(inbox.queues[ORDERS.name]) == 1, "they are not counted as decided upon"


def test_orders_of_the_settled_slice_are_taken_with_the_next_one() -> None:
    (event,) = settled_stage().take(inbox_with(0))
    assert event.orders is not None
    assert (event.orders.ts, event.slice.ts) == (SETTLED, SETTLED + timedelta(hours=1))


def test_orders_that_are_no_newer_number_are_dropped_as_a_repetition() -> None:
    inbox = inbox_with(0)
    old = msgspec.structs.replace(message(ORDERS, 1), ts=SETTLED)
    assert isinstance(old, OrdersDecided)
    assert inbox.offer(Envelope(ORDERS.name, "risk", 4, old, "1-0"))
    assert len(inbox.queues[ORDERS.name]) == 1
    assert inbox.finished() == [(ORDERS.name, "1-0")]
