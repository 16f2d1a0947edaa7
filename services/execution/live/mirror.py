"""What a slice of the paper books means for the live positions. Pure.

Entries are mirrored when risk approves them, in the desk's own size and only where everything allows it. Reductions
are always mirrored, by the share of the position that they are: market orders when they are decided, whatever the paper
venue does by itself (stops, targets, resting orders) when its books show it. Where paper is flat, live is to be flat.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from services.contracts.messages import Order, OrdersDecided, PortfolioSettled, Position
from services.domain.candles import SECONDS, timeframe_of
from services.domain.fx import rate_of
from services.domain.money import ZERO, convert, times
from services.execution.brokers.protocol import Instrument
from services.execution.live.state import Account, DeskOrder, Followed, Led, Mandate, order_id
from services.execution.live.steps import floor_to


@dataclass(frozen=True, slots=True)
class Slice:
    """The event: the books after a slice and the orders that were decided on them."""

    portfolio: PortfolioSettled
    decided: OrdersDecided


@dataclass(frozen=True, slots=True)
class Market:
    """What an entry in one asset needs to know."""

    account: Account
    instrument: Instrument
    max_notional: Decimal


@dataclass(frozen=True, slots=True)
class Situation:
    """The desk as it stands."""

    now: datetime
    mandates: Mapping[str, Mandate]
    held: Mapping[str, Decimal]
    """Signed live positions."""
    busy: frozenset[str]
    """Assets with an order to enter or reduce under way."""
    markets: Mapping[str, Market | str]
    """By symbol; words say why it may not be entered."""
    left_today: Decimal
    """What of the day's notional is left."""
    fresh: timedelta
    mirror_exploration: bool


@dataclass(slots=True)
class Mirrored:
    """What came of it; ``said`` has a line for every entry that was not mirrored."""

    mandates: dict[str, Mandate]
    followed: Followed
    orders: list[DeskOrder] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)
    left_today: Decimal = ZERO


def mirror(followed: Followed, event: Slice, desk: Situation) -> Mirrored:
    """Return the mandates after a slice, and the entries that it makes; a slice that was followed changes nothing."""
    out = Mirrored(dict(desk.mandates), followed, left_today=desk.left_today)
    if followed.slice_ts is not None and event.portfolio.ts <= followed.slice_ts:
        return out
    led = _after_settlement(out, followed, event.portfolio)
    held = {p.symbol: p.quantity for p in event.portfolio.positions}
    for order in event.decided.orders:
        mandate = out.mandates.get(order.symbol)
        if mandate is not None and mandate.wanted and (mandate.wanted > 0) != (order.side == "buy"):
            if order.kind == "market":
                _reduce(out, mandate, order, held.get(order.symbol, ZERO), led)
        elif not order.reduce_only:
            _enter(out, order, event, desk)
    out.followed = Followed(event.portfolio.ts, led)
    return out


def _after_settlement(out: Mirrored, followed: Followed, settled: PortfolioSettled) -> dict[str, Led]:
    """Shrink what paper's venue has left since, and what paper does not hold at all; return what is still led."""
    working = frozenset(settled.working)
    held = {p.symbol: p for p in settled.positions}
    for symbol, known in list(out.mandates.items()):
        if not known.wanted:
            continue
        position = held.get(symbol)
        paper = ZERO if position is None else position.quantity
        mandate = out.mandates[symbol] = _trailed(known, position)
        if paper == 0 and mandate.paper_order_id in working:
            continue
        if paper == 0 or (paper > 0) != (mandate.wanted > 0):
            _want(out, mandate, ZERO, "paper holds none")
            continue
        away = "sell" if paper > 0 else "buy"
        left = sum((f.quantity for f in settled.fills if f.symbol == symbol and f.side == away), ZERO)
        ahead = followed.led.get(symbol)
        left -= min(left, ahead.quantity) if ahead is not None else ZERO
        if left > 0:
            _want(out, mandate, mandate.wanted * abs(paper) / (abs(paper) + left), "paper's venue reduced")
    return {symbol: one for symbol, one in followed.led.items() if one.order_id in working}


def _trailed(mandate: Mandate, position: Position | None) -> Mandate:
    """Move the stop to where paper's has trailed to."""
    if position is None or position.trail is None or position.stop_price is None:
        return mandate
    return msgspec.structs.replace(mandate, stop_price=position.stop_price)


