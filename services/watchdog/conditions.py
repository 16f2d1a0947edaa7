"""What is wrong at one moment: each check on what was seen. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from services.contracts.messages import PortfolioSettled
from services.domain.calendars import expected_opens
from services.domain.candles import SECONDS
from services.domain.flags import EVERYTHING
from services.domain.money import ZERO
from services.watchdog.observation import BooksSeen, Observation
from services.watchdog.settings import Checks, ErrorRate

DAILY = frozenset({"phases", "research"})
"""Stages that work once a day, at its last slice."""
CLOCK = "clock"
LOOK_BACK = timedelta(days=30)
"""How far back owed bars are counted: enough for any feed that was ever enabled to be called stale."""

Key = tuple[str, str]
"""Name and subject of a flag."""
Words = Iterable[tuple[str, str]]
"""Subjects and what is wrong with each."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is wrong, in words, and the names of the checks that could not be made."""

    wrong: Mapping[Key, str] = field(default_factory=dict)
    blind: frozenset[str] = frozenset()


def conditions(seen: Observation, checks: Checks) -> Found:
    """Make every check; those of what could not be looked at are named instead."""
    wrong = {(name, subject): words for name, check in CHECKS.items() for subject, words in check(seen, checks)}
    return Found(wrong, frozenset({"dead_letters"}) if seen.dead_letters is None else frozenset())


def stage_lag(seen: Observation, checks: Checks) -> Words:
    """Find stages that owe a slice for too long; the clock owes the next one from its bar's end on."""
    limit = checks.stage_lag
    due = _next_slice(seen)
    if _age(due, seen.now) > limit.behind_seconds:
        yield CLOCK, f"the slice of {due:%Y-%m-%d %H:%M} has not been closed"
    for one in seen.stages:
        allowed = limit.day_behind_seconds if one.stage in DAILY else limit.behind_seconds
        if one.owes is not None and one.owed_since is not None and _age(one.owed_since, seen.now) > allowed:
            since = f"which was there at {one.owed_since:%H:%M:%S}"
            yield one.stage, f"it has not handled the slice of {one.owes:%Y-%m-%d %H:%M}, {since}"


def stale_feed(seen: Observation, checks: Checks) -> Words:
    """Find enabled assets that lack their newest bars, by the calendar of their market."""
    step = timedelta(seconds=SECONDS[seen.timeframe])
    until = seen.now - step + timedelta(seconds=1)
    for one in seen.feeds:
        since = seen.now - LOOK_BACK if one.newest is None else max(one.newest + step, seen.now - LOOK_BACK)
        owed = len(expected_opens(one.asset_class, seen.timeframe, since, until)) if since < until else 0
        if owed >= checks.stale_feed.bars:
            newest = "it has none" if one.newest is None else f"its newest opened at {one.newest:%Y-%m-%d %H:%M}"
            yield one.symbol, f"{owed} bars of {seen.timeframe} are missing; {newest}"


def dead_letters(seen: Observation, checks: Checks) -> Words:
    """Find streams with unreadable or forged messages."""
    return _too_many(seen.dead_letters or {}, checks.dead_letters, "unreadable or forged messages")


def refused_candles(seen: Observation, checks: Checks) -> Words:
    """Find sources that deliver impossible candles."""
    return _too_many(seen.refused_candles, checks.refused_candles, "impossible candles")


def refused_commands(seen: Observation, checks: Checks) -> Words:
    """Find operators whose commands are refused again and again."""
    return _too_many({EVERYTHING: seen.refused_commands}, checks.refused_commands, "refused commands")


def senseless_orders(seen: Observation, checks: Checks) -> Words:
    """Find assets in which something was wanted that makes no sense."""
    return _too_many(seen.senseless_orders, checks.senseless_orders, "wishes that make no sense, which risk refused")


