"""What a requirement lacks, in plain words and, where it can be counted, how long that takes. Pure."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from services.domain.candles import Values
from services.phases.facts import Facts
from services.phases.measures import Asked, Measured, flags_on
from services.phases.summary import Summary

NEWEST_DAYS = 30
"""The current rate is that of the newest month, or of all days since the first trade where that is less."""
YEARS = 10 * 365
"""Beyond it a time says nothing."""
PERCENT = frozenset({"max_drawdown", "win_rate", "stop_exits"})
NOUNS = {"profitable_days": "profitable day", "trades": "trade"}


def missing(rule: Asked, seen: Measured, facts: Facts) -> str:
    """Say what an unmet requirement lacks, in one line."""
    state = STATE.get(rule.metric)
    if state is not None:
        return state(rule, seen, facts)
    if seen.summary is None:
        raise ValueError(f"{rule.metric}: there are no words for it")
    if seen.too_few:
        return f"{_more(seen.too_few, 'trade')} before it counts {_when_trades(seen.too_few, seen.summary, rule)}"
    if rule.metric in NOUNS and rule.comparison in (">", ">=") and seen.current is not None:
        return _counted(rule, int(seen.current), seen.summary)
    if seen.current is None:
        return _undefined(rule, seen.summary, facts)
    return _not(rule, seen.current)


def _counted(rule: Asked, current: int, summary: Summary) -> str:
    short = rule.threshold - current
    lacking = math.floor(short) + 1 if rule.comparison == ">" else math.ceil(short)
    when = _when_days if rule.metric == "profitable_days" else _when_trades
    return f"{_more(lacking, NOUNS[rule.metric])} {when(lacking, summary, rule)}"


def _when_days(lacking: int, summary: Summary, rule: Asked) -> str:
    return _when(lacking, (summary.pnl > 0).astype(np.float64), summary, rule.window_days)


def _when_trades(lacking: int, summary: Summary, rule: Asked) -> str:
    closed = np.bincount(summary.closed_on.astype(np.int64), minlength=summary.days).astype(np.float64)
    return _when(lacking, closed, summary, rule.window_days)


def _when(lacking: int, counts: Values, summary: Summary, window: int | None) -> str:
    """Say how long it takes at the newest days' rate, those that leave the window meanwhile taken off."""
    if not counts.any():
        return "(none so far)" if window is None else f"(none in the last {window} days)"
    newest = min(NEWEST_DAYS, summary.age)
    happened = int(counts[-newest:].sum())
    if not happened:
        return f"(none in the last {_many(newest, 'day')})"
    days = _days_until(lacking, counts, happened / newest, window)
    if days is not None:
        return f"(about {_many(days, 'day')} at the current rate)"
    return f"(never at the current rate: {happened} in the last {_many(newest, 'day')})"


def _days_until(lacking: int, counts: Values, rate: float, window: int | None) -> int | None:
    """Return after how many days at ``rate`` a day ``lacking`` more are there; None: not while one can wait."""
    if window is None:
        days = math.ceil(round(lacking / rate, 9))
        return days if days <= YEARS else None
    room = window - len(counts)
    leaving = np.concatenate([np.zeros(room), np.cumsum(counts)])[:window]
    ahead = rate * np.arange(1, window + 1) - leaving
    enough = np.flatnonzero(np.round(ahead, 9) >= lacking)
    return int(enough[0]) + 1 if len(enough) else None


def _undefined(rule: Asked, summary: Summary, facts: Facts) -> str:
    if rule.metric == "mix_distance" and not facts.mixes.get(rule.scope):
        return f"research expects no regimes and buckets of {rule.scope} yet"
    if rule.metric in ("sharpe_ratio", "sortino_ratio", "max_drawdown"):
        if not summary.days:
            return "no day yet"
        if rule.metric == "sortino_ratio" and summary.active_days:
            return "no losing day yet"
        return f"not defined yet: {_many(summary.active_days, 'day')} with a result"
    if not summary.trades:
        return "no trade yet" if rule.window_days is None else f"no trade in the last {rule.window_days} days"
    return f"not defined: {_many(summary.trades, 'trade')} without a gain or a loss"


def _not(rule: Asked, value: float) -> str:
    must = "must be" if rule.comparison != "is" else "must be exactly"
    sign = f" {rule.comparison}" if rule.comparison != "is" else ""
    asked, current = _form(rule, rule.threshold), _form(rule, value)
    if asked == current and not math.isclose(value, rule.threshold):  # rounding must not make them look alike
        asked, current = f"{rule.threshold:.4f}", f"{value:.4f}"
    return f"is {current}, {must}{sign} {asked}"


def _form(rule: Asked, value: float) -> str:
    if math.isinf(value):
        return "without any loss"
    if rule.metric in PERCENT:
        return f"{value:.1%}"
    if rule.metric == "slippage_bps":
        return f"{value:.1f} bps"
    return f"{value:g}" if rule.metric in NOUNS else f"{value:.2f}"


def _source(rule: Asked, seen: Measured, facts: Facts) -> str:
    known = ", ".join(facts.sources.get(rule.scope, ())) or "none is declared"
    return f"no source for {rule.scope} is configured ({known})"


def _tier(rule: Asked, seen: Measured, facts: Facts) -> str:
    if seen.current is None:
        return f"{rule.scope} is in no tier yet"
    return f"{rule.scope} is in tier {seen.current:.0f}, must be {_sign(rule)}{rule.threshold:.0f}"


def _feed(rule: Asked, seen: Measured, facts: Facts) -> str:
    if seen.current is None:
        return "nothing is known of its feed yet"
    return (
        f"its feed brought {seen.current:.1%} of the last {_many(seen.n or 0, 'day')}' bars, "
        f"must be {_sign(rule)}{rule.threshold:.1%}"
    ).replace("1 day' bars", "day's bars")


def _flags(rule: Asked, seen: Measured, facts: Facts) -> str:
    up = flags_on(rule.scope, facts)
    return f"{'flag' if len(up) == 1 else 'flags'} up: {', '.join(up)}" if up else "no flag is up"


def _audit(rule: Asked, seen: Measured, facts: Facts) -> str:
    if rule.scope not in facts.audits:
        return "not audited for live"
    return (
        "its audit for live says that it is not ready" if not facts.audits[rule.scope] else "audited as ready for live"
    )


STATE: Mapping[str, Callable[[Asked, Measured, Facts], str]] = {
    "source_configured": _source,
    "phase_active": lambda rule, seen, facts: f"{rule.scope} is {'' if seen.current else 'not '}active",
    "enabled": lambda rule, seen, facts: f"{rule.scope} is {'' if seen.current else 'not '}enabled",
    "tier": _tier,
    "feed_fresh": _feed,
    "open_flags": _flags,
    "audit_ready": _audit,
}


def _sign(rule: Asked) -> str:
    return "" if rule.comparison == "is" else f"{rule.comparison} "


def _more(count: int, noun: str) -> str:
    return f"{count} more {noun if count == 1 else noun + 's'}"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun if count == 1 else noun + 's'}"
