"""The ledger: cash, positions and round trips in exact decimals. Pure.

Invariant, exact after every fill and charge: ``cash == starting_cash - sum(cost) + realised_pnl - fees - carry``; hence
``cash + sum(market_value) == starting_cash + realised_pnl + unrealised_pnl - fees - carry``.

Amounts are in the account's currency. A position whose prices are in another one keeps its cost in that too: its result
arises in that currency and is converted at the newest rate, as at a broker that holds such pairs on margin.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from services.contracts.books import PAR
from services.contracts.messages import Charge, Fill, Order, Position, Rate, Trade, decision_id
from services.domain.money import ZERO, convert, ratio, share, times


class Holding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An open position with the running totals of its round trip. ``quantity`` and ``cost`` are signed."""

    symbol: str
    asset_class: str
    quantity: Decimal
    cost: Decimal
    mark_price: Decimal
    stop_price: Decimal | None
    target_price: Decimal | None
    opened_at: datetime
    expires_at: datetime | None
    bucket: int
    regime: str
    peak_quantity: Decimal
    entered_quantity: Decimal
    entered_notional: Decimal
    left_quantity: Decimal
    left_notional: Decimal
    fees: Decimal
    slippage: Decimal
    realised: Decimal
    carry: Decimal = ZERO
    fx: Decimal = PAR
    """Account currency for one unit of the prices' currency, at the mark."""
    foreign_cost: Decimal | None = None
    """``cost`` in the prices' currency; None while they are the same, as they are at par."""
    trail: Decimal | None = None

    @property
    def basis(self) -> Decimal:
        """``cost`` in the prices' currency."""
        return self.cost if self.foreign_cost is None else self.foreign_cost

    @property
    def market_value(self) -> Decimal:
        """Signed value at the mark, account currency."""
        value = times(self.quantity, self.mark_price)
        if self.foreign_cost is None and self.fx == 1:
            return value
        return self.cost + convert(value - self.basis, self.fx)


