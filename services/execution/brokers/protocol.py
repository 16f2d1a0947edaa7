"""What the live desk asks of a broker; every adapter and the simulator of the tests keep to it.

An adapter is one file ``services/execution/brokers/<name>.py`` with

- ``NAME``; ``NEEDS``: the environment variables it cannot do without;
- ``connect(environment, *, venue, currency="USD", base_url=None, http=..., clock=...) -> Broker``, where ``venue`` is
  one of :data:`Environment` (URLs follow from it, ``base_url`` is for tests).

Symbols are ours (``BTC/USDT``) on both sides of the protocol. Amounts are ``Decimal``. Calls never repeat a submission
or a cancellation by themselves: what to do about silence is the desk's decision, for only it has stored what it wanted.
Questions (all other calls) may be retried inside, and raise the errors of :mod:`services.kernel.provider_errors`.
"""

from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol
from uuid import UUID

import msgspec

from services.contracts.messages import Side
from services.kernel.errors import ChloeError

Environment = Literal["testnet", "paper", "practice", "live"]
OrderKind = Literal["market", "stop"]
BrokerStatus = Literal["working", "filled", "cancelled", "rejected", "expired"]
"""``working`` includes partly filled and, for a stop, not triggered yet; all others are final."""


class BrokerError(ChloeError):
    """What a broker answered to a submission or a cancellation."""


class Rejected(BrokerError):
    """The broker refuses for good and has nothing in its book; ``reason`` is its own."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Ambiguous(BrokerError):
    """Time-out, dropped connection, 5xx or an unreadable answer: the request may or may not have been carried out."""


class LiveOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to submit. ``id`` is the client order id: ``str(id)`` has 36 characters."""

    id: UUID
    symbol: str
    side: Side
    kind: OrderKind
    quantity: Decimal
    """In units of the asset, a multiple of the instrument's step."""
    stop_price: Decimal | None = None
    """For a stop: the price that triggers a market order; a multiple of the price step."""
    reduce_only: bool = False
    """Passed on where the broker knows it; it can then never open or turn a position."""


class Ack(msgspec.Struct, frozen=True):
    """The broker has the order (or had it already, under this client id)."""

    client_id: UUID
    broker_id: str


class BrokerOrder(msgspec.Struct, frozen=True):
    """An order as the broker knows it. ``client_id`` None: somebody else made it (by hand, another program)."""

    client_id: UUID | None
    broker_id: str
    symbol: str
    side: Side
    kind: str
    """Ours, or the broker's own word for kinds that we never submit."""
    quantity: Decimal
    filled: Decimal
    status: BrokerStatus
    stop_price: Decimal | None = None
    detail: str = ""
    """Why it was rejected, cancelled or expired, in the broker's words."""


class BrokerFill(msgspec.Struct, frozen=True):
    """One execution, under the broker's own id: unique in the account, the same however often it is read."""

    id: str
    client_id: UUID | None
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    """In the instrument's quote currency."""
    fee: Decimal
    """In account currency; negative for a rebate."""
    at: datetime
    withheld: Decimal = Decimal(0)
    """Units of the asset that the broker kept as its fee (spot purchases); then ``fee`` does not count them."""
    rate: Decimal = Decimal(1)
    """Account currency per unit of quote currency at the execution."""
    realised: Decimal | None = None
    """Profit that the broker booked with it, account currency; None where it books or tells none (cash accounts)."""


class BrokerCharge(msgspec.Struct, frozen=True):
    """A movement of cash that is no fill: funding, financing, interest, borrow, dividends, deposits and withdrawals."""

    id: str
    kind: str
    amount: Decimal
    """Added to the cash when positive, account currency."""
    at: datetime
    symbol: str | None = None


class BrokerPosition(msgspec.Struct, frozen=True):
    """What is held of one asset; ``quantity`` is signed. Assets that we do not know keep the broker's name."""

    symbol: str
    quantity: Decimal


class BrokerCash(msgspec.Struct, frozen=True):
    """The account's cash balance, settled or not.

    ``basis`` says what it counts: in a ``cash`` account purchases take their whole price out of it (spot, shares), in a
    ``margin`` account only realised profits, fees and charges change it (perpetuals, forex).
    """

    currency: str
    amount: Decimal
    available: Decimal
    """What new orders may use."""
    basis: Literal["cash", "margin"]


class Instrument(msgspec.Struct, frozen=True):
    """What may be ordered of a symbol at this broker."""

    symbol: str
    price_step: Decimal
    quantity_step: Decimal
    min_quantity: Decimal
    min_notional: Decimal
    """In quote currency; zero where there is none."""
    shortable: bool
    tradable: bool = True
    """False while the broker has suspended it."""


class Broker(Protocol):
    """One account at one broker."""

    @property
    def name(self) -> str:
        """The adapter's name."""
        ...

    @property
    def environment(self) -> Environment:
        """Where its orders go."""
        ...

    @property
    def unique_ids(self) -> bool:
        """True if the broker refuses a client order id that it has seen before, also after that order is done."""
        ...

    async def submit(self, request: LiveOrder) -> Ack:
        """Send an order once.

        A client id that the broker refuses as seen is no error: return the Ack of the order that is there. Raises
        :class:`Rejected` (definite), :class:`Ambiguous` (unknown), and of the provider errors only those that mean
        "not carried out": RateLimited, BadKey, NotEntitled, Blocked, SymbolNotOffered, BudgetSpent.
        """
        ...

    async def cancel(self, client_id: UUID) -> None:
        """Ask to cancel once; an order that is done or unknown is no error. Raises as :meth:`submit`."""
        ...

    async def order(self, client_id: UUID) -> BrokerOrder | None:
        """Return an order, done or not; None only when the broker definitely answers that it does not know it."""
        ...

    async def open_orders(self) -> list[BrokerOrder]:
        """Return all orders of the account that are not final, ours or not."""
        ...

    async def fills(self, since: datetime) -> list[BrokerFill]:
        """Return all executions at or after ``since``, ours or not, oldest first; repetition does no harm."""
        ...

    async def charges(self, since: datetime) -> list[BrokerCharge]:
        """Return all cash movements that are no fills, at or after ``since``, oldest first."""
        ...

    async def positions(self) -> list[BrokerPosition]:
        """Return all positions that are not flat."""
        ...

    async def cash(self) -> BrokerCash:
        """Return the balance in the account's currency."""
        ...

    async def instrument(self, symbol: str) -> Instrument:
        """Return the rules of a symbol; raises SymbolNotOffered."""
        ...

    async def close(self) -> None:
        """Close connections; orders stay as they are."""
        ...
