"""What happens to positions and orders while one slice is settled; nothing of it outlives the slice. Pure."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

import msgspec

from services.contracts.messages import Fill, FillReason, Order, OrderOutcome, Side, Trade, decision_id
from services.execution.book import Book, Holding, Protection, Working, apply_fill
from services.execution.orders import Meeting, after_bar, at_open, inside, trailed
from services.execution.splits import splits_of
from services.execution.venue import Execution, Quote, Venue

GONE = "the position was closed before the order reached the market"
REST_GONE = "the position was closed before the rest of the order was filled"


@dataclass(slots=True)
class Session:
    """What accumulates while one slice is settled."""

    book: Book
    ts: datetime
    venue: Venue
    quotes: dict[str, Quote] = field(default_factory=dict)
    working: dict[str, Working] = field(default_factory=dict)
    """Orders without an outcome yet."""
    tried: set[str] = field(default_factory=set)
    """Symbols whose order has met this bar."""
    entered: dict[str, Decimal] = field(default_factory=dict)
    """Symbols entered inside the bar, and the price there: what came before it is no price for their exits."""
    fills: list[Fill] = field(default_factory=list)
    outcomes: list[OrderOutcome] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)


def protect(session: Session, symbol: str, *, opening: bool) -> None:
    """Fire a position's stop or target: at the open if the market gapped through it, else inside the bar.

    A position that was entered beyond its own stop or target leaves at the open too: no better price was traded. One
    that was entered inside the bar reaches its target by the close only: its best price may have come before the entry.
    """
    held, quote = session.book.positions.get(symbol), session.quotes.get(symbol)
    if held is None or quote is None or (held.stop_price is None and held.target_price is None):
        return
    long = held.quantity > 0
    first = session.entered.get(symbol, quote.open)
    if opening:
        worst = best = quote.open
    else:
        worst, best = (quote.low, quote.high) if long else (quote.high, quote.low)
        best = quote.close if symbol in session.entered else best
    side: Side = "sell" if long else "buy"
    size, moment = abs(held.quantity), "open" if opening else "inside"
    if held.stop_price is not None and (worst <= held.stop_price if long else worst >= held.stop_price):
        price = min(held.stop_price, first) if long else max(held.stop_price, first)
        execution = session.venue.at_market(side, size, price, quote, None, late=False)
        _enter(session, held, None, "stop", side, execution, moment)
    elif held.target_price is not None and (best >= held.target_price if long else best <= held.target_price):
        price = max(held.target_price, first) if long else min(held.target_price, first)
        execution = session.venue.at_limit(side, size, price, quote)
        _enter(session, held, None, "target", side, execution, moment)


def meet_open(session: Session, symbol: str) -> None:
    """Let an order meet its bar's open; one whose position is gone is cancelled."""
    one = session.working[symbol]
    why = _pointless(session, one)
    if why is not None:
        finish(session, symbol, why)
        return
    meeting = at_open(one, session.quotes[symbol])
    if meeting is not None:
        _fill(session, one, meeting)


def meet_inside(session: Session, symbol: str, *, profits: bool) -> None:
    """Let an order meet the rest of its bar: reducing limits, which take profits, after stops; all others before."""
    one = session.working.get(symbol)
    if one is None or symbol in session.tried or (one.order.reduce_only and one.order.kind == "limit") != profits:
        return
    meeting = inside(one, session.quotes[symbol])
    if meeting is not None and _pointless(session, one) is None:
        _fill(session, one, meeting)


def rest(session: Session, symbol: str) -> None:
    """Keep what is left of an order for the next bar, if it may wait and still has a purpose."""
    one = session.working.get(symbol)
    if one is None:
        return
    why = _pointless(session, one)
    if why is None and not waits(one, session.ts):
        why = "its price was not reached" if one.filled == 0 else "the rest was not filled in time"
    if why is not None:
        finish(session, symbol, why)
    else:
        session.working[symbol] = after_bar(one, session.quotes[symbol])


def waits(one: Working, ts: datetime) -> bool:
    """Whether the order may still fill after the slice of ``ts``."""
    return one.order.valid_until is not None and ts < one.order.valid_until


