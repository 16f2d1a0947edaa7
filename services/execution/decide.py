"""Settle one slice: splits, what was gapped through, orders at the open, stops and targets in the bar, marks. Pure.

Within a bar the worse outcome comes first: a bar that touches both stop and target counts as stopped.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

import msgspec

from services.contracts.messages import (
    Bar,
    Fill,
    FillReason,
    Order,
    OrderOutcome,
    OrdersDecided,
    PortfolioSettled,
    Side,
    SliceClosed,
    Trade,
    decision_id,
)
from services.domain.candles import SECONDS, timeframe_of
from services.domain.errors import BooksBroken
from services.domain.money import ZERO, money
from services.execution.book import Book, Holding, Protection, Working, apply_fill, as_position, equity, imbalance, mark
from services.execution.splits import restate, splits_of


@dataclass(frozen=True, slots=True)
class Quote:
    """A closed bar in ledger decimals; ``volume`` in units of the asset."""

    symbol: str
    asset_class: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    opened: datetime
    taken: Decimal = ZERO
    """How much of the bar's volume our own market orders have used up already."""


@dataclass(frozen=True, slots=True)
class Execution:
    """What the venue gives for a wish: quantity, price with costs, fee, and the cost of spread and slippage."""

    quantity: Decimal
    price: Decimal
    fee: Decimal
    slippage: Decimal
    detail: str = ""


class Venue(Protocol):
    """A venue that fills inside recorded bars; pure, so that back-test and paper trading share it."""

    def at_market(self, side: Side, quantity: Decimal, price: Decimal, quote: Quote, cash: Decimal | None) -> Execution:
        """Fill a market order near ``price``; buys cost at most ``cash`` (None: a reduction, always allowed)."""
        ...

    def at_limit(self, side: Side, quantity: Decimal, price: Decimal, quote: Quote) -> Execution:
        """Fill a resting order at ``price`` or better: no slippage."""
        ...


@dataclass(frozen=True, slots=True)
class Settle:
    """The event: a slice with the orders that were decided at the slice before."""

    slice: SliceClosed
    orders: OrdersDecided | None


@dataclass(slots=True)
class _Session:
    """What accumulates while one slice is settled; lives only inside :func:`settle`."""

    book: Book
    ts: datetime
    quotes: dict[str, Quote]
    fills: list[Fill]
    outcomes: list[OrderOutcome]
    trades: list[Trade]


def settle(book: Book, event: Settle, venue: Venue) -> tuple[Book, PortfolioSettled]:
    """Return the books after the slice and what happened in it."""
    closed = event.slice
    opened = closed.ts - timedelta(seconds=SECONDS[timeframe_of(closed.timeframe)])
    book, decided = restate(book, event.orders, closed.splits)
    session = _Session(book, closed.ts, {}, [], [], [])
    working = _take_orders(session, decided)
    touched = book.positions.keys() | working.keys()
    session.quotes = {bar.symbol: _quote(bar, bar.opened_at or opened) for bar in closed.bars if bar.symbol in touched}
    for symbol in list(book.positions):
        _protect(session, symbol, venue, at_open=True)
    still = {symbol: one for symbol, one in working.items() if not _fill_order(session, one, venue)}
    for symbol in list(session.book.positions):
        _protect(session, symbol, venue, at_open=False)
    marked = mark(session.book, {symbol: quote.close for symbol, quote in session.quotes.items()})
    settled = msgspec.structs.replace(marked, last_slice=closed.ts, working=still)
    return settled, _portfolio(settled, closed, session)


def _take_orders(session: _Session, decided: OrdersDecided | None) -> dict[str, Working]:
    """Add the new orders to those that wait: a newer one replaces an older one, a halt cancels waiting entries."""
    working = dict(session.book.working)
    if decided is None:
        return working
    for symbol, one in session.book.working.items():
        if decided.halted is not None and not one.order.reduce_only:
            _outcome(session, working.pop(symbol).order, Decimal(0), "trading is halted")
    for order in decided.orders:
        older = working.pop(order.symbol, None)
        if older is not None:
            _outcome(session, older.order, Decimal(0), "replaced by a newer order")
        working[order.symbol] = Working(order, decided.ts)
    return working


def _quote(bar: Bar, opened: datetime) -> Quote:
    return Quote(
        bar.symbol,
        bar.asset_class,
        money(bar.open),
        money(bar.high),
        money(bar.low),
        money(bar.close),
        money(bar.volume),
        opened,
    )


