"""An exchange in memory: orders, executions, positions and cash, exact and without any fault of its own."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from uuid import UUID

from services.execution.brokers.protocol import BrokerFill, BrokerOrder, BrokerStatus, LiveOrder

STEP = Decimal("0.001")
FEE = Decimal("0.001")
CENT = Decimal("0.01")


@dataclass
class Resting:
    """An order in the book."""

    request: LiveOrder
    number: int
    accepted_at: datetime
    filled: Decimal = Decimal(0)
    status: BrokerStatus = "working"
    due: list[tuple[datetime, Decimal]] = field(default_factory=list)
    """Executions to come; what they leave is cancelled with the last one."""
    triggered: bool = False
    changes: list[tuple[datetime, BrokerStatus, Decimal]] = field(default_factory=list)

    def note(self, now: datetime) -> None:
        self.changes.append((now, self.status, self.filled))


class Exchange:
    """Executes market orders in up to three parts, some only partly; stops when the price touches them."""

    def __init__(self, random: Random, prices: dict[str, Decimal], cash: Decimal, *, unique_ids: bool = True) -> None:
        self.random = random
        self.prices = dict(prices)
        self.opening_cash = cash
        self.cash = cash
        self.unique_ids = unique_ids
        self.orders: dict[UUID, Resting] = {}
        self.accepted: dict[UUID, int] = {}
        """How often each client id was let into the book: never more than once."""
        self.fills: list[BrokerFill] = []
        self.positions: dict[str, Decimal] = {}
        self.transit: list[tuple[datetime, LiveOrder]] = []
        """Requests that arrive later than the caller was prepared to wait."""
        self.honours_reduce_only = True
        self.crossings = 0
        """How often a position was turned by one execution: always one too many."""
        self.still = False
        """True: prices stand."""
        self.partial = 0.0
        """How often a market order is not filled whole."""

    def accept(self, request: LiveOrder, now: datetime) -> bool:
        """Let an order in; False for a client id that is known."""
        if request.id in self.orders and self.unique_ids:
            return False
        order = Resting(request, len(self.orders) + 1, now)
        self.orders[request.id] = order
        self.accepted[request.id] = self.accepted.get(request.id, 0) + 1
        order.note(now)
        if request.kind == "market":
            self._schedule(order, now)
        return True

    def cancel(self, client_id: UUID, now: datetime) -> None:
        """Cancel what is left of an order; what is done stays done."""
        order = self.orders.get(client_id)
        if order is not None and order.status == "working":
            order.status, order.due = "cancelled", []
            order.note(now)

    def advance(self, now: datetime) -> None:
        """Let time pass: late requests arrive, executions happen, prices move, stops fire."""
        for arrival, request in sorted(self.transit, key=lambda pair: pair[0]):
            if arrival <= now:
                self.accept(request, arrival)
        self.transit = [pair for pair in self.transit if pair[0] > now]
        for symbol in () if self.still else self.prices:
            self.prices[symbol] = (self.prices[symbol] * Decimal(1 + self.random.gauss(0, 0.004))).quantize(CENT)
        for order in list(self.orders.values()):
            self._trigger(order, now)
            while order.status == "working" and order.due and order.due[0][0] <= now:
                at, quantity = order.due.pop(0)
                self._execute(order, quantity, at)

    def trade_by_hand(self, symbol: str, quantity: Decimal, now: datetime) -> None:
        """Somebody else trades in the account."""
        self._book(symbol, quantity, None, now)

    def seen(self, client_id: UUID, as_of: datetime) -> BrokerOrder | None:
        """Return an order as it was at a time; None if it was not there yet."""
        order = self.orders.get(client_id)
        past = [change for change in order.changes if change[0] <= as_of] if order is not None else []
        if order is None or not past:
            return None
        _, status, filled = past[-1]
        one = order.request
        return BrokerOrder(one.id, f"x{order.number}", one.symbol, one.side, one.kind, one.quantity, filled, status,
                           one.stop_price)  # fmt: skip

    def _schedule(self, order: Resting, now: datetime) -> None:
        left = order.request.quantity
        if self.random.random() < self.partial:
            left = (left * Decimal(self.random.random())).quantize(STEP)
        for part in range(self.random.randint(1, 3)):
            piece = left if part == 2 else (left * Decimal(self.random.random())).quantize(STEP)
            order.due.append((now + timedelta(seconds=self.random.uniform(0, 5) * (part + 1)), piece))
            left -= piece
        order.due[-1] = (order.due[-1][0], order.due[-1][1] + left)
        order.due.sort(key=lambda pair: pair[0])

    def _trigger(self, order: Resting, now: datetime) -> None:
        request = order.request
        if request.kind != "stop" or order.triggered or order.status != "working" or request.stop_price is None:
            return
        price = self.prices[request.symbol]
        if price <= request.stop_price if request.side == "sell" else price >= request.stop_price:
            order.triggered = True
            self._schedule(order, now)

    def _execute(self, order: Resting, quantity: Decimal, at: datetime) -> None:
        request = order.request
        if request.reduce_only and self.honours_reduce_only:
            held = self.positions.get(request.symbol, Decimal(0))
            room = max(held if request.side == "sell" else -held, Decimal(0))
            if quantity > room:
                quantity, order.due = room, []
        if quantity > 0:
            signed = quantity if request.side == "buy" else -quantity
            self._book(request.symbol, signed, request.id, at)
            order.filled += quantity
        if order.filled == request.quantity:
            order.status, order.due = "filled", []
        elif not order.due:
            order.status = "cancelled"
        order.note(at)

    def _book(self, symbol: str, signed: Decimal, client_id: UUID | None, at: datetime) -> None:
        price = self.prices[symbol]
        fee = (abs(signed) * price * FEE).quantize(Decimal("1e-8"))
        self.cash -= signed * price + fee
        before = self.positions.get(symbol, Decimal(0))
        self.crossings += before * (before + signed) < 0
        self.positions[symbol] = before + signed
        name = f"f{len(self.fills) + 1}"
        side = "buy" if signed > 0 else "sell"
        self.fills.append(BrokerFill(name, client_id, symbol, side, abs(signed), price, fee, at))  # type: ignore[arg-type]
