"""A small world around the live desk: paper books that enter, reduce and stop, a clock, and deaths at any instant."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from uuid import UUID, uuid5

from broker_simulator import Died, Faults, SimulatedBroker
from exchange_model import Exchange
from memory_store import MemoryStore

from services.contracts.messages import (
    CHLOE_NAMESPACE,
    Fill,
    Order,
    OrderReason,
    OrdersDecided,
    PortfolioSettled,
    Position,
    Side,
)
from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.execution.live.keeping import LiveStore, Standing
from services.execution.live.mirror import Slice
from services.execution.live.service import LiveDesk
from services.execution.live.settings import LIVE_FILE, LiveSettings
from services.kernel.config import load

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
SYMBOLS = ("BTC/USDT", "ETH/USDT", "AVAX/USDT")
PRICES = {"BTC/USDT": Decimal(20), "ETH/USDT": Decimal(10), "AVAX/USDT": Decimal(5)}
"""Small, so that positions have many steps and parts of them differ."""
OPENED = Standing("live", phase_active=True, trading_enabled=True, live_enabled=True, audit_at=START, audit_ready=True)
ASSETS = load(AssetsConfig, ASSETS_FILE)
DELIVERED = load(LiveSettings, LIVE_FILE)
SETTINGS = DELIVERED.model_copy(
    update={
        "enabled": True,
        "max_notional": dict.fromkeys(SYMBOLS, Decimal(100)),
        "max_notional_per_day": Decimal(100_000),
        "cash_tolerance": Decimal("0.0001"),
    }
)


def order(
    ts: datetime, symbol: str, side: Side, quantity: Decimal, reason: OrderReason, price: Decimal, stop: Decimal | None
) -> Order:
    """A paper order of a slice."""
    return Order(
        id=uuid5(CHLOE_NAMESPACE, f"{ts}|{symbol}"), symbol=symbol, asset_class="crypto", side=side, quantity=quantity,
        reason=reason, reduce_only=reason not in ("entry", "increase"), reference_price=price, stop_price=stop,
        target_price=None, expires_at=None, bucket=1, regime="chop",
    )  # fmt: skip


def settled(
    ts: datetime, positions: dict[str, Decimal], fills: tuple[Fill, ...] = (), working: tuple[UUID, ...] = ()
) -> PortfolioSettled:
    """Paper books that hold so much of each; money plays no part here."""
    nothing = Decimal(0)
    held = tuple(
        Position(s, "crypto", q, nothing, nothing, nothing, None, None, ts, None) for s, q in positions.items() if q
    )
    return PortfolioSettled(
        ts=ts, timeframe="1h", fills=fills, outcomes=(), trades=(), positions=held, cash=nothing, equity=nothing,
        starting_cash=nothing, realised_pnl=nothing, unrealised_pnl=nothing, fees=nothing, working=working,
    )  # fmt: skip


def decided(ts: datetime, orders: tuple[Order, ...] = ()) -> OrdersDecided:
    """Risk's word on a slice."""
    return OrdersDecided(ts=ts, timeframe="1h", orders=orders, refused=(), checks=(), halted=None)


def fill(ts: datetime, symbol: str, side: Side, quantity: Decimal, order_id: UUID | None) -> Fill:
    """A paper execution; without an order it is a stop."""
    return Fill(
        uuid5(CHLOE_NAMESPACE, f"{ts}|{symbol}|{order_id}"), order_id, symbol, "crypto", side, quantity, Decimal(1),
        Decimal(0), Decimal(0), "stop" if order_id is None else "reduce", ts,
    )  # fmt: skip


