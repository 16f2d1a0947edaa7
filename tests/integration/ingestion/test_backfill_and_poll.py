"""History, new bars, gaps and revisions from a loopback exchange into a real PostgreSQL."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from fake_exchange import FakeExchange, Row, answer

from services.domain.candles import Candles, epoch
from services.ingestion import store
from services.ingestion.adapters.ccxt_candles import CcxtCandles, Patience, connect
from services.ingestion.backfill import Feed, backfill, poll_once

pytestmark = pytest.mark.anyio

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
BTC = {"BTC/USDT": "crypto"}
HTML = answer(502, "<html>bad gateway</html>")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def pool(database_url: str, anyio_backend: str) -> AsyncIterator[Any]:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=4) as opened:
        yield opened


def bar(hour: int, close: float = 105.0) -> Row:
    return (epoch(START) * 1000 + hour * 3_600_000, 100.0, 110.0, 90.0, close, 7.5)


@dataclass
class World:
    """The exchange, the time, and what would have been published."""

    pool: Any
    exchange: FakeExchange
    now: datetime
    published: list[tuple[str, int, int]]
    feed: Feed

    async def stored(self, symbol: str = "BTC/USDT") -> list[int]:
        rows = await self.pool.fetch("select ts from candles where symbol = $1 order by ts", symbol)
        return [(epoch(row["ts"]) - epoch(START)) // 3600 for row in rows]

    async def health(self, symbol: str = "BTC/USDT") -> dict[str, Any]:
        return dict(await self.pool.fetchrow("select * from feed_health where symbol = $1", symbol))


@pytest.fixture
async def world(pool: Any) -> AsyncIterator[World]:
    exchange = FakeExchange()
    exchange.bars = {"BTCUSDT": [bar(hour) for hour in range(40)], "ETHUSDT": [bar(hour) for hour in range(40)]}
    client = connect("binance", exchange.url)
    client.enableRateLimit = False
    published: list[tuple[str, int, int]] = []

    async def publish(conn: Any, good: Candles, stored: store.Stored) -> None:
        assert conn.is_in_transaction()
        hours = ((ts - epoch(START)) // 3600 for ts in stored.written)
        published.extend(
            (good.symbol, hour, revision) for hour, revision in zip(hours, stored.written.values(), strict=True)
        )

    source = CcxtCandles(client, {}, lambda: made.now, Patience(2, 0, 0, 0), page_bars=8)
    feed = Feed(pool, source, "1h", lambda: made.now, publish)
    made = World(pool, exchange, START + 30 * HOUR + timedelta(minutes=5), published, feed)
    yield made
    await source.close()
    exchange.close()


async def test_backfill_fetches_everything_closed_and_publishes_it_once(world: World) -> None:
    (looked,) = await backfill(world.feed, BTC, START)
    assert await world.stored() == list(range(30))
    assert (looked.new, looked.repaired, looked.missing, looked.error) == (30, 0, (), None)
    assert looked.newest == START + 29 * HOUR
    assert world.published == [("BTC/USDT", hour, 0) for hour in range(30)]
    asked = len(world.exchange.requests)
    (again,) = await backfill(world.feed, BTC, START)
    assert (again.new, len(world.exchange.requests)) == (0, asked)
    health = await world.health()
    assert (health["bars"], health["gaps"], health["source"]) == (30, 0, "binance")


async def test_backfill_that_was_cut_off_goes_on_where_it_was(world: World) -> None:
    world.exchange.bars["BTCUSDT"] = [bar(hour) for hour in range(16)]
    await backfill(world.feed, BTC, START)
    world.exchange.bars["BTCUSDT"] = [bar(hour) for hour in range(40)]
    world.exchange.requests.clear()
    (looked,) = await backfill(world.feed, BTC, START)
    assert (looked.new, looked.repaired, await world.stored()) == (14, 0, list(range(30)))
    assert int(world.exchange.requests[0]["startTime"]) == bar(16)[0]


async def test_gaps_that_the_source_can_fill_are_repaired_and_the_others_stay_counted(world: World) -> None:
    world.exchange.bars["BTCUSDT"] = [bar(hour) for hour in range(40) if hour not in (5, 6, 12)]
    (first,) = await backfill(world.feed, BTC, START)
    assert [gap.bars for gap in first.missing] == [2, 1]
    world.exchange.bars["BTCUSDT"] = [bar(hour) for hour in range(40) if hour != 12]
    (second,) = await backfill(world.feed, BTC, START)
    assert (second.repaired, [gap.since for gap in second.missing]) == (2, [START + 12 * HOUR])
    health = await world.health()
    assert (health["gaps"], health["repaired"]) == (1, 2)


async def test_time_before_the_listing_is_no_gap(world: World) -> None:
    (looked,) = await backfill(world.feed, BTC, START - 100 * HOUR)
    assert (looked.new, looked.missing) == (30, ())


async def test_poll_stores_the_new_bar_and_asks_once(world: World) -> None:
    await backfill(world.feed, BTC, START)
    world.published.clear()
    world.exchange.requests.clear()
    world.now += HOUR
    (looked,) = await poll_once(world.feed, BTC, START)
    assert (looked.new, looked.revised, looked.newest) == (1, 0, START + 30 * HOUR)
    assert world.published == [("BTC/USDT", 30, 0)]
    assert len(world.exchange.requests) == 1
    (again,) = await poll_once(world.feed, BTC, START)
    assert (again.new, world.published) == (0, [("BTC/USDT", 30, 0)])


async def test_poll_after_an_outage_of_ours_leaves_no_gap(world: World) -> None:
    world.now = START + 10 * HOUR
    await backfill(world.feed, BTC, START)
    world.now = START + 35 * HOUR
    (looked,) = await poll_once(world.feed, BTC, START)
    assert await world.stored() == list(range(35))
    assert (looked.new, looked.repaired, looked.missing) == (25, 0, ())


async def test_poll_of_a_stale_feed_counts_what_is_missing_and_asks_once(world: World) -> None:
    world.exchange.bars["BTCUSDT"] = [bar(hour) for hour in range(20)]
    await backfill(world.feed, BTC, START)
    world.exchange.requests.clear()
    world.now = START + 100 * HOUR
    (looked,) = await poll_once(world.feed, BTC, START)
    assert (looked.new, [gap.bars for gap in looked.missing], looked.newest) == (0, [80], START + 19 * HOUR)
    assert len(world.exchange.requests) == 1


async def test_poll_of_a_symbol_without_history_fetches_all_of_it(world: World) -> None:
    (looked,) = await poll_once(world.feed, BTC, START)
    assert (looked.new, looked.repaired, await world.stored()) == (30, 0, list(range(30)))


async def test_poll_repairs_a_gap_that_the_exchange_left_lately(world: World) -> None:
    world.exchange.bars["BTCUSDT"] = [bar(hour) for hour in range(40) if hour != 25]
    await backfill(world.feed, BTC, START)
    world.exchange.bars["BTCUSDT"] = [bar(hour) for hour in range(40)]
    world.now += HOUR
    (looked,) = await poll_once(world.feed, BTC, START)
    assert (looked.new, looked.repaired, looked.missing) == (2, 1, ())
    assert await world.stored() == list(range(31))


async def test_a_candle_that_the_exchange_changes_is_stored_and_published_as_revision(world: World) -> None:
    await backfill(world.feed, BTC, START)
    world.published.clear()
    world.exchange.bars["BTCUSDT"][29] = bar(29, close=106.0)
    world.now += HOUR
    (looked,) = await poll_once(world.feed, BTC, START)
    assert (looked.new, looked.revised) == (1, 1)
    assert sorted(world.published) == [("BTC/USDT", 29, 1), ("BTC/USDT", 30, 0)]
    assert await world.pool.fetchval("select close from candle_revisions") == 105.0
    assert (await world.health())["revisions"] == 1


async def test_impossible_candles_are_refused_counted_and_stay_missing(world: World) -> None:
    world.exchange.bars["BTCUSDT"][7] = (bar(7)[0], 100.0, 80.0, 90.0, 95.0, 1.0)
    (looked,) = await backfill(world.feed, BTC, START)
    assert (looked.refused, [gap.bars for gap in looked.missing]) == (1, [1])
    await backfill(world.feed, BTC, START)
    (row,) = await world.pool.fetch("select place, reason from refused_candles")
    assert tuple(row) == ("2024-01-01T07:00:00Z", "high below low")
    assert (await world.health())["refused"] == 1


async def test_one_failing_symbol_does_not_stop_the_others(world: World) -> None:
    world.exchange.faults.extend([HTML, HTML])
    broken, fine = await backfill(world.feed, BTC | {"ETH/USDT": "crypto"}, START)
    assert "binance BTC/USDT 1h" in (broken.error or "")
    assert (fine.new, fine.error) == (30, None)
    health = await world.health()
    assert (health["errors"], health["bars"]) == (1, 0)
    assert "502" in health["last_error"]
    (looked,) = await poll_once(world.feed, BTC, START)
    assert (looked.error, looked.new) == (None, 30)


async def test_poll_notes_a_source_that_is_down(world: World) -> None:
    await backfill(world.feed, BTC, START)
    world.now += HOUR
    world.exchange.faults.extend([HTML, HTML])
    (looked,) = await poll_once(world.feed, BTC, START)
    assert (looked.new, await world.stored()) == (0, list(range(30)))
    assert looked.error is not None
    health = await world.health()
    assert (health["errors"], health["gaps"]) == (1, 0)


async def test_a_rate_limit_in_the_middle_of_history_is_waited_for(world: World) -> None:
    world.exchange.faults.append(answer(429, "{}", {"Retry-After": "0"}))
    (looked,) = await backfill(world.feed, BTC, START)
    assert (looked.new, looked.error) == (30, None)
