"""A recorded series with a split in it goes through the back-test as the holder of the asset lived through it.

The hourly prices are made up; the daily ones of TQQQ are recorded ones that are not part of the repository
(CHLOE_CANDLES_DIR names their folder, default: shared/data/candles beside it).
"""

import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from decision_cases import (
    CONFIGURED,
    History,
    all_trades,
    forecast,
    forecasts_at,
    order,
    orders_at,
    parameters,
    run,
    with_asset,
)

from services.contracts.messages import OrdersDecided, SliceClosed, Split
from services.domain.candles import Candles, epoch, moment
from services.domain.corporate_actions import CorporateAction, CorporateActions, adjust, unadjust
from services.execution.book import open_book
from services.execution.decide import Settle, settle
from services.ingestion.files import CandleFile
from services.ingestion.service import Span
from services.ingestion.tables import read_table
from services.research.backtest import backtest
from services.research.history import slices

HOUR = timedelta(hours=1)
BEGINS = datetime(2024, 3, 1, tzinfo=UTC)
HOURS = 240
SPAN = Span(BEGINS, BEGINS + HOURS * HOUR)
BTC = "BTC/USDT"
FAR = datetime(2030, 1, 1, tzinfo=UTC)
GIVEN = parameters()


def declared(new: int, old: int) -> CorporateActions:
    one = CorporateAction(
        symbol=BTC, kind="split", date=date(2024, 3, 6), new=new, old=old, evidence="announced", source="made up"
    )
    return CorporateActions(actions=(one,))


def calm() -> Candles:
    """A made-up market that rises a little and never falls far."""
    chance = np.random.default_rng(7)
    close = 500.0 * np.exp(np.cumsum(chance.normal(0.0004, 0.003, HOURS)))
    opened = np.concatenate(([500.0], close[:-1]))
    high, low = np.maximum(opened, close) * 1.001, np.minimum(opened, close) * 0.999
    ts = np.array([epoch(BEGINS + n * HOUR) for n in range(HOURS)], dtype=np.int64)
    return Candles(BTC, "1h", "made up", ts, opened, high, low, close, np.full(HOURS, 1e6))


def series(candles: Candles, asset_class: str = "crypto") -> list[CandleFile]:
    return [CandleFile(candles.symbol, asset_class, candles, [], 0, ())]


def history(candles: Candles, actions: CorporateActions) -> History:
    """Slices as the clock closes them, with forecasts that want to hold most of the time."""
    closed = slices(series(candles), SPAN, actions)
    made = []
    for n, one in enumerate(closed):
        leaning = -0.02 if n % 70 > 65 else 0.02
        made.append((one, forecasts_at(one.ts, *(forecast(b.symbol, leaning, close=b.close) for b in one.bars))))
    return made


@pytest.mark.parametrize(("new", "old"), [(10, 1), (1, 5), (3, 2)])
def test_an_unadjusted_series_earns_what_the_adjusted_one_earns(new: int, old: int) -> None:
    actions, true = declared(new, old), calm()
    raw = unadjust(true, actions.actions, FAR)
    assert float(np.abs(np.diff(np.log(raw.close))).max()) > 0.3, "the series does jump"
    split = backtest(history(raw, actions), GIVEN, CONFIGURED)
    plain = backtest(history(adjust(raw, actions.actions, FAR), actions), GIVEN, CONFIGURED)
    assert len(plain.trades) >= 3
    assert [(t.closed_at, t.exit_reason) for t in split.trades] == [(t.closed_at, t.exit_reason) for t in plain.trades]
    for one, other in zip(split.equity, plain.equity, strict=True):
        assert one[0] == other[0]
        assert abs(one[1] - other[1]) < Decimal("0.001")
    steps = [abs(b[1] / a[1] - 1) for a, b in zip(split.equity, split.equity[1:], strict=False)]
    assert max(steps) < Decimal("0.01"), "equity goes on over the split as if nothing had happened"


