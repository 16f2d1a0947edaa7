"""Checks that say yes or no, one pure function each. They hold for entries and increases only."""

from decimal import Decimal

from services.domain.money import ZERO
from services.risk.room import Proposal, Room
from services.risk.settings import RiskSettings
from services.risk.verdicts import Verdict, count, no, yes


def enabled(room: Room, p: Proposal, _: RiskSettings) -> Verdict:
    """Let only assets trade that phases have enabled."""
    if p.target.symbol in room.enabled:
        return yes("asset_enabled")
    return no("asset_enabled", f"{p.target.symbol} is not enabled for trading")


def class_active(room: Room, p: Proposal, _: RiskSettings) -> Verdict:
    """Let only asset classes trade whose phase is active."""
    declared = p.asset.asset_class  # what the message says of its class is not asked here
    return yes("class_active") if declared in room.classes else no("class_active", f"{declared} is not active")


def declared_class(_: Room, p: Proposal, __: RiskSettings) -> Verdict:
    """Refuse a wish that takes the asset for one of another class."""
    said, declared = p.target.asset_class, p.asset.asset_class
    return yes("declared_class") if said == declared else no("declared_class", f"it is {declared}, not {said}")


def research_only(room: Room, p: Proposal, _: RiskSettings) -> Verdict:
    """Never trade an asset that its role keeps to research, unless research itself has let it in."""
    if p.asset.role != "research_only" or p.target.symbol in room.promoted:
        return yes("role")
    return no("role", f"{p.target.symbol} is research-only")


def no_flag(room: Room, p: Proposal, _: RiskSettings) -> Verdict:
    """Enter nothing that one of the system's flags blocks: of the asset, its class or the whole platform."""
    subjects = (p.target.symbol, p.asset.asset_class, "all")
    up = tuple(flag for subject in subjects for flag in room.blocked.get(subject, ()))
    return yes("system_flags") if not up else no("system_flags", f"flag up: {'; '.join(up)}")


def restricted(room: Room, p: Proposal, _: RiskSettings) -> Verdict:
    """Enter nothing that is on the restricted list."""
    if p.target.symbol not in room.restricted:
        return yes("restricted")
    return no("restricted", f"{p.target.symbol} is on the restricted list of risk.yaml")


def side_allowed(_: Room, p: Proposal, __: RiskSettings) -> Verdict:
    """Short only what may be shorted."""
    side = "long" if p.long else "short"
    return yes("side") if side in p.asset.sides else no("side", f"{p.target.symbol} has no {side} side in its profile")


def not_halted(room: Room, _: Proposal, __: RiskSettings) -> Verdict:
    """Enter nothing while trading is halted."""
    return yes("halt") if room.halted is None else no("halt", f"trading is halted: {room.halted}")


def books_sound(room: Room, _: Proposal, __: RiskSettings) -> Verdict:
    """Enter nothing on books that cannot be reckoned with, or with an account that owns nothing."""
    if room.broken is not None:
        return no("books", room.broken)
    return yes("books") if room.equity > 0 else no("books", f"an equity of {room.equity} bears no entry")


def fresh_data(room: Room, p: Proposal, _: RiskSettings) -> Verdict:
    """Enter nothing whose price is stale."""
    ok = p.target.symbol not in room.stale
    return yes("fresh_data") if ok else no("fresh_data", f"{p.target.symbol} has no bar for this slice")


def sources_agree(room: Room, p: Proposal, _: RiskSettings) -> Verdict:
    """Enter nothing whose sources disagree about its price."""
    how = room.suspect.get(p.target.symbol)
    if how is None:
        return yes("sources_disagree")
    return no("sources_disagree", f"the sources of {p.target.symbol} disagree: {how}")


def price_collar(_: Room, p: Proposal, settings: RiskSettings) -> Verdict:
    """Refuse an increase at a price that is far from the position's mark in the books."""
    if p.position is None or p.position.mark_price <= 0:
        return count("price_collar", settings.price_collar, ZERO, "", ok=True)
    off = abs(p.price / p.position.mark_price - 1)
    text = f"{p.price:f} is {off:.1%} off the mark of {p.position.mark_price:f}, at most {settings.price_collar:.0%}"
    return count("price_collar", settings.price_collar, round(off, 8), text, ok=off <= settings.price_collar)


