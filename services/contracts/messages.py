"""Every message on the streams, as a frozen struct that reads and writes JSON.

Conventions: times are aware UTC datetimes; a slice is named by the time of its close; prices and amounts that reach the
ledger are ``Decimal`` (JSON strings), model numbers are ``float``. Unknown fields are refused. ``VERSION`` changes with
any change of shape.
"""

from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

import msgspec

# Everyone imports these from here.
from services.contracts.books import Charge as Charge  # noqa: PLC0414
from services.contracts.books import Fill as Fill  # noqa: PLC0414
from services.contracts.books import FillReason as FillReason  # noqa: PLC0414
from services.contracts.books import OrderOutcome as OrderOutcome  # noqa: PLC0414
from services.contracts.books import PortfolioSettled as PortfolioSettled  # noqa: PLC0414
from services.contracts.books import Position as Position  # noqa: PLC0414
from services.contracts.books import Rate as Rate  # noqa: PLC0414
from services.contracts.books import Trade as Trade  # noqa: PLC0414
from services.contracts.ladder import Activation as Activation  # noqa: PLC0414
from services.contracts.ladder import AssetStanding as AssetStanding  # noqa: PLC0414
from services.contracts.ladder import Evidence as Evidence  # noqa: PLC0414
from services.contracts.ladder import Level as Level  # noqa: PLC0414
from services.contracts.ladder import Readiness as Readiness  # noqa: PLC0414
from services.contracts.ladder import Requirement as Requirement  # noqa: PLC0414
from services.contracts.names import CHLOE_NAMESPACE as CHLOE_NAMESPACE  # noqa: PLC0414
from services.contracts.names import decision_id as decision_id  # noqa: PLC0414
from services.contracts.readings import MarketReading, Reading, Returns
from services.contracts.research import EdgeMeasured as EdgeMeasured  # noqa: PLC0414
from services.contracts.research import ResearchMade as ResearchMade  # noqa: PLC0414
from services.contracts.shape import Message as Message  # noqa: PLC0414
from services.contracts.shape import Missing as Missing  # noqa: PLC0414
from services.contracts.shape import Side as Side  # noqa: PLC0414
from services.contracts.shape import Struct, Time

VERSION = 6

Action = Literal["BUY", "SELL", "HOLD"]
ConfidenceLevel = Literal["HIGH", "MEDIUM", "LOW"]
Strength = Literal["STRONG_BUY", "BUY", "HOLD", "SELL", "STRONG_SELL"]
OrderKind = Literal["market", "limit", "stop", "stop_limit"]
OrderReason = Literal["entry", "increase", "reduce", "exit", "flatten", "max_hold"]
CommandName = Literal["halt", "resume", "flatten", "activate", "enable", "disable", "block", "unblock"]


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
    explores: bool = False
    """Below its threshold, for the record's sake (ADR 23): no part of live trading unless its owner says so."""


class TargetsSet(Message, frozen=True, omit_defaults=True):
    """The wanted portfolio of the slice: one target per forecast asset, the rest is cash."""

    timeframe: str
    targets: tuple[Target, ...]
    cash_weight: float
    market: str = "unknown"
    """The market's regime, as in :class:`MarketReading`."""
    clusters: tuple[tuple[str, ...], ...] = ()
    """As in :class:`ForecastsMade`, for risk."""


class LimitCheck(Struct, frozen=True, omit_defaults=True):
    """One limit as it stood before the order: what it allows, what it was, whether it let the order pass whole."""

    name: str
    limit: Decimal | None = None
    current: Decimal | None = None
    passed: bool = True
    allowed: Decimal | None = None
    """The most notional it had room for; None where it says only yes or no. Less than was asked cuts the order."""


class Order(Struct, frozen=True):
    """An approved order for the next bar, with the protection its position shall carry (together: a bracket)."""

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
    """How long it, or what is left of it, waits for a bar that opens after the decision; None: one slice only."""
    kind: OrderKind = "market"
    limit_price: Decimal | None = None
    """The worst price that a limit or stop-limit order takes."""
    trigger_price: Decimal | None = None
    """The price that wakes a stop or stop-limit order: at or above the market to buy, at or below it to sell."""
    trail: Decimal | None = None
    """Fraction behind the best price since: on an entry its position's stop follows, on a reducing stop its trigger."""
    checks: tuple[LimitCheck, ...] = ()
    """The whole table of risk as it stood, for entries; reductions are asked nothing."""
    explores: bool = False
    """As in :class:`Target`."""


class Refused(Struct, frozen=True):
    """An order that was not allowed, and the reason in words."""

    id: UUID
    symbol: str
    asset_class: str
    side: Side
    quantity: Decimal
    check: str
    reason: str
    checks: tuple[LimitCheck, ...] = ()
    """The whole table of risk as it stood; shorter where the wish made too little sense to ask on."""


class OrdersDecided(Message, frozen=True):
    """Risk's word on the slice: approved and refused orders and the limits as they stood."""

    timeframe: str
    orders: tuple[Order, ...]
    refused: tuple[Refused, ...]
    checks: tuple[LimitCheck, ...]
    halted: str | None
    """Why trading is halted, or None."""


class DayEvaluated(Message, frozen=True, omit_defaults=True):
    """Phases' daily word: readiness, what changed, and the symbols that may be entered from the next slice on."""

    readiness: tuple[Readiness, ...]
    changes: tuple[Activation, ...]
    enabled: tuple[str, ...]
    classes: tuple[str, ...]
    collecting: tuple[str, ...]
    command_id: UUID | None = None
    """Set when a person's command caused this evaluation, instead of the end of a day."""
    observed: tuple[str, ...] = ()
    """Those of ``enabled`` that are entered at observation size only."""
    winding: tuple[str, ...] = ()
    """Symbols taken off by rule whose positions risk closes; none of them is enabled."""
    live: tuple[str, ...] = ()
    """Those of ``enabled`` whose live phase is active."""
    assets: tuple[AssetStanding, ...] = ()
    """Every asset of the ladder, in the order of the configuration."""
    cells: tuple[EdgeMeasured, ...] = ()
    """For symbols that research has put into another tier than the configuration: where it saw them pay. Their profile
    is these cells and no others."""


class CommandGiven(Message, frozen=True, omit_defaults=True):
    """An operator's command; takes effect at the next slice.

    ``block`` and ``unblock`` are given for a flag of ``system_flags``: ``subject`` is a symbol, an asset class or
    ``all``, and ``note`` is ``<flag>: <detail>``; a flag is lifted by the ``unblock`` of the same subject and flag.
    """

    id: UUID
    name: CommandName
    subject: str | None
    by: str
    note: str = ""
    forced: bool = False
    live: bool = False
    """For ``enable`` and ``disable``: the asset's live phase is meant, not its trading on paper."""


AnyMessage = (
    CandleClosed | FeedAdvanced | IndicatorObserved | SliceClosed | ForecastsMade | TargetsSet | OrdersDecided
    | PortfolioSettled | DayEvaluated | CommandGiven | ResearchMade
)  # fmt: skip

_DECODER: msgspec.json.Decoder[AnyMessage] = msgspec.json.Decoder(AnyMessage)
_ENCODER = msgspec.json.Encoder(decimal_format="string", order=None)


def encode(message: msgspec.Struct) -> bytes:
    """Write a message as JSON; equal messages give equal bytes."""
    return _ENCODER.encode(message)


def decode(data: bytes | str) -> AnyMessage:
    """Read a message; raises ``msgspec.ValidationError`` that names the field, never returns a partial one."""
    return _DECODER.decode(data)
