"""The life of one live order, as a state machine. Pure: answers of the broker in, the order's next state out.

decided -> submitting -> acked | ambiguous | rejected; acked -> partly_filled -> filled | cancelled.

An order is final only once the broker says so *and* every execution it speaks of is on our books: a late fill report
can therefore never be lost. Silence is never a refusal: the broker is asked by client id, and only when it definitely
does not know the order is the same id submitted once more.
"""

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from services.execution.brokers.protocol import BrokerOrder
from services.execution.live.state import IN_DOUBT, DeskOrder, Status


def submitting(order: DeskOrder, now: datetime) -> DeskOrder:
    """Say that the broker is about to be called; must be stored before it is."""
    return msgspec.structs.replace(
        order, status="submitting", attempts=order.attempts + 1, submitted_at=now, updated_at=now
    )


def acknowledged(order: DeskOrder, broker_id: str, now: datetime) -> DeskOrder:
    """Take the broker's word that it has the order."""
    status: Status = "partly_filled" if order.filled > 0 else "acked"
    return msgspec.structs.replace(order, status=status, detail=f"broker's {broker_id}", updated_at=now)


def in_doubt(order: DeskOrder, reason: str, now: datetime) -> DeskOrder:
    """Remember that nobody knows whether the broker has it."""
    return msgspec.structs.replace(order, status="ambiguous", detail=reason, updated_at=now)


def not_sent(order: DeskOrder, reason: str, now: datetime) -> DeskOrder:
    """Take it back to where it was before a call that definitely did not reach the book."""
    return msgspec.structs.replace(order, status="decided", detail=reason, updated_at=now)


def refused(order: DeskOrder, reason: str, now: datetime) -> DeskOrder:
    """Take a definite rejection."""
    return msgspec.structs.replace(order, status="rejected", detail=reason, updated_at=now)


def given_up(order: DeskOrder, reason: str, now: datetime) -> DeskOrder:
    """End an order that never reached the broker."""
    return msgspec.structs.replace(order, status="cancelled", detail=reason, updated_at=now)


def booked(order: DeskOrder, quantity: Decimal, now: datetime) -> DeskOrder:
    """Count one execution; an order that was thought to be over is open again until the broker confirms its end."""
    filled = order.filled + quantity
    changed = msgspec.structs.replace(order, filled=filled, updated_at=now)
    if order.status == "filled" and filled == order.quantity:
        return changed
    return msgspec.structs.replace(changed, status="partly_filled")


def expired(order: DeskOrder, now: datetime) -> bool:
    """Whether an entry is too old to be (further) executed."""
    return order.valid_until is not None and now >= order.valid_until


def seen(
    order: DeskOrder, found: BrokerOrder | None, now: datetime, *, unique_ids: bool, in_flight: timedelta
) -> DeskOrder:
    """Take the broker's answer to "what became of it?"; ``in_flight``: how long a request may be under way."""
    if found is None:
        return _unknown(order, now, unique_ids=unique_ids, in_flight=in_flight)
    if found.status == "working" or found.filled != order.filled:  # or fills that are on their way to our books
        status: Status = "partly_filled" if order.filled > 0 else "acked"
        return order if order.status == status else msgspec.structs.replace(order, status=status, updated_at=now)
    if order.filled >= order.quantity:
        return msgspec.structs.replace(order, status="filled", detail="", updated_at=now)
    over: Status = "rejected" if found.status == "rejected" and order.filled == 0 else "cancelled"
    words = found.detail or found.status
    return msgspec.structs.replace(order, status=over, detail=words, updated_at=now)


def _unknown(order: DeskOrder, now: datetime, *, unique_ids: bool, in_flight: timedelta) -> DeskOrder:
    """The broker does not know it: perhaps not yet."""
    settled = order.submitted_at is None or now - order.submitted_at >= in_flight
    if order.status in IN_DOUBT:
        if order.cancel_wanted or expired(order, now):
            return given_up(order, "it never reached the broker", now) if settled else order
        if settled or unique_ids:
            return not_sent(order, "the broker does not know it: sent again under the same id", now)
        return order
    if settled:
        return given_up(order, "the broker no longer knows it", now)
    return order