def test_a_position_is_held_over_the_split_and_no_fill_is_made_by_it() -> None:
    actions = declared(10, 1)
    patient = with_asset(GIVEN, BTC, max_hold_hours=None)
    steps = list(run(history(unadjust(calm(), actions.actions, FAR), actions), patient))
    (at,) = [n for n, one in enumerate(steps) if one.closed.splits]
    before, after = steps[at - 1].book.positions[BTC], steps[at].book.positions[BTC]
    assert steps[at].closed.ts == datetime(2024, 3, 6, 1, tzinfo=UTC)
    assert steps[at].portfolio.fills == ()
    assert (after.quantity, after.cost) == (before.quantity * 10, before.cost)
    assert all(trade.pnl > -100 for trade in all_trades(steps))


def test_an_exit_that_was_decided_before_the_split_sells_everything_after_it() -> None:
    actions = declared(10, 1)
    steps = list(run(history(unadjust(calm(), actions.actions, FAR), actions), GIVEN))
    (at,) = [n for n, one in enumerate(steps) if one.closed.splits]
    (decided,), (fill,) = steps[at - 1].orders.orders, steps[at].portfolio.fills
    assert (decided.reason, fill.reason, fill.order_id) == ("max_hold", "max_hold", decided.id)
    assert fill.quantity == decided.quantity * 10
    assert steps[at].portfolio.positions == ()


def test_without_the_declaration_the_same_series_loses_most_of_what_is_in_it() -> None:
    raw = unadjust(calm(), declared(10, 1).actions, FAR)
    lost = backtest(history(raw, CorporateActions()), GIVEN, CONFIGURED)
    assert min(trade.pnl for trade in lost.trades) < -400


def test_a_split_before_the_first_slice_is_no_event() -> None:
    actions = declared(10, 1)
    raw = unadjust(calm(), actions.actions, FAR)
    late = slices(series(raw), Span(datetime(2024, 3, 6, tzinfo=UTC), SPAN.until), actions)
    assert [one.splits for one in late if one.splits] == []


def test_declared_actions_are_read_where_none_are_given() -> None:
    closed = slices(series(calm()), SPAN)
    assert len(closed) == HOURS
    assert not any(one.splits for one in closed), "the shipped table says nothing of this pair"


def recorded(name: str) -> Candles:
    folder = Path(os.environ.get("CHLOE_CANDLES_DIR", str(Path(__file__).parents[4] / "shared" / "data" / "candles")))
    if not folder.is_dir():
        pytest.skip("the recorded candles are not on this machine: set CHLOE_CANDLES_DIR")
    table = read_table(folder / name)
    return Candles("TQQQ", "1d", name, table.ts, *table.prices, table.volumes[""])


def daily(candles: Candles) -> list[SliceClosed]:
    first, last = moment(int(candles.ts[0])), moment(int(candles.ts[-1]))
    return slices(series(candles, "leveraged_etfs"), Span(first, last + timedelta(days=1)))


def test_recorded_unadjusted_prices_carry_their_five_splits_and_adjusted_ones_none() -> None:
    found = {one.ts.date() - timedelta(days=1): one.splits for one in daily(recorded("TQQQ_1d_unadjusted.parquet"))}
    assert {day: splits for day, splits in found.items() if splits} == {
        date(2011, 2, 25): (Split("TQQQ", 2, 1),),
        date(2012, 5, 11): (Split("TQQQ", 2, 1),),
        date(2014, 1, 24): (Split("TQQQ", 2, 1),),
        date(2017, 1, 12): (Split("TQQQ", 2, 1),),
        date(2018, 5, 24): (Split("TQQQ", 3, 1),),
    }
    assert not any(one.splits for one in daily(recorded("TQQQ_1d.parquet")))


def test_ten_shares_of_recorded_prices_become_480_over_the_years() -> None:
    closed = [one for one in daily(recorded("TQQQ_1d_unadjusted.parquet")) if one.bars]
    book = open_book(Decimal("100000.00000000"))
    orders: OrdersDecided | None = orders_at(closed[0].ts, order("TQQQ", "buy", "10"))
    nights = []
    for one in closed[1:]:
        worth = sum(held.market_value for held in book.positions.values())
        book, said = settle(book, Settle(one, orders), GIVEN.venue)
        orders = None
        if one.splits:
            nights.append(float((said.positions[0].market_value - worth) / worth))
    assert book.positions["TQQQ"].quantity == 480
    assert book.positions["TQQQ"].entered_quantity == 480
    assert len(nights) == 5
    assert max(abs(change) for change in nights) < 0.06, "a day's move, not a half or two thirds of the position"
