"""How a waiting order meets a bar: at its open, inside it, or not at all. Pure.

An order is known before its first bar opens, so that open is the first price it meets. A stop is woken by a price at or
beyond its trigger; a limit takes its price or a better open. Where a bar hides which came first, the worse holds.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import msgspec

from services.contracts.messages import Order
from services.domain.money import times
from services.execution.book import Working
from services.execution.venue import Quote


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where an order fills: ``market`` near ``price`` and no worse than ``worst``, ``limit`` at it and as a maker."""

    how: Literal["market", "limit"]
    price: Decimal
    late: bool = False
    """Decided at the bar's open: it arrives after the venue's latency."""
    worst: Decimal | None = None
    inside: bool = False


def fault(order: Order) -> str | None:
    """Say what makes an order impossible to carry out; None: nothing."""
    if order.kind in ("limit", "stop_limit") and order.limit_price is None:
        return f"a {order.kind} order without a limit price"
    if order.kind in ("stop", "stop_limit") and order.trigger_price is None:
        return f"a {order.kind} order without a trigger price"
    return None


def at_open(one: Working, quote: Quote) -> Meeting | None:
    """Return how the order fills at the bar's open; None if that price does not suit it."""
    order, late = one.order, quote.opened == one.decided_at
    awake = _awake(one) or _reaches(order, quote.open)
    if order.kind == "market" or (order.kind == "stop" and awake):
        return Meeting("market", quote.open, late=late)
    if order.kind == "stop" or not awake or not _suits(order, quote.open):
        return None
    if one.resting and _awake(one):
        return Meeting("limit", quote.open)  # it stood in the book, and the market came to it
    return Meeting("market", quote.open, late=late, worst=order.limit_price)


def inside(one: Working, quote: Quote) -> Meeting | None:
    """Return how an order that the open did not suit fills in the rest of the bar; None if it does not."""
    order = one.order
    if _awake(one) or _reaches(order, quote.open):
        limit = order.limit_price
        best = quote.low if order.side == "buy" else quote.high
        return Meeting("limit", limit, inside=True) if limit is not None and _suits(order, best) else None
    trigger = order.trigger_price
    if trigger is None or not woken(one, quote):
        return None
    if order.kind == "stop":
        return Meeting("market", trigger, inside=True)
    # Woken inside the bar: at once if the trigger suits its limit; whether the limit came after it, the bar hides.
    return Meeting("market", trigger, worst=order.limit_price, inside=True) if _suits(order, trigger) else None


def woken(one: Working, quote: Quote) -> bool:
    """Whether the order is awake by the end of the bar."""
    farthest = quote.high if one.order.side == "buy" else quote.low
    return one.triggered or _reaches(one.order, farthest)


def after_bar(one: Working, quote: Quote) -> Working:
    """Return the order as it waits for the next bar: resting, woken or not, its trailing trigger moved."""
    order, triggered = one.order, woken(one, quote)
    if order.trail is not None and order.trigger_price is not None and order.reduce_only and not triggered:
        best = quote.high if order.side == "sell" else quote.low
        moved = trailed(order.trigger_price, best, order.trail, long=order.side == "sell")
        order = msgspec.structs.replace(order, trigger_price=moved)
    return msgspec.structs.replace(one, order=order, resting=True, triggered=triggered)


def trailed(stop: Decimal | None, best: Decimal, trail: Decimal, *, long: bool) -> Decimal:
    """Move a stop to ``trail`` behind the best price; it never moves back."""
    followed = times(best, 1 - trail if long else 1 + trail)
    if stop is None:
        return followed
    return max(stop, followed) if long else min(stop, followed)


def _awake(one: Working) -> bool:
    return one.triggered or one.order.kind in ("market", "limit")


def _reaches(order: Order, price: Decimal) -> bool:
    """Whether a price wakes a stop order."""
    trigger = order.trigger_price
    if trigger is None or order.kind not in ("stop", "stop_limit"):
        return False
    return price >= trigger if order.side == "buy" else price <= trigger


def _suits(order: Order, price: Decimal) -> bool:
    """Whether a price is no worse than the order's limit."""
    limit = order.limit_price
    return limit is None or (price <= limit if order.side == "buy" else price >= limit)
