"""The record: days add up to equity, and its figures agree with a known library."""

import math
import random
import warnings
from decimal import Decimal
from typing import Any

import pytest
from decision_cases import START, made_up_history, parameters, run
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from phases_cases import record_of

from services.domain.money import ZERO
from services.domain.performance import (
    max_drawdown,
    periods_per_year,
    profit_factor,
    sharpe_ratio,
    sortino_ratio,
    win_rate,
)
from services.phases.decide import day_of, ends_day
from services.phases.record import Record, add_day, amount, units
from services.phases.summary import summarise

GIVEN = parameters()
returns = st.lists(st.floats(-0.3, 0.3, allow_nan=False), min_size=2, max_size=200)


def empyrical() -> Any:
    """The library we check against; it imports slowly and reads deprecated names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import empyrical as library
    return library


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_daily_earnings_add_up_to_the_change_of_equity_exactly(seed: int) -> None:
    record, portfolios, counted = Record(), [], 0
    for step in run(made_up_history(random.Random(seed), 100, wildness=0.04), GIVEN):
        portfolios.append(step.portfolio)
        if not ends_day(step.portfolio.ts):
            continue
        day, last = day_of(step.portfolio.ts), portfolios[-1]
        record = add_day(record, day, portfolios)
        begun = amount(record.begun[-1])
        assert record.days[-1] == day
        assert sum((r.newest.pnl for r in record.symbols.values()), ZERO) == last.equity - begun
        assert sum((r.worth for r in record.symbols.values()), ZERO) == last.equity - last.starting_cash
        entries = [r.newest for r in record.symbols.values()]
        trades = [t for p in portfolios for t in p.trades]
        assert sum(e.trades for e in entries) == len(trades)
        assert sum(e.wins for e in entries) == sum(t.pnl > 0 for t in trades)
        earned = sum((e.gross_profit - e.gross_loss for e in entries), ZERO)
        assert earned == sum((t.pnl for t in trades), ZERO)
        assert sum((r.fees for r in record.symbols.values()), ZERO) == last.fees
        portfolios, counted = [], counted + 1
    assert counted == 4
    assert record.last_equity is not None


def test_the_slice_at_midnight_ends_the_day_before_it() -> None:
    midnight = START.replace(hour=0)
    assert day_of(midnight) == "2023-12-31"
    assert ends_day(midnight)
    assert day_of(START) == "2024-01-01"
    assert not ends_day(START)


@settings(max_examples=60, deadline=None)
@given(returns, st.sampled_from([365, 252]))
def test_sharpe_ratio_agrees_with_empyrical(daily: list[float], periods: int) -> None:
    import numpy as np

    assume(float(np.std(daily, ddof=1)) > 1e-6)
    theirs = empyrical().sharpe_ratio(np.array(daily), annualization=periods)
    assert sharpe_ratio(daily, periods) == pytest.approx(theirs, rel=1e-9, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(returns, st.sampled_from([365, 252]))
def test_sortino_ratio_agrees_with_empyrical(daily: list[float], periods: int) -> None:
    import numpy as np

    assume(min(daily) < -1e-6)
    theirs = empyrical().sortino_ratio(np.array(daily), annualization=periods)
    assert sortino_ratio(daily, periods) == pytest.approx(theirs, rel=1e-9, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(returns)
def test_max_drawdown_agrees_with_empyrical(daily: list[float]) -> None:
    import numpy as np

    assert max_drawdown(daily) == pytest.approx(-empyrical().max_drawdown(np.array(daily)), abs=1e-9)


def test_figures_that_are_not_defined_are_none_and_not_zero() -> None:
    assert sharpe_ratio([], 365) is None
    assert sharpe_ratio([0.01], 365) is None
    assert sortino_ratio([0.01], 365) is None
    assert sortino_ratio([0.01, 0.02], 365) is None
    assert sharpe_ratio([0.01, 0.01, 0.01], 365) is None
    assert profit_factor(10.0, 0.0) is None
    assert win_rate(0, 0) is None
    assert max_drawdown([]) == 0.0


def test_years_have_365_days_where_markets_never_close() -> None:
    assert (periods_per_year("crypto"), periods_per_year("stocks")) == (365, 252)


def test_a_summary_of_a_class_joins_its_symbols_and_of_a_symbol_does_not() -> None:
    two = record_of([10.0, -5.0], symbol="BTC/USDT", trades=4, wins=3, profit=20.0, loss=10.0)
    other = record_of([-4.0, 7.0], symbol="ETH/USDT", trades=1, wins=0, profit=0.0, loss=2.0)
    from phases_cases import merged

    both = merged(two, other)
    whole, single = summarise(both, "crypto", None), summarise(both, "BTC/USDT", None)
    assert whole.returns.tolist() == [0.006, 0.002]
    assert (whole.trades, whole.wins, whole.profitable_days) == (5, 3, 2)
    assert whole.profit_factor == pytest.approx(20 / 12)
    assert single.returns.tolist() == [0.01, -0.005]
    assert single.win_rate == 0.75
    assert summarise(both, "stocks", None).returns.tolist() == [0.0, 0.0]


def test_a_window_counts_the_newest_days_only() -> None:
    record = record_of([50.0] * 10 + [-1.0] * 5)
    assert summarise(record, "crypto", 5).profitable_days == 0
    assert summarise(record, "crypto", 6).profitable_days == 1
    assert summarise(record, "crypto", None).days == 15


def test_a_day_without_change_is_not_profitable() -> None:
    assert summarise(record_of([0.0, 0.0]), "crypto", None).profitable_days == 0


@given(returns)
def test_drawdown_is_a_fraction(daily: list[float]) -> None:
    assert 0.0 <= max_drawdown(daily) < 1.0
    assert math.isclose(max_drawdown([0.5, *daily]), max(max_drawdown(daily), 0.0), abs_tol=1e-12)


def test_amounts_are_exact_decimals() -> None:
    assert record_of([0.1, 0.2]).symbols["BTC/USDT"].pnl == (10_000_000, 20_000_000)
    assert units(Decimal("-12.34567890")) == -1_234_567_890
    assert str(amount(-1_234_567_890)) == "-12.34567890"