def drift_lasting(seen: Observation, checks: Checks) -> Words:
    """Find assets whose drift has outlasted retraining."""
    for symbol, since in seen.drifting.items():
        if _age(since, seen.now) > checks.drift_lasting.days * 86400:
            yield symbol, f"model_drift has been up since {since:%Y-%m-%d}, and training anew has not ended it"


def drift_widespread(seen: Observation, checks: Checks) -> Words:
    """Find that most enabled assets drift at once."""
    enabled = {one.symbol for one in seen.feeds}
    drifting = sorted(enabled & set(seen.drifting))
    limit = checks.drift_widespread
    if len(enabled) >= limit.assets and len(drifting) >= limit.share * len(enabled):
        yield EVERYTHING, f"{len(drifting)} of {len(enabled)} enabled assets drift: {', '.join(drifting)}"


def abnormal_slippage(seen: Observation, checks: Checks) -> Words:
    """Find assets whose newest fills cost far more than their usual ones."""
    limit = checks.abnormal_slippage
    for one in seen.fills:
        if one.bps is None or one.usual_bps is None or one.fills < limit.fills or one.usual_fills < limit.usual_fills:
            continue
        if one.bps >= limit.times * one.usual_bps and one.bps >= one.usual_bps + limit.above_bps:
            newest = f"{one.bps:.1f} bps, median of {one.fills} in {limit.window_hours:g} hours"
            yield one.symbol, f"{newest}, against {one.usual_bps:.1f} usually ({one.usual_fills} fills)"


def equity_mismatch(seen: Observation, checks: Checks) -> Words:
    """Reckon the newest books up in every way there is; all that differs is one flag's words."""
    if seen.books is None:
        return ()
    limit = checks.equity_mismatch.tolerance
    differs = [f"{words} by {by}" for words, by in reckoned(seen.books) if not by.is_finite() or abs(by) > limit]
    return [(EVERYTHING, f"books of {seen.books.told.ts:%Y-%m-%d %H:%M}: {'; '.join(differs)}")] if differs else ()


def reckoned(books: BooksSeen) -> list[tuple[str, Decimal]]:
    """Return by how much the ways of reckoning differ, in account currency; an amount that is no number does too."""
    told = books.told
    held = sum((p.market_value for p in told.positions), ZERO)
    differences = [
        ("cash and positions differ from equity", told.cash + held - told.equity),
        ("results and costs differ from equity", _earned(told) - told.equity),
        ("the table's positions differ from the books'", books.held - held),
    ]
    if books.cash is not None and books.equity is not None:
        differences.append(("the table's cash differs from the books'", books.cash - told.cash))
        differences.append(("the table's equity differs from the books'", books.equity - told.equity))
    if books.fills_cash is not None:
        cash = told.starting_cash + books.fills_cash - books.fills_fees - books.charges
        differences.append(("the cash that all fills and charges give differs from the books'", cash - told.cash))
    return differences


def _earned(told: PortfolioSettled) -> Decimal:
    return told.starting_cash + told.realised_pnl + told.unrealised_pnl - told.fees - told.carry


def _next_slice(seen: Observation) -> datetime:
    """Return when the next slice is to be closed; at a start, one bar after the first whole one."""
    step = timedelta(seconds=SECONDS[seen.timeframe])
    return (seen.started_at + step if seen.newest_slice is None else seen.newest_slice) + step


def _too_many(counts: Mapping[str, int], limit: ErrorRate, what: str) -> Words:
    for subject, count in counts.items():
        if count >= limit.at_least:
            yield subject, f"{count} {what} within {timedelta(seconds=limit.window_seconds)}"


def _age(since: datetime, now: datetime) -> float:
    return (now - since).total_seconds()


CHECKS: dict[str, Callable[[Observation, Checks], Words]] = {
    check.__name__: check
    for check in (
        stage_lag, stale_feed, dead_letters, refused_candles, refused_commands, senseless_orders, drift_lasting,
        drift_widespread, abnormal_slippage, equity_mismatch,
    )
}  # fmt: skip
