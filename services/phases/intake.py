"""Take in research's nightly word: freshness, expected mixes, tiers by rule, cells; and flags that block. Pure."""

from services.contracts.messages import CommandGiven
from services.contracts.research import AssetResearch, ResearchMade
from services.phases.draft import RESEARCH, Draft
from services.phases.state import PhasesState, Word, ceiling, tier_of

FRESH_DAYS = 30
"""So many days of freshness are kept; no rule looks back further."""
ALL = "all"
RANK = {"off": 0, "observed": 1, "full": 2}


def take_in(draft: Draft, said: ResearchMade) -> None:
    """Adopt what research measured by the day's end; a tier changes once its word has stood for long enough."""
    state, declared = draft.state, draft.params.assets.assets
    known = [one for one in said.assets if one.symbol in declared]
    fresh, mixes = dict(state.fresh), dict(state.mixes)
    for one in known:
        if one.slices > 0:  # a day without a slice of its market says nothing about its feed
            share = round(one.fresh / one.slices, 4)
            fresh[one.symbol] = (*fresh.get(one.symbol, ()), share)[-FRESH_DAYS:]
        if one.mix and declared[one.symbol].tier is not None:
            mixes[one.symbol] = one.mix
    draft.change(fresh=fresh, mixes=mixes)
    for one in known:
        if declared[one.symbol].tier is not None:
            _hear(draft, one)


def _hear(draft: Draft, one: AssetResearch) -> None:
    """Count the nights of a word for another tier, and change the tier by rule."""
    words = dict(draft.state.words)
    before, now = words.pop(one.symbol, None), tier_of(one.symbol, draft.state, draft.params)
    if one.tier is not None and one.tier != now:
        nights = before.nights + 1 if before is not None and before.tier == one.tier else 1
        if nights >= draft.params.rollout.tier_nights:
            draft.change(words=words)
            _change_tier(draft, one, one.tier)
        else:
            draft.change(words={**words, one.symbol: Word(one.tier, nights)})
    elif before is not None:
        draft.change(words=words)
    if one.cells and one.symbol in draft.state.tiers and ceiling(one.symbol, draft.state, draft.params) != "off":
        draft.change(cells={**draft.state.cells, one.symbol: one.cells})


def _change_tier(draft: Draft, one: AssetResearch, tier: int) -> None:
    symbol = one.symbol
    old, declared = tier_of(symbol, draft.state, draft.params), draft.params.assets.assets[symbol].tier
    others = {name: kept for name, kept in draft.state.tiers.items() if name != symbol}
    cells = {name: kept for name, kept in draft.state.cells.items() if name != symbol}
    draft.change(tiers=others if tier == declared else {**others, symbol: tier}, cells=cells)
    nights = draft.params.rollout.tier_nights
    why = f"tier {tier} instead of {old}, {nights} nights in a row: {one.tier_why}"
    draft.say(symbol, "tier_changed", RESEARCH, why, on=one)
    level, highest = draft.state.level(symbol), ceiling(symbol, draft.state, draft.params)
    if RANK[level] <= RANK[highest]:
        return
    if highest == "off":
        draft.take_off(symbol, RESEARCH, why, one)
    else:
        draft.observe(symbol, RESEARCH, why, one)


def block(draft: Draft, command: CommandGiven) -> str | None:
    """Take in or lift a flag that blocks; live phases it touches end. Returns why it cannot be, or None."""
    subject, flag = command.subject or "", command.note.partition(":")[0].strip()
    assets = draft.params.assets
    if subject != ALL and subject not in assets.classes and subject not in assets.assets:
        return f"no asset or class '{subject}' is declared"
    if not flag:
        return "its note names no flag"
    up = tuple(one for one in draft.state.flags.get(subject, ()) if one != flag)
    if command.name == "block":
        up = (*up, flag)
    others = {name: kept for name, kept in draft.state.flags.items() if name != subject}
    draft.change(flags={**others, subject: up} if up else others)
    if command.name == "block":
        for symbol in draft.state.live:
            if flags_on(symbol, assets.assets[symbol].asset_class, draft.state):
                draft.end_live(symbol, command.by, f"a flag is up: {command.note}")
    return None


def flags_on(symbol: str, asset_class: str, state: PhasesState) -> tuple[str, ...]:
    """Return the flags that are up on an asset, its class or all."""
    return tuple(flag for subject in (symbol, asset_class, ALL) for flag in state.flags.get(subject, ()))
