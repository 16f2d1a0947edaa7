"""The only loop of the live desk: read the paper books' slices from the outbox, follow them, tend the brokers, wait."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from services.contracts.messages import OrdersDecided, PortfolioSettled, decode
from services.contracts.topics import ORDERS, PORTFOLIO
from services.execution.live.mirror import Slice
from services.execution.live.service import LiveDesk
from services.execution.live.store import STAGE, PostgresStore
from services.kernel import database
from services.kernel.errors import StreamCorrupt

BATCH = 64
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
STILL_SOLE = "select 1"
"""Fails where the connection that holds the lock is gone, and with it the lock."""
PATIENCE_SECONDS = 5.0
"""How long a start waits for an earlier desk on this database to be gone, before it is refused."""


async def run_desk(
    desk: LiveDesk,
    store: PostgresStore,
    clock: Callable[[], datetime],
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Run until cancelled; whatever ends it, a new start continues from what is stored."""
    async with database.sole(store.pool, STAGE, patience_seconds=PATIENCE_SECONDS) as conn:
        await desk.start()
        await desk.begin(await store.newest(ORDERS.name) or BEGINNING, clock())
        started()
        reported: datetime | None = None
        every = timedelta(seconds=desk.settings.timing.reconcile_seconds)
        while True:
            await conn.execute(STILL_SOLE)
            for event in await unfollowed(store, desk.memory.followed.slice_ts or BEGINNING):
                await desk.follow(event, clock())
            await desk.tick(clock())
            if reported is None or clock() - reported >= every:
                reported = clock()
                await store.report(await desk.all_facts(reported))
            await wait(desk.pause())


async def unfollowed(store: PostgresStore, ts: datetime) -> list[Slice]:
    """Return the slices after ``ts`` of which both the books and the orders are stored, oldest first."""
    orders = dict(await store.after(ORDERS.name, ts, BATCH))
    found = []
    for moment, body in await store.after(PORTFOLIO.name, ts, BATCH) if orders else []:
        if moment in orders:
            portfolio, decided = decode(body), decode(orders[moment])
            if not isinstance(portfolio, PortfolioSettled) or not isinstance(decided, OrdersDecided):
                raise StreamCorrupt(f"outbox: the slice of {moment} holds other messages than its topics carry")
            found.append(Slice(portfolio, decided))
    return found
