"""A broker whose line to the desk drops, delays, doubles and reorders, by a seed; the exchange behind it is exact."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from uuid import UUID

from exchange_model import STEP, Exchange

from services.execution.brokers.protocol import (
    Ack,
    Ambiguous,
    BrokerCash,
    BrokerCharge,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    Environment,
    Instrument,
    LiveOrder,
    Rejected,
)
from services.kernel.provider_errors import RateLimited, SourceDown


class Died(BaseException):
    """The desk's process was killed here."""


@dataclass
class Faults:
    """How often each thing goes wrong, of all calls; all zero: a perfect line."""

    drop_request: float = 0.0
    drop_reply: float = 0.0
    delay_request: float = 0.0
    delay_seconds: float = 20.0
    double_request: float = 0.0
    reject: float = 0.0
    rate_limit: float = 0.0
    down: float = 0.0
    stale: float = 0.0
    late_report: float = 0.0
    double_report: float = 0.0
    reorder: float = 0.0
    die: float = 0.0


class SimulatedBroker:
    """See :class:`services.execution.brokers.protocol.Broker`."""

    name = "bybit"
    environment: Environment = "testnet"

    def __init__(self, exchange: Exchange, random: Random, faults: Faults, clock: Callable[[], datetime]) -> None:
        self.exchange = exchange
        self.random = random
        self.faults = faults
        self.clock = clock
        self.submissions: list[UUID] = []
        self._visible: dict[str, datetime] = {}

    @property
    def unique_ids(self) -> bool:
        return self.exchange.unique_ids

    async def submit(self, request: LiveOrder) -> Ack:
        now, faults = self.clock(), self.faults
        self.submissions.append(request.id)
        self._may_die()
        if self._happens(faults.rate_limit):
            raise RateLimited("simulated: slow down")
        if self._happens(faults.drop_request):
            raise Ambiguous("simulated: the request was lost")
        if self._happens(faults.delay_request):
            arrival = now + timedelta(seconds=self.random.uniform(0, faults.delay_seconds))
            self.exchange.transit.append((arrival, request))
            raise Ambiguous("simulated: no answer in time")
        known = request.id in self.exchange.orders
        if not known and self._happens(faults.reject):
            raise Rejected("simulated: not enough margin")
        self.exchange.accept(request, now)
        if self._happens(faults.double_request) and self.unique_ids:
            self.exchange.accept(request, now)
        self._may_die()
        if self._happens(faults.drop_reply):
            raise Ambiguous("simulated: the reply was lost")
        return Ack(request.id, f"x{self.exchange.orders[request.id].number}")

    async def cancel(self, client_id: UUID) -> None:
        self._may_die()
        if self._happens(self.faults.drop_request):
            raise Ambiguous("simulated: the cancellation was lost")
        self.exchange.cancel(client_id, self.clock())
        if self._happens(self.faults.drop_reply):
            raise Ambiguous("simulated: the reply was lost")

    async def order(self, client_id: UUID) -> BrokerOrder | None:
        self._question()
        return self.exchange.seen(client_id, self._as_of())

    async def open_orders(self) -> list[BrokerOrder]:
        self._question()
        as_of = self._as_of()
        found = [self.exchange.seen(client_id, as_of) for client_id in self.exchange.orders]
        return [order for order in found if order is not None and order.status == "working"]

    async def fills(self, since: datetime) -> list[BrokerFill]:
        self._question()
        now = self.clock()
        for fill in self.exchange.fills:
            if fill.id not in self._visible:
                late = self.random.uniform(0, 90) if self._happens(self.faults.late_report) else 0.0
                self._visible[fill.id] = fill.at + timedelta(seconds=late)
        told = [f for f in self.exchange.fills if f.at >= since and self._visible[f.id] <= now]
        told += [f for f in told if self._happens(self.faults.double_report)]
        if self._happens(self.faults.reorder):
            self.random.shuffle(told)
        return told

    async def charges(self, since: datetime) -> list[BrokerCharge]:
        self._question()
        return []

    async def positions(self) -> list[BrokerPosition]:
        self._question()
        return [BrokerPosition(symbol, quantity) for symbol, quantity in self.exchange.positions.items() if quantity]

    async def cash(self) -> BrokerCash:
        self._question()
        return BrokerCash("USDT", self.exchange.cash, self.exchange.cash, "cash")

    async def instrument(self, symbol: str) -> Instrument:
        self._question()
        return Instrument(symbol, Decimal("0.01"), STEP, STEP, Decimal(5), shortable=True)

    async def close(self) -> None:
        return None

    def _happens(self, often: float) -> bool:
        return often > 0 and self.random.random() < often

    def _may_die(self) -> None:
        if self._happens(self.faults.die):
            raise Died

    def _question(self) -> None:
        self._may_die()
        if self._happens(self.faults.down):
            raise SourceDown("simulated: 503")

    def _as_of(self) -> datetime:
        late = self.random.uniform(0, 10) if self._happens(self.faults.stale) else 0.0
        return self.clock() - timedelta(seconds=late)
