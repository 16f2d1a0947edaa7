"""The live desk on a real PostgreSQL: what is stored comes back, kills at any step lose and double nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from broker_simulator import Faults
from desk_world import ASSETS, OPENED, SETTINGS, START, SYMBOLS, World, decided, settled
from exchange_model import STEP

from services.contracts.messages import Message, encode
from services.contracts.topics import ORDERS, PORTFOLIO
from services.execution.brokers.protocol import BrokerCharge, BrokerFill
from services.execution.live import __main__ as wiring
from services.execution.live.keeping import Standing
from services.execution.live.permission import LiveFacts, may_trade_live
from services.execution.live.running import run_desk, unfollowed
from services.execution.live.state import (
    FINAL,
    Account,
    Change,
    DeskOrder,
    Flag,
    Followed,
    Led,
    Mandate,
    Stored,
    StoredCharge,
    StoredFill,
)
from services.execution.live.store import PostgresStore, record_audit
from services.kernel.database import Connection, append, connect_pool
from services.kernel.errors import StartRefused
from services.kernel.flags import clear_flag, raise_flag
from services.kernel.settings import Settings

pytestmark = pytest.mark.anyio

ACCOUNT = Account(uuid4(), "bybit/testnet", "testnet", "USDT", "cash", Decimal("1000.00000000"), START)
ORDER = DeskOrder(
    id=uuid4(), broker="bybit/testnet", symbol="BTC/USDT", asset_class="crypto", side="buy", kind="market",
    quantity=Decimal("1.00000000"), purpose="entry", reason="paper: entry", decided_at=START,
    notional=Decimal("20.00000000"), paper_order_id=uuid4(), status="ambiguous", attempts=1, submitted_at=START,
    detail="no answer", updated_at=START,
)  # fmt: skip
MANDATE = Mandate("BTC/USDT", "bybit/testnet", "crypto", Decimal("1.00000000"), Decimal("19.00000000"), uuid4(), 1, 2,
                  START, "paper: entry")  # fmt: skip


def execution(name: str, order: DeskOrder | None) -> StoredFill:
    one = BrokerFill(name, order.id if order else None, "BTC/USDT", "buy", Decimal("0.50000000"),
                     Decimal("20.00000000"), Decimal("0.01000000"), START, Decimal("0E-8"),
                     Decimal("1.000000000000"))  # fmt: skip
    return StoredFill("bybit/testnet", one, order.id if order else None)


WHOLE = Change(
    orders=(ORDER,),
    mandates=(MANDATE,),
    fills=(execution("f1", ORDER), execution("f2", None)),
    charges=(StoredCharge("bybit/testnet", BrokerCharge("c1", "funding", Decimal("-0.10000000"), START, "BTC/USDT")),),
    flags=(Flag("live_mismatch", "BTC/USDT", "position: books 1, broker 2"),),
    account=ACCOUNT,
    followed=Followed(START, {"BTC/USDT": Led(uuid4(), Decimal("0.5"))}),
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Connection]:
    opened = await connect_pool(database_url, size=3)
    yield opened
    await opened.close()


class Fragile(PostgresStore):
    """Dies before or after it has committed, whenever the world says so; always finds the same standing."""

    world: World

    async def save(self, change: Change, now: datetime) -> None:
        self.world.interrupt()
        await super().save(change, now)
        self.world.interrupt()

    async def standings(self, symbols: Sequence[str]) -> dict[str, Standing]:
        return dict.fromkeys(symbols, OPENED)


async def test_what_is_stored_comes_back_as_it_was_and_only_once(pool: Connection) -> None:
    store = PostgresStore(pool, "cafe")
    assert await store.load() == Stored((), (), (), (), (), (), Followed())
    await store.save(WHOLE, START)
    again = Change(orders=WHOLE.orders, mandates=WHOLE.mandates, fills=WHOLE.fills, charges=WHOLE.charges)
    await store.save(again, START)
    stored = await store.load()
    assert (stored.accounts, stored.mandates, stored.orders) == ((ACCOUNT,), (MANDATE,), (ORDER,))
    assert (stored.fills, stored.charges, stored.flags) == (WHOLE.fills, WHOLE.charges, WHOLE.flags)
    assert stored.followed == WHOLE.followed
    held = await pool.fetchrow("select held, wanted, environment from live_positions where symbol = 'BTC/USDT'")
    assert tuple(held) == (Decimal("0.50000000"), Decimal("1.00000000"), "testnet")


async def test_a_change_is_stored_whole_or_not_at_all(pool: Connection) -> None:
    store = PostgresStore(pool, "cafe")
    with pytest.raises(Exception, match="live_mandates_broker_fkey"):
        await store.save(Change(mandates=(MANDATE,), followed=Followed(START), flags=WHOLE.flags), START)
    assert await store.load() == Stored((), (), (), (), (), (), Followed())


async def test_a_flag_is_one_row_while_its_words_stand_and_closed_when_they_do_not(pool: Connection) -> None:
    store = PostgresStore(pool, "cafe")
    for minutes, words in enumerate(["differs by 1", "differs by 2", None]):
        await store.save(Change(flags=(Flag("live_mismatch", "BTC/USDT", words),)), START + timedelta(minutes=minutes))
    rows = await pool.fetch("select detail, blocks, severity, cleared_at - raised_at as stood from system_flags")
    minute = timedelta(minutes=1)
    assert [tuple(row) for row in rows] == [(f"differs by {n}", "live", "critical", minute) for n in (1, 2)]


@pytest.mark.parametrize("seed", [3, 8, 13])
async def test_kills_between_any_two_steps_lose_and_double_nothing(pool: Connection, seed: int) -> None:
    faults = Faults(drop_reply=0.15, drop_request=0.1, delay_request=0.1, double_report=0.1, late_report=0.1, die=0.05)
    store = Fragile(pool, "cafe")
    world = store.world = World(seed, faults, store=store)
    await world.rounds(3, 20.0)
    for _ in range(4):
        await world.rounds(2, 5.0)
        world.slices.append(world.paper.slice(world.now))
        await world.rounds(8, 25.0)
        world.now += timedelta(minutes=50)
    await world.settle()
    stored, exchange = await PostgresStore(pool, "cafe").load(), world.exchange
    assert world.deaths > 3
    assert sorted(f.fill.id for f in stored.fills) == sorted(f.id for f in exchange.fills)
    assert exchange.fills, "the run must trade to show anything"
    assert set(exchange.accepted.values()) <= {1}
    rows = await pool.fetch("select symbol, held, wanted from live_positions")
    for symbol, held, wanted in rows:
        assert held == wanted == exchange.positions.get(symbol, Decimal(0)), symbol
    assert all(o.status in FINAL or o.purpose == "stop" for o in stored.orders)
    guarded = {o.request.symbol: o.request.quantity for o in exchange.orders.values() if o.status == "working"}
    assert guarded == {symbol: abs(held) for symbol, held, _ in rows if abs(held) >= STEP}


async def publish(pool: Connection, seq: int, books: Message, orders: Message | None) -> None:
    async with pool.acquire() as conn:
        await append(conn, PORTFOLIO.name, "execution", seq, [(books.ts, encode(books).decode())])
        if orders is not None:
            await append(conn, ORDERS.name, "risk", seq, [(orders.ts, encode(orders).decode())])


async def test_the_desk_begins_at_the_newest_slice_and_follows_those_that_are_whole(pool: Connection) -> None:
    hours = [START + timedelta(hours=n) for n in range(3)]
    await publish(pool, 1, settled(hours[0], {"BTC/USDT": Decimal(5)}), decided(hours[0]))
    store = PostgresStore(pool, "cafe")
    world = World(1, Faults(), store=store)
    rounds = 0

    async def wait(_: float) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            await publish(pool, 2, settled(hours[1], {}), decided(hours[1]))
            await publish(pool, 3, settled(hours[2], {}), None)
        if rounds == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await run_desk(world.desk, store, lambda: START, wait)
    assert (await store.load()).followed.slice_ts == hours[1]
    assert await unfollowed(store, hours[1]) == []
    assert await pool.fetchval("select count(*) from live_report where cardinality(reasons) > 0") == len(ASSETS.assets)
    assert world.exchange.orders == {}, "what paper held before the desk began is not mirrored"


async def test_a_second_desk_on_the_same_database_is_refused(pool: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.execution.live.running.PATIENCE_SECONDS", 0.05)
    store = PostgresStore(pool, "cafe")

    async def wait(_: float) -> None:
        with pytest.raises(StartRefused, match="another process is running it"):
            await run_desk(World(2, Faults(), store=store).desk, store, lambda: START)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await run_desk(World(1, Faults(), store=store).desk, store, lambda: START, wait)


async def test_nothing_is_permitted_as_delivered_and_everything_named_must_be_opened(pool: Connection) -> None:
    store = PostgresStore(pool, "cafe")
    world = World(1, Faults(), store=store)
    await world.rounds(3, 5.0)

    async def reasons() -> str:
        standing = (await store.standings(SYMBOLS))["BTC/USDT"]
        return "; ".join(may_trade_live(world.desk.facts("BTC/USDT", standing, world.now)))

    said = await reasons()
    assert "its live phase is not active" in said
    assert "it has not been audited for live" in said
    assert "not live" in said
    async with pool.acquire() as conn:
        await conn.execute("insert into run (mode, description, timeframe) values ('live', 'binance', '1h')")
        await conn.execute("update asset_class_config set active = true")
        await conn.execute("update asset_registry set trading_enabled = true, live_enabled = true")
        await record_audit(conn, "BTC/USDT", world.now - timedelta(days=1), ready=True, reasons=[])
    assert await reasons() == ""
    async with pool.acquire() as conn:
        await conn.execute(
            "insert into system_flags (id, name, severity, blocks, detail, raised_at) "
            "values ($1, 'books_broken', 'critical', 'entries', 'differ by 1', $2)",
            uuid4(),
            world.now,
        )
    assert await reasons() == "open flag: books_broken: differ by 1"
    async with pool.acquire() as conn:
        await conn.execute("update system_flags set cleared_at = now()")
    for subject, concerns in (("all", True), ("crypto", True), ("clock", True), ("stocks", False), ("ETH/USDT", False)):
        async with pool.acquire() as conn:
            await raise_flag(
                conn, "stage_lag", subject, severity="critical", blocks="live", detail="made up", now=world.now
            )
            assert (await reasons() == "open flag: stage_lag: made up") is concerns, subject
            await clear_flag(conn, "stage_lag", subject, world.now)
    async with pool.acquire() as conn:
        await record_audit(conn, "BTC/USDT", world.now, ready=False, reasons=["profit factor 0.9"])
    assert "says not ready" in await reasons()
    assert SETTINGS.enabled, "the world's own settings are switched on; the delivered ones are not"


async def test_the_process_as_delivered_connects_to_nobody_and_says_why_for_every_asset(
    database_url: str, pool: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported = asyncio.Event()
    report = PostgresStore.report

    async def telling(self: PostgresStore, facts: Sequence[LiveFacts]) -> None:
        await report(self, facts)
        reported.set()

    monkeypatch.setattr(PostgresStore, "report", telling)
    for name in ("CHLOE_LIVE", *(key for adapter in wiring.ADAPTERS.values() for key in adapter.NEEDS)):
        monkeypatch.delenv(name, raising=False)
    process = asyncio.create_task(wiring.serve(Settings(database_url=database_url, http_port=0)))
    await asyncio.wait_for(reported.wait(), 30)
    process.cancel()
    with pytest.raises(asyncio.CancelledError):
        await process
    (reasons,) = await pool.fetchrow("select reasons from live_report where symbol = 'NVDA'")
    for words in ("enabled: false", "CHLOE_LIVE", "ALPACA_API_SECRET_KEY", "max_notional", "audited"):
        assert any(words in reason for reason in reasons), words
    assert await pool.fetchval("select count(*) from live_accounts") == 0
