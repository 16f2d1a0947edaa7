"""The plan's worked example: 35 profitable days, Sharpe 1.8, drawdown 12 %, win rate 58 % make phase 1 ready."""

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import pytest
from phases_cases import PARAMS, STOCKS_READY, record_of, state_with

from services.contracts.messages import Readiness, Requirement
from services.domain.performance import sharpe_ratio
from services.phases.decide import readiness
from services.phases.gates import evaluate
from services.phases.judging import facts_of

PHASE_1 = "phase_1_stocks"
DAYS = 60
EQUITY = 1000
LOSS = 2.0
"""What a losing day costs, but for the one that makes the drawdown."""
EXAMPLE: Mapping[str, Any] = {"good": 35, "sharpe": 1.8, "drawdown": 0.12, "wins": 58}


def judged(
    *, good: int, sharpe: float, drawdown: float, wins: int, configured: Mapping[str, bool] = STOCKS_READY
) -> Readiness:
    """Judge phase 1 on a record of 60 days and 100 trades that truly has these figures."""
    low, high = 2.0, 60.0
    for _ in range(100):  # the gain of a good day that gives the Sharpe ratio
        gain = (low + high) / 2
        measured = sharpe_ratio([pnl / EQUITY for pnl in days(good, gain, drawdown)], 365)
        assert measured is not None
        low, high = (gain, high) if measured < sharpe else (low, gain)
    record = record_of(days(good, round(low, 8), drawdown), trades=100, wins=wins, profit=300.0, loss=150.0)
    state = state_with(record)
    phase = next(r for r in readiness(state, configured, PARAMS) if r.phase == PHASE_1)
    rules = PARAMS.settings.phases[PHASE_1].requirements
    assert phase.requirements == evaluate(rules, facts_of(state, PARAMS, configured, {}))
    return phase


def days(good: int, gain: float, drawdown: float) -> list[float]:
    """``good`` days of gain; one fall from a peak; the other losses never go deeper."""
    gains, losses = [gain] * (good - 1), [-LOSS] * (DAYS - good - 1)
    mixed = [pnl for pair in zip_longest(gains, losses) for pnl in pair if pnl is not None]
    return [gain, -drawdown * EQUITY, *mixed]


def short(phase: Readiness) -> list[tuple[str, str | None]]:
    return [(r.name, r.missing) for r in phase.requirements if not r.met]


def table(requirements: tuple[Requirement, ...]) -> list[tuple[str, str, float, float | None, bool, str | None]]:
    """The answer as people read it, figures to four places."""
    return [
        (r.name, r.comparison, r.threshold, None if r.current is None else round(r.current, 4), r.met, r.missing)
        for r in requirements
    ]


def test_the_example_of_the_plan_is_ready_with_exactly_its_table() -> None:
    phase = judged(**EXAMPLE)
    assert phase.ready
    assert not phase.active
    assert table(phase.requirements) == [
        ("profitable_days (crypto, last 60 d)", ">=", 30.0, 35.0, True, None),
        ("sharpe_ratio (crypto, last 60 d)", ">", 1.5, 1.8, True, None),
        ("max_drawdown (crypto, last 60 d)", "<", 0.15, 0.12, True, None),
        ("win_rate (crypto, last 60 d)", ">", 0.5, 0.58, True, None),
        ("source_configured (stocks)", "is", 1.0, 1.0, True, None),
    ]


def test_each_figure_of_the_example_stands_with_its_sample_and_its_interval() -> None:
    days, sharpe, drawdown, wins, source = judged(**EXAMPLE).requirements
    assert (days.n, days.low, days.high) == (60, None, None)
    assert (drawdown.n, drawdown.low, drawdown.high) == (60, None, None)
    assert (source.n, source.low, source.high) == (None, None, None)
    assert wins.n == 100
    assert [wins.low, wins.high] == pytest.approx([0.4978, 0.6580], abs=1e-4)
    assert sharpe.n == 60
    assert sharpe.low is not None
    assert sharpe.high is not None
    assert sharpe.low < 0.0, "60 days tell little of a Sharpe ratio, and the answer says so"
    assert sharpe.high > 3.6


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        (
            {"good": 29},
            "profitable_days (crypto, last 60 d)",
            "1 more profitable day (never at the current rate: 14 in the last 30 days)",
        ),
        ({"sharpe": 1.49}, "sharpe_ratio (crypto, last 60 d)", "is 1.49, must be > 1.50"),
        ({"drawdown": 0.15}, "max_drawdown (crypto, last 60 d)", "is 15.0%, must be < 15.0%"),
        ({"drawdown": 0.163}, "max_drawdown (crypto, last 60 d)", "is 16.3%, must be < 15.0%"),
        ({"wins": 50}, "win_rate (crypto, last 60 d)", "is 50.0%, must be > 50.0%"),
        (
            {"configured": {"crypto": True}},
            "source_configured (stocks)",
            "no source for stocks is configured (polygon, alpha_vantage, alpaca)",
        ),
    ],
)
def test_each_single_shortfall_is_not_ready_and_alone_is_named(change: dict[str, Any], name: str, words: str) -> None:
    phase = judged(**{**EXAMPLE, **change})
    assert not phase.ready
    assert short(phase) == [(name, words)]


@pytest.mark.parametrize("change", [{"good": 30}, {"sharpe": 1.5001}, {"drawdown": 0.1499}, {"wins": 51}])
def test_the_last_step_before_each_threshold_is_enough(change: dict[str, Any]) -> None:
    assert judged(**{**EXAMPLE, **change}).ready