class Working(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order that waits for the first bar which opens after its decision, or for its price, or for more volume."""

    order: Order
    decided_at: datetime
    filled: Decimal = ZERO
    resting: bool = False
    """Whether a bar that it could have filled in has gone by."""
    triggered: bool = False
    """Whether the price that wakes it has been traded."""


class Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The account. ``positions`` holds open ones only, in order of opening."""

    starting_cash: Decimal
    cash: Decimal
    realised_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    carry: Decimal = ZERO
    positions: dict[str, Holding] = {}
    last_slice: datetime | None = None
    working: dict[str, Working] = {}
    """By symbol: a newer order replaces an older one."""
    rates: dict[str, Rate] = {}
    """Of foreign currencies, as last observed."""


class Protection(msgspec.Struct, frozen=True):
    """What a new position carries from the order that opened it."""

    stop_price: Decimal | None
    target_price: Decimal | None
    expires_at: datetime | None
    bucket: int
    regime: str
    trail: Decimal | None = None


def open_book(starting_cash: Decimal) -> Book:
    """Start an account with nothing but cash."""
    return Book(starting_cash=starting_cash, cash=starting_cash)


def apply_fill(book: Book, fill: Fill, protection: Protection | None) -> tuple[Book, Trade | None]:
    """Enter one fill; returns the round trip if it closed the position. A fill never crosses through flat."""
    signed_quantity = fill.quantity if fill.side == "buy" else -fill.quantity
    value = times(signed_quantity, fill.price)
    held = book.positions.get(fill.symbol)
    if held is None or (held.quantity > 0) == (signed_quantity > 0):
        holding, realised = _opened(held, fill, signed_quantity, value, protection), ZERO
        cash_change = -convert(value, fill.fx)
    else:
        if fill.quantity > abs(held.quantity):
            raise ValueError(f"fill {fill.id}: {fill.quantity} {fill.symbol} would cross a position of {held.quantity}")
        holding, removed = _reduced(held, fill, signed_quantity, -value)
        realised = holding.realised - held.realised
        cash_change = removed + realised
    positions = dict(book.positions)
    trade = None
    if holding.quantity == 0:
        del positions[fill.symbol]
        trade = _round_trip(holding, fill)
    else:
        positions[fill.symbol] = holding
    changed = msgspec.structs.replace(
        book,
        cash=book.cash + cash_change - fill.fee,
        realised_pnl=book.realised_pnl + realised,
        fees=book.fees + fill.fee,
        positions=positions,
    )
    return changed, trade


def apply_charge(book: Book, charge: Charge) -> Book:
    """Take what holding a position cost from the cash."""
    held = book.positions[charge.symbol]
    positions = {**book.positions, charge.symbol: msgspec.structs.replace(held, carry=held.carry + charge.amount)}
    return msgspec.structs.replace(
        book, cash=book.cash - charge.amount, carry=book.carry + charge.amount, positions=positions
    )


def mark(book: Book, closes: Mapping[str, Decimal], fx: Mapping[str, Decimal] | None = None) -> Book:
    """Value open positions at the given prices and rates, by symbol; those without keep their old mark."""
    fx = fx or {}
    if not any(symbol in closes or symbol in fx for symbol in book.positions):
        return book
    marked = {
        symbol: msgspec.structs.replace(
            held, mark_price=closes.get(symbol, held.mark_price), fx=fx.get(symbol, held.fx)
        )
        for symbol, held in book.positions.items()
    }
    return msgspec.structs.replace(book, positions=marked)


def equity(book: Book) -> Decimal:
    """Cash plus the value of all positions at their marks."""
    return sum((held.market_value for held in book.positions.values()), book.cash)


def imbalance(book: Book) -> Decimal:
    """Difference between the two ways to compute equity; anything but zero is a broken ledger."""
    values = [(held.market_value, held.cost) for held in book.positions.values()]
    unrealised = sum((value - cost for value, cost in values), ZERO)
    worth = sum((value for value, _ in values), book.cash)
    return worth - (book.starting_cash + book.realised_pnl + unrealised - book.fees - book.carry)


def as_position(held: Holding) -> Position:
    """Return the published form of a holding."""
    return Position(
        symbol=held.symbol,
        asset_class=held.asset_class,
        quantity=held.quantity,
        cost=held.cost,
        mark_price=held.mark_price,
        market_value=held.market_value,
        stop_price=held.stop_price,
        target_price=held.target_price,
        opened_at=held.opened_at,
        expires_at=held.expires_at,
        fx=held.fx,
        trail=held.trail,
    )


def _opened(
    held: Holding | None, fill: Fill, signed: Decimal, value: Decimal, protection: Protection | None
) -> Holding:
    """Open or enlarge a position by a fill of signed ``value``, in the prices' currency."""
    cost = convert(value, fill.fx)
    if held is not None:
        quantity = held.quantity + signed
        return msgspec.structs.replace(
            held,
            quantity=quantity,
            cost=held.cost + cost,
            mark_price=fill.price,
            peak_quantity=max(held.peak_quantity, abs(quantity)),
            entered_quantity=held.entered_quantity + fill.quantity,
            entered_notional=held.entered_notional + abs(value),
            fees=held.fees + fill.fee,
            slippage=held.slippage + fill.slippage,
            fx=fill.fx,
            foreign_cost=None if held.foreign_cost is None and fill.fx == 1 else held.basis + value,
        )
    carried = protection or Protection(None, None, None, 0, "unclassified")
    return Holding(
        symbol=fill.symbol,
        asset_class=fill.asset_class,
        quantity=signed,
        cost=cost,
        mark_price=fill.price,
        stop_price=carried.stop_price,
        target_price=carried.target_price,
        opened_at=fill.filled_at,
        expires_at=carried.expires_at,
        bucket=carried.bucket,
        regime=carried.regime,
        peak_quantity=abs(signed),
        entered_quantity=fill.quantity,
        entered_notional=abs(value),
        left_quantity=ZERO,
        left_notional=ZERO,
        fees=fill.fee,
        slippage=fill.slippage,
        realised=ZERO,
        fx=fill.fx,
        foreign_cost=None if fill.fx == 1 else value,
        trail=carried.trail,
    )


def _reduced(held: Holding, fill: Fill, signed: Decimal, proceeds: Decimal) -> tuple[Holding, Decimal]:
    """Take a fill off a position; returns what is left and the cost that left with it, in account currency.

    ``proceeds`` are signed and in the prices' currency, as is the result before it is converted.
    """
    removed = share(held.cost, fill.quantity, abs(held.quantity))
    foreign = share(held.basis, fill.quantity, abs(held.quantity))
    holding = msgspec.structs.replace(
        held,
        quantity=held.quantity + signed,
        cost=held.cost - removed,
        mark_price=fill.price,
        left_quantity=held.left_quantity + fill.quantity,
        left_notional=held.left_notional + abs(proceeds),
        fees=held.fees + fill.fee,
        slippage=held.slippage + fill.slippage,
        realised=held.realised + convert(proceeds - foreign, fill.fx),
        fx=fill.fx,
        foreign_cost=None if held.foreign_cost is None else held.foreign_cost - foreign,
    )
    return holding, removed


def _round_trip(held: Holding, last: Fill) -> Trade:
    return Trade(
        id=decision_id(last.filled_at, "trade", f"{held.symbol}|{held.opened_at.isoformat()}|{last.id}"),
        symbol=held.symbol,
        asset_class=held.asset_class,
        side="short" if last.side == "buy" else "long",
        opened_at=held.opened_at,
        closed_at=last.filled_at,
        quantity=held.peak_quantity,
        entry_price=ratio(held.entered_notional, held.entered_quantity),
        exit_price=ratio(held.left_notional, held.left_quantity),
        fees=held.fees,
        slippage=held.slippage,
        pnl=held.realised - held.fees - held.carry,
        exit_reason=last.reason,
        bucket=held.bucket,
        regime=held.regime,
        carry=held.carry,
    )
