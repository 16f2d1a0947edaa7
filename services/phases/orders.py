"""Carry out operators' commands about the ladder, or refuse them and say why. Pure."""

from services.contracts.ladder import AssetStanding
from services.contracts.messages import CommandGiven
from services.phases.draft import Draft
from services.phases.intake import flags_on
from services.phases.judging import closed_for, cools, lacking, short_of_capital
from services.phases.standing import readiness_of
from services.phases.state import ceiling

FEED = "feed_fresh"


def activate(draft: Draft, command: CommandGiven) -> str | None:
    """Activate a phase; returns why not, or None. Force stands for readiness, capital and cool-down."""
    name = command.subject or ""
    if name not in draft.params.settings.phases:
        return f"no phase '{name}' is declared"
    judged = draft.judge().phase(name)
    if judged.active:
        return f"{name} is active already"
    kept, capital = draft.state.standing(name), short_of_capital(judged)
    if not command.forced:
        if cools(kept, draft.today):
            return f"{name} cools down until {kept.cool_until}: {kept.why}"
        if not judged.ready:
            return f"{name} is not ready: {'; '.join(filter(None, (lacking(judged.requirements), capital)))}"
        if capital is not None:
            return f"{name} {capital}"
    draft.activate(judged, command.by, command.note, forced=command.forced)
    return None


def enable(draft: Draft, command: CommandGiven) -> str | None:
    """Open an asset, give its size back or activate its live phase; returns why not, or None."""
    symbol = command.subject or ""
    if symbol not in draft.params.assets.assets:
        return f"no asset '{symbol}' is declared"
    if command.live:
        return _enable_live(draft, command, symbol)
    if symbol in draft.state.enabled:
        return _restore(draft, command, symbol)
    judge, phase = draft.judge(), draft.params.assets.phase_of(symbol)
    # By order never: tier 3 is opened by research alone, and without a gate there is nothing to be judged by.
    if judge.gate(symbol) is None:
        return closed_for(symbol, draft.state, draft.params)
    if phase not in draft.state.phases:
        return f"its phase {phase} is not active"
    found = judge.asset(symbol)
    stale = [r for r in found.requirements if not r.met and r.current is not None and r.name.startswith(f"{FEED} ")]
    if stale and command.forced:
        return f"{symbol} is not ready, and force does not mend a feed: {lacking(tuple(stale))}"
    refusal = None if command.forced else _unready(draft, found)
    if refusal is None:
        draft.enable(symbol, command.by, command.note, readiness_of(found), forced=command.forced)
    return refusal


def disable(draft: Draft, command: CommandGiven) -> str | None:
    """Take an asset off (its positions run on) or see that it does not open, or end its live phase; returns why not."""
    symbol = command.subject or ""
    if symbol not in draft.params.assets.assets:
        return f"no asset '{symbol}' is declared"
    if command.live:
        if symbol not in draft.state.live:
            return f"{symbol} is not live"
        draft.end_live(symbol, command.by, command.note)
        return None
    held = draft.state.standing(symbol).held
    if symbol not in draft.state.enabled and held is not None:
        return f"{symbol} is off already, by {held}"
    if symbol not in draft.state.enabled and draft.judge().gate(symbol) is None:
        return closed_for(symbol, draft.state, draft.params)
    draft.hold_off(symbol, command.by, command.note)
    return None


def _restore(draft: Draft, command: CommandGiven, symbol: str) -> str | None:
    """Give an observed asset its full size back before Chloe does."""
    if draft.state.level(symbol) == "full":
        return f"{symbol} is enabled already"
    if ceiling(symbol, draft.state, draft.params) != "full":
        return f"{symbol} is enabled already, at observation size, and goes no further by its tier"
    found = draft.judge().asset(symbol)
    refusal = None if command.forced else _unready(draft, found)
    if refusal is None:
        draft.restore(symbol, command.by, command.note, readiness_of(found), forced=command.forced)
    return refusal


def _enable_live(draft: Draft, command: CommandGiven, symbol: str) -> str | None:
    """Activate a live phase. Force stands for the record, not for the audit, open flags or trading on paper."""
    state, asset = draft.state, draft.params.assets.assets[symbol]
    if ceiling(symbol, state, draft.params) == "off":
        return closed_for(symbol, state, draft.params)
    if symbol not in state.enabled:
        return f"{symbol} is not enabled on paper"
    if symbol in state.live:
        return f"{symbol} is live already"
    found = draft.judge().live(symbol)
    if not draft.audits.get(symbol, False):
        return f"{symbol} is not ready for live: its newest audit does not say ready, or is too old, or there is none"
    flags = flags_on(symbol, asset.asset_class, state)
    if flags:
        return f"{symbol} is not ready for live: flags are up: {', '.join(flags)}"
    if not command.forced:
        if draft.judge().asset(symbol).step == "restored":
            return f"{symbol} is not ready for live: it is at observation size: {state.standing(symbol).why}"
        if (refusal := _unready(draft, found, " for live")) is not None:
            return refusal
    draft.begin_live(symbol, command.by, command.note, readiness_of(found), forced=command.forced)
    return None


def _unready(draft: Draft, found: AssetStanding, what: str = "") -> str | None:
    """Say why the next step cannot be made now; None where it can."""
    kept, flags = draft.state.standing(found.symbol), flags_on(found.symbol, found.asset_class, draft.state)
    if flags:
        return f"{found.symbol} is not ready{what}: flags are up: {', '.join(flags)}"
    if cools(kept, draft.today):
        return f"{found.symbol} cools down until {kept.cool_until}: {kept.why}"
    if lacks := lacking(found.requirements):
        return f"{found.symbol} is not ready{what}: {lacks}"
    return None
