"""What the desk knows and stores: mandates, orders, accounts. Frozen; only pure functions make new ones."""

from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID, uuid5

import msgspec

from services.contracts.messages import CHLOE_NAMESPACE, Side
from services.domain.money import ZERO
from services.execution.brokers.protocol import BrokerCharge, BrokerFill, LiveOrder, OrderKind

Status = Literal[
    "decided", "submitting", "ambiguous", "acked", "partly_filled", "filled", "cancelled", "rejected"
]  # fmt: skip
"""``submitting`` is stored before the broker is called; after a crash it means what ``ambiguous`` does: ask first."""

FINAL: frozenset[Status] = frozenset({"filled", "cancelled", "rejected"})
IN_DOUBT: frozenset[Status] = frozenset({"submitting", "ambiguous"})

Purpose = Literal["entry", "increase", "reduce", "stop"]


class DeskOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order of the desk. ``id`` is the client order id; it is stored before the broker hears of it."""

    id: UUID
    broker: str
    symbol: str
    asset_class: str
    side: Side
    kind: OrderKind
    quantity: Decimal
    purpose: Purpose
    reason: str
    """Why, in words: what the paper books did, or what the desk itself found."""
    decided_at: datetime
    notional: Decimal = ZERO
    """Of an entry, in account currency at the price of its decision: counts against the day's."""
    stop_price: Decimal | None = None
    valid_until: datetime | None = None
    """When an entry that is not filled is given up; None: never (reductions and stops)."""
    paper_order_id: UUID | None = None
    status: Status = "decided"
    filled: Decimal = ZERO
    """By the fills that are stored."""
    attempts: int = 0
    submitted_at: datetime | None = None
    cancel_wanted: bool = False
    detail: str = ""
    updated_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether it can still change."""
        return self.status not in FINAL

    @property
    def request(self) -> LiveOrder:
        """What the broker is sent: the same however often."""
        return LiveOrder(
            id=self.id,
            symbol=self.symbol,
            side=self.side,
            kind=self.kind,
            quantity=self.quantity,
            stop_price=self.stop_price,
            reduce_only=self.purpose in ("reduce", "stop"),
        )


class Mandate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the desk wants of one asset. The desk only ever works from what is held toward ``wanted``."""

    symbol: str
    broker: str
    asset_class: str
    wanted: Decimal = ZERO
    """Signed; an entry that falls short lowers it to what is held: nothing is chased."""
    stop_price: Decimal | None = None
    paper_order_id: UUID | None = None
    """The paper order that was mirrored last."""
    made: int = 0
    """Orders made so far: numbers their ids."""
    tries: int = 0
    """Reductions in a row that came to nothing."""
    retry_at: datetime | None = None
    detail: str = ""


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account as it was taken over, flat. ``id`` names it in client order ids, so that no two ledgers share one."""

    id: UUID
    broker: str
    environment: str
    currency: str
    basis: Literal["cash", "margin"]
    opening_cash: Decimal
    opened_at: datetime


class StoredFill(msgspec.Struct, frozen=True):
    """A broker's execution; ``order_id`` None: not of an order of ours, so it is remembered and not booked."""

    broker: str
    fill: BrokerFill
    order_id: UUID | None


class StoredCharge(msgspec.Struct, frozen=True):
    """A broker's movement of cash."""

    broker: str
    charge: BrokerCharge


class Flag(msgspec.Struct, frozen=True):
    """A condition to raise (``detail`` set) or to clear in ``system_flags``."""

    name: str
    subject: str
    detail: str | None


class Led(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A paper reduction that was mirrored when it was decided, before paper filled it."""

    order_id: UUID
    quantity: Decimal


class Followed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far the paper books have been followed, and by asset which of their reductions were mirrored ahead."""

    slice_ts: datetime | None = None
    led: dict[str, Led] = {}


class Change(msgspec.Struct, frozen=True):
    """What one step stores, all of it or nothing; rows of the same id replace each other, fills never do."""

    orders: tuple[DeskOrder, ...] = ()
    mandates: tuple[Mandate, ...] = ()
    fills: tuple[StoredFill, ...] = ()
    charges: tuple[StoredCharge, ...] = ()
    flags: tuple[Flag, ...] = ()
    account: Account | None = None
    followed: Followed | None = None


class Stored(msgspec.Struct, frozen=True):
    """Everything that a start reads."""

    accounts: tuple[Account, ...]
    mandates: tuple[Mandate, ...]
    orders: tuple[DeskOrder, ...]
    fills: tuple[StoredFill, ...]
    charges: tuple[StoredCharge, ...]
    flags: tuple[Flag, ...]
    followed: Followed


def order_id(account: Account, symbol: str, number: int) -> UUID:
    """Name the ``number``-th order of an asset at an account: a function of what is stored."""
    return uuid5(CHLOE_NAMESPACE, f"live|{account.id}|{symbol}|{number}")
