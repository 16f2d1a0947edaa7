"""What the watchdog sees at one moment, as read from the stored truth. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from services.contracts.messages import PortfolioSettled
from services.domain.candles import Timeframe


@dataclass(frozen=True, slots=True)
class StageSeen:
    """A stage and the oldest slice that it owes; both None where it owes none."""

    stage: str
    owes: datetime | None
    owed_since: datetime | None


@dataclass(frozen=True, slots=True)
class FeedSeen:
    """An enabled asset and the open of its newest bar; None: it has none."""

    symbol: str
    asset_class: str
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class FillsSeen:
    """An asset's fills: how many and their median slippage in bps of the notional, newest and usual."""

    symbol: str
    fills: int
    bps: float | None
    usual_fills: int
    usual_bps: float | None


@dataclass(frozen=True, slots=True)
class BooksSeen:
    """The newest books as told, and what the tables say of the same moment; amounts in account currency."""

    told: PortfolioSettled
    cash: Decimal | None
    """Of ``portfolio_equity`` at the same slice, as are the next; None: it has no row."""
    equity: Decimal | None
    held: Decimal
    """Market value of all rows of ``positions``."""
    fills_cash: Decimal | None
    """What all fills changed the cash by; None where some are from before that was stored."""
    fills_fees: Decimal
    charges: Decimal


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything at one moment; what could not be looked at is None, and no word on it is taken."""

    now: datetime
    timeframe: Timeframe
    started_at: datetime
    newest_slice: datetime | None = None
    stages: tuple[StageSeen, ...] = ()
    feeds: tuple[FeedSeen, ...] = ()
    fills: tuple[FillsSeen, ...] = ()
    books: BooksSeen | None = None
    drifting: Mapping[str, datetime] = field(default_factory=dict)
    """By symbol, since when its ``model_drift`` is up."""
    dead_letters: Mapping[str, int] | None = None
    """By stream, within the check's window; None: Redis did not answer."""
    refused_candles: Mapping[str, int] = field(default_factory=dict)
    """By source, within the window; likewise the next two."""
    refused_commands: int = 0
    senseless_orders: Mapping[str, int] = field(default_factory=dict)
