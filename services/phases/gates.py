"""Evaluate gates: each requirement with threshold, current value, met, and what is missing in words. Pure."""

import math
import operator
from collections.abc import Callable, Collection, Mapping

from services.contracts.messages import Requirement
from services.phases.record import Record, Summary, summarise
from services.phases.settings import Rule

COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "is": operator.eq,
}

METRICS: Mapping[str, Callable[[Summary], float | None]] = {
    "profitable_days": lambda s: s.profitable_days,
    "sharpe_ratio": lambda s: s.sharpe_ratio,
    "max_drawdown": lambda s: s.max_drawdown if s.days else None,
    "win_rate": lambda s: s.win_rate,
    "profit_factor": lambda s: math.inf if s.gross_profit > 0 and s.gross_loss == 0 else s.profit_factor,
    "trades": lambda s: s.trades,
}

PERCENT = frozenset({"max_drawdown", "win_rate"})


def evaluate(
    rules: tuple[Rule, ...],
    record: Record,
    *,
    active_phases: Collection[str],
    configured: Mapping[str, bool],
    sources: Mapping[str, tuple[str, ...]],
) -> tuple[Requirement, ...]:
    """Evaluate all rules. ``configured`` says by class whether a source is there, ``sources`` which would do."""
    return tuple(_one(rule, record, active_phases, configured, sources) for rule in rules)


def _one(
    rule: Rule,
    record: Record,
    active_phases: Collection[str],
    configured: Mapping[str, bool],
    sources: Mapping[str, tuple[str, ...]],
) -> Requirement:
    summary: Summary | None = None
    current: float | None
    if rule.metric == "source_configured":
        current = float(configured.get(rule.scope, False))
    elif rule.metric == "phase_active":
        current = float(rule.scope in active_phases)
    else:
        summary = summarise(record, rule.scope, rule.window_days)
        current = METRICS[rule.metric](summary)
    met = current is not None and COMPARE[rule.comparison](current, rule.threshold)
    return Requirement(
        name=_name(rule),
        comparison=rule.comparison,
        threshold=rule.threshold,
        current=current if current is not None and math.isfinite(current) else None,  # JSON has no infinity
        met=met,
        missing=None if met else _missing(rule, current, summary, sources),
    )


def _name(rule: Rule) -> str:
    window = f", last {rule.window_days} d" if rule.window_days else ""
    return f"{rule.metric} ({rule.scope}{window})"


def _missing(rule: Rule, current: float | None, summary: Summary | None, sources: Mapping[str, tuple[str, ...]]) -> str:
    if rule.metric == "source_configured":
        known = ", ".join(sources.get(rule.scope, ())) or "none is declared"
        return f"no source for {rule.scope} is configured ({known})"
    if rule.metric == "phase_active":
        return f"{rule.scope} is not active"
    if current is None:
        days = summary.days if summary else 0
        return f"not defined yet: {summary.trades if summary else 0} trades in {days} days"
    if rule.metric in ("profitable_days", "trades"):
        short = rule.threshold - current
        lacking = math.floor(short) + 1 if rule.comparison == ">" else math.ceil(short)
        noun = "profitable days" if rule.metric == "profitable_days" else "trades"
        return f"{lacking} more {noun if lacking != 1 else noun[:-1]}"
    form = "{:.1%}" if rule.metric in PERCENT else "{:.2f}"
    return f"is {form.format(current)}, must be {rule.comparison} {form.format(rule.threshold)}"
