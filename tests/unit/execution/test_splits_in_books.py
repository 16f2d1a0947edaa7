"""A split changes what a unit is and nothing else: no loss, no stop, no order of the old size at the new price."""

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from books_rules import audit
from decision_cases import (
    CRYPTO,
    HOUR,
    START,
    bar,
    flat_bar,
    made_up_history,
    order,
    orders_at,
    parameters,
    run,
    slice_at,
    split_from,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.messages import Bar, OrdersDecided, PortfolioSettled, Split
from services.domain.money import money, times
from services.execution.book import Book, Holding, equity, imbalance, open_book
from services.execution.decide import Settle, settle
from services.execution.splits import restate

VENUE = parameters().venue
CASH = Decimal("100000.00000000")
NVDA = "NVDA"
TEN, FIFTH = Split(NVDA, 10, 1), Split(NVDA, 1, 5)


def step(
    book: Book, n: int, bar_: Bar | None, *splits: Split, orders: OrdersDecided | None = None
) -> tuple[Book, PortfolioSettled]:
    closed = slice_at(START + n * HOUR, *((bar_,) if bar_ else ()))
    return settle(book, Settle(msgspec.structs.replace(closed, splits=splits), orders), VENUE)


def held(side: str = "buy", quantity: str = "7", price: float = 1000.0) -> Book:
    """The books after one entry with a stop 10 % away and a target 20 % away."""
    sign = 1 if side == "buy" else -1
    levels: dict[str, Any] = {
        "stop_price": money(price * (1 - sign * 0.1)),
        "target_price": money(price * (1 + sign * 0.2)),
    }
    book, _ = step(
        open_book(CASH), 1, flat_bar(NVDA, price), orders=orders_at(START, order(NVDA, side, quantity, **levels))
    )
    return book


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("split", [TEN, FIFTH, Split(NVDA, 3, 2)])
def test_a_split_moves_no_money_and_fires_no_stop(side: str, split: Split) -> None:
    before = held(side)
    price = 1000.0 * split.old / split.new
    book, said = step(before, 2, flat_bar(NVDA, price), split, orders=orders_at(START + HOUR))
    old, new = before.positions[NVDA], book.positions[NVDA]
    assert said.fills == ()
    assert new.quantity == money(old.quantity * split.new / split.old)
    assert (book.cash, new.cost, new.fees, new.realised) == (before.cash, old.cost, old.fees, old.realised)
    assert new.stop_price == money(old.stop_price * split.old / split.new)  # type: ignore[operator]
    assert new.target_price == money(old.target_price * split.old / split.new)  # type: ignore[operator]
    assert abs(said.equity - equity(before)) < Decimal("0.00001")
    assert said.positions[0].quantity == new.quantity


def test_without_being_told_the_same_bars_would_be_a_loss_of_nine_tenths() -> None:
    _, said = step(held(), 2, flat_bar(NVDA, 100.0), orders=orders_at(START + HOUR))
    assert [f.reason for f in said.fills] == ["stop"]
    assert said.trades[0].pnl < -6000


@pytest.mark.parametrize(
    ("split", "bar_"), [(TEN, bar(NVDA, 98, 99, 89, 91)), (FIFTH, bar(NVDA, 4900, 4950, 4400, 4600))]
)
def test_the_stop_keeps_its_distance_on_the_new_terms(split: Split, bar_: Bar) -> None:
    before = held()
    stop = money(Decimal(900) * split.old / split.new)
    _, said = step(before, 2, bar_, split, orders=orders_at(START + HOUR))
    (fill,) = said.fills
    assert (fill.reason, fill.quantity) == ("stop", money(Decimal(7) * split.new / split.old))
    assert stop * Decimal("0.998") < fill.price <= stop


@pytest.mark.parametrize("split", [TEN, FIFTH])
def test_an_order_decided_before_the_split_meets_its_bar_on_the_new_terms(split: Split) -> None:
    levels: dict[str, Any] = {"stop_price": money(900), "target_price": money(1200), "reference_price": money(1000)}
    decided = orders_at(START, order(NVDA, "buy", "4", **levels))
    book, said = step(open_book(CASH), 1, flat_bar(NVDA, 1000.0 * split.old / split.new), split, orders=decided)
    new = book.positions[NVDA]
    assert new.quantity == money(Decimal(4) * split.new / split.old)
    assert new.stop_price == money(Decimal(900) * split.old / split.new)
    assert new.target_price == money(Decimal(1200) * split.old / split.new)
    assert 4000 < new.cost < 4010
    (outcome,) = said.outcomes
    assert (outcome.status, outcome.filled_quantity) == ("filled", new.quantity)
    assert outcome.detail == f"split {split.new}:{split.old}: {new.quantity} for 4.00000000"


def test_a_waiting_order_is_restated_and_goes_on_waiting() -> None:
    waits = order(NVDA, "buy", "4", stop_price=money(900), valid_until=START + 99 * HOUR)
    book, _ = step(open_book(CASH), 1, None, orders=orders_at(START, waits))
    # The bar of the split opened before the decision: the order's own bar is the next one.
    early = msgspec.structs.replace(flat_bar(NVDA, 100.0), opened_at=START - timedelta(minutes=30))
    book, said = step(book, 2, early, TEN, orders=orders_at(START + HOUR))
    assert said.working == (waits.id,)
    again = msgspec.json.decode(msgspec.json.encode(book), type=Book)
    book, said = step(again, 3, flat_bar(NVDA, 101.0), orders=orders_at(START + 2 * HOUR))
    assert (book.positions[NVDA].quantity, book.positions[NVDA].stop_price) == (money(40), money(90))
    assert said.outcomes[0].detail.startswith("split 10:1: 40")


def test_the_prices_of_a_waiting_order_are_restated_with_it() -> None:
    waits = order(
        NVDA, "buy", "4", kind="stop_limit", trigger_price=money(1100), limit_price=money(1150),
        valid_until=START + 99 * HOUR,
    )  # fmt: skip
    book, said = step(open_book(CASH), 1, flat_bar(NVDA, 1000.0), orders=orders_at(START, waits))
    assert said.working == (waits.id,)
    book, said = step(book, 2, bar(NVDA, 100, 112, 99, 111), TEN, orders=orders_at(START + HOUR))
    (fill,) = said.fills
    assert 110 <= fill.price <= 115
    assert fill.quantity == 40
    book, _ = step(open_book(CASH), 1, flat_bar(NVDA, 1000.0), orders=orders_at(START, waits))
    book, _ = step(book, 2, flat_bar(NVDA, 100.0), TEN, orders=orders_at(START + HOUR))
    order_ = book.working[NVDA].order
    assert (order_.trigger_price, order_.limit_price) == (money(110), money(115))


def test_an_exit_decided_before_the_split_closes_the_whole_position() -> None:
    leave = order(NVDA, "sell", "7", "exit", ts=START + HOUR)
    book, said = step(held(), 2, flat_bar(NVDA, 300.0), Split(NVDA, 10, 3), orders=orders_at(START + HOUR, leave))
    assert book.positions == {}
    (trade,) = said.trades
    assert trade.quantity == money(Decimal(70) / 3)
    assert abs(trade.entry_price - 300) < 1
    assert -20 < trade.pnl < 0


def test_a_partly_closed_position_keeps_its_mean_prices_on_the_new_terms() -> None:
    book = held(quantity="8")
    half = order(NVDA, "sell", "4", "reduce", ts=START + HOUR)
    book, _ = step(book, 2, flat_bar(NVDA, 1100.0), orders=orders_at(START + HOUR, half))
    rest = order(NVDA, "sell", "4", "exit", ts=START + 2 * HOUR)
    book, said = step(book, 3, flat_bar(NVDA, 110.0), TEN, orders=orders_at(START + 2 * HOUR, rest))
    (trade,) = said.trades
    assert trade.quantity == 80
    assert abs(trade.entry_price - 100) < Decimal("0.1")
    assert abs(trade.exit_price - 110) < Decimal("0.1")
    assert 770 < trade.pnl < 800


def test_two_splits_in_one_slice_are_taken_one_after_the_other() -> None:
    book, _ = step(held(), 2, flat_bar(NVDA, 500.0), TEN, FIFTH, orders=orders_at(START + HOUR))
    assert (book.positions[NVDA].quantity, book.positions[NVDA].stop_price) == (money(14), money(450))


def test_a_split_of_another_symbol_changes_nothing() -> None:
    plain = step(held(), 2, flat_bar(NVDA, 1010.0), orders=orders_at(START + HOUR))
    assert step(held(), 2, flat_bar(NVDA, 1010.0), Split("TSLA", 3, 1), orders=orders_at(START + HOUR)) == plain


amounts = st.decimals("0.00000001", "1000000", places=8)
prices = st.decimals("0.00000001", "100000", places=8)


@settings(deadline=None)
@given(amounts, amounts, prices, prices, st.booleans(), st.integers(1, 50), st.integers(1, 50))
def test_any_split_of_any_position_keeps_the_identities_exactly(
    quantity: Decimal, left: Decimal, cost: Decimal, price: Decimal, short: bool, new: int, old: int
) -> None:
    sign = -1 if short else 1
    zero = money(0)
    one = Holding(
        NVDA, "stocks", sign * quantity, sign * cost, price, price, None, START, None, 0, "", quantity + left,
        quantity + left, cost, left, cost, zero, zero, zero,
    )  # fmt: skip
    book = msgspec.structs.replace(open_book(CASH), cash=CASH - sign * cost, positions={NVDA: one})
    assert imbalance(book) == 0
    after, _ = restate(book, None, [Split(NVDA, new, old)])
    changed = after.positions[NVDA]
    assert imbalance(after) == 0
    assert (after.cash, changed.cost) == (book.cash, one.cost)
    assert (changed.quantity > 0) == (one.quantity > 0), "no position vanishes or turns by rounding"
    assert changed.entered_quantity == abs(changed.quantity) + changed.left_quantity
    assert changed.peak_quantity >= abs(changed.quantity)
    # Worth the same but for the last places: one of the price for each unit, and one unit of the last place.
    place = Decimal("0.00000001")
    bound = place * (2 + abs(changed.quantity) + changed.mark_price)
    assert abs(times(changed.quantity, changed.mark_price) - times(one.quantity, price)) <= bound


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32),
    at=st.integers(1, 90),
    ratio=st.sampled_from([(10, 1), (2, 1), (1, 5), (3, 2)]),
    symbol=st.sampled_from(CRYPTO),
)
def test_a_market_that_splits_earns_the_same_as_one_that_does_not(
    seed: int, at: int, ratio: tuple[int, int], symbol: str
) -> None:
    given_ = parameters()
    history = made_up_history(random.Random(seed), 100, wildness=0.03)
    whole, plain = audit(run(history, given_), given_.starting_cash)
    auditor, steps = audit(run(split_from(history, symbol, at, *ratio), given_), given_.starting_cash)
    for one, other in zip(plain, steps, strict=True):  # a price of 0.0018 has six digits, so a fill has an error
        assert abs(one.portfolio.equity - other.portfolio.equity) < Decimal("0.05")
    assert [(t.symbol, t.exit_reason, t.closed_at) for t in whole.trades] == [
        (t.symbol, t.exit_reason, t.closed_at) for t in auditor.trades
    ]
