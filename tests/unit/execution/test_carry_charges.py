"""What holding a position costs, when it is due, and that it is in the cash, the books and the round trip."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from decision_cases import HOUR, flat_bar, order, orders_at, parameters, slice_at
from hypothesis import given, settings
from hypothesis import strategies as st
from venues import venue

from services.contracts.messages import Charge, Order, PortfolioSettled, decode, encode
from services.domain.money import money
from services.execution.book import Book, imbalance, open_book
from services.execution.carry import Term
from services.execution.decide import Settle, settle

AVAX = "AVAX/USDT"
MIDNIGHT = datetime(2024, 1, 2, tzinfo=UTC)
FUNDED = venue(
    carry={
        "classes": {
            "crypto": {"short": {"kind": "funding", "rate": "0.0001", "every_hours": 8, "at_hour": 0}},
            "stocks": {"short": {"kind": "borrow", "annual": "0.365", "at_hour": 21}},
        },
        "assets": {"GME": {"short": {"kind": "borrow", "annual": "3.65", "at_hour": 21}}},
    }
)


def held(book: Book, ts: datetime, price: float, *orders: Order, **more: Any) -> tuple[Book, PortfolioSettled]:
    """Settle the slice that ends at ``ts``; its bar of the symbol stands at one price."""
    symbol = more.get("symbol", AVAX)
    closed = slice_at(ts, flat_bar(symbol, price))
    return settle(book, Settle(closed, orders_at(ts - HOUR, *orders)), FUNDED)


def test_a_short_perpetual_pays_funding_at_the_three_hours_of_the_day() -> None:
    opened = MIDNIGHT - 3 * HOUR
    book, _ = held(open_book(money(10_000)), opened, 40.0, order(AVAX, "sell", "10", ts=opened - HOUR))
    found: list[tuple[datetime, Charge]] = []
    for n in range(1, 30):
        book, said = held(book, opened + n * HOUR, 40.0 + n)
        found += [(said.ts, charge) for charge in said.charges]
    assert [ts.hour for ts, _ in found] == [0, 8, 16, 0]
    first = found[0][1]
    assert (first.kind, first.notional, first.rate, first.amount) == (
        "funding",
        money(430),
        Decimal("0.000100000000"),
        money("0.043"),
    )
    total = sum(charge.amount for _, charge in found)
    assert said.carry == book.carry == book.positions[AVAX].carry == total
    assert book.cash == 10_000 + 400 - total
    assert imbalance(book) == 0


def test_a_position_that_left_before_the_hour_or_came_at_it_pays_nothing() -> None:
    opened = MIDNIGHT - HOUR
    book, _ = held(open_book(money(10_000)), opened, 40.0, order(AVAX, "sell", "10", ts=opened - HOUR))
    book, said = held(book, MIDNIGHT, 40.0, order(AVAX, "buy", "10", "exit", ts=opened))
    assert (said.charges, said.trades[0].carry) == ((), money(0))
    # Filled at the open of the bar that begins at midnight: it was not held at midnight.
    book, said = held(book, MIDNIGHT + HOUR, 40.0, order(AVAX, "sell", "10", ts=MIDNIGHT))
    assert said.charges == ()


def test_longs_of_the_spot_market_pay_nothing() -> None:
    book, _ = held(open_book(money(10_000)), MIDNIGHT - HOUR, 40.0, order(AVAX, "buy", "10", ts=MIDNIGHT - 2 * HOUR))
    _, said = held(book, MIDNIGHT, 40.0)
    assert (said.charges, said.carry) == ((), money(0))


def test_a_round_trip_is_told_after_what_holding_it_cost() -> None:
    opened = MIDNIGHT - 2 * HOUR
    book, _ = held(open_book(money(10_000)), opened, 40.0, order(AVAX, "sell", "10", ts=opened - HOUR))
    for n in (1, 2):
        book, _ = held(book, opened + n * HOUR, 40.0)
    book, said = held(book, MIDNIGHT + HOUR, 39.0, order(AVAX, "buy", "10", "exit", ts=MIDNIGHT))
    (trade,) = said.trades
    assert (trade.carry, trade.pnl) == (money("0.04"), money("9.96"))
    assert said.equity == money("10009.96") == said.cash
    assert said.realised_pnl == 10


def test_borrowing_is_charged_daily_through_days_without_bars_and_dearer_where_the_asset_says_so() -> None:
    friday = datetime(2024, 6, 7, 18, tzinfo=UTC)
    book = open_book(money(100_000))
    for symbol in ("NVDA", "GME"):
        shorted = order(symbol, "sell", "10", ts=friday - HOUR, asset_class="stocks")
        closed = slice_at(friday, flat_bar("NVDA", 100.0), flat_bar("GME", 100.0))
        book, _ = settle(book, Settle(closed, orders_at(friday - HOUR, shorted)), FUNDED)
    monday = friday + timedelta(days=3)
    _, said = settle(book, Settle(slice_at(monday), orders_at(friday)), FUNDED)
    # 36.5 % a year is a thousandth a day, three evenings went by; GME ten times as much. Both keep their old marks.
    assert {c.symbol: (c.kind, c.amount) for c in said.charges} == {
        "NVDA": ("borrow", money(3)),
        "GME": ("borrow", money(30)),
    }
    assert set(said.stale) == {"NVDA", "GME"}


def test_a_position_that_came_after_a_closure_does_not_pay_for_it() -> None:
    friday = datetime(2024, 6, 7, 18, tzinfo=UTC)
    book, _ = settle(open_book(money(100_000)), Settle(slice_at(friday), None), FUNDED)
    monday = friday + timedelta(days=3)
    wanted = order("NVDA", "sell", "10", valid_until=monday + HOUR)
    book, said = settle(book, Settle(slice_at(monday, flat_bar("NVDA", 100.0)), orders_at(friday, wanted)), FUNDED)
    assert len(said.fills) == 1
    assert said.charges == ()


@settings(deadline=None)
@given(
    st.integers(1, 24),
    st.integers(0, 23),
    st.lists(st.integers(1, 100_000), min_size=1, max_size=20),
)
def test_due_moments_are_counted_once_however_time_is_cut(every: int, at: int, steps: list[int]) -> None:
    term, now, counted = Term("funding", Decimal(0), every, at), MIDNIGHT, 0
    for seconds in steps:
        counted += term.moments(now, now + timedelta(seconds=seconds))
        now += timedelta(seconds=seconds)
    assert counted == term.moments(MIDNIGHT, now)
    assert abs(counted - (now - MIDNIGHT).total_seconds() / (every * 3600)) <= 1


def test_books_without_any_carry_are_written_as_before_it_was_known() -> None:
    _, said = held(open_book(money(10_000)), MIDNIGHT, 40.0)
    text = encode(said).decode()
    for word in ("carry", "charges", "rates", "working_symbols", "stale_fx"):
        assert word not in text
    assert decode(text) == said


@pytest.mark.parametrize("symbol", ["AVAX/USDT", "NVDA", "GME", "TQQQ", "USD/TRY", "SILVER"])
@pytest.mark.parametrize("long", [True, False])
def test_nothing_that_is_declared_pays_for_holding(symbol: str, long: bool) -> None:
    declared = parameters()
    carry = declared.venue.carry
    terms = carry.assets.get(symbol) or carry.classes[declared.assets.assets[symbol].asset_class]
    term = terms.long if long else terms.short
    assert term is None or 0 < term.rate < Decimal("0.002")