def finish(session: Session, symbol: str, detail: str) -> None:
    """Take an order off the book and say what became of it."""
    one = session.working.pop(symbol)
    order = one.order
    detail = "; ".join(filter(None, (*splits_of(order), detail)))
    whole = one.filled == order.quantity
    status = "cancelled" if one.filled == 0 else "filled" if whole else "partly_filled"
    session.outcomes.append(OrderOutcome(order.id, order.symbol, status, one.filled, detail))  # type: ignore[arg-type]


def follow(session: Session) -> None:
    """Move trailing stops once the bar was checked against the old ones; the bar of the entry counts by its close."""
    moved: dict[str, Holding] = {}
    for symbol, held in session.book.positions.items():
        quote = session.quotes.get(symbol)
        if held.trail is None or quote is None:
            continue
        long = held.quantity > 0
        best = quote.close if held.opened_at == quote.opened else quote.high if long else quote.low
        moved[symbol] = msgspec.structs.replace(held, stop_price=trailed(held.stop_price, best, held.trail, long=long))
    if moved:
        session.book = msgspec.structs.replace(session.book, positions={**session.book.positions, **moved})


def _pointless(session: Session, one: Working) -> str | None:
    """Say why an order must not fill any more: what it was to change is gone."""
    order, held = one.order, session.book.positions.get(one.order.symbol)
    if one.filled > 0 and held is None:
        return REST_GONE
    if _closing(held, order):
        return None
    return GONE if order.reduce_only or (held is None and order.reason == "increase") else None


def _closing(held: Holding | None, order: Order) -> bool:
    return held is not None and (held.quantity > 0) != (order.side == "buy")


def _fill(session: Session, one: Working, meeting: Meeting) -> None:
    """Fill an order where it meets the market; what the bar's volume leaves of it may wait, all else is final."""
    order, quote = one.order, session.quotes[one.order.symbol]
    held = session.book.positions.get(order.symbol)
    closing = _closing(held, order)
    left = order.quantity - one.filled
    wanted = min(left, abs(held.quantity)) if closing and held else left
    cash = None if closing else session.book.cash
    if meeting.how == "limit":
        execution = session.venue.at_limit(order.side, wanted, meeting.price, quote, cash)
    else:
        execution = session.venue.at_market(
            order.side, wanted, meeting.price, quote, cash, late=meeting.late, worst=meeting.worst
        )
    session.tried.add(order.symbol)
    _enter(session, held, order, order.reason, order.side, execution)
    if meeting.inside and not closing and execution.quantity > 0:
        session.entered[order.symbol] = meeting.price
    one = msgspec.structs.replace(one, filled=one.filled + execution.quantity)
    session.working[order.symbol] = one
    if execution.more and waits(one, session.ts):
        return
    finish(session, order.symbol, execution.detail or ("" if wanted == left else "cut to the size of the position"))


def _enter(
    session: Session,
    held: Holding | None,
    order: Order | None,
    reason: FillReason,
    side: Side,
    execution: Execution,
    moment: str = "",
) -> None:
    """Enter a fill in the books and leave less of its bar for what comes after."""
    about = order or held
    if about is None or execution.quantity <= 0:
        return
    quote = session.quotes[about.symbol]
    session.quotes[about.symbol] = replace(quote, taken=quote.taken + execution.quantity)
    fill = Fill(
        id=decision_id(quote.opened, "fill", str(order.id) if order else f"{about.symbol}|{reason}|{moment}"),
        order_id=order.id if order else None,
        symbol=about.symbol,
        asset_class=about.asset_class,
        side=side,
        quantity=execution.quantity,
        price=execution.price,
        fee=execution.fee,
        slippage=execution.slippage,
        reason=reason,
        filled_at=quote.opened,
        fx=quote.fx,
        liquidity=execution.liquidity,
    )
    before = session.book.cash
    session.book, trade = apply_fill(session.book, fill, _carried(order))
    session.fills.append(msgspec.structs.replace(fill, cash=session.book.cash - before + fill.fee))
    if trade is not None:
        session.trades.append(trade)


def _carried(order: Order | None) -> Protection | None:
    if order is None:
        return None
    return Protection(order.stop_price, order.target_price, order.expires_at, order.bucket, order.regime, order.trail)
