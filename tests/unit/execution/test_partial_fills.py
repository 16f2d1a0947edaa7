"""What a bar's volume leaves of an order waits for the next bars while it may; a cut by cash or position is final."""

from datetime import datetime, timedelta

import msgspec
from decision_cases import HOUR, START, flat_bar, order, orders_at, slice_at
from venues import venue

from services.contracts.messages import Bar, Order, OrdersDecided, PortfolioSettled, Split
from services.domain.money import money
from services.execution.book import Book, open_book
from services.execution.decide import Settle, settle

NVDA = "NVDA"
THIN = venue(max_participation="0.1")


def until(hours: int) -> datetime:
    return START + timedelta(hours=hours)


def step(
    book: Book, n: int, bar: Bar | None, *orders: Order, split: Split | None = None, halted: str | None = None
) -> tuple[Book, PortfolioSettled]:
    """Settle hour ``n`` (from 1) with orders decided as it began."""
    closed = slice_at(START + n * HOUR, *((bar,) if bar else ()))
    closed = msgspec.structs.replace(closed, splits=(split,) if split else ())
    decided: OrdersDecided = msgspec.structs.replace(orders_at(START + (n - 1) * HOUR, *orders), halted=halted)
    return settle(book, Settle(closed, decided), THIN)


def thin(price: float = 100.0, volume: float = 30.0) -> Bar:
    """A bar of which our orders may take three units."""
    return flat_bar(NVDA, price, volume)


def test_the_rest_of_an_order_fills_in_the_bars_that_follow() -> None:
    wanted = order(NVDA, "buy", "7", valid_until=until(120))
    book, first = step(open_book(money(10_000)), 1, thin(), wanted)
    assert (first.outcomes, first.working, first.working_symbols) == ((), (wanted.id,), (NVDA,))
    book, second = step(book, 2, thin(101.0))
    book, third = step(book, 3, thin(102.0))
    assert [(f.quantity, f.price) for one in (first, second, third) for f in one.fills] == [
        (money(3), money(100)),
        (money(3), money(101)),
        (money(1), money(102)),
    ]
    assert len({f.id for one in (first, second, third) for f in one.fills}) == 3
    assert [(o.status, o.filled_quantity, o.detail) for o in third.outcomes] == [("filled", money(7), "")]
    assert third.working == ()
    assert book.positions[NVDA].cost == 3 * 100 + 3 * 101 + 102


def test_the_rest_is_given_up_when_its_time_is_over_and_what_was_filled_is_told() -> None:
    wanted = order(NVDA, "buy", "7", valid_until=until(2))
    book, _ = step(open_book(money(10_000)), 1, thin(), wanted)
    book, said = step(book, 2, thin())
    (outcome,) = said.outcomes
    assert (outcome.status, outcome.filled_quantity) == ("partly_filled", money(6))
    assert outcome.detail == "cut by the participation cap"
    book, _ = step(open_book(money(10_000)), 1, thin(), wanted)
    _, said = step(book, 2, None)
    assert [(o.status, o.filled_quantity, o.detail) for o in said.outcomes] == [
        ("partly_filled", money(3), "no bar to fill the rest in")
    ]


def test_a_bar_without_volume_is_waited_out() -> None:
    wanted = order(NVDA, "buy", "2", valid_until=until(120))
    book, said = step(open_book(money(10_000)), 1, thin(volume=0.0), wanted)
    assert (said.fills, said.working_symbols) == ((), (NVDA,))
    _, said = step(book, 2, thin())
    assert [f.quantity for f in said.fills] == [2]


def test_the_rest_of_an_entry_is_not_bought_after_its_position_was_stopped() -> None:
    wanted = order(NVDA, "buy", "7", valid_until=until(120), stop_price=money(95))
    book, _ = step(open_book(money(10_000)), 1, thin(), wanted)
    book, said = step(book, 2, thin(90.0))
    assert [f.reason for f in said.fills] == ["stop"]
    (outcome,) = said.outcomes
    assert (outcome.status, outcome.filled_quantity) == ("partly_filled", money(3))
    assert outcome.detail == "the position was closed before the rest of the order was filled"
    assert book.positions == {}


def test_a_halt_cancels_the_rest_of_an_entry_and_says_what_was_filled() -> None:
    book, _ = step(open_book(money(10_000)), 1, thin(), order(NVDA, "buy", "7", valid_until=until(120)))
    _, said = step(book, 2, thin(), halted="by hand")
    assert said.fills == ()
    assert [(o.status, o.filled_quantity, o.detail) for o in said.outcomes] == [
        ("partly_filled", money(3), "trading is halted")
    ]


def test_an_exit_goes_on_until_the_position_is_gone() -> None:
    book, _ = step(open_book(money(10_000)), 1, flat_bar(NVDA, 100.0), order(NVDA, "buy", "7"))
    book, said = step(book, 2, thin(), order(NVDA, "sell", "7", "exit", ts=START + HOUR, valid_until=until(120)))
    assert book.positions[NVDA].quantity == 4
    book, _ = step(book, 3, thin())
    book, said = step(book, 4, thin())
    assert book.positions == {}
    assert said.outcomes[0].status == "filled"
    assert said.trades[0].quantity == 7


def test_a_split_restates_what_was_filled_of_a_waiting_order() -> None:
    book, _ = step(open_book(money(10_000)), 1, thin(), order(NVDA, "buy", "7", valid_until=until(120)))
    book, said = step(book, 2, flat_bar(NVDA, 10.0, 1e6), split=Split(NVDA, 10, 1))
    assert [(f.quantity, f.price) for f in said.fills] == [(money(40), money(10))]
    assert (said.outcomes[0].status, said.outcomes[0].filled_quantity) == ("filled", money(70))
    assert book.positions[NVDA].quantity == 70


def test_a_cut_by_cash_is_final() -> None:
    wanted = order(NVDA, "buy", "3", valid_until=until(120))
    book, said = step(open_book(money(150)), 1, thin(), wanted)
    assert [(o.status, o.detail) for o in said.outcomes] == [("partly_filled", "cut to the cash there is")]
    assert book.working == {}


def test_stops_targets_and_orders_of_a_bar_share_its_volume() -> None:
    book, _ = step(open_book(money(10_000)), 1, flat_bar(NVDA, 100.0), order(NVDA, "buy", "8", target_price=money(110)))
    leave = order(NVDA, "sell", "2", "reduce", ts=START + HOUR)
    book, said = step(book, 2, msgspec.structs.replace(thin(), high=111.0, close=105.0), leave)
    assert [(f.reason, f.quantity) for f in said.fills] == [("reduce", money(2)), ("target", money(1))]
    assert book.positions[NVDA].quantity == 5