@dataclass
class Paper:
    """Paper books by chance: they fill what was decided, stop out now and then, and decide anew."""

    random: Random
    exchange: Exchange
    held: dict[str, Decimal] = field(default_factory=dict)
    pending: tuple[Order, ...] = ()

    def slice(self, ts: datetime, *, quiet: bool = False) -> Slice:
        """Settle what was decided and decide again; ``quiet``: nothing new."""
        fills = [done for one in self.pending if (done := self._settle(one, ts)) is not None]
        for symbol, quantity in list(self.held.items()):
            if quantity and not quiet and self.random.random() < 0.15:
                left = Decimal(0) if self.random.random() < 0.7 else quantity / 2
                fills.append(fill(ts, symbol, "sell" if quantity > 0 else "buy", abs(quantity - left), None))
                self.held[symbol] = left
        books = settled(ts, self.held, tuple(fills))
        self.pending = () if quiet else tuple(o for s in SYMBOLS if (o := self._decide(s, ts)) is not None)
        return Slice(books, decided(ts, self.pending))

    def _settle(self, one: Order, ts: datetime) -> Fill | None:
        held = self.held.get(one.symbol, Decimal(0))
        if one.reduce_only and (held == 0 or (held > 0) == (one.side == "buy")):
            return None
        if not one.reduce_only and self.random.random() < 0.1:
            return None  # no volume in the bar: cancelled
        quantity = min(one.quantity, abs(held)) if one.reduce_only else one.quantity
        self.held[one.symbol] = held + (quantity if one.side == "buy" else -quantity)
        return fill(ts, one.symbol, one.side, quantity, one.id)

    def _decide(self, symbol: str, ts: datetime) -> Order | None:
        price, held, chance = self.exchange.prices[symbol], self.held.get(symbol, Decimal(0)), self.random.random()
        if chance < 0.35:
            return None
        if held == 0:
            side: Side = "sell" if symbol == "AVAX/USDT" and chance < 0.7 else "buy"
            away = Decimal("0.97") if side == "buy" else Decimal("1.03")
            quantity = (Decimal(self.random.randint(20, 300)) / price).quantize(Decimal("0.001"))
            return order(ts, symbol, side, quantity, "entry", price, (price * away).quantize(Decimal("0.0001")))
        back: Side = "sell" if held > 0 else "buy"
        if chance < 0.55:
            return order(ts, symbol, back, abs(held), "exit", price, None)
        if chance < 0.8:
            return order(ts, symbol, back, (abs(held) / 3).quantize(Decimal("0.001")), "reduce", price, None)
        same: Side = "buy" if held > 0 else "sell"
        return order(ts, symbol, same, abs(held), "increase", price, price)


class World:
    """One seeded run: a desk that may die at any call and is rebuilt from its store."""

    def __init__(
        self,
        seed: int,
        faults: Faults,
        *,
        unique_ids: bool = True,
        standing: Standing = OPENED,
        store: LiveStore | None = None,
    ) -> None:
        self.random = Random(seed)
        self.now = START
        self.exchange = Exchange(self.random, PRICES, Decimal(10_000), unique_ids=unique_ids)
        self.faults = faults
        self.broker = SimulatedBroker(self.exchange, self.random, faults, lambda: self.now)
        self.store = MemoryStore(standing, self.interrupt)
        self.stored_in: LiveStore = self.store if store is None else store
        self.paper = Paper(self.random, self.exchange)
        self.slices: list[Slice] = []
        self.deaths = 0
        self.settings = SETTINGS
        self.desk = self.reborn()

    def reborn(self) -> LiveDesk:
        """Build a desk that knows nothing but its store."""
        return LiveDesk(self.stored_in, [self.broker], self.settings, ASSETS, switched_on=True)

    def interrupt(self) -> None:
        """Die here, perhaps."""
        if self.faults.die and self.random.random() < self.faults.die:
            raise Died

    async def step(self, seconds: float) -> None:
        """Let time pass, then let the desk do a round, which it may not survive."""
        self.now += timedelta(seconds=seconds)
        self.exchange.advance(self.now)
        try:
            await self._round()
        except Died:
            self.deaths += 1
            self.desk = self.reborn()

    async def _round(self) -> None:
        if not self.desk.memory.ledgers:
            await self.desk.start()
        for one in self.slices:
            await self.desk.follow(one, self.now)
        await self.desk.tick(self.now)

    async def rounds(self, count: int, longest: float) -> None:
        """Do so many rounds at irregular distances."""
        for _ in range(count):
            await self.step(self.random.uniform(0.5, longest))

    async def settle(self) -> None:
        """Take all faults away and wait until nothing moves."""
        for name in Faults.__dataclass_fields__:
            setattr(self.faults, name, 0.0)
        self.exchange.partial = 0.0
        self.exchange.still = True
        await self.rounds(60, 40.0)
