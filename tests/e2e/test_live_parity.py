"""Paper trading on a live feed decides as the back-test does: the same recorded hours, served on loopback.

The exchange is real HTTP through ccxt; only the time is injected, so that twelve days pass in seconds.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import few_models
import pytest
from fake_exchange import FakeExchange

from services.domain.ledger import trades_jsonl
from services.gateway.store import load_trades
from services.inference import settings as inference_settings
from services.inference import store as inference_store
from services.inference.registry import TrainedModel
from services.inference.walk_forward import walk_forward
from services.ingestion import source_store
from services.ingestion.adapters.ccxt_candles import CcxtCandles
from services.ingestion.adapters.ccxt_candles import connect as connect_exchange
from services.ingestion.backfill import Feed
from services.ingestion.polling import LiveCandles
from services.ingestion.replay import Recorded
from services.ingestion.service import Publisher
from services.kernel.config import config_version
from services.kernel.database import connect_pool
from services.kernel.streams import Streams, connect
from services.research.backtest import BacktestResult, backtest
from services.research.history import forecasts, market_of, slices
from services.research.parameters import load_parameters
from services.standalone.platform import Platform, run_until
from services.standalone.replay import wait_for_end

HOUR = timedelta(hours=1)
SPAN = (datetime(2024, 8, 1, tzinfo=UTC), datetime(2024, 8, 13, tzinfo=UTC))
HISTORY = timedelta(days=100)


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    """Twelve days with trades in them."""
    return few_models.short_replay(*SPAN)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped configuration with few models; tests/e2e/test_parity.py has all of them."""
    return few_models.write_config(tmp_path_factory.mktemp("few") / "config")


@pytest.fixture(scope="module")
def models(recorded: Recorded, config: Path) -> list[TrainedModel]:
    """The walk-forward models of the days before and in the replay."""
    configured = inference_settings.load(config, replay=True)
    return list(walk_forward(market_of(recorded.series, configured), configured))


def in_memory(recorded: Recorded, models: list[TrainedModel], config: Path) -> BacktestResult:
    closed = slices(recorded.series, recorded.span)
    made = forecasts(recorded.series, closed, inference_settings.load(config, replay=True), models)
    return backtest(zip(closed, made, strict=True), load_parameters(config), {"crypto": True})


async def follow_the_exchange(live: LiveCandles, now: list[datetime]) -> None:
    """Fill the history, then let the hours pass one by one; a slice must be promised at each."""
    await live.publisher.restore()
    await live.fill()
    await live.advance(live.boundary(), begins=live.boundary())
    while now[0] < SPAN[1]:
        now[0] += HOUR
        assert await live.once(), f"no slice was promised at {now[0]}"


async def on_paper(
    recorded: Recorded,
    models: list[TrainedModel],
    config: Path,
    exchange: FakeExchange,
    database_url: str,
    redis_url: str,
    folder: Path,
) -> tuple[bytes, list[tuple[datetime, object]]]:
    now = [SPAN[0]]
    pool, redis = await connect_pool(database_url, size=16, durable=False), connect(redis_url)
    async with pool.acquire() as conn, conn.transaction():
        await source_store.claim_run(conn, "live", "recorded hours on loopback", "1h")
        await source_store.collect_only(conn, [one.symbol for one in recorded.series])
        await inference_store.save_models(conn, models)
    client = connect_exchange("binance", exchange.url)
    client.enableRateLimit = False
    source = CcxtCandles(client, clock=lambda: now[0])
    publisher = Publisher(pool, Streams(redis, "ingestion-crypto"), "ingestion-crypto", "1h", config_version(config))
    live = LiveCandles(publisher, Feed(pool, source, "1h", lambda: now[0]), frozenset({"crypto"}), HISTORY)
    platform = Platform(pool, redis, folder, live=False, config=config)
    await run_until(
        wait_for_end(platform, recorded, lambda _: None),
        [*(loop.run for loop in platform.loops()), lambda: follow_the_exchange(live, now)],
    )
    async with pool.acquire() as conn:
        trades = trades_jsonl(await load_trades(conn))
        equity = [tuple(row) for row in await conn.fetch("select ts, equity from portfolio_equity order by ts")]
    await source.close()
    await redis.aclose()
    await pool.close()
    return trades, equity


def test_paper_trading_on_a_live_feed_equals_the_backtest_byte_for_byte(
    recorded: Recorded, models: list[TrainedModel], config: Path, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    exchange = FakeExchange()
    for one in recorded.series:
        c = one.candles
        columns = [column.tolist() for column in (c.ts, c.open, c.high, c.low, c.close, c.volume)]
        exchange.bars[one.symbol.replace("/", "")] = [(ts * 1000, *v) for ts, *v in zip(*columns, strict=True)]
    expected = in_memory(recorded, models, config)
    try:
        trades, equity = asyncio.run(on_paper(recorded, models, config, exchange, database_url, redis_url, tmp_path))
    finally:
        exchange.close()
    assert len(expected.trades) >= 5, "a parity of nothing proves nothing"
    assert trades == trades_jsonl(expected.trades)
    assert equity == expected.equity
