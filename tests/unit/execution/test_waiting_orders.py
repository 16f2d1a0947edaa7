"""Orders for markets that close: they wait for the first bar that opens after the decision, and for nothing else."""

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
from decision_cases import HOUR, START, flat_bar, order, orders_at, parameters, slice_at

from services.contracts.messages import Bar, OrdersDecided, PortfolioSettled, decode, encode
from services.execution.book import Book, open_book
from services.execution.decide import Settle, settle

VENUE = parameters().venue
CASH = Decimal("10000.00000000")
HALF = HOUR / 2


def at_half_past(opened: datetime, price: float = 100.0) -> Bar:
    """A bar that opens off the grid, as hourly stock bars do."""
    return msgspec.structs.replace(flat_bar("NVDA", price), opened_at=opened)


def step(book: Book, ts: datetime, *bars: Bar, orders: OrdersDecided | None = None) -> tuple[Book, PortfolioSettled]:
    return settle(book, Settle(slice_at(ts, *bars), orders), VENUE)


def waiting(hours: int = 120) -> OrdersDecided:
    return orders_at(START, order("NVDA", "buy", "2", valid_until=START + timedelta(hours=hours)))


def test_never_fills_at_an_open_before_the_decision() -> None:
    # The bar opened at half past, half an hour before the decision on the hour: its open is the past.
    book, said = step(open_book(CASH), START + HOUR, at_half_past(START - HALF), orders=waiting())
    assert said.fills == ()
    assert said.working == (waiting().orders[0].id,)
    assert said.outcomes == ()
    book, said = step(book, START + 2 * HOUR, at_half_past(START + HALF, 101.0), orders=orders_at(START + HOUR))
    assert [(f.reason, f.filled_at) for f in said.fills] == [("entry", START + HALF)]
    assert said.working == ()
    assert "NVDA" in book.positions


def test_waits_over_a_closed_market_until_its_time_is_up() -> None:
    book = open_book(CASH)
    orders: OrdersDecided | None = waiting(hours=3)
    said = None
    for n in range(1, 4):
        book, said = step(book, START + n * HOUR, orders=orders)
        orders = orders_at(START + n * HOUR)
    assert said is not None
    assert [(o.status, o.detail) for o in said.outcomes] == [("cancelled", "no bar to fill in")]
    assert book.working == {}


def test_a_newer_order_replaces_one_that_waits() -> None:
    book, _ = step(open_book(CASH), START + HOUR, orders=waiting())
    newer = orders_at(START + HOUR, order("NVDA", "buy", "1", ts=START + HOUR, valid_until=START + 99 * HOUR))
    book, said = step(book, START + 2 * HOUR, at_half_past(START + HOUR + HALF), orders=newer)
    assert [(o.status, o.detail) for o in said.outcomes] == [
        ("cancelled", "replaced by a newer order"),
        ("filled", ""),
    ]
    assert book.positions["NVDA"].quantity == 1


def test_a_halt_cancels_waiting_entries_and_keeps_waiting_exits() -> None:
    book, _ = step(open_book(CASH), START + HOUR, flat_bar("NVDA", 100.0), orders=waiting())
    entry = order("TSLA", "buy", "1", valid_until=START + 99 * HOUR)
    leave = order("NVDA", "sell", "2", "exit", ts=START + HOUR, valid_until=START + 99 * HOUR)
    book, _ = step(book, START + 2 * HOUR, orders=orders_at(START + HOUR, leave, entry))
    assert set(book.working) == {"NVDA", "TSLA"}
    halted = msgspec.structs.replace(orders_at(START + 2 * HOUR), halted="by hand")
    book, said = step(book, START + 3 * HOUR, orders=halted)
    assert [(o.symbol, o.detail) for o in said.outcomes] == [("TSLA", "trading is halted")]
    book, said = step(book, START + 4 * HOUR, flat_bar("NVDA", 90.0), orders=orders_at(START + 3 * HOUR))
    assert [f.reason for f in said.fills] == ["exit"]


def test_crypto_orders_do_not_wait() -> None:
    book, said = step(open_book(CASH), START + HOUR, orders=orders_at(START, order("BTC/USDT", "buy", "1")))
    assert [(o.status, o.detail) for o in said.outcomes] == [("cancelled", "no bar to fill in")]
    assert book.working == {}


def test_a_waiting_order_survives_a_restart_in_the_books() -> None:
    book, _ = step(open_book(CASH), START + HOUR, orders=waiting())
    again = msgspec.json.decode(encode(book), type=Book)
    assert again == book
    first = step(book, START + 2 * HOUR, flat_bar("NVDA", 100.0), orders=orders_at(START + HOUR))
    assert step(again, START + 2 * HOUR, flat_bar("NVDA", 100.0), orders=orders_at(START + HOUR)) == first


def test_the_bars_own_time_is_on_the_stream_only_where_it_is_off_the_grid() -> None:
    closed = slice_at(START, flat_bar("BTC/USDT", 1.0), at_half_past(START - HOUR - HALF))
    text = encode(closed).decode()
    assert text.count("opened_at") == 1
    assert decode(text) == closed
