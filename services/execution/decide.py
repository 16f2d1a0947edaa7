"""Settle one slice: splits, gaps, orders, stops and targets in the bar, marks, what holding costs. Pure.

Within a bar the worse outcome comes first: a bar that touches both stop and target counts as stopped.
"""

from dataclasses import dataclass
from datetime import timedelta

import msgspec

from services.contracts.books import NOTHING, PAR
from services.contracts.messages import Charge, OrdersDecided, PortfolioSettled, Rate, SliceClosed
from services.domain.candles import SECONDS, timeframe_of
from services.domain.errors import BooksBroken
from services.domain.money import ZERO
from services.execution import session as steps
from services.execution.book import Book, Working, as_position, imbalance, mark
from services.execution.carry import charge_all
from services.execution.orders import fault
from services.execution.session import Session
from services.execution.splits import restate
from services.execution.venue import Execution as Execution  # noqa: PLC0414 - a venue's words are read from here too
from services.execution.venue import Quote as Quote  # noqa: PLC0414
from services.execution.venue import Venue as Venue  # noqa: PLC0414
from services.execution.venue import quote_of


@dataclass(frozen=True, slots=True)
class Settle:
    """The event: a slice with the orders that were decided at the slice before."""

    slice: SliceClosed
    orders: OrdersDecided | None


def settle(book: Book, event: Settle, venue: Venue) -> tuple[Book, PortfolioSettled]:
    """Return the books after the slice and what happened in it."""
    closed = event.slice
    book, decided = restate(book, event.orders, closed.splits)
    session = Session(book, closed.ts, venue)
    _take_orders(session, decided)
    _look(session, closed)
    for symbol in list(session.book.positions):
        steps.protect(session, symbol, opening=True)
    here = _arrived(session)
    for symbol in here:
        steps.meet_open(session, symbol)
    for symbol in here:
        steps.meet_inside(session, symbol, profits=False)
    for symbol in list(session.book.positions):
        steps.protect(session, symbol, opening=False)
    for symbol in here:
        steps.meet_inside(session, symbol, profits=True)
        steps.rest(session, symbol)
    rates = _mark(session, closed)
    steps.follow(session)
    after, charges = charge_all(session.book, closed.ts, venue.carry)
    after = msgspec.structs.replace(after, last_slice=closed.ts, working=session.working, rates=rates)
    return after, _portfolio(after, closed, session, charges)


def _take_orders(session: Session, decided: OrdersDecided | None) -> None:
    """Add the new orders to those that wait: a newer one replaces an older one, a halt cancels waiting entries."""
    session.working = dict(session.book.working)
    if decided is None:
        return
    for symbol, one in session.book.working.items():
        if decided.halted is not None and not one.order.reduce_only:
            steps.finish(session, symbol, "trading is halted")
    for order in decided.orders:
        if order.symbol in session.working:
            steps.finish(session, order.symbol, "replaced by a newer order")
        session.working[order.symbol] = Working(msgspec.structs.replace(order, checks=()), decided.ts)
        wrong = fault(order)
        if wrong is not None:
            steps.finish(session, order.symbol, wrong)


def _look(session: Session, closed: SliceClosed) -> None:
    """Read the bars of the symbols that are held or ordered, with the rates at which the slice opened."""
    currencies, known = session.venue.currencies, session.book.rates
    seconds = SECONDS[timeframe_of(closed.timeframe)]
    opened = closed.ts - timedelta(seconds=seconds)
    touched = session.book.positions.keys() | session.working.keys()
    foreign = {symbol: currency for symbol in touched if (currency := currencies.foreign(symbol)) is not None}
    rates = currencies.observed(closed.bars, closed.ts, known, at_open=True) if foreign else known
    for bar in closed.bars:
        if bar.symbol in touched:
            currency = foreign.get(bar.symbol)
            fx = PAR if currency is None else currencies.rate(currency, rates).rate
            session.quotes[bar.symbol] = quote_of(bar, opened, fx, seconds)


def _arrived(session: Session) -> list[str]:
    """List the orders whose bar this is; the others go on waiting or are given up."""
    here: list[str] = []
    for symbol, one in list(session.working.items()):
        quote = session.quotes.get(symbol)
        if quote is not None and quote.opened >= one.decided_at:
            here.append(symbol)
        elif not steps.waits(one, session.ts):
            steps.finish(session, symbol, "no bar to fill in" if one.filled == 0 else "no bar to fill the rest in")
    return here


def _mark(session: Session, closed: SliceClosed) -> dict[str, Rate]:
    """Value positions at the close and return the rates as they then stand."""
    currencies = session.venue.currencies
    rates = currencies.observed(closed.bars, closed.ts, session.book.rates, at_open=False)
    fx = {
        symbol: currencies.rate(currency, rates).rate
        for symbol in session.book.positions
        if (currency := currencies.foreign(symbol)) is not None
    }
    closes = {symbol: quote.close for symbol, quote in session.quotes.items()}
    session.book = mark(session.book, closes, fx)
    return rates


def _portfolio(book: Book, closed: SliceClosed, session: Session, charges: tuple[Charge, ...]) -> PortfolioSettled:
    difference = imbalance(book)
    if difference != 0:
        raise BooksBroken(f"slice {closed.ts.isoformat()}: the books differ from equity by {difference}; trading stops")
    positions = tuple(as_position(held) for held in book.positions.values())
    rates, stale_fx = _rates(book, closed, session.venue)
    return PortfolioSettled(
        ts=closed.ts,
        timeframe=closed.timeframe,
        fills=tuple(session.fills),
        outcomes=tuple(session.outcomes),
        trades=tuple(session.trades),
        positions=positions,
        cash=book.cash,
        equity=sum((p.market_value for p in positions), book.cash),
        starting_cash=book.starting_cash,
        realised_pnl=book.realised_pnl,
        unrealised_pnl=sum((p.market_value - p.cost for p in positions), ZERO),
        fees=book.fees,
        working=tuple(one.order.id for one in book.working.values()),
        stale=tuple(symbol for symbol in book.positions if symbol not in session.quotes),
        suspect=closed.suspect,
        working_symbols=tuple(book.working),
        carry=book.carry or NOTHING,  # the very object of the default, which is not written
        charges=charges,
        rates=rates,
        stale_fx=stale_fx,
    )


def _rates(book: Book, closed: SliceClosed, venue: Venue) -> tuple[tuple[Rate, ...], tuple[str, ...]]:
    """Return the rates that this slice's symbols and positions need, and the positions whose rate is an older one."""
    foreign = venue.currencies.foreign
    needed = {currency for bar in closed.bars if (currency := foreign(bar.symbol)) is not None}
    held = {symbol: currency for symbol in book.positions if (currency := foreign(symbol)) is not None}
    rates = {name: venue.currencies.rate(name, book.rates) for name in sorted(needed | set(held.values()))}
    stale = tuple(symbol for symbol, currency in held.items() if rates[currency].as_of != closed.ts)
    return tuple(rates.values()), stale
