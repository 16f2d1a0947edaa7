"""Orders decided on daily and minute bars: they fill at the open of the market's next bar, over any weekend."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from decision_cases import flat_bar, order, orders_at, parameters

from services.contracts.messages import Bar, OrdersDecided, PortfolioSettled, SliceClosed
from services.domain.calendars import expected_opens
from services.domain.candles import SECONDS, Timeframe, moment
from services.execution.book import Book, open_book
from services.execution.decide import Settle, settle

PARAMETERS = parameters()
CASH = Decimal("10000.00000000")
DAY = timedelta(days=1)
FRIDAY = datetime(2024, 6, 7, tzinfo=UTC)


def settled(
    book: Book, ts: datetime, *bars: Bar, orders: OrdersDecided | None = None, timeframe: str = "1d"
) -> tuple[Book, PortfolioSettled]:
    return settle(book, Settle(SliceClosed(ts, timeframe, bars), orders), PARAMETERS.venue)


def until(ts: datetime, asset_class: str) -> datetime:
    """How long an order that risk decides at ``ts`` may wait."""
    return ts + timedelta(hours=PARAMETERS.risk.order_hours[asset_class])


def test_an_order_on_fridays_daily_bar_fills_at_mondays_open() -> None:
    decided = FRIDAY + DAY  # the slice of Friday's bar closes as Saturday begins
    orders: OrdersDecided | None = orders_at(decided, order("NVDA", "buy", "2", valid_until=until(decided, "stocks")))
    book = open_book(CASH)
    for weekend in (decided + DAY, decided + 2 * DAY):
        book, said = settled(book, weekend, orders=orders)
        assert (said.fills, said.outcomes, len(said.working)) == ((), (), 1)
        orders = orders_at(weekend)
    book, said = settled(book, decided + 3 * DAY, flat_bar("NVDA", 120.0), orders=orders)
    assert [(fill.symbol, fill.filled_at) for fill in said.fills] == [("NVDA", FRIDAY + 3 * DAY)]
    assert [(one.status, one.detail) for one in said.outcomes] == [("filled", "")]


@pytest.mark.parametrize("timeframe", ["1h", "1d"])
@pytest.mark.parametrize("asset_class", ["stocks", "leveraged_etfs", "commodities", "meme", "forex"])
def test_orders_of_every_class_outlast_every_closure_of_its_market_since_2002(
    asset_class: str, timeframe: Timeframe
) -> None:
    seconds = SECONDS[timeframe]
    opens = expected_opens(asset_class, timeframe, datetime(2002, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
    ends = -(-(opens + seconds) // seconds) * seconds  # of the slices that carry them
    # An order decided at one slice is given up at a slice without a bar once its time is up.
    last_empty = int((ends[1:] - seconds - ends[:-1]).max())
    assert last_empty < SECONDS["1h"] * PARAMETERS.risk.order_hours[asset_class]


def test_an_order_on_a_minute_bar_fills_at_the_next_minutes_open() -> None:
    ts = datetime(2024, 6, 7, 15, 31, tzinfo=UTC)
    decided = orders_at(ts, order("BTC/USDT", "buy", "0.01"))
    _, said = settled(
        open_book(CASH), ts + timedelta(minutes=1), flat_bar("BTC/USDT", 50_000.0), orders=decided, timeframe="1m"
    )
    assert [fill.filled_at for fill in said.fills] == [ts]


def test_a_bar_that_opened_before_the_decision_does_not_fill_it_whatever_its_width() -> None:
    opened = moment(int(FRIDAY.timestamp()))
    decided = orders_at(opened + DAY / 2, order("NVDA", "buy", "1", valid_until=opened + 9 * DAY))
    _, said = settled(open_book(CASH), opened + DAY, flat_bar("NVDA", 100.0), orders=decided)
    assert (said.fills, len(said.working)) == ((), 1)
