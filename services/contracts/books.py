"""The books as they are published: fills, positions, round trips, what holding cost. Parts of ``PortfolioSettled``.

Prices are in the quote currency of their symbol, amounts in the account's. Decimals with a default are written always,
except in ``PortfolioSettled`` itself, whose producer uses the very objects that stand here as defaults.
"""

from decimal import Decimal
from typing import Literal
from uuid import UUID

from services.contracts.shape import Message, Missing, Side, Struct, Time

FillReason = Literal["entry", "increase", "reduce", "exit", "flatten", "max_hold", "stop", "target"]
ChargeKind = Literal["funding", "borrow", "financing"]

NOTHING = Decimal("0E-8")
PAR = Decimal("1.000000000000")
"""The exchange rate of the account's currency to itself."""


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
    """Open of the bar that filled it; stops, targets and limits carry that bar's open too, for bars hide the minute."""
    fx: Decimal = PAR
    """Account currency for one unit of the currency that ``price`` is in."""
    liquidity: Literal["maker", "taker"] = "taker"
    cash: Decimal | None = None
    """What it changed the cash by, before its fee: cash is the starting cash and all of these less fees and charges."""


class OrderOutcome(Struct, frozen=True):
    """What became of an order at the venue, all its fills together."""

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
    """Signed, account currency: ``quantity * mark_price`` to 8 places; where prices are in another currency, ``cost``
    plus the result so far in that currency at the newest rate."""
    stop_price: Decimal | None
    target_price: Decimal | None
    opened_at: Time
    expires_at: Time | None
    fx: Decimal = PAR
    """Account currency for one unit of the currency that its prices are in, at the mark."""
    trail: Decimal | None = None
    """Fraction by which ``stop_price`` follows the best price; None: it stands still."""


class Trade(Struct, frozen=True):
    """A round trip from flat to flat, after costs. ``pnl`` is net of ``fees`` and ``carry``."""

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
    carry: Decimal = NOTHING
    """What holding it cost: funding, borrowing, financing."""


class Charge(Struct, frozen=True):
    """What holding one position cost at a slice; ``amount`` leaves the cash, ``notional`` is what it was taken of."""

    id: UUID
    symbol: str
    asset_class: str
    kind: ChargeKind
    notional: Decimal
    rate: Decimal
    """Of the notional, all due moments since the slice before together."""
    amount: Decimal


class Rate(Struct, frozen=True):
    """Account currency for one unit of ``currency``; ``as_of`` None: declared in the configuration, not observed."""

    currency: str
    rate: Decimal
    as_of: Time | None


class PortfolioSettled(Message, frozen=True, omit_defaults=True):
    """The books after the slice. ``cash + sum(market_value) == equity``, exactly.

    Also ``starting_cash + realised_pnl + unrealised_pnl - fees - carry == equity``.
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
    working_symbols: tuple[str, ...] = ()
    """The symbols of ``working``, in the same order."""
    carry: Decimal = NOTHING
    """All charges for holding so far."""
    charges: tuple[Charge, ...] = ()
    """This slice's."""
    rates: tuple[Rate, ...] = ()
    """Of every foreign currency that a symbol of the slice or a position is quoted in, for sizes and limits."""
    stale_fx: tuple[str, ...] = ()
    """Positions converted at a rate that is not of this slice."""
