"""What adapters deliver besides candles. ``observed_at`` is the moment a value is about, ``available_at`` when it could
first be known; decisions read only what was available.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal


@dataclass(frozen=True, slots=True)
class Observation:
    """One value of a leading indicator; ``symbol`` None is market-wide."""

    name: str
    symbol: str | None
    value: float
    observed_at: datetime
    available_at: datetime


@dataclass(frozen=True, slots=True)
class QuoteReading:
    """The best bid and ask at a moment; a side that is not quoted is None."""

    symbol: str
    ts: datetime
    bid: Decimal | None
    ask: Decimal | None
    bid_size: float | None = None
    ask_size: float | None = None


@dataclass(frozen=True, slots=True)
class SocialReading:
    """What people wrote about a symbol in the window ending at ``ts``. Sentiment in [-1, 1], shares in [0, 1]."""

    symbol: str
    ts: datetime
    available_at: datetime
    mentions: int
    sentiment: float | None
    bullish: float | None
    bearish: float | None
    keywords: dict[str, int]


@dataclass(frozen=True, slots=True)
class Named:
    """The tickers that one text of a social source names, ours or not; ``at`` is when it was written."""

    at: datetime
    tickers: frozenset[str]


@dataclass(frozen=True, slots=True)
class OptionsAlert:
    """One unusual options trade. Premium in USD."""

    symbol: str
    ts: datetime
    available_at: datetime
    contract: str
    kind: Literal["call", "put"]
    strike: Decimal
    expiry: date
    premium_usd: Decimal
    side: str | None
    rule: str


@dataclass(frozen=True, slots=True)
class DominanceReading:
    """Shares of the whole crypto market's value, in per cent."""

    ts: datetime
    available_at: datetime
    btc_d: float | None
    usdt_d: float | None
    total_market_cap_usd: float | None


@dataclass(frozen=True, slots=True)
class CalendarEvent:
    """A scheduled event: earnings of a symbol, or an economic release (``symbol`` None)."""

    event_id: str
    name: str
    symbol: str | None
    scheduled_at: datetime
    available_at: datetime
    importance: Literal["low", "medium", "high"]
