"""Evidence beside the thresholds: how sure a record makes one that its profit is no luck. Pure.

The chance that the true Sharpe ratio is above zero: see ``services/domain/sharpe.py``. The profit factor's lower bound:
percentile bootstrap (Efron 1979) of whole days, each day weighted by its own Poisson(1) count instead of drawn with
replacement (Hanley and MacGibbon 2006), so one fixed table of weights serves every record and nothing is random.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.random import default_rng

from services.contracts.messages import Evidence as Level
from services.domain.candles import Values
from services.domain.sharpe import probabilistic_sharpe
from services.phases.measures import OF_THE_RECORD
from services.phases.record import Record
from services.phases.settings import Bar, EvidenceSettings, Rule
from services.phases.summary import summarise

RESAMPLES = 1_000
SEED = 20_120_714
BOUND = 0.05
LEVELS: tuple[Level, ...] = ("weak", "fair", "strong")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a record proves. ``sharpe_probability`` and ``profit_factor_low`` are None while they are not defined."""

    level: Level
    days: int
    trades: int
    sharpe_probability: float | None
    profit_factor_low: float | None
    why: str


def scopes(rules: tuple[Rule, ...]) -> tuple[str, ...]:
    """Return the records that a gate asks about: asset classes and symbols, each once."""
    return tuple(dict.fromkeys(rule.scope for rule in rules if rule.metric in OF_THE_RECORD))


def assess(record: Record, scope: str, settings: EvidenceSettings) -> Evidence:
    """Judge an asset class's or a symbol's newest days; closed round trips give the profit factor."""
    summary = summarise(record, scope, settings.window_days)
    found = summary.moments
    return judge(
        days=summary.active_days,
        trades=summary.trades,
        sharpe_probability=None if found is None else probabilistic_sharpe(found),
        profit_factor_low=profit_factor_low(*summary.closed_by_day),
        settings=settings,
    )


def judge(
    *,
    days: int,
    trades: int,
    sharpe_probability: float | None,
    profit_factor_low: float | None,
    settings: EvidenceSettings,
) -> Evidence:
    """Give the highest level whose bar is met, and say what the next one lacks."""
    figures = (days, trades, sharpe_probability, profit_factor_low)
    missing = _short(*figures, settings.strong)
    level: Level = "strong" if not missing else "weak" if _short(*figures, settings.fair) else "fair"
    chance = "not defined" if sharpe_probability is None else f"{sharpe_probability:.1%}"
    low = "not defined" if profit_factor_low is None else f"{profit_factor_low:.2f}"
    why = f"{days} days, {trades} trades, true Sharpe ratio above 0: {chance}, profit factor's lower 5 % bound: {low}"
    return Evidence(level, *figures, f"{why}; strong takes {', '.join(missing)}" if missing else why)


def profit_factor_low(profits: Values, losses: Values) -> float | None:
    """Bound the profit factor from below (5 %) from each day's closed profits and losses, both (n,) and positive.

    None without a loss: a record that never lost has not shown what a loss costs.
    """
    if not losses.sum() > 0:
        return None
    weights = _weights(len(profits))
    won, lost = profits @ weights, losses @ weights
    nothing_lost = np.where(won > 0, np.inf, 0.0)
    factors = np.where(lost > 0, won / np.where(lost > 0, lost, 1.0), nothing_lost)
    return float(np.quantile(factors, BOUND, method="lower"))


@lru_cache(maxsize=4)
def _table(days: int) -> Values:
    return default_rng(SEED).poisson(1.0, (days, RESAMPLES)).astype(np.float64)


def _weights(days: int) -> Values:
    """Return each day's weight in each resample, (days, RESAMPLES); a longer table begins with the shorter one."""
    return _table(max(512, 1 << (days - 1).bit_length()))[:days]


def _short(days: int, trades: int, chance: float | None, low: float | None, bar: Bar) -> list[str]:
    lacking = [
        f"{asked - given} more {noun if asked - given != 1 else noun[:-1]}"
        for given, asked, noun in ((days, bar.days, "days"), (trades, bar.trades, "trades"))
        if given < asked
    ]
    if chance is None or chance < bar.sharpe_probability:
        lacking.append(f"a Sharpe ratio above 0 with {bar.sharpe_probability:.1%}")
    if low is None or low <= bar.profit_factor_low:
        lacking.append(f"a lower bound above {bar.profit_factor_low:.2f}")
    return lacking
