"""Features of the moment of the close: the clock, and values that are not prices as they were known then."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from services.domain.sessions import new_york
from services.inference.features.frame import Moments
from services.inference.features.spec import FeatureSpec, Source
from services.inference.series import Floats

HOUR, DAY = 3_600, 86_400


@dataclass(frozen=True, slots=True)
class Reading:
    """A series of :class:`Context.values`: where its values are stored, and from what age on they count no more."""

    name: str
    stored: str
    source: Source
    max_age: int
    """Seconds."""
    back: int
    """Seconds before a close from which features want the value, besides the one at the close."""

    @property
    def span(self) -> int:
        """Seconds before a close from which on values have to be given."""
        return self.max_age + self.back


READINGS: tuple[Reading, ...] = (
    Reading("btc_dominance", "dominance: btc_d", "dominance", 2 * DAY, 7 * DAY),
    Reading("usdt_dominance", "dominance: usdt_d", "dominance", 2 * DAY, 7 * DAY),
    Reading("sentiment", "social_sentiment: sentiment", "social", 6 * HOUR, DAY),
    Reading("mentions", "social_sentiment: mentions", "social", 6 * HOUR, 7 * DAY),
    Reading("vix", "leading_indicators: fred.VIXCLS", "indicator", 10 * DAY, 7 * DAY),
    Reading("vix_3_month", "leading_indicators: fred.VXVCLS", "indicator", 10 * DAY, 0),
    Reading("real_yield", "leading_indicators: fred.DFII10", "indicator", 10 * DAY, 7 * DAY),
    Reading("dollar", "leading_indicators: fred.DTWEXBGS", "indicator", 10 * DAY, 7 * DAY),
)
"""What the features read of a context."""

_READING = {reading.name: reading for reading in READINGS}


def _known(at: Moments, name: str, ago: int = 0) -> Floats:
    return at.known(name, _READING[name].max_age, ago)


def _read(
    name: str, reading: str, formula: str, unit: str, of: Callable[[Moments], Floats], back: int = 0
) -> FeatureSpec:
    one = _READING[reading]
    return FeatureSpec(name, formula, one.source, 1, unit, lambda frame: of(frame.moments), one.max_age + back)


def _change(name: str, reading: str, days: int, unit: str) -> FeatureSpec:
    def of(at: Moments) -> Floats:
        return _known(at, reading) - _known(at, reading, days * DAY)

    return _read(name, reading, f"{reading} less what was known {days * 24} h before", unit, of, days * DAY)


def _log_change(name: str, reading: str, days: int) -> FeatureSpec:
    def of(at: Moments) -> Floats:
        return np.log(_known(at, reading) / _known(at, reading, days * DAY))

    return _read(name, reading, f"ln({reading} / what was known {days * 24} h before)", "log ratio", of, days * DAY)


def _dominance(reading: str) -> tuple[FeatureSpec, ...]:
    coin = reading.partition("_")[0]
    said = f"{coin.upper()}'s share of the whole crypto market's value"
    return (
        _read(reading, reading, said, "per cent", lambda at: _known(at, reading)),
        _change(f"{reading}_change_1d", reading, 1, "percentage points"),
        _change(f"{reading}_change_7d", reading, 7, "percentage points"),
    )


def _mentions(at: Moments) -> Floats:
    usual = sum((_known(at, "mentions", days * DAY) for days in range(2, 8)), start=_known(at, "mentions", DAY))
    return np.log((1.0 + _known(at, "mentions")) / (1.0 + usual / 7.0))


def _clock(name: str, formula: str, unit: str, of: Callable[[Moments], Floats]) -> FeatureSpec:
    return FeatureSpec(name, formula, "clock", 1, unit, lambda frame: of(frame.moments))


def _circle(
    name: str, formula: str, turn: Callable[[float], float], seconds: int, units: int, first: int
) -> FeatureSpec:
    # A table of the few values there are: the same bits on any processor, however many bars are computed at once.
    table = np.array([turn(2.0 * math.pi * i / units) for i in range(units)])

    def of(at: Moments) -> Floats:
        values: Floats = table[(at.close_ts // seconds + first) % units]
        return values

    return _clock(name, formula, "share of a circle", of)


def _month_turn(at: Moments) -> Floats:
    days = (at.close_ts // DAY).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    day = (days - months.astype("datetime64[D]")).astype(np.int64)
    left = ((months + 1).astype("datetime64[D]") - days).astype(np.int64)
    return np.where((day < 3) | (left == 1), 1.0, 0.0)


def _session(at: Moments) -> tuple[Floats, Floats]:
    """Seconds since New York's newest opening, and since its close: NaN beyond the years its sessions are known."""
    schedule = new_york()
    row = np.searchsorted(schedule.opens, at.close_ts, side="right") - 1
    known = (row >= 0) & (at.close_ts < schedule.closes[-1])
    return (
        np.where(known, at.close_ts - schedule.opens[row], np.nan),
        np.where(known, at.close_ts - schedule.closes[row], np.nan),
    )


def _session_open(at: Moments) -> Floats:
    after = _session(at)[1]
    return np.where(np.isnan(after), np.nan, np.where(after < 0.0, 1.0, 0.0))


FEATURES: tuple[FeatureSpec, ...] = (
    _circle("hour_sin", "sin(2 pi hour / 24) at the close, UTC", math.sin, HOUR, 24, 0),
    _circle("hour_cos", "cos(2 pi hour / 24) at the close, UTC", math.cos, HOUR, 24, 0),
    _circle("weekday_sin", "sin(2 pi weekday / 7) at the close, Monday 0", math.sin, DAY, 7, 3),
    _circle("weekday_cos", "cos(2 pi weekday / 7) at the close, Monday 0", math.cos, DAY, 7, 3),
    _clock(
        "month_turn", "1 on a month's last and first three days, UTC (Lakonishok, Smidt), else 0", "flag", _month_turn
    ),
    _clock(
        "new_york_open",
        "1 while New York's exchange trades, with its holidays and half days, else 0",
        "flag",
        _session_open,
    ),
    _clock(
        "new_york_age",
        "time since New York's newest opening, at most 4 days",
        "days",
        lambda at: np.minimum(_session(at)[0], 4.0 * DAY) / DAY,
    ),
    *_dominance("btc_dominance"),
    *_dominance("usdt_dominance"),
    _read("sentiment", "sentiment", "mean mood of posts, -1 to 1", "share", lambda at: _known(at, "sentiment")),
    _change("sentiment_change_1d", "sentiment", 1, "share"),
    _read(
        "mentions_score",
        "mentions",
        "ln((1 + mentions) / (1 + their mean at this hour of the 7 days before))",
        "log ratio",
        _mentions,
        7 * DAY,
    ),
    _read("vix", "vix", "ln(VIX / 20)", "log ratio", lambda at: np.log(_known(at, "vix") / 20.0)),
    _log_change("vix_change_7d", "vix", 7),
    _read(
        "vix_term",
        "vix",
        "ln(VIX / VIX of 3 months): above 0 the near fear is larger",
        "log ratio",
        lambda at: np.log(_known(at, "vix") / _known(at, "vix_3_month")),
    ),
    _change("real_yield_change_7d", "real_yield", 7, "percentage points"),
    _log_change("dollar_change_7d", "dollar", 7),
)
