"""What each part of the decision is worth: the same forecasts through the back-test, with one part off at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from services.contracts.messages import ForecastsMade, SliceClosed
from services.contracts.readings import Reading
from services.domain.ledger import fills_jsonl
from services.domain.performance import max_drawdown, profit_factor
from services.research.backtest import BacktestResult, backtest
from services.research.parameters import Parameters
from services.research.part_worth import Difference, daily_returns, difference
from services.signals.settings import Parts

PARTS: tuple[str, ...] = tuple(Parts.model_fields)

History = Sequence[tuple[SliceClosed, ForecastsMade]]
Tell = Callable[[int, int, str], None]
"""Told before each back-test: how many are done, of how many, and what comes."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a back-test came to, after costs; fractions, 0.12 is 12 %."""

    trades: int
    fills: int
    orders: int
    refused: int
    total_return: float
    max_drawdown: float
    """By the equity after each slice, of which it is the deepest fall from a peak."""
    profit_factor: float | None
    """None without a loss to divide by."""


@dataclass(frozen=True, slots=True)
class PartWorth:
    """One part: the figures without it, and with it minus without it."""

    part: str
    configured: bool
    """Whether the configuration has it on."""
    without: Figures
    difference: Difference
    remark: str
    """Why it was not exercised; empty where it was."""


@dataclass(frozen=True, slots=True)
class Ablation:
    """The whole comparison, simulated on recorded candles."""

    since: datetime
    until: datetime
    slices: int
    everything: Figures
    parts: tuple[PartWorth, ...]


def ablate(
    history: History,
    parameters: Parameters,
    configured: Mapping[str, bool],
    *,
    parts: Sequence[str] = PARTS,
    tell: Tell = lambda done, total, name: None,
) -> Ablation:
    """Run history with every part on, then with each of ``parts`` off; what the configuration switches is set aside.

    ``configured`` says by class whether a data source is there. Raises :class:`~services.research.part_worth
    .NothingToCompare` for an empty history.
    """
    runs = 1 + len(parts)
    tell(0, runs, "everything on")
    everything = backtest(history, switched(parameters), configured)
    cash = parameters.starting_cash
    daily = daily_returns(everything.equity, cash)
    worths: list[PartWorth] = []
    for done, part in enumerate(parts, start=1):
        tell(done, runs, f"without {part}")
        without = backtest(history, switched(parameters, off=part), configured)
        exercised = _decided(without) != _decided(everything)
        compared = difference(daily, daily_returns(without.equity, cash), exercised=exercised)
        on = getattr(parameters.signals.settings.parts, part)
        remark = "" if exercised else unread(part, history)
        worths.append(PartWorth(part, on, _figures(without, parameters), compared, remark))
    tell(runs, runs, "done")
    span = (everything.equity[0][0], everything.equity[-1][0])
    return Ablation(*span, len(everything.equity), _figures(everything, parameters), tuple(worths))


def switched(parameters: Parameters, off: str | None = None) -> Parameters:
    """Return the parameters with every part on but the named one."""
    parts = Parts(**{name: name != off for name in PARTS})
    settings = parameters.signals.settings.model_copy(update={"parts": parts})
    return replace(parameters, signals=replace(parameters.signals, settings=settings))


def unread(part: str, history: History) -> str:
    """Say why a part changed no order: what it reads is not in the history, or it is and decided nothing."""
    reads = _READS.get(part)
    if reads is not None and not any(reads(made) for _, made in history):
        return f"the recording holds no {part}"
    return "no order would have been another without it"


def _decided(result: BacktestResult) -> tuple[bytes, int, int]:
    return fills_jsonl(result.fills), result.orders, result.refused


def _figures(result: BacktestResult, parameters: Parameters) -> Figures:
    pnls = [float(trade.pnl) for trade in result.trades]
    levels = [float(parameters.starting_cash), *(float(value) for _, value in result.equity)]
    steps = [after / before - 1.0 for before, after in pairwise(levels)]
    return Figures(
        trades=len(pnls),
        fills=len(result.fills),
        orders=result.orders,
        refused=result.refused,
        total_return=levels[-1] / levels[0] - 1.0,
        max_drawdown=max_drawdown(steps),
        profit_factor=profit_factor(sum(p for p in pnls if p > 0), -sum(p for p in pnls if p <= 0)),
    )


def _any_reading(known: Callable[[Reading], bool]) -> Callable[[ForecastsMade], bool]:
    return lambda made: any(known(reading) for reading in made.readings)


_READS: dict[str, Callable[[ForecastsMade], bool]] = {
    "regimes": _any_reading(lambda reading: reading.regime != "unclassified"),
    "levels": _any_reading(lambda reading: bool(reading.supports or reading.resistances)),
    "dominance": lambda made: made.market is not None and made.market.regime != "unknown",
    "sentiment": _any_reading(lambda reading: reading.sentiment is not None),
}
