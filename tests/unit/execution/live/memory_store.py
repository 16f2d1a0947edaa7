"""The desk's store in memory: what was saved outlives the desk, and saving can be the last thing that it does."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from services.execution.live.keeping import Standing
from services.execution.live.state import (
    Account,
    Change,
    DeskOrder,
    Flag,
    Followed,
    Mandate,
    Stored,
    StoredCharge,
    StoredFill,
)


class MemoryStore:
    """See :class:`services.execution.live.keeping.LiveStore`; ``before`` and ``after`` a save may raise."""

    def __init__(self, standing: Standing, interrupt: Callable[[], None] = lambda: None) -> None:
        self.standing = standing
        self.interrupt = interrupt
        self.accounts: dict[str, Account] = {}
        self.mandates: dict[str, Mandate] = {}
        self.orders: dict[UUID, DeskOrder] = {}
        self.fills: dict[tuple[str, str], StoredFill] = {}
        self.charges: dict[tuple[str, str], StoredCharge] = {}
        self.flags: dict[tuple[str, str], Flag] = {}
        self.raised: list[Flag] = []
        self.followed = Followed()

    async def load(self) -> Stored:
        return Stored(
            tuple(self.accounts.values()),
            tuple(self.mandates.values()),
            tuple(self.orders.values()),
            tuple(self.fills.values()),
            tuple(self.charges.values()),
            tuple(self.flags.values()),
            self.followed,
        )

    async def save(self, change: Change, now: datetime) -> None:
        self.interrupt()
        self.orders |= {o.id: o for o in change.orders}
        self.mandates |= {m.symbol: m for m in change.mandates}
        for fill in change.fills:
            self.fills.setdefault((fill.broker, fill.fill.id), fill)
        for charge in change.charges:
            self.charges.setdefault((charge.broker, charge.charge.id), charge)
        for flag in change.flags:
            self.flags.pop((flag.name, flag.subject), None)
            if flag.detail is not None:
                self.flags[flag.name, flag.subject] = flag
                self.raised.append(flag)
        if change.account is not None:
            self.accounts[change.account.broker] = change.account
        if change.followed is not None:
            self.followed = change.followed
        self.interrupt()

    async def standings(self, symbols: Sequence[str]) -> dict[str, Standing]:
        return dict.fromkeys(symbols, self.standing)