def _protect(session: _Session, symbol: str, venue: Venue, *, at_open: bool) -> None:
    """Fire a position's stop or target: at the open if the market gapped through it, else inside the bar.

    A position that was entered beyond its own stop or target leaves at the open too: no better price was traded.
    """
    held, quote = session.book.positions[symbol], session.quotes.get(symbol)
    if quote is None:
        return
    long = held.quantity > 0
    worst, best = (
        (quote.open, quote.open) if at_open else ((quote.low, quote.high) if long else (quote.high, quote.low))
    )
    side: Side = "sell" if long else "buy"
    size, moment = abs(held.quantity), "open" if at_open else "inside"
    if held.stop_price is not None and (worst <= held.stop_price if long else worst >= held.stop_price):
        price = min(held.stop_price, quote.open) if long else max(held.stop_price, quote.open)
        execution = venue.at_market(side, size, price, quote, None)
        _take_volume(session, quote, execution)
        _enter(session, held, None, "stop", side, execution, moment)
    elif held.target_price is not None and (best >= held.target_price if long else best <= held.target_price):
        price = max(held.target_price, quote.open) if long else min(held.target_price, quote.open)
        _enter(session, held, None, "target", side, venue.at_limit(side, size, price, quote), moment)


def _take_volume(session: _Session, quote: Quote, execution: Execution) -> None:
    """Leave less of the bar for what comes after: all market fills of a bar share its participation cap."""
    session.quotes[quote.symbol] = replace(quote, taken=quote.taken + execution.quantity)


def _fill_order(session: _Session, working: Working, venue: Venue) -> bool:
    """Fill an order in the bar, if that opened after the decision; False if it goes on waiting."""
    order = working.order
    quote, held = session.quotes.get(order.symbol), session.book.positions.get(order.symbol)
    if quote is None or quote.opened < working.decided_at:
        if order.valid_until is not None and session.ts < order.valid_until:
            return False
        _outcome(session, order, Decimal(0), "no bar to fill in")
        return True
    closing = held is not None and (held.quantity > 0) != (order.side == "buy")
    if not closing and (order.reduce_only or (held is None and order.reason == "increase")):
        _outcome(session, order, Decimal(0), "the position was closed before the order reached the market")
        return True
    wanted = min(order.quantity, abs(held.quantity)) if closing and held else order.quantity
    cash = None if closing else session.book.cash
    execution = venue.at_market(order.side, wanted, quote.open, quote, cash)
    _take_volume(session, quote, execution)
    if execution.quantity > 0:
        _enter(session, held, order, order.reason, order.side, execution)
    detail = execution.detail or ("" if wanted == order.quantity else "cut to the size of the position")
    _outcome(session, order, execution.quantity, detail)
    return True


def _enter(
    session: _Session,
    held: Holding | None,
    order: Order | None,
    reason: FillReason,
    side: Side,
    execution: Execution,
    moment: str = "",
) -> None:
    about = order or held
    if about is None or execution.quantity <= 0:
        return
    opened = session.quotes[about.symbol].opened
    subject = str(order.id) if order else f"{about.symbol}|{reason}|{moment}"
    fill = Fill(
        id=decision_id(opened, "fill", subject),
        order_id=order.id if order else None,
        symbol=about.symbol,
        asset_class=about.asset_class,
        side=side,
        quantity=execution.quantity,
        price=execution.price,
        fee=execution.fee,
        slippage=execution.slippage,
        reason=reason,
        filled_at=opened,
    )
    carried = (
        Protection(order.stop_price, order.target_price, order.expires_at, order.bucket, order.regime)
        if order
        else None
    )
    session.book, trade = apply_fill(session.book, fill, carried)
    session.fills.append(fill)
    if trade is not None:
        session.trades.append(trade)


def _outcome(session: _Session, order: Order, filled: Decimal, detail: str) -> None:
    detail = "; ".join(filter(None, (*splits_of(order), detail)))
    if filled == 0:
        session.outcomes.append(OrderOutcome(order.id, order.symbol, "cancelled", filled, detail))
    else:
        whole = filled == order.quantity
        status = "filled" if whole else "partly_filled"
        session.outcomes.append(OrderOutcome(order.id, order.symbol, status, filled, detail))  # type: ignore[arg-type]


def _portfolio(book: Book, closed: SliceClosed, session: _Session) -> PortfolioSettled:
    difference = imbalance(book)
    if difference != 0:
        raise BooksBroken(f"slice {closed.ts.isoformat()}: the books differ from equity by {difference}; trading stops")
    positions = tuple(as_position(held) for held in book.positions.values())
    return PortfolioSettled(
        ts=closed.ts,
        timeframe=closed.timeframe,
        fills=tuple(session.fills),
        outcomes=tuple(session.outcomes),
        trades=tuple(session.trades),
        positions=positions,
        cash=book.cash,
        equity=equity(book),
        starting_cash=book.starting_cash,
        realised_pnl=book.realised_pnl,
        unrealised_pnl=sum((p.market_value - p.cost for p in positions), Decimal("0E-8")),
        fees=book.fees,
        working=tuple(one.order.id for one in book.working.values()),
        stale=tuple(symbol for symbol in book.positions if symbol not in session.quotes),
        suspect=closed.suspect,
    )
