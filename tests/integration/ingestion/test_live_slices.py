"""Following a live source: when a slice is promised, what holds it up, and what an outage or an activation does."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from fake_exchange import FakeExchange, Row, answer
from structlog.testing import capture_logs

from services.contracts.messages import CandleClosed, FeedAdvanced
from services.contracts.topics import CANDLES
from services.domain.candles import epoch
from services.ingestion import source_store
from services.ingestion.adapters.ccxt_candles import CcxtCandles, Patience, connect
from services.ingestion.backfill import Feed
from services.ingestion.polling import GRACE, LiveCandles
from services.ingestion.service import Publisher
from services.kernel.database import connect_pool
from services.kernel.streams import Streams
from services.kernel.streams import connect as connect_redis

pytestmark = pytest.mark.anyio

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
DOWN = answer(502, "<html>bad gateway</html>")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def bar(hour: int) -> Row:
    return (epoch(START) * 1000 + hour * 3_600_000, 100.0, 110.0, 90.0, 105.0, 7.5)


@dataclass
class World:
    """The exchange, the time, and the follower."""

    pool: Any
    redis: Any
    exchange: FakeExchange
    now: datetime
    live: LiveCandles

    def delivering(self) -> bool:
        return self.live.delivering

    async def promises(self) -> list[FeedAdvanced]:
        rows = await self.pool.fetch("select body from outbox where topic = $1 order by seq", CANDLES.name)
        return [msgspec.json.decode(row["body"], type=FeedAdvanced) for row in rows]

    async def published(self) -> list[tuple[str, datetime]]:
        entries = [fields for _, fields in await self.redis.xrange(CANDLES.name) if fields["type"] == "CandleClosed"]
        candles = [msgspec.json.decode(fields["body"], type=CandleClosed) for fields in entries]
        return [(candle.symbol, candle.ts) for candle in candles]

    async def begin(self) -> None:
        """Do what a first start does: history, then the promise from which slices begin."""
        await self.live.publisher.restore()
        await self.live.fill()
        await self.live.advance(self.live.boundary(), begins=self.live.boundary())


@pytest.fixture
async def world(database_url: str, redis_url: str, anyio_backend: str) -> AsyncIterator[World]:
    exchange = FakeExchange()
    exchange.bars = {name: [bar(hour) for hour in range(30)] for name in ("BTCUSDT", "ETHUSDT", "SOLUSDT")}
    client = connect("binance", exchange.url)
    client.enableRateLimit = False
    redis = connect_redis(redis_url)
    async with await connect_pool(database_url, size=4) as pool:
        await source_store.collect_only(pool, ["BTC/USDT", "ETH/USDT"])
        source = CcxtCandles(client, {}, lambda: made.now, Patience(1, 0, 0, 0))
        publisher = Publisher(pool, Streams(redis, "ingestion-crypto"), "ingestion-crypto", "1h", "")
        feed = Feed(pool, source, "1h", lambda: made.now)
        live = LiveCandles(publisher, feed, frozenset({"crypto"}), 20 * HOUR)
        made = World(pool, redis, exchange, START + 30 * HOUR + SECOND, live)
        yield made
        await source.close()
    await redis.aclose()
    exchange.close()


def close_bars(world: World, *names: str) -> None:
    """Let the next hour pass; only the named symbols have its candle."""
    hour = (world.now - START) // HOUR
    for name in names:
        world.exchange.bars[name].append(bar(hour))
    world.now += HOUR


async def test_slices_begin_at_the_first_start_and_history_is_no_slice(world: World) -> None:
    await world.begin()
    (first,) = await world.promises()
    assert (first.ts, first.begins) == (START + 30 * HOUR, START + 30 * HOUR)
    assert await world.pool.fetchval("select count(*) from candles") == 2 * 20
    assert await world.live.once() is False, "no bar has closed since"


async def test_a_slice_is_promised_as_soon_as_every_candle_is_there(world: World) -> None:
    await world.begin()
    close_bars(world, "BTCUSDT", "ETHUSDT")
    assert await world.live.once() is True
    newest = (await world.promises())[-1]
    assert (newest.ts, newest.begins, newest.ended) == (START + 31 * HOUR, None, False)
    assert sorted(await world.published()) == [("BTC/USDT", START + 30 * HOUR), ("ETH/USDT", START + 30 * HOUR)]
    assert await world.live.once() is False


async def test_a_missing_candle_holds_the_slice_up_for_the_grace_time_and_is_named(world: World) -> None:
    await world.begin()
    close_bars(world, "BTCUSDT")
    assert await world.live.once() is False
    world.now = START + 31 * HOUR + GRACE - SECOND
    assert await world.live.once() is False
    world.now += SECOND
    with capture_logs() as logs:
        assert await world.live.once() is True
    assert [line["missing"] for line in logs if "without" in line["event"]] == [["ETH/USDT"]]
    assert [symbol for symbol, _ in await world.published()] == ["BTC/USDT"]


async def test_a_candle_that_comes_within_the_grace_time_is_in_the_slice(world: World) -> None:
    await world.begin()
    close_bars(world, "BTCUSDT")
    assert await world.live.once() is False
    world.exchange.bars["ETHUSDT"].append(bar(30))
    assert await world.live.once() is True
    assert len(await world.published()) == 2


async def test_a_symbol_activated_later_is_collected_without_a_restart(world: World) -> None:
    await world.begin()
    await source_store.collect_only(world.pool, ["BTC/USDT", "ETH/USDT", "SOL/USDT"])
    close_bars(world, "BTCUSDT", "ETHUSDT", "SOLUSDT")
    assert await world.live.once() is False, "its history is not there yet"
    await world.live.fill()
    assert await world.pool.fetchval("select count(*) from candles where symbol = 'SOL/USDT'") == 20
    assert await world.live.once() is True
    assert {symbol for symbol, _ in await world.published()} == {"BTC/USDT", "ETH/USDT", "SOL/USDT"}


async def test_a_symbol_no_longer_collected_holds_nothing_up(world: World) -> None:
    await world.begin()
    await source_store.collect_only(world.pool, ["BTC/USDT"])
    close_bars(world, "BTCUSDT")
    assert await world.live.once() is True


async def test_an_unreachable_exchange_is_one_line_and_is_asked_again(world: World) -> None:
    world.exchange.market_faults.extend([DOWN] * 50)
    with capture_logs() as logs:
        await world.begin()
        await world.live.fill()
    (line,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert line["event"] == "the source does not deliver; asking again"
    assert line["symbols"] == ["BTC/USDT", "ETH/USDT"]
    assert "502" in line["error"]
    assert not world.delivering()
    health = await world.pool.fetch("select symbol, errors, last_error from feed_health order by symbol")
    assert [(row["symbol"], row["errors"]) for row in health] == [("BTC/USDT", 2), ("ETH/USDT", 2)]
    assert all("502" in row["last_error"] for row in health)
    world.exchange.market_faults.clear()
    with capture_logs() as logs:
        await world.live.fill()
    assert world.delivering()
    assert [entry["event"] for entry in logs].count("the source delivers again") == 1
    assert await world.pool.fetchval("select count(*) from candles") == 2 * 20


async def test_an_outage_at_the_close_costs_the_grace_time_and_is_repaired_after_it(world: World) -> None:
    await world.begin()
    close_bars(world, "BTCUSDT", "ETHUSDT")
    world.exchange.faults.extend([DOWN] * 2)
    assert await world.live.once() is False
    assert not world.delivering()
    world.exchange.faults.extend([DOWN] * 2)
    world.now += GRACE
    assert await world.live.once() is True
    close_bars(world, "BTCUSDT", "ETHUSDT")
    assert await world.live.once() is True
    assert world.delivering()
    assert await world.pool.fetchval("select count(*) from candles") == 2 * 22


async def test_a_restart_promises_what_closed_meanwhile_after_filling_it(world: World) -> None:
    await world.begin()
    for _ in range(5):
        close_bars(world, "BTCUSDT", "ETHUSDT")
    again = LiveCandles(
        Publisher(world.pool, world.live.publisher.streams, "ingestion-crypto", "1h", ""),
        world.live.feed,
        frozenset({"crypto"}),
        20 * HOUR,
    )
    await again.publisher.restore()
    await again.fill()
    assert await again.once() is True
    assert [promise.ts for promise in await world.promises()] == [START + 30 * HOUR, START + 35 * HOUR]
    assert len(await world.published()) == 2 * 5
