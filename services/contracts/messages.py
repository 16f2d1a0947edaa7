"""Every message on the streams, as a frozen struct that reads and writes JSON.

Conventions: times are aware UTC datetimes; a slice is named by the time of its close; prices and amounts that reach the
ledger are ``Decimal`` (JSON strings), model numbers are ``float``. Unknown fields are refused. ``VERSION`` changes with
any change of shape.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID, uuid5

import msgspec

from services.contracts.readings import MarketReading, Reading, Returns
from services.contracts.shape import Message as Message  # noqa: PLC0414 - everyone imports it from here
from services.contracts.shape import Struct, Time

VERSION = 3

CHLOE_NAMESPACE = UUID("6f0d3a52-9d0b-5c3e-8f57-3c1f6f1f0c10")

Action = Literal["BUY", "SELL", "HOLD"]
ConfidenceLevel = Literal["HIGH", "MEDIUM", "LOW"]
Strength = Literal["STRONG_BUY", "BUY", "HOLD", "SELL", "STRONG_SELL"]
Side = Literal["buy", "sell"]
OrderReason = Literal["entry", "increase", "reduce", "exit", "flatten", "max_hold"]
FillReason = Literal["entry", "increase", "reduce", "exit", "flatten", "max_hold", "stop", "target"]
CommandName = Literal["halt", "resume", "flatten", "activate", "enable", "disable"]


def decision_id(ts: datetime, stage: str, subject: str) -> UUID:
    """Name a decision deterministically, so that redelivery can never create a second one."""
    return uuid5(CHLOE_NAMESPACE, f"{ts.isoformat()}|{stage}|{subject}")


class Bar(Struct, frozen=True, omit_defaults=True):
    """One closed candle inside a slice. ``volume`` is in units of the base asset."""

    symbol: str
    asset_class: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    opened_at: Time | None = None
    """When it opened, where that is not one timeframe before the slice (exchanges that open at half past)."""


class Missing(Struct, frozen=True):
    """A symbol whose data is not there for the slice, or not to be trusted, and why."""

    symbol: str
    reason: str


class Split(Struct, frozen=True):
    """From this slice's bar of ``symbol`` on, ``new`` units are what ``old`` units were in the slices before."""

    symbol: str
    new: Annotated[int, msgspec.Meta(ge=1)]
    old: Annotated[int, msgspec.Meta(ge=1)]


class CandleClosed(Message, frozen=True):
    """A stored candle; ``ts`` is the bar's open. ``revision`` counts later changes of the same bar."""

    symbol: str
    timeframe: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    source: str
    received_at: Time
    revision: int = 0


class FeedAdvanced(Message, frozen=True):
    """A source's promise: all its candles that closed at or before ``ts`` are stored (punctuation)."""

    source: str
    timeframe: str
    begins: Time | None = None
    """Where the run's slices begin: candles before it are history, stored for features and training only."""
    ended: bool = False
    """True when a finite source (a replay) has delivered everything it has."""


class IndicatorObserved(Message, frozen=True):
    """A value other than a price. ``ts`` is when it was observed, ``available_at`` when we could know it."""

    name: str
    symbol: str | None
    value: float
    available_at: Time
    source: str


class SliceClosed(Message, frozen=True, omit_defaults=True):
    """One bar close for the whole platform: everything known at ``ts``."""

    timeframe: str
    bars: tuple[Bar, ...]
    missing: tuple[Missing, ...] = ()
    splits: tuple[Split, ...] = ()
    """Oldest first: this slice's bars and later ones are on the new terms, what was decided or is held is not."""
    suspect: tuple[Missing, ...] = ()
    """Symbols whose sources disagreed when the slice was closed, and how: nothing new is entered in them."""


class ForecastPart(Struct, frozen=True):
    """What one model said: log return over the horizon and its standard deviation."""

    model: str
    version: str
    expected_return: float
    uncertainty: float


