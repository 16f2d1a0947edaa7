"""A family of live sources as a whole: failover with provenance, sources without keys, and the diagnosis afterwards."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from fake_exchange import FakeExchange, answer
from fake_stream import FakeStream, binance_top

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.domain.candles import epoch, from_rows
from services.gateway.feeds import diagnoses, renamed
from services.ingestion import source_store, store
from services.ingestion.live import run_family
from services.ingestion.registry import declared
from services.ingestion.settings import DataSources
from services.kernel.config import load
from services.kernel.errors import ConfigError
from services.kernel.streams import connect

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
SYMBOLS = ["BTC/USDT", "ETH/USDT"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def pool(database_url: str, anyio_backend: str) -> AsyncIterator[Any]:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=8, server_settings={"timezone": "UTC"}) as opened:
        yield opened


@pytest.fixture
def exchanges() -> Iterator[tuple[FakeExchange, FakeExchange]]:
    """Two exchanges with the last hours of two coins, up to now."""
    newest = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - HOUR
    both = FakeExchange(), FakeExchange()
    for exchange in both:
        for symbol in SYMBOLS:
            opens = [epoch(newest - n * HOUR) * 1000 for n in reversed(range(40))]
            exchange.bars[symbol.replace("/", "")] = [(ts, 10.0, 11.0, 9.0, 10.5, 3.0) for ts in opens]
    yield both
    for exchange in both:
        exchange.close()


def two_sources(first: str, second: str) -> DataSources:
    common = {"family": "crypto", "adapter": "ccxt", "asset_classes": ["crypto"], "history_days": 1}
    return DataSources.model_validate(
        {
            "sources": {
                "binance": {**common, "exchange": "binance", "priority": 1, "base_url": first},
                "bybit": {**common, "exchange": "bybit", "priority": 2, "base_url": second},
            }
        }
    )


async def test_the_second_source_steps_in_and_its_name_is_on_the_rows(
    pool: Any, redis_url: str, exchanges: tuple[FakeExchange, FakeExchange]
) -> None:
    first, second = exchanges
    first.faults = deque([answer(502, "bad gateway")] * 500)
    redis = connect(redis_url)
    async with pool.acquire() as conn:
        await source_store.collect_only(conn, SYMBOLS)
    sources, assets = two_sources(first.url, second.url), load(AssetsConfig, ASSETS_FILE)
    running = asyncio.ensure_future(run_family(pool, redis, assets, sources, "crypto", {}))
    while not await pool.fetchval("select exists (select from outbox where topic = 'ingestion.candles')"):
        assert not running.done(), running.exception()
        await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await redis.aclose()
    found = await pool.fetch("select symbol, source, count(*) from candles group by 1, 2 order by 1, 2")
    assert [(row[0], row[1]) for row in found] == [(symbol, "bybit") for symbol in SYMBOLS]
    registered = await pool.fetch("select source, configured from data_source_registry order by source")
    assert [tuple(row) for row in registered] == [("binance", True), ("bybit", True)]


async def test_a_declared_stream_is_followed_beside_the_polls_and_gives_quotes(
    pool: Any, redis_url: str, exchanges: tuple[FakeExchange, FakeExchange]
) -> None:
    server = FakeStream(exchanges[0])
    await server.start()
    redis = connect(redis_url)
    async with pool.acquire() as conn:
        await source_store.collect_only(conn, SYMBOLS)
    line = {
        "family": "crypto",
        "adapter": "ccxt",
        "asset_classes": ["crypto"],
        "history_days": 1,
        "exchange": "binance",
    }
    sources = DataSources.model_validate({"sources": {"binance": {**line, "base_url": server.url, "stream": True}}})
    running = asyncio.ensure_future(run_family(pool, redis, load(AssetsConfig, ASSETS_FILE), sources, "crypto", {}))
    await server.until_subscribed("btcusdt@kline_1h", "ethusdt@kline_1h", "btcusdt@bookTicker", "ethusdt@bookTicker")
    await server.push(binance_top("BTCUSDT", "99.5", "100.5"))
    while not await pool.fetchval("select exists (select from quotes where symbol = 'BTC/USDT')"):
        assert not running.done(), running.exception()
        await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await redis.aclose()
    await server.stop()
    quote = await pool.fetchrow("select source, bid::float, ask::float from quotes where symbol = 'BTC/USDT'")
    assert tuple(quote) == ("binance", 99.5, 100.5)


@pytest.mark.parametrize("wrong", [{"stream": True}, {"quote_seconds": 0.2}])
def test_a_stream_that_cannot_be_is_refused_when_the_file_is_read(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"stream|quote_seconds"):
        DataSources.model_validate({"sources": {"fred": {"family": "macro", "adapter": "fred", **wrong}}})


async def test_a_family_without_a_configured_source_ends_without_an_error(pool: Any, redis_url: str) -> None:
    redis = connect(redis_url)
    line = {"family": "forex", "adapter": "oanda", "asset_classes": ["forex"]}
    sources = DataSources.model_validate({"sources": {"oanda": line}})
    await run_family(pool, redis, load(AssetsConfig, ASSETS_FILE), sources, "forex", {})
    await redis.aclose()
    row = await pool.fetchrow("select configured, detail from data_source_registry where source = 'oanda'")
    assert tuple(row) == (False, "not configured: OANDA_TOKEN, OANDA_ACCOUNT_ID not set")


def test_every_declared_source_has_an_adapter_and_says_what_it_needs() -> None:
    found = declared(load(DataSources, "data_sources.yaml"), {})
    assert {d.name for d in found if d.configured} >= {"binance", "bybit"}
    for one in found:
        assert one.gives, one.name
        assert one.limits, one.name
        assert one.configured or one.detail.startswith("not configured: "), one.name


def test_an_unknown_adapter_is_named() -> None:
    sources = DataSources.model_validate({"sources": {"magic": {"family": "macro", "adapter": "magic"}}})
    with pytest.raises(ConfigError, match=r"sources\.magic\.adapter: no adapter 'magic' \(ccxt, "):
        declared(sources, {})


async def test_matic_is_diagnosed_as_stale_renamed_and_research_only(pool: Any) -> None:
    # Its old pair ended with the bar of 2024-09-10 01:00 UTC.
    last = datetime(2024, 9, 10, 1, tzinfo=UTC)
    rows = [(epoch(last - n * HOUR), 0.38, 0.39, 0.37, 0.38, 1e5) for n in reversed(range(48))]
    candles = from_rows("MATIC/USDT", "1h", "binance", rows)
    async with pool.acquire() as conn:
        await store.store_candles(conn, candles, "crypto", last + HOUR)
        await source_store.register_source(conn, "binance", "crypto", "candles", True, "public")
        (found,) = await diagnoses(conn, "MATIC/USDT", datetime(2025, 3, 20, tzinfo=UTC), "1h")
    assert not found["fit"]
    assert found["sentence"].startswith(
        "MATIC/USDT: not fit to trade on; stale since 2024-09-10, renamed POL, research only"
    )


@pytest.mark.parametrize(
    ("symbol", "venues", "expected"),
    [
        ("MATIC/USDT", '{"binance": "POL/USDT", "bybit": "POL/USDT"}', "POL"),
        ("WTI", '{"polygon": "USO"}', None),
        ("BTC/USDT", "{}", None),
        ("BTC/USDT", None, None),
    ],
)
def test_a_rename_is_told_from_a_proxy(symbol: str, venues: str | None, expected: str | None) -> None:
    assert renamed(symbol, venues) == expected
