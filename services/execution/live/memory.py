"""The desk's memory: what is stored, and nothing that is not stored yet."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from services.domain.money import ZERO
from services.execution.live.keeping import LiveStore
from services.execution.live.ledger import LiveLedger
from services.execution.live.state import Account, Change, DeskOrder, Followed, Mandate, StoredCharge, StoredFill


class Memory:
    """Stores first, remembers second: a process that dies between the two finds what it stored."""

    def __init__(self, store: LiveStore, classes: Mapping[str, str]) -> None:
        self.store = store
        self.classes = dict(classes)
        self.orders: dict[UUID, DeskOrder] = {}
        self.alive: dict[UUID, DeskOrder] = {}
        """Those that can still change, oldest first."""
        self.mandates: dict[str, Mandate] = {}
        self.ledgers: dict[str, LiveLedger] = {}
        self.flags: dict[tuple[str, str], str] = {}
        self.followed = Followed()

    async def load(self) -> None:
        """Read everything that is stored."""
        stored = await self.store.load()
        self.orders, self.alive = {}, {}
        self._take(stored.orders)
        self.mandates = {m.symbol: m for m in stored.mandates}
        self.ledgers = {}
        for account in stored.accounts:
            self._open(account)
        self._enter(stored.fills, stored.charges)
        self.flags = {(f.name, f.subject): f.detail for f in stored.flags if f.detail is not None}
        self.followed = stored.followed

    async def commit(self, change: Change, now: datetime) -> None:
        """Store a change and take it over."""
        await self.store.save(change, now)
        self._take(change.orders)
        self.mandates |= {m.symbol: m for m in change.mandates}
        if change.account is not None:
            self._open(change.account)
        self._enter(change.fills, change.charges)
        for flag in change.flags:
            if flag.detail is None:
                self.flags.pop((flag.name, flag.subject), None)
            else:
                self.flags[flag.name, flag.subject] = flag.detail
        if change.followed is not None:
            self.followed = change.followed

    def open_orders(self, broker: str) -> list[DeskOrder]:
        """Return a broker's orders that can still change, oldest first."""
        return [o for o in self.alive.values() if o.broker == broker]

    def held(self, symbol: str) -> Decimal:
        """Signed quantity held of an asset, at whichever broker its mandate names."""
        mandate = self.mandates.get(symbol)
        ledger = self.ledgers.get(mandate.broker) if mandate is not None else None
        return ZERO if ledger is None else ledger.held(symbol)

    def entered_today(self, now: datetime) -> Decimal:
        """Notional of the entries decided on the day of ``now`` (UTC), those that came to nothing left out."""
        return sum(
            (
                o.notional
                for o in self.orders.values()
                if o.purpose in ("entry", "increase") and o.decided_at.date() == now.date() and (o.open or o.filled > 0)
            ),
            ZERO,
        )

    def _take(self, orders: tuple[DeskOrder, ...]) -> None:
        for order in orders:
            self.orders[order.id] = order
            if order.open:
                self.alive[order.id] = order
            else:
                self.alive.pop(order.id, None)

    def _open(self, account: Account) -> None:
        self.ledgers[account.broker] = LiveLedger(account, self.classes)

    def _enter(self, fills: tuple[StoredFill, ...], charges: tuple[StoredCharge, ...]) -> None:
        for broker, ledger in self.ledgers.items():
            ledger.enter(f for f in fills if f.broker == broker)
            ledger.charge(c for c in charges if c.broker == broker)