class Forecast(Struct, frozen=True, omit_defaults=True):
    """One asset's forecast at the slice: log return over ``horizon_hours``."""

    symbol: str
    asset_class: str
    horizon_hours: int
    close: float
    expected_return: float
    uncertainty: float
    confidence: float
    """Causal percentile in [0, 1] of |expected_return| / uncertainty among the asset's recent forecasts."""
    bucket: int
    """0 to 9: the tenth of ``confidence``."""
    p_up: float | None
    """Calibrated probability that the price rises; None while there is too little past to calibrate it."""
    parts: tuple[ForecastPart, ...]
    low: float | None = None
    """Log return that the outcome exceeds nine times in ten: with ``high`` the 80 % interval."""
    high: float | None = None
    without: tuple[str, ...] = ()
    """Models that should have had a say and could not: not trained yet, or too few candles for their sequence."""
    trained_at: Time | None = None
    """When the oldest model that had a say came into use; None where none needs training."""


class ForecastsMade(Message, frozen=True, omit_defaults=True):
    """All forecasts of the slice, and the symbols that could not be forecast."""

    timeframe: str
    forecasts: tuple[Forecast, ...]
    missing: tuple[Missing, ...] = ()
    readings: tuple[Reading, ...] = ()
    """In order of symbol, of every asset with a bar in the slice."""
    market: MarketReading | None = None
    clusters: tuple[tuple[str, ...], ...] = ()
    """Assets that move together (two or more each), as of the last midnight: one bound holds for all of a cluster."""
    returns: tuple[Returns, ...] = ()
    """Only in the first slice at or after a midnight."""


class Target(Struct, frozen=True, omit_defaults=True):
    """What signals want for one asset. ``weight`` None means: leave the position as it is (HOLD)."""

    id: UUID
    symbol: str
    asset_class: str
    action: Action
    level: ConfidenceLevel
    weight: float | None
    close: float
    expected_return: float
    uncertainty: float
    confidence: float
    bucket: int
    regime: str
    threshold: float
    reasons: tuple[str, ...]
    strength: Strength = "HOLD"
    stop: float | None = None
    """Price below the support (above the resistance for a short) to leave its position at; None: the asset's."""
    take: float | None = None
    """Price at the next resistance (support for a short); None: the asset's."""
    volatility: float | None = None
    """As in :class:`Reading`: of one bar, and what is usual."""
    usual_volatility: float | None = None
    trained_at: Time | None = None
    """When the oldest model in its forecast came into use."""


class TargetsSet(Message, frozen=True, omit_defaults=True):
    """The wanted portfolio of the slice: one target per forecast asset, the rest is cash."""

    timeframe: str
    targets: tuple[Target, ...]
    cash_weight: float
    market: str = "unknown"
    """The market's regime, as in :class:`MarketReading`."""
    clusters: tuple[tuple[str, ...], ...] = ()
    """As in :class:`ForecastsMade`, for risk."""


class Order(Struct, frozen=True):
    """An approved market order for the next bar's open, with the protection its position shall carry."""

    id: UUID
    symbol: str
    asset_class: str
    side: Side
    quantity: Decimal
    reason: OrderReason
    reduce_only: bool
    reference_price: Decimal
    stop_price: Decimal | None
    target_price: Decimal | None
    expires_at: Time | None
    """When the position must be left by (maximum hold); None for no limit."""
    bucket: int
    regime: str
    notes: tuple[str, ...] = ()
    valid_until: Time | None = None
    """How long it waits for a bar that opens after the decision; None: for the next slice only."""


class LimitCheck(Struct, frozen=True):
    """One limit as it stood: what it allows, what it was, whether it let the order pass."""

    name: str
    limit: Decimal | None
    current: Decimal | None
    passed: bool


class Refused(Struct, frozen=True):
    """An order that was not allowed, and the reason in words."""

    id: UUID
    symbol: str
    asset_class: str
    side: Side
    quantity: Decimal
    check: str
    reason: str


class OrdersDecided(Message, frozen=True):
    """Risk's word on the slice: approved and refused orders and the limits as they stood."""

    timeframe: str
    orders: tuple[Order, ...]
    refused: tuple[Refused, ...]
    checks: tuple[LimitCheck, ...]
    halted: str | None
    """Why trading is halted, or None."""


class Fill(Struct, frozen=True):
    """One execution. ``price`` includes spread and slippage; ``slippage`` is their cost in account currency."""

    id: UUID
    order_id: UUID | None
    symbol: str
    asset_class: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    slippage: Decimal
    reason: FillReason
    filled_at: Time
    """Open of the bar that filled it; stops and targets carry that bar's open too, for bars hide the minute."""


