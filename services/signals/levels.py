"""What support and resistance say about an entry: whether it is near, where to leave, and how much that allows. Pure.

A long needs a support at hand: the stop stands beyond its far edge, the target at the next resistance. A short is the
mirror image. A zone that the price stands in is at hand for both. Distances are fractions of the price; they are judged
in daily volatilities, so that the same figures hold for a calm and a wild asset.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.contracts.readings import Zone
from services.domain.candles import SECONDS, Timeframe
from services.domain.sessions import ALWAYS_OPEN, WEEKDAYS
from services.signals.entry import Entry
from services.signals.settings import LevelSettings

SESSION_HOURS = 6.5
"""Of a day on New York's exchange; markets around the clock have 24."""


@dataclass(frozen=True, slots=True)
class Bracket:
    """Prices to leave at, None: at the asset's own distance; the largest weight they allow; and what was found."""

    stop: float | None = None
    take: float | None = None
    max_weight: float | None = None
    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def hours_per_day(asset_class: str) -> float:
    """Return the hours of a day in which the class trades."""
    return 24.0 if asset_class in ALWAYS_OPEN or asset_class in WEEKDAYS else SESSION_HOURS


def bars_per_day(asset_class: str, timeframe: Timeframe) -> float:
    """Count the bars of a day in which the class trades; at least one."""
    return max(1.0, hours_per_day(asset_class) * 3600 / SECONDS[timeframe])


def daily_volatility(entry: Entry) -> float | None:
    """Scale the volatility of one bar to a day; None while it is not known."""
    volatility = entry.reading.volatility
    if volatility is None or volatility <= 0.0:
        return None
    return volatility * float(bars_per_day(entry.asset.asset_class, entry.timeframe) ** 0.5)


def bracket(entry: Entry, settings: LevelSettings, fixed: tuple[float | None, float | None] = (None, None)) -> Bracket:
    """Find the levels around an entry and what they refuse; ``fixed``: distances that the asset's rules prescribe."""
    day, reading = daily_volatility(entry), entry.reading
    if day is None or not (reading.supports or reading.resistances):
        text = "its levels are not known yet: too little history"
        return _sized(entry, settings, fixed, (text,) if settings.unknown_refuses else (), (text,))
    behind, ahead = _around(entry, settings.min_strength)
    needed = settings.buy_needs_support if entry.long else settings.sell_needs_resistance
    close, refusals = entry.forecast.close, []
    stop, gap = None, None
    if behind is not None:
        edge = behind.low if entry.long else behind.high
        gap = max(0.0, (close - behind.high) if entry.long else (behind.low - close)) / close
        if gap <= settings.near_in_daily_volatilities * day:
            beyond = abs(close - edge) / close + settings.stop_beyond * day
            # The asset's own stop is the widest, also where the market is wilder than the profile had in mind.
            stop = min(max(beyond, settings.closest_stop * day), entry.asset.stop_loss)
    if needed and stop is None:
        refusals.append(_not_near(entry.long, behind, gap, day, settings))
    take = None
    if ahead is not None:
        edge = ahead.low if entry.long else ahead.high
        take = min(abs(edge - close) / close, entry.asset.take_profit)
    distances = (fixed[0] or stop, fixed[1] or take)
    return _sized(entry, settings, distances, tuple(refusals), (_found(entry.long, behind, gap, day),))


def priced(entry: Entry, distances: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
    """Turn distances to the stop and the target into prices."""
    close, sign = entry.forecast.close, 1.0 if entry.long else -1.0
    stop, take = distances
    return (
        None if stop is None else close * (1.0 - sign * stop),
        None if take is None else close * (1.0 + sign * take),
    )


def _sized(
    entry: Entry,
    settings: LevelSettings,
    distances: tuple[float | None, float | None],
    refusals: tuple[str, ...],
    found: tuple[str, ...],
) -> Bracket:
    """Judge reward against risk and bound the weight, with the asset's own distances where levels give none."""
    stop = distances[0] if distances[0] is not None else entry.asset.stop_loss
    take = distances[1] if distances[1] is not None else entry.asset.take_profit
    ratio = take / stop
    if ratio < settings.min_reward_to_risk:
        least = f"{settings.min_reward_to_risk:.2f}"
        refusals += (f"reward to risk {ratio:.2f} is below {least}: target {take:.2%} ahead, stop {stop:.2%} behind",)
    most = min(1.0, settings.risk_per_trade / stop)
    note = f"stop {stop:.2%} away, target {take:.2%} ahead, reward to risk {ratio:.2f}"
    prices = priced(entry, distances)
    return Bracket(*prices, max_weight=most, refusals=refusals, notes=(*found, note))


def _around(entry: Entry, min_strength: float) -> tuple[Zone | None, Zone | None]:
    """Return the nearest zone behind an entry, that the price may stand in, and the nearest one ahead."""
    close = entry.forecast.close
    below = [zone for zone in entry.reading.supports if zone.strength >= min_strength]
    above = [zone for zone in entry.reading.resistances if zone.strength >= min_strength]
    if entry.long:
        return _first(below), _first(above)
    inside = [zone for zone in below if zone.high >= close]
    return _first([*inside, *above]), _first([zone for zone in below if zone.high < close])


def _first(zones: Sequence[Zone]) -> Zone | None:
    return zones[0] if zones else None


def _not_near(long: bool, zone: Zone | None, gap: float | None, day: float, settings: LevelSettings) -> str:
    what, where = ("support", "below") if long else ("resistance", "above")
    if zone is None or gap is None:
        return f"no {what} is known {where}"
    most = f"{settings.near_in_daily_volatilities:.2f}"
    return f"no {what} near: the nearest is {gap:.2%} {where}, {gap / day:.2f} daily volatilities, more than {most}"


def _found(long: bool, zone: Zone | None, gap: float | None, day: float) -> str:
    what = "support" if long else "resistance"
    if zone is None or gap is None:
        return f"no {what} is known"
    made_of = ", ".join(zone.made_of)
    return f"{what} {zone.low:.6g} to {zone.high:.6g} ({made_of}), {gap / day:.2f} daily volatilities away"