def model_age(room: Room, p: Proposal, settings: RiskSettings) -> Verdict:
    """Refuse what a model says that was trained too long ago, or later than the slice."""
    trained, limit = p.target.trained_at, settings.max_model_age_days
    if trained is None:
        return yes("model_age")
    days = Decimal(str(round((room.ts - trained).total_seconds() / 86400, 4)))
    text = f"its oldest model came into use {days:.1f} days ago, at most {limit}"
    return count("model_age", limit, days, text, ok=0 <= days <= limit)


def one_order(room: Room, p: Proposal, _: RiskSettings) -> Verdict:
    """Allow one order an asset and slice."""
    ok = p.target.symbol not in room.ordered
    return yes("duplicate") if ok else no("duplicate", f"{p.target.symbol} already has an order in this slice")


def none_waiting(room: Room, p: Proposal, _: RiskSettings) -> Verdict:
    """Allow no entry while an order for the asset still waits for a bar."""
    ok = p.target.symbol not in room.waiting
    return yes("waiting") if ok else no("waiting", f"an order for {p.target.symbol} still waits for a bar to fill in")


def cooled_down(room: Room, p: Proposal, _: RiskSettings) -> Verdict:
    """Let an asset rest after a stop-out."""
    until = room.cooling.get(p.target.symbol)
    if until is None or until <= room.ts:
        return yes("cooldown")
    return no("cooldown", f"{p.target.symbol} was stopped out and rests until {until.isoformat()}")


def entries_per_slice(room: Room, _: Proposal, settings: RiskSettings) -> Verdict:
    """Throttle: entries of one slice, all assets."""
    limit, now = settings.max_entries_per_slice, room.entries
    return count("entries_per_slice", limit, now, f"{now} entries in this slice already", ok=now < limit)


def entries_per_day(room: Room, _: Proposal, settings: RiskSettings) -> Verdict:
    """Throttle: entries of one day, all assets."""
    limit, now = settings.max_entries_per_day, sum(room.entries_today.values())
    return count("entries_per_day", limit, now, f"{now} entries today already", ok=now < limit)


def entries_per_asset(room: Room, p: Proposal, settings: RiskSettings) -> Verdict:
    """Throttle: entries of one day, one asset."""
    limit, now = settings.max_entries_per_asset, room.entries_today.get(p.target.symbol, 0)
    return count("entries_per_asset", limit, now, f"{now} entries in {p.target.symbol} today already", ok=now < limit)


def repeated_entries(room: Room, p: Proposal, settings: RiskSettings) -> Verdict:
    """Repeated execution: a position is built by so many orders, then it has to be flat before another."""
    limit, now = settings.max_repeated_entries, room.built.get(p.target.symbol, 0)
    text = f"{now} entries have built this position; it must be flat before another"
    return count("repeated_entries", limit, now, text, ok=now < limit)


def open_orders(room: Room, _: Proposal, settings: RiskSettings) -> Verdict:
    """Bound the orders that are at the market at once."""
    limit, now = settings.max_open_orders, len(room.waiting) + room.entries
    return count("open_orders", limit, now, f"{now} orders are open already", ok=now < limit)


def risk_score(room: Room, _: Proposal, settings: RiskSettings) -> Verdict:
    """Enter nothing while the portfolio's risk score is too high; asked only where a bound is set."""
    limit, now = settings.max_risk_score, room.figures.score
    if limit is None:
        return yes("risk_score")
    return count("risk_score", limit, now, f"the risk score is {now}, below {limit} is asked", ok=now < limit)


def weighted_edge(room: Room, _: Proposal, settings: RiskSettings) -> Verdict:
    """Enter nothing while the portfolio as wanted expects too little; asked only where a bound is set."""
    limit, now = settings.min_weighted_edge_bps, room.figures.edge_bps
    if limit is None:
        return yes("weighted_edge_bps")
    return count("weighted_edge_bps", limit, now, f"{now} bps expected, {limit} asked", ok=now >= limit)


def trades_per_day(room: Room, _: Proposal, settings: RiskSettings) -> Verdict:
    """Enter nothing while the week's pace is too high; asked only where a bound is set."""
    limit, now = settings.max_trades_per_day, room.figures.trades_per_day
    if limit is None:
        return yes("trades_per_day")
    return count("trades_per_day", limit, now, f"{now} trades a day over the last week", ok=now < limit)
