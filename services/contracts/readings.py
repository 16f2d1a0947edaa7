"""What inference reads off the market besides its forecasts: regimes, levels, mood. Parts of ``ForecastsMade``."""

from typing import Literal

from services.contracts.shape import Struct, Time


class Zone(Struct, frozen=True):
    """A band of prices where the market has turned or traded much; ``strength`` in [0, 1]."""

    low: float
    high: float
    strength: float
    made_of: tuple[str, ...]
    """What agrees on it: ``low_7d``, ``pivot_s1``, ``point_of_control``, ``fib_618``, and so on."""


class Reading(Struct, frozen=True, omit_defaults=True):
    """What is known of one asset at the slice besides its forecast; None where too little is."""

    symbol: str
    regime: str = "unclassified"
    """high_vol, trend_up, trend_down, chop, or unclassified."""
    volatility: float | None = None
    """Standard deviation of one bar's log return over the last day."""
    usual_volatility: float | None = None
    """Median of ``volatility`` over the last 30 days."""
    supports: tuple[Zone, ...] = ()
    """Zones that begin at or below the close, the nearest first, at most three."""
    resistances: tuple[Zone, ...] = ()
    """Zones that begin above the close, the nearest first, at most three."""
    sideways: bool | None = None
    """Whether the last ten sessions went nowhere for what they moved: leveraged funds decay in such markets."""
    decay_per_day: float | None = None
    """What a leveraged fund loses a day to its own leverage at this volatility, a fraction; None for other assets."""
    sentiment: float | None = None
    """Mood in [-1, 1] of the last six hours' mentions, weighed by their count."""
    mentions: int | None = None
    posts: int | None = None
    """Posts of the asset's watched accounts in the last 24 hours."""
    earnings_at: Time | None = None
    """The nearest known earnings date within ten days before or after the slice."""


class MarketReading(Struct, frozen=True):
    """The state of the whole crypto market, from dominance; ``why`` says by which figures, or what is missing."""

    regime: Literal["btc_dominant", "alt_season", "risk_off", "balanced", "unknown"]
    why: str
    btc_dominance: float | None = None
    """Per cent of the market's value."""
    usdt_dominance: float | None = None
    as_of: Time | None = None
    """When the newest of the two became known."""


class Returns(Struct, frozen=True):
    """An asset's last daily log returns, oldest first, to divide the portfolio by."""

    symbol: str
    daily: tuple[float, ...]