class OrderOutcome(Struct, frozen=True):
    """What became of an order at the venue."""

    order_id: UUID
    symbol: str
    status: Literal["filled", "partly_filled", "cancelled"]
    filled_quantity: Decimal
    detail: str


class Position(Struct, frozen=True):
    """An open position. ``quantity`` is signed; ``cost`` is what it cost without fees (negative when short)."""

    symbol: str
    asset_class: str
    quantity: Decimal
    cost: Decimal
    mark_price: Decimal
    market_value: Decimal
    """Signed ``quantity * mark_price``, rounded to 8 places, account currency."""
    stop_price: Decimal | None
    target_price: Decimal | None
    opened_at: Time
    expires_at: Time | None


class Trade(Struct, frozen=True):
    """A round trip from flat to flat, after costs. ``pnl`` is net of ``fees``."""

    id: UUID
    symbol: str
    asset_class: str
    side: Literal["long", "short"]
    opened_at: Time
    closed_at: Time
    quantity: Decimal
    """The largest absolute size the position had."""
    entry_price: Decimal
    exit_price: Decimal
    fees: Decimal
    slippage: Decimal
    pnl: Decimal
    exit_reason: FillReason
    bucket: int
    regime: str


class PortfolioSettled(Message, frozen=True, omit_defaults=True):
    """The books after the slice. ``cash + sum(market_value) == equity``, exactly.

    Also ``starting_cash + realised_pnl + unrealised_pnl - fees == equity``.
    """

    timeframe: str
    fills: tuple[Fill, ...]
    outcomes: tuple[OrderOutcome, ...]
    trades: tuple[Trade, ...]
    positions: tuple[Position, ...]
    cash: Decimal
    equity: Decimal
    starting_cash: Decimal
    realised_pnl: Decimal
    unrealised_pnl: Decimal
    fees: Decimal
    stale: tuple[str, ...] = ()
    """Symbols marked at an older price because the slice had no bar for them."""
    working: tuple[UUID, ...] = ()
    """Orders that still wait for a bar to fill in."""
    suspect: tuple[Missing, ...] = ()
    """The slice's suspect symbols, for risk, which reads the books and not the slice."""


class Requirement(Struct, frozen=True):
    """One line of a gate: what is asked, what is, whether it is met, and what is missing in words."""

    name: str
    comparison: Literal[">", ">=", "<", "<=", "is"]
    threshold: float
    current: float | None
    met: bool
    missing: str | None


class Readiness(Struct, frozen=True):
    """A phase's state and its requirements; ``ready`` is True only when all are met."""

    phase: str
    asset_class: str
    active: bool
    ready: bool
    requirements: tuple[Requirement, ...]


class Activation(Struct, frozen=True):
    """A change of what may trade, as written to the hash-chained log."""

    id: UUID
    subject: str
    """A phase (``phase_1_stocks``) or a symbol."""
    change: Literal["activated", "demoted", "enabled", "disabled"]
    by: str
    note: str
    forced: bool


class DayEvaluated(Message, frozen=True):
    """Phases' daily word: readiness, what changed, and the symbols that may be entered from the next slice on."""

    readiness: tuple[Readiness, ...]
    changes: tuple[Activation, ...]
    enabled: tuple[str, ...]
    classes: tuple[str, ...]
    collecting: tuple[str, ...]
    command_id: UUID | None = None
    """Set when a person's command caused this evaluation, instead of the end of a day."""


class CommandGiven(Message, frozen=True):
    """An operator's command; takes effect at the next slice."""

    id: UUID
    name: CommandName
    subject: str | None
    by: str
    note: str = ""
    forced: bool = False


AnyMessage = (
    CandleClosed | FeedAdvanced | IndicatorObserved | SliceClosed | ForecastsMade | TargetsSet | OrdersDecided
    | PortfolioSettled | DayEvaluated | CommandGiven
)  # fmt: skip

_DECODER: msgspec.json.Decoder[AnyMessage] = msgspec.json.Decoder(AnyMessage)
_ENCODER = msgspec.json.Encoder(decimal_format="string", order=None)


def encode(message: msgspec.Struct) -> bytes:
    """Write a message as JSON; equal messages give equal bytes."""
    return _ENCODER.encode(message)


def decode(data: bytes | str) -> AnyMessage:
    """Read a message; raises ``msgspec.ValidationError`` that names the field, never returns a partial one."""
    return _DECODER.decode(data)