def _reduce(out: Mirrored, mandate: Mandate, order: Order, paper: Decimal, led: dict[str, Led]) -> None:
    whole = order.reason in ("exit", "flatten", "max_hold") or order.quantity >= abs(paper)
    wanted = ZERO if whole else mandate.wanted * (abs(paper) - order.quantity) / abs(paper)
    led[mandate.symbol] = Led(order.id, order.quantity)
    _want(out, mandate, wanted, f"paper: {order.reason}")


def _want(out: Mirrored, mandate: Mandate, wanted: Decimal, why: str) -> None:
    """Lower a mandate; the desk's worker finds the difference to what is held."""
    out.mandates[mandate.symbol] = msgspec.structs.replace(mandate, wanted=wanted.quantize(ZERO), detail=why)


def _enter(out: Mirrored, order: Order, event: Slice, desk: Situation) -> None:
    market = desk.markets.get(order.symbol, "no broker takes its asset class")
    words = market if isinstance(market, str) else _objection(market, order, event.decided, desk)
    if words is None and isinstance(market, Market):
        words = _size_and_add(out, order, event, desk, market)
    if words is not None:
        out.said[order.symbol] = words


def _objection(market: Market, order: Order, decided: OrdersDecided, desk: Situation) -> str | None:
    """Say what speaks against an entry, apart from its size."""
    if decided.halted is not None:
        return f"trading is halted: {decided.halted}"
    if desk.now - decided.ts > desk.fresh:
        return f"decided {desk.now - decided.ts} ago: too old to enter"
    if order.kind != "market":
        return f"paper rests a {order.kind} order; only market entries are mirrored"
    if not desk.mirror_exploration and order.explores:
        return "paper explores; that is no part of live trading"
    if order.symbol in desk.busy:
        return "an order of before is still under way"
    if not market.instrument.tradable:
        return "the broker has suspended it"
    if order.side == "sell" and not market.instrument.shortable:
        return "the broker does not lend it for a short"
    if order.stop_price is None:
        return "it carries no stop, and no live position goes without"
    return None


def _size_and_add(out: Mirrored, order: Order, event: Slice, desk: Situation, market: Market) -> str | None:
    decided = event.decided
    broker, instrument = market.account.broker, market.instrument
    mandate = out.mandates.get(order.symbol) or Mandate(order.symbol, broker, order.asset_class)
    if mandate.broker != broker and mandate.wanted:
        return f"it is still held at {mandate.broker}"
    away = abs(desk.held.get(order.symbol, ZERO) - mandate.wanted)
    if away >= max(instrument.min_quantity, instrument.quantity_step):
        return "the position of before is still being reduced"
    unit = convert(order.reference_price, rate_of(order.symbol, event.portfolio.rates))
    room = market.max_notional - times(abs(mandate.wanted), unit)
    notional = min(times(order.quantity, unit), room, out.left_today)
    quantity = floor_to(notional / unit, instrument.quantity_step) if notional > 0 else ZERO
    too_small = quantity < instrument.min_quantity or quantity * order.reference_price < instrument.min_notional
    if quantity <= 0 or too_small:
        return f"{max(notional, ZERO):.2f} is less than the broker's smallest order, or what the limits leave"
    number = mandate.made + 1
    lasts = order.valid_until or decided.ts + timedelta(seconds=SECONDS[timeframe_of(decided.timeframe)])
    out.orders.append(
        DeskOrder(
            id=order_id(market.account, order.symbol, number),
            broker=broker,
            symbol=order.symbol,
            asset_class=order.asset_class,
            side=order.side,
            kind="market",
            quantity=quantity,
            purpose="increase" if mandate.wanted else "entry",
            reason=f"paper: {order.reason}",
            decided_at=desk.now,
            notional=times(quantity, unit),
            valid_until=lasts,
            paper_order_id=order.id,
        )
    )
    sign = 1 if order.side == "buy" else -1
    out.mandates[order.symbol] = msgspec.structs.replace(
        mandate,
        broker=broker,
        wanted=mandate.wanted + sign * quantity,
        stop_price=order.stop_price if not mandate.wanted else mandate.stop_price,
        paper_order_id=order.id,
        made=number,
        tries=0,
        retry_at=None,
        detail=f"paper: {order.reason}",
    )
    out.left_today -= times(quantity, unit)
    return None
