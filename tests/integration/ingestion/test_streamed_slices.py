"""A stream rings and candles are there at once; when it fails, polling goes on, and nothing is lost or doubled."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import fake_stream as frames
import pytest
from fake_exchange import FakeExchange, Row
from fake_stream import FakeStream
from structlog.testing import capture_logs

from services.domain.candles import epoch
from services.ingestion import polling, source_store, streaming
from services.ingestion.adapters import ccxt_stream
from services.ingestion.adapters.ccxt_candles import CcxtCandles, Patience, connect
from services.ingestion.adapters.ccxt_stream import CcxtStream, OnClosed
from services.ingestion.backfill import Feed
from services.ingestion.polling import LiveCandles
from services.ingestion.quoting import Quotes
from services.ingestion.service import Publisher
from services.ingestion.streaming import Streaming
from services.kernel.database import connect_pool
from services.kernel.streams import Streams
from services.kernel.streams import connect as connect_redis

pytestmark = pytest.mark.anyio

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
COINS = ("BTCUSDT", "ETHUSDT")
TOPICS = tuple(f"{coin.lower()}@{kind}" for coin in COINS for kind in ("kline_1h", "bookTicker"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def ms(hour: int) -> int:
    return (epoch(START) + hour * 3600) * 1000


def bar(hour: int) -> Row:
    return (ms(hour), 100.0, 110.0, 90.0, 105.0, 7.5)


@dataclass
class Sleeps:
    """Sleeping that ends when told. ``begun`` holds the seconds of each one as it begins."""

    begun: "asyncio.Queue[float]" = field(default_factory=asyncio.Queue)
    waiting: dict[float, list["asyncio.Future[None]"]] = field(default_factory=dict)

    async def __call__(self, seconds: float) -> None:
        ends: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.setdefault(seconds, []).append(ends)
        self.begun.put_nowait(seconds)
        await ends

    async def until(self, wanted: Callable[[float], bool]) -> float:
        """Wait until a sleep of such a length begins."""
        while not wanted(found := await asyncio.wait_for(self.begun.get(), 10)):
            pass
        return found

    def end(self, seconds: float) -> None:
        for one in self.waiting.pop(seconds, []):
            if not one.done():
                one.set_result(None)


@dataclass
class World:
    pool: Any
    exchange: FakeExchange
    server: FakeStream
    now: datetime
    live: LiveCandles
    streaming: Streaming
    sleeps: Sleeps
    looked: "asyncio.Queue[bool]"

    async def close_bars(self, *names: str) -> None:
        """Let the next hour pass and the exchange say at once that the named coins' bars have closed."""
        hour = (self.now - START) // HOUR
        for name in names:
            self.exchange.bars[name].append(bar(hour))
        self.now += HOUR
        for name in names:
            await self.server.push(frames.binance_bar(name, ms(hour), final=True))

    async def until_stored(self, *symbols: str) -> None:
        """Wait until the newest closed bar of these is stored, looking again whenever the follower has looked."""
        newest = self.live.boundary() - HOUR
        while set(symbols) - {symbol for symbol, hour in await self.candles() if START + hour * HOUR == newest}:
            await asyncio.wait_for(self.looked.get(), 10)

    async def candles(self) -> list[tuple[str, int]]:
        rows = await self.pool.fetch(
            "select symbol, ts, revision from candles where ts >= $1 order by 1, 2", START + 30 * HOUR
        )
        assert all(row["revision"] == 0 for row in rows)
        return [(row["symbol"], (row["ts"] - START) // HOUR) for row in rows]


@pytest.fixture
async def world(
    database_url: str, redis_url: str, anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    exchange = FakeExchange()
    exchange.bars = {name: [bar(hour) for hour in range(30)] for name in COINS}
    server = FakeStream(exchange)
    await server.start()
    monkeypatch.setattr(polling, "POLL_SECONDS", 3600.0)
    client = connect("binance", exchange.url)
    client.enableRateLimit = False
    redis, sleeps, looked = connect_redis(redis_url), Sleeps(), asyncio.Queue[bool]()

    async def answer() -> bool:
        looked.put_nowait(await LiveCandles.answer(live))
        return True

    def open_stream(on_closed: OnClosed) -> CcxtStream:
        opened = ccxt_stream.connect("binance", server.url)
        opened.enableRateLimit = False
        return CcxtStream(opened, "1h", on_closed, {}, lambda: made.now)

    async with await connect_pool(database_url, size=4) as pool:
        await source_store.collect_only(pool, ["BTC/USDT", "ETH/USDT"])
        source = CcxtCandles(client, {}, lambda: made.now, Patience(1, 0, 0, 0))
        publisher = Publisher(pool, Streams(redis, "ingestion-crypto"), "ingestion-crypto", "1h", "")
        feed = Feed(pool, source, "1h", lambda: made.now)
        live = LiveCandles(publisher, feed, frozenset({"crypto"}), 20 * HOUR)
        quotes = Quotes(pool, "binance", lambda: made.now)
        follower = Streaming(open_stream, quotes, ("crypto",), 5.0, HOUR, live.ring, sleeps)
        made = World(pool, exchange, server, START + 30 * HOUR + SECOND, live, follower, sleeps, looked)
        await live.publisher.restore()
        await live.fill()
        await live.advance(live.boundary(), begins=live.boundary())
        monkeypatch.setattr(live, "answer", answer)
        tasks = [asyncio.ensure_future(follower.run()), asyncio.ensure_future(live._follow())]
        await server.until_subscribed(*TOPICS)
        yield made
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(result, asyncio.CancelledError), result
        await source.close()
    await redis.aclose()
    await server.stop()
    exchange.close()


async def test_a_closed_candle_is_stored_and_its_slice_promised_without_waiting_for_a_poll(world: World) -> None:
    await world.close_bars("BTCUSDT", "ETHUSDT")
    await world.until_stored("BTC/USDT", "ETH/USDT")
    assert await world.candles() == [("BTC/USDT", 30), ("ETH/USDT", 30)]
    while world.live.publisher.state.through != START + 31 * HOUR:
        await asyncio.wait_for(world.looked.get(), 10)


async def test_only_the_coin_that_was_rung_for_is_asked(world: World) -> None:
    world.exchange.requests.clear()
    await world.close_bars("BTCUSDT")
    await world.until_stored("BTC/USDT")
    assert {asked["symbol"] for asked in world.exchange.requests} == {"BTCUSDT"}
    assert world.live.publisher.state.through == START + 30 * HOUR, "the other's candle is awaited"


async def test_a_candle_that_is_stored_already_is_not_asked_for_again(world: World) -> None:
    world.exchange.bars["BTCUSDT"].append(bar(30))
    world.now += HOUR
    await world.live.once()
    world.exchange.requests.clear()
    world.live.ring("BTC/USDT", START + 30 * HOUR)
    assert not world.live.bell.is_set()
    world.exchange.bars["ETHUSDT"].append(bar(30))
    await world.server.push(frames.binance_bar("ETHUSDT", ms(30), final=True))
    await world.until_stored("ETH/USDT")
    assert {asked["symbol"] for asked in world.exchange.requests} == {"ETHUSDT"}


async def test_a_bar_rung_for_before_our_clock_has_closed_it_shortens_the_wait(world: World) -> None:
    world.now = START + 31 * HOUR - timedelta(milliseconds=200)
    world.live.rung["BTC/USDT"] = START + 30 * HOUR
    assert world.live._patience_s() == pytest.approx(0.2)
    assert await LiveCandles.answer(world.live) is False
    assert "BTC/USDT" in world.live.rung, "it is not forgotten"


async def test_a_cut_line_is_logged_once_counted_and_opened_again_and_polling_fills_in(world: World) -> None:
    with capture_logs() as logs:
        world.server.refusing = True
        await world.server.cut()
        first = await world.sleeps.until(lambda s: s not in (5.0, streaming.CHECK_SECONDS))
        await world.close_bars("BTCUSDT", "ETHUSDT")  # nobody hears it
        world.sleeps.end(first)
        await asyncio.wait_for(world.server.refused.wait(), 10)
        second = await world.sleeps.until(lambda s: s not in (5.0, streaming.CHECK_SECONDS))
        assert 0.5 <= first <= 1.0 <= second <= 2.0, "backoff with jitter"
        assert await world.live.once() is True, "polling goes on"
        world.server.refusing = False
        world.sleeps.end(second)
        await world.server.until_subscribed(*TOPICS)
        await world.close_bars("BTCUSDT", "ETHUSDT")
        await world.until_stored("BTC/USDT", "ETH/USDT")
    assert await world.candles() == [(symbol, hour) for symbol in ("BTC/USDT", "ETH/USDT") for hour in (30, 31)]
    said = [line["event"] for line in logs if "stream" in line["event"]]
    assert said == ["the stream fails; polling goes on", "the stream delivers again"]
    health = await world.pool.fetchrow("select errors, last_error from feed_health where timeframe = 'stream'")
    assert health["errors"] == 2
    assert "binance stream" in health["last_error"]


async def test_quotes_are_stored_at_most_once_a_beat_and_spare_the_asking(world: World) -> None:
    for n in range(5):
        await world.server.push(frames.binance_top("BTCUSDT", f"99.{n}", "100.5"))
    await world.close_bars("BTCUSDT")
    await world.until_stored("BTC/USDT")
    world.sleeps.end(5.0)
    await world.sleeps.until(lambda s: s == 5.0)
    while not await world.pool.fetchval("select count(*) from quotes"):
        world.sleeps.end(5.0)
        await world.sleeps.until(lambda s: s == 5.0)
    rows = await world.pool.fetch("select symbol, bid::text, ask::text, source from quotes")
    assert [tuple(row) for row in rows] == [("BTC/USDT", "99.40000000", "100.50000000", "binance")]
    quotes = world.streaming.quotes
    assert quotes.fresh("BTC/USDT")
    assert not quotes.fresh("ETH/USDT")
    world.now += timedelta(minutes=2)
    assert not quotes.fresh("BTC/USDT"), "asking takes over where the stream gives none"


async def test_other_symbols_are_followed_when_others_are_collected(world: World) -> None:
    world.exchange.bars["SOLUSDT"] = [bar(hour) for hour in range(30)]
    await source_store.collect_only(world.pool, ["BTC/USDT", "SOL/USDT"])
    world.server.topics.clear()
    while streaming.CHECK_SECONDS not in world.sleeps.waiting:
        await world.sleeps.until(lambda s: s == streaming.CHECK_SECONDS)
    world.sleeps.end(streaming.CHECK_SECONDS)
    await world.server.until_subscribed("solusdt@kline_1h", "btcusdt@kline_1h", "solusdt@bookTicker")
    assert not [topic for topic in world.server.topics if topic.startswith("eth")]
