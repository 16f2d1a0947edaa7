"""Measure what a gate's rule asks about: the value, the sample behind it and its 90 % interval. Pure."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from services.domain.intervals import profit_factor_interval, sharpe_interval, wilson
from services.domain.mix import mix_distance
from services.phases.facts import Facts
from services.phases.settings import SELF, Rule
from services.phases.summary import Summary, summarise

Comparison = Literal[">", ">=", "<", "<=", "is"]


class Asked(NamedTuple):
    """A rule with its subject in the place of ``self``."""

    metric: str
    scope: str
    comparison: Comparison
    threshold: float
    window_days: int | None
    min_trades: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What a rule's metric is now; ``current`` None: not defined or not known yet."""

    current: float | None
    n: int | None = None
    """Days or trades behind it; None where it rests on no sample."""
    low: float | None = None
    high: float | None = None
    summary: Summary | None = None
    """Of the record, where the metric is one of it."""
    too_few: int = 0
    """Closed trades that the rule's minimum still lacks."""


def asked(rule: Rule, subject: str | None) -> Asked:
    """Put the subject in the place of ``self``; raises ValueError where there is none."""
    scope = subject if rule.scope == SELF else rule.scope
    if scope is None:
        raise ValueError(f"{rule.metric}: scope self needs a subject")
    return Asked(rule.metric, scope, rule.comparison, rule.threshold, rule.window_days, rule.min_trades)


def measure(rule: Asked, facts: Facts, since: str | None) -> Measured:
    """Measure what is asked; of the record, days from ``since`` (ISO) on count."""
    state = STATE.get(rule.metric)
    if state is not None:
        return state(rule, facts)
    summary = summarise(facts.record, rule.scope, rule.window_days, since)
    too_few = max(0, rule.min_trades - summary.trades)
    if rule.metric == "mix_distance":
        return _mix_distance(rule, facts, summary, too_few)
    current, n, interval = RECORD[rule.metric](summary)
    low, high = interval or (None, None)
    return Measured(current, n, low, high, summary, too_few)


def flags_on(scope: str, facts: Facts) -> tuple[str, ...]:
    """Return the flags that are up and block a symbol, a class or all: its own, its class's and everybody's."""
    subjects = dict.fromkeys((scope, facts.classes.get(scope, scope), "all"))
    return tuple(flag for subject in subjects for flag in facts.flags.get(subject, ()))


def _feed_fresh(rule: Asked, facts: Facts) -> Measured:
    shares = facts.fresh.get(rule.scope, ())
    shares = shares[-rule.window_days :] if rule.window_days else shares
    return Measured(math.fsum(shares) / len(shares) if shares else None, len(shares))


def _tier(rule: Asked, facts: Facts) -> Measured:
    tier = facts.tiers.get(rule.scope)
    return Measured(None if tier is None else float(tier))


def _mix_distance(rule: Asked, facts: Facts, summary: Summary, too_few: int) -> Measured:
    expected = facts.mixes.get(rule.scope, {})
    current = None if too_few else mix_distance(summary.mix, expected)
    return Measured(current, summary.trades, summary=summary, too_few=too_few)


STATE: Mapping[str, Callable[[Asked, Facts], Measured]] = {
    "source_configured": lambda rule, facts: Measured(float(facts.configured.get(rule.scope, False))),
    "phase_active": lambda rule, facts: Measured(float(rule.scope in facts.active_phases)),
    "enabled": lambda rule, facts: Measured(float(rule.scope in facts.enabled)),
    "tier": _tier,
    "feed_fresh": _feed_fresh,
    "open_flags": lambda rule, facts: Measured(float(len(flags_on(rule.scope, facts)))),
    "audit_ready": lambda rule, facts: Measured(float(facts.audits.get(rule.scope, False))),
}

Figure = tuple[float | None, int, tuple[float, float] | None]
"""Value, days or trades behind it, 90 % interval."""


def _share(successes: int, s: Summary) -> Figure:
    """Give a share of the closed trades."""
    return (successes / s.trades, s.trades, wilson(successes, s.trades)) if s.trades else (None, 0, None)


def _sharpe(s: Summary) -> Figure:
    found = s.moments
    return s.sharpe_ratio, s.days, None if found is None else sharpe_interval(found, s.periods)


def _profit_factor(s: Summary) -> Figure:
    """A record without a loss has a profit factor beyond all bounds, and no interval."""
    factor = math.inf if s.gross_profit > 0 and s.gross_loss == 0 else s.profit_factor
    return factor, s.trades, profit_factor_interval(*s.closed_by_day)


RECORD: Mapping[str, Callable[[Summary], Figure]] = {
    "profitable_days": lambda s: (s.profitable_days, s.days, None),
    "sharpe_ratio": _sharpe,
    "sortino_ratio": lambda s: (s.sortino_ratio, s.days, None),
    "max_drawdown": lambda s: (s.max_drawdown if s.days else None, s.days, None),
    "win_rate": lambda s: _share(s.wins, s),
    "profit_factor": _profit_factor,
    "trades": lambda s: (s.trades, s.days, None),
    "stop_exits": lambda s: _share(s.stops, s),
    "slippage_bps": lambda s: (s.slippage_bps, s.trades, None),
}
OF_THE_RECORD = frozenset(RECORD) | {"mix_distance"}
