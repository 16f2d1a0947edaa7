"""The live desk: follow the paper books, tend the brokers, and never do one without having stored the other."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from services.contracts.messages import Order
from services.domain.assets import AssetsConfig
from services.domain.money import ZERO
from services.execution.brokers.protocol import Broker
from services.execution.live.keeping import LiveStore, Standing
from services.execution.live.memory import Memory
from services.execution.live.mirror import Market, Situation, Slice, mirror
from services.execution.live.permission import LiveFacts, may_trade_live
from services.execution.live.session import Session
from services.execution.live.settings import LiveSettings
from services.execution.live.state import Change, Followed
from services.kernel.logging import get
from services.kernel.provider_errors import FeedError


class LiveDesk:
    """Everything but the clock and the waiting; ``missing_keys`` names by account what the environment lacks."""

    def __init__(
        self,
        store: LiveStore,
        brokers: Sequence[Broker],
        settings: LiveSettings,
        assets: AssetsConfig,
        *,
        switched_on: bool,
        missing_keys: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.settings = settings
        self.assets = assets
        self.switched_on = switched_on
        self.missing_keys = missing_keys or {}
        self.memory = Memory(store, {symbol: asset.asset_class for symbol, asset in assets.assets.items()})
        entering = switched_on and settings.enabled
        opened = [Session(one, self.memory, settings, entering=entering) for one in brokers]
        self.sessions = {session.name: session for session in opened}
        self.log = get("live")

    async def start(self) -> None:
        """Take what is stored back into memory."""
        await self.memory.load()

    async def tick(self, now: datetime) -> None:
        """Tend every broker once."""
        for session in self.sessions.values():
            await session.tend(now)

    def pause(self) -> float:
        """Return how many seconds to wait for the next round: little while an order is under way."""
        timing = self.settings.timing
        active = any(o.purpose != "stop" for name in self.sessions for o in self.memory.open_orders(name))
        return timing.poll_seconds if active else min(timing.idle_poll_seconds, timing.reconcile_seconds)

    async def follow(self, event: Slice, now: datetime) -> None:
        """Mirror one slice of the paper books: store the mandates and orders; the next round carries them out."""
        memory = self.memory
        if memory.followed.slice_ts is not None and event.portfolio.ts <= memory.followed.slice_ts:
            return
        wanted = [o for o in event.decided.orders if not o.reduce_only]
        situation = Situation(
            now=now,
            mandates=memory.mandates,
            held=self._held(),
            busy=frozenset(o.symbol for o in memory.alive.values() if o.purpose != "stop"),
            markets=await self._markets(wanted, now),
            left_today=self.settings.max_notional_per_day - memory.entered_today(now),
            fresh=timedelta(seconds=self.settings.timing.entry_fresh_seconds),
            mirror_exploration=self.settings.mirror_exploration,
        )
        out = mirror(memory.followed, event, situation)
        changed = tuple(m for m in out.mandates.values() if memory.mandates.get(m.symbol) != m)
        await memory.commit(Change(orders=tuple(out.orders), mandates=changed, followed=out.followed), now)
        for order in out.orders:
            self.log.info("entry", symbol=order.symbol, side=order.side, quantity=str(order.quantity), id=str(order.id))
        for symbol, words in out.said.items() if self.switched_on else ():
            self.log.info("not mirrored", symbol=symbol, because=words)

    def _held(self) -> dict[str, Decimal]:
        ledgers = [ledger for name, ledger in self.memory.ledgers.items() if name in self.sessions]
        return {symbol: held for ledger in ledgers for symbol, held in ledger.positions().items()}

    async def begin(self, ts: datetime, now: datetime) -> None:
        """Follow from here on, at the first start: what paper did before is not mirrored."""
        if self.memory.followed.slice_ts is None:
            await self.memory.commit(Change(followed=Followed(ts)), now)

    async def _markets(self, orders: list[Order], now: datetime) -> dict[str, Market | str]:
        """Learn what each asset to be entered may do; a broker that does not answer is a reason not to."""
        if not orders:
            return {}
        standings = await self.memory.store.standings([o.symbol for o in orders])
        return {o.symbol: await self._market(o.symbol, standings.get(o.symbol), now) for o in orders}

    async def _market(self, symbol: str, standing: Standing | None, now: datetime) -> Market | str:
        refusals = may_trade_live(self.facts(symbol, standing or Standing(None), now))
        if refusals:
            return "; ".join(refusals)
        session = self.sessions[self.settings.account_of(self.memory.classes[symbol]) or ""]
        try:
            instrument = await session.instrument(symbol)
        except FeedError as error:
            return f"the broker does not say what may be ordered: {error}"
        limit = self.settings.max_notional.get(symbol, ZERO)
        return Market(self.memory.ledgers[session.name].account, instrument, Decimal(limit))

    async def all_facts(self, now: datetime) -> list[LiveFacts]:
        """Return the facts of every asset that there is."""
        standings = await self.memory.store.standings(list(self.memory.classes))
        return [self.facts(s, standings.get(s, Standing(None)), now) for s in self.memory.classes]

    def facts(self, symbol: str, standing: Standing, now: datetime) -> LiveFacts:
        """Put together what :func:`may_trade_live` asks of an asset."""
        settings = self.settings
        broker = settings.account_of(self.memory.classes.get(symbol, ""))
        session = self.sessions.get(broker or "")
        missing = self.missing_keys.get(broker or "", ())
        if broker is not None and session is None and not missing:
            missing = (f"connection to {broker}",)
        return LiveFacts(
            now=now,
            symbol=symbol,
            run_mode=standing.run_mode,
            switch_in_config=settings.enabled,
            switch_in_environment=self.switched_on,
            broker=broker,
            missing_keys=missing,
            phase_active=standing.phase_active,
            trading_enabled=standing.trading_enabled,
            live_enabled=standing.live_enabled,
            audit_at=standing.audit_at,
            audit_ready=standing.audit_ready,
            audit_valid=timedelta(days=settings.audit_days),
            max_notional=settings.max_notional.get(symbol),
            reconciled_at=None if session is None else session.reconciled_at,
            reconciled_within=timedelta(seconds=settings.timing.reconciled_within_seconds),
            flags=standing.flags + (() if session is None else session.objections(symbol)),
        )
