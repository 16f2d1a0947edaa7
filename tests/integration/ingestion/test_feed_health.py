"""Freshness, completeness, latency, errors and limits are filled by what really runs, per asset and source."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from fake_exchange import FakeExchange, Row, answer

from services.domain.candles import epoch
from services.ingestion.adapters.ccxt_candles import CcxtCandles, Patience, connect
from services.ingestion.backfill import Feed, backfill, poll_once
from services.ingestion.errors import BudgetSpent, FeedError, RateLimited, SourceDown
from services.ingestion.failover import Failover
from services.ingestion.observations import DominanceReading, Observation, QuoteReading, SocialReading
from services.ingestion.observing import Observer
from services.ingestion.quoting import Quotes
from services.ingestion.registry import Declared
from services.ingestion.settings import SourceSettings
from services.kernel.database import connect_pool
from services.kernel.streams import Streams
from services.kernel.streams import connect as connect_redis

pytestmark = pytest.mark.anyio

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NOW = START + 30 * HOUR + timedelta(seconds=3)
BTC = {"BTC/USDT": "crypto"}
CLASSES = {"BTC/USDT": "crypto", "GME": "meme"}
COLUMNS = "last_ts, bars, gaps, errors, limited, completeness, latency_seconds"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def pool(database_url: str, anyio_backend: str) -> AsyncIterator[Any]:
    async with await connect_pool(database_url, size=3) as opened:
        yield opened


async def line(pool: Any, symbol: str, source: str, timeframe: str) -> Any:
    found = await pool.fetchrow(
        f"select {COLUMNS} from feed_health where symbol = $1 and source = $2 and timeframe = $3",
        symbol, source, timeframe,
    )  # fmt: skip
    assert found is not None, (symbol, source, timeframe)
    return found


def bar(hour: int) -> Row:
    return (epoch(START) * 1000 + hour * 3_600_000, 100.0, 110.0, 90.0, 105.0, 7.5)


class Two:
    """Two exchanges behind one failover, and a clock."""

    def __init__(self, pool: Any) -> None:
        self.now = NOW
        self.exchanges = FakeExchange(), FakeExchange()
        self.sources = []
        for name, exchange in zip(("binance", "bybit"), self.exchanges, strict=True):
            exchange.bars["BTCUSDT"] = [bar(hour) for hour in range(30) if hour not in (7, 8)]
            client = connect(name, exchange.url)
            client.enableRateLimit = False
            self.sources.append(CcxtCandles(client, {}, lambda: self.now, Patience(1, 0, 0, 0)))
        self.failover = Failover(self.sources, lambda: self.now)
        self.feed = Feed(pool, self.failover, "1h", lambda: self.now, failures=self.failover.failures)

    def close_bar(self) -> None:
        for exchange in self.exchanges:
            exchange.bars["BTCUSDT"].append(bar((self.now - START) // HOUR))
        self.now += HOUR


@pytest.fixture
async def two(pool: Any) -> AsyncIterator[Two]:
    made = Two(pool)
    yield made
    await made.failover.close()
    for exchange in made.exchanges:
        exchange.close()


async def test_candles_say_how_fresh_whole_and_late_they_are(pool: Any, two: Two) -> None:
    await backfill(two.feed, BTC, START)
    first = await line(pool, "BTC/USDT", "binance", "1h")
    assert (first["last_ts"], first["bars"], first["gaps"]) == (START + 29 * HOUR, 28, 2)
    assert first["completeness"] == pytest.approx(28 / 30)
    assert first["latency_seconds"] is None, "history was not waited for"
    two.close_bar()
    await poll_once(two.feed, BTC, START)
    after = await line(pool, "BTC/USDT", "binance", "1h")
    assert (after["last_ts"], after["latency_seconds"]) == (START + 30 * HOUR, 3.0)
    assert after["completeness"] == pytest.approx(29 / 31)
    two.now += 9 * MINUTE
    await poll_once(two.feed, BTC, START)
    assert (await line(pool, "BTC/USDT", "binance", "1h"))["latency_seconds"] == 3.0, "nothing new came"


async def test_a_bar_that_comes_late_is_said_to_be(pool: Any, two: Two) -> None:
    await backfill(two.feed, BTC, START)
    two.close_bar()
    two.now += 4 * MINUTE
    await poll_once(two.feed, BTC, START)
    assert (await line(pool, "BTC/USDT", "binance", "1h"))["latency_seconds"] == 243.0


@pytest.mark.parametrize(
    ("status", "body", "limited"),
    [(502, "bad gateway", 0), (429, '{"code": -1003, "msg": "Too much request weight used"}', 1)],
)
async def test_a_source_that_fails_is_counted_though_another_steps_in(
    pool: Any, two: Two, status: int, body: str, limited: int
) -> None:
    await backfill(two.feed, BTC, START)
    two.close_bar()
    two.exchanges[0].faults.append(answer(status, body))
    await poll_once(two.feed, BTC, START)
    failed, stepped_in = [await line(pool, "BTC/USDT", name, "1h") for name in ("binance", "bybit")]
    assert (failed["errors"], failed["limited"], failed["last_ts"]) == (1, limited, START + 29 * HOUR)
    assert (stepped_in["errors"], stepped_in["limited"], stepped_in["bars"]) == (0, 0, 1)
    assert stepped_in["latency_seconds"] == 3.0
    assert stepped_in["completeness"] == pytest.approx(29 / 31), "of what is stored, whoever gave it"


async def test_each_of_two_sources_that_fail_is_counted_once(pool: Any, two: Two) -> None:
    await backfill(two.feed, BTC, START)
    two.close_bar()
    for exchange in two.exchanges:
        exchange.faults.append(answer(502, "bad gateway"))
    (looked,) = await poll_once(two.feed, BTC, START)
    assert looked.error is not None
    assert [(await line(pool, "BTC/USDT", name, "1h"))["errors"] for name in ("binance", "bybit")] == [1, 1]


async def test_a_source_alone_counts_its_limits_too(pool: Any, two: Two) -> None:
    alone = replace(two.feed, source=two.sources[0], failures=lambda _: ())
    two.exchanges[0].faults.append(answer(429, '{"code": -1003, "msg": "Too much request weight used"}'))
    await poll_once(alone, BTC, START)
    found = await line(pool, "BTC/USDT", "binance", "1h")
    assert (found["errors"], found["limited"]) == (1, 1)


class Quoting:
    """Gives a quote, or fails."""

    def __init__(self) -> None:
        self.error: FeedError | None = None

    async def quote(self, symbol: str) -> QuoteReading:
        if self.error is not None:
            raise self.error
        return QuoteReading(symbol, NOW - timedelta(seconds=2), Decimal(99), Decimal(101))


async def test_quotes_have_a_line_of_their_own(pool: Any) -> None:
    await pool.execute("update asset_registry set collecting = symbol = 'BTC/USDT'")
    source, quotes = Quoting(), Quotes(pool, "binance", lambda: NOW)
    await quotes.ask(source, ["crypto"], set())
    quotes._came.clear()
    source.error = RateLimited("slow down")
    await quotes.ask(source, ["crypto"], set())
    found = await line(pool, "BTC/USDT", "binance", "quotes")
    assert (found["last_ts"], found["bars"]) == (NOW - timedelta(seconds=2), 1)
    assert (found["latency_seconds"], found["errors"], found["limited"]) == (2.0, 1, 1)


class Values:
    """Values of all kinds, or a failure."""

    def __init__(self) -> None:
        self.error: FeedError | None = None

    async def observe(self, since: datetime) -> list[Observation]:
        if self.error is not None:
            raise self.error
        return [
            Observation("x.rate", "BTC/USDT", 1.0, NOW - HOUR, NOW - 5 * MINUTE),
            Observation("x.index", None, 2.0, NOW - HOUR, NOW - 2 * MINUTE),
        ]

    async def mentions(self, symbols: list[str], since: datetime) -> list[SocialReading]:
        return [SocialReading("GME", NOW, NOW, 7, 0.4, 0.6, 0.1, {})]

    async def dominance(self) -> DominanceReading:
        return DominanceReading(NOW - MINUTE, NOW, 54.2, 4.4, 2.3e12)


async def look(pool: Any, redis_url: str, source: Values, *gives: str) -> None:
    redis = connect_redis(redis_url)
    module: Any = SimpleNamespace(GIVES=frozenset(gives), NEEDS=())
    declared = Declared("made_up", SourceSettings(family="macro", adapter="made_up"), module, ())
    await Observer(source, declared, pool, Streams(redis, "made_up"), CLASSES, lambda: NOW).once()
    await redis.aclose()


async def test_values_say_how_old_they_came_in_all_and_of_each_asset(pool: Any, redis_url: str) -> None:
    await look(pool, redis_url, Values(), "indicators", "dominance")
    whole, of_btc = [await line(pool, symbol, "made_up", "values") for symbol in ("*", "BTC/USDT")]
    assert (whole["last_ts"], whole["bars"], whole["latency_seconds"]) == (NOW, 3, 60.0)
    assert (of_btc["last_ts"], of_btc["bars"], of_btc["latency_seconds"]) == (NOW, 1, 300.0)


async def test_social_readings_say_of_how_many_asked_symbols_they_are(pool: Any, redis_url: str) -> None:
    await look(pool, redis_url, Values(), "social")
    assert (await line(pool, "*", "made_up", "values"))["completeness"] == 0.5
    assert (await line(pool, "GME", "made_up", "values"))["bars"] == 1


@pytest.mark.parametrize(
    ("error", "limited"), [(RateLimited("wait"), 1), (BudgetSpent("all spent"), 1), (SourceDown("gone"), 0)]
)
async def test_a_source_of_values_counts_errors_and_limits(
    error: FeedError, limited: int, pool: Any, redis_url: str
) -> None:
    source = Values()
    source.error = error
    await look(pool, redis_url, source, "indicators")
    found = await line(pool, "*", "made_up", "values")
    assert (found["errors"], found["limited"], found["last_ts"]) == (1, limited, None)
