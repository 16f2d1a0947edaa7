"""One run of the ladder over history: how long assets stood where, how often that changed, what they earned. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from services.contracts.messages import DayEvaluated, Level, Trade
from services.domain.performance import periods_per_year, profit_factor
from services.domain.sharpe import moments
from services.phases.chain import LogEntry
from services.phases.record import Record
from services.phases.settings import RolloutSettings, Rule
from services.phases.summary import summarise

CLASS = "crypto"
Z = 1.959963984540054
"""Of a two-sided 95 % interval."""

LOOSER: Mapping[str, float] = {"trades": 5.0, "profit_factor": 0.5, "stop_exits": 1.0, "mix_distance": 1.0}
"""What the demonstration asks in the gates of single assets; floors, waits and all else stay as declared."""


class Ran(NamedTuple):
    """What a back-test with the ladder leaves behind."""

    log: tuple[LogEntry, ...]
    words: tuple[DayEvaluated, ...]
    trades: tuple[Trade, ...]
    record: Record
    ended: tuple[datetime, Decimal]
    """The last slice and the equity after it."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One symbol's record over the run, after costs; ``sharpe`` is annual, with its 95 % interval."""

    symbol: str
    trades: int
    profit_factor: float | None
    pnl: Decimal
    sharpe: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Stood:
    """Days that an asset was at each level, how often that changed, and what its next step lacks at the end."""

    symbol: str
    days: Mapping[Level, int]
    changes: int
    last: Level
    lacks: str


def loosened(rollout: RolloutSettings) -> RolloutSettings:
    """Return the gates with the thresholds of :data:`LOOSER`; those of live stay as they are."""

    def looser(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        return tuple(rule.model_copy(update={"threshold": LOOSER.get(rule.metric, rule.threshold)}) for rule in rules)

    assets = {symbol: looser(rules) for symbol, rules in rollout.assets.items()}
    return rollout.model_copy(update={"assets": assets, "promoted": looser(rollout.promoted)})


def loosened_in_words(rollout: RolloutSettings) -> list[str]:
    """Say of each changed metric what is asked instead of what is declared."""
    rules = [rule for rules in (*rollout.assets.values(), rollout.promoted) for rule in rules]
    found = []
    for metric, asked in LOOSER.items():
        declared = sorted({rule.threshold for rule in rules if rule.metric == metric and rule.threshold != asked})
        if declared:
            found.append(f"`{metric}` {asked:g} instead of {' and '.join(f'{value:g}' for value in declared)}")
    return found


def figures(ran: Ran) -> list[Figures]:
    """Measure every symbol that was traded, in order of symbol."""
    found = []
    year = periods_per_year(CLASS) ** 0.5
    for symbol in sorted({trade.symbol for trade in ran.trades}):
        results = [trade.pnl for trade in ran.trades if trade.symbol == symbol]
        won, lost = (sum((part for part in results if (part > 0) is good), Decimal(0)) for good in (True, False))
        sharpe = low = high = None
        if (of := moments(summarise(ran.record, symbol, None).returns)) is not None:
            # Of the Sharpe ratio of independent returns that need not be normal (Mertens 2002).
            error = ((1 - of.skew * of.sharpe + (of.kurtosis - 1) / 4 * of.sharpe**2) / (of.n - 1)) ** 0.5
            sharpe, low, high = (
                float(value) * year for value in (of.sharpe, of.sharpe - Z * error, of.sharpe + Z * error)
            )
        found.append(
            Figures(symbol, len(results), profit_factor(float(won), -float(lost)), won + lost, sharpe, low, high)
        )
    return found


def stood(words: Sequence[DayEvaluated], symbols: Sequence[str]) -> list[Stood]:
    """Count the days at each level of every asset, in order of symbol."""
    found = []
    last = {one.symbol: one for one in words[-1].assets}
    for symbol in sorted(symbols):
        levels = [level_of(word, symbol) for word in words]
        changes = sum(a != b for a, b in pairwise(levels))
        days: dict[Level, int] = {level: levels.count(level) for level in ("off", "observed", "full")}
        standing = last.get(symbol)
        unmet = [] if standing is None else [f"{r.name}: {r.missing}" for r in standing.requirements if not r.met]
        lacks = "; ".join(unmet) or ("" if standing is None else standing.why)
        found.append(Stood(symbol, days, changes, levels[-1], lacks))
    return found


def level_of(word: DayEvaluated, symbol: str) -> Level:
    """Return the level of an asset as phases last said."""
    if symbol not in word.enabled:
        return "off"
    return "observed" if symbol in word.observed else "full"
