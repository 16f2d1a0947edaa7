"""From what is held toward what is wanted: the next orders of one asset. Pure.

At most one order to enter or to reduce is under way at a time; a reduction waits until the protective stop is
cancelled, for that could fire meanwhile and brokers count it against the position. A position that is as wanted carries
one stop of its whole size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from services.domain.money import ZERO
from services.execution.brokers.protocol import Instrument, OrderKind
from services.execution.live.desk import expired
from services.execution.live.state import Account, DeskOrder, Mandate, Purpose, order_id
from services.execution.live.steps import floor_to, nearest


@dataclass(frozen=True, slots=True)
class Bench:
    """One asset as it stands; ``orders`` are those that can still change."""

    mandate: Mandate
    held: Decimal
    orders: Sequence[DeskOrder]
    instrument: Instrument
    account: Account
    now: datetime
    retry: timedelta
    """Pause after a reduction that came to nothing; doubles with each, up to ``retry_longest``."""
    retry_longest: timedelta


def advance(bench: Bench) -> tuple[Mandate, list[DeskOrder]]:
    """Return the mandate and the orders that are new or changed; nothing changed when all is as wanted."""
    mandate = _clipped(bench)
    deals = [o for o in bench.orders if o.purpose != "stop"]
    stops = [o for o in bench.orders if o.purpose == "stop"]
    excess = _excess(mandate, bench)
    if deals:
        return mandate, [_cancel(o) for o in deals if not o.cancel_wanted and _unwanted(o, mandate, bench)]
    if excess:
        return _reduce(mandate, bench, excess, stops)
    return _protect(mandate, bench, stops)


def _clipped(bench: Bench) -> Mandate:
    """Chase nothing: with no entry under way no more is wanted than is held, and never what is too small to trade."""
    mandate, held = bench.mandate, bench.held
    wanted = mandate.wanted
    entering = any(o.purpose in ("entry", "increase") for o in bench.orders)
    if not entering and (wanted > 0) != (held > 0):
        wanted = ZERO
    elif not entering and abs(wanted) > abs(held):
        wanted = held
    wanted = floor_to(wanted, bench.instrument.quantity_step)
    if abs(wanted) < max(bench.instrument.min_quantity, bench.instrument.quantity_step):
        wanted = ZERO
    return mandate if wanted == mandate.wanted else msgspec.structs.replace(mandate, wanted=wanted)


def _excess(mandate: Mandate, bench: Bench) -> Decimal:
    """What is held beyond what is wanted, in whole steps, unsigned; dust that the broker takes no order for is none."""
    held, wanted = bench.held, mandate.wanted
    beyond = abs(held) - abs(wanted) if (held > 0) == (wanted > 0) else abs(held)
    quantity = floor_to(beyond, bench.instrument.quantity_step) if beyond > 0 else ZERO
    return quantity if quantity >= bench.instrument.min_quantity else ZERO


def _unwanted(order: DeskOrder, mandate: Mandate, bench: Bench) -> bool:
    """Whether an order under way is no longer to be filled: an entry too old, or one for more than is wanted now."""
    if order.purpose == "reduce":
        return False
    sign = 1 if order.side == "buy" else -1
    would_be = bench.held + sign * (order.quantity - order.filled)
    return expired(order, bench.now) or mandate.wanted * sign < would_be * sign


def _cancel(order: DeskOrder) -> DeskOrder:
    return msgspec.structs.replace(order, cancel_wanted=True)


def _reduce(
    mandate: Mandate, bench: Bench, excess: Decimal, stops: Sequence[DeskOrder]
) -> tuple[Mandate, list[DeskOrder]]:
    if stops:
        return mandate, [_cancel(o) for o in stops if not o.cancel_wanted]
    if mandate.retry_at is not None and bench.now < mandate.retry_at:
        return mandate, []
    pause = min(bench.retry * 2 ** min(mandate.tries, 16), bench.retry_longest)
    numbered = msgspec.structs.replace(mandate, tries=mandate.tries + 1, retry_at=bench.now + pause)
    return _make(numbered, bench, "reduce", "market", excess, mandate.detail, None)


def _protect(mandate: Mandate, bench: Bench, stops: Sequence[DeskOrder]) -> tuple[Mandate, list[DeskOrder]]:
    """See that exactly one stop guards the whole position; one that the broker refuses means: leave."""
    mandate = msgspec.structs.replace(mandate, tries=0, retry_at=None) if mandate.tries else mandate
    size = floor_to(abs(bench.held), bench.instrument.quantity_step)
    wanted = size >= bench.instrument.min_quantity and size > 0 and mandate.stop_price is not None
    price = nearest(mandate.stop_price, bench.instrument.price_step) if mandate.stop_price is not None else ZERO
    side = "sell" if bench.held > 0 else "buy"
    fitting = [
        o for o in stops if wanted and (o.quantity - o.filled, o.side, o.stop_price) == (size, side, price)
    ]  # fmt: skip
    if fitting and not fitting[0].cancel_wanted:
        return mandate, [_cancel(o) for o in stops if o is not fitting[0] and not o.cancel_wanted]
    if stops:
        return mandate, [_cancel(o) for o in stops if not o.cancel_wanted]
    if not wanted:
        return mandate, []
    return _make(mandate, bench, "stop", "stop", size, "protects the position", price)


def _make(
    mandate: Mandate, bench: Bench, purpose: Purpose, kind: OrderKind, quantity: Decimal, why: str, stop: Decimal | None
) -> tuple[Mandate, list[DeskOrder]]:
    number = mandate.made + 1
    order = DeskOrder(
        id=order_id(bench.account, mandate.symbol, number),
        broker=bench.account.broker,
        symbol=mandate.symbol,
        asset_class=mandate.asset_class,
        side="sell" if bench.held > 0 else "buy",
        kind=kind,
        quantity=quantity,
        purpose=purpose,
        reason=why,
        decided_at=bench.now,
        stop_price=stop,
    )
    return msgspec.structs.replace(mandate, made=number), [order]


def unprotected(mandate: Mandate, order: DeskOrder) -> Mandate:
    """Give a position up whose stop the broker refused: nothing is held without one."""
    if order.purpose != "stop" or order.status != "rejected":
        return mandate
    return msgspec.structs.replace(mandate, wanted=ZERO, detail=f"no stop possible: {order.detail}")
