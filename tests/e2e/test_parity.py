"""The same decisions everywhere: back-test, and replay through all services, give the same ledgers byte for byte."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.contracts.messages import Fill
from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.domain.ledger import fills_jsonl, trades_jsonl
from services.gateway.store import load_trades
from services.inference import settings as inference_settings
from services.inference import store as inference_store
from services.inference.parallel import cores
from services.inference.registry import TrainedModel
from services.inference.walk_forward import walk_forward
from services.ingestion.replay import Recorded, claim, read
from services.kernel.config import config_version, load
from services.kernel.database import connect_pool
from services.kernel.streams import connect
from services.research.backtest import BacktestResult, backtest
from services.research.history import forecasts, market_of, slices
from services.research.parameters import load_parameters
from services.standalone.platform import Platform, run_until
from services.standalone.replay import deliver, wait_for_end

SAMPLE = Path(__file__).parents[2] / "sample"

FILLS = """
select id, order_id, symbol, asset_class, side, quantity, price, fee, slippage, reason, ts, fx, liquidity, cash
from fills
"""


@pytest.fixture(scope="module")
def year() -> Recorded:
    """The whole sample."""
    return read(SAMPLE, load(AssetsConfig, ASSETS_FILE), None, None)


@pytest.fixture(scope="module")
def models(year: Recorded) -> list[TrainedModel]:
    """The walk-forward models of the sample."""
    configured = inference_settings.load(replay=True)
    return list(walk_forward(market_of(year.series, configured), configured, workers=cores()))


@pytest.fixture(scope="module")
def expected_of_year(year: Recorded, models: list[TrainedModel]) -> BacktestResult:
    """What the back-test makes of the sample."""
    return in_memory(year, models)


def in_memory(recorded: Recorded, models: list[TrainedModel]) -> BacktestResult:
    closed = slices(recorded.series, recorded.span)
    made = forecasts(recorded.series, closed, inference_settings.load(replay=True), models)
    return backtest(zip(closed, made, strict=True), load_parameters(), {"crypto": True})


async def replayed(
    recorded: Recorded, models: list[TrainedModel], database_url: str, redis_url: str, reports: Path
) -> tuple[bytes, bytes, list[Any]]:
    pool, redis = await connect_pool(database_url, size=10, durable=False), connect(redis_url)
    async with pool.acquire() as conn, conn.transaction():
        await claim(conn, recorded, "1h")
        await inference_store.save_models(conn, models)
    platform = Platform(pool, redis, reports, live=False)
    await run_until(
        wait_for_end(platform, recorded, lambda _: None),
        [*(loop.run for loop in platform.loops()), lambda: deliver(platform, recorded, config_version())],
    )
    async with pool.acquire() as conn:
        trades = trades_jsonl(await load_trades(conn))
        fills = fills_jsonl([_fill(row) for row in await conn.fetch(FILLS)])
        equity = [tuple(row) for row in await conn.fetch("select ts, equity from portfolio_equity order by ts")]
    await redis.aclose()
    await pool.close()
    return trades, fills, equity


def _fill(row: asyncpg.Record) -> Fill:
    return Fill(**{name: row[name] for name in Fill.__struct_fields__ if name != "filled_at"}, filled_at=row["ts"])


def test_replay_through_all_services_equals_the_backtest_byte_for_byte(
    year: Recorded,
    models: list[TrainedModel],
    expected_of_year: BacktestResult,
    database_url: str,
    redis_url: str,
    tmp_path: Path,
) -> None:
    expected = expected_of_year
    trades, fills, equity = asyncio.run(replayed(year, models, database_url, redis_url, tmp_path))
    assert len(expected.trades) >= 30, "a parity of nothing proves nothing"
    assert trades == trades_jsonl(expected.trades)
    assert fills == fills_jsonl(expected.fills)
    assert equity == expected.equity


def test_a_late_start_keeps_parity_with_history_before_it(
    models: list[TrainedModel], database_url: str, redis_url: str, tmp_path: Path
) -> None:
    span = (datetime(2024, 11, 5, 7, tzinfo=UTC), datetime(2024, 11, 25, tzinfo=UTC))
    recorded = read(SAMPLE, load(AssetsConfig, ASSETS_FILE), *span)
    expected = in_memory(recorded, models)
    trades, fills, equity = asyncio.run(replayed(recorded, models, database_url, redis_url, tmp_path))
    assert len(expected.fills) > 0
    assert (trades, fills) == (trades_jsonl(expected.trades), fills_jsonl(expected.fills))
    assert equity == expected.equity


def test_a_second_backtest_gives_the_same_bytes(
    year: Recorded, models: list[TrainedModel], expected_of_year: BacktestResult
) -> None:
    second = in_memory(year, models)
    assert second is not expected_of_year
    assert trades_jsonl(second.trades) == trades_jsonl(expected_of_year.trades)
    assert second.equity == expected_of_year.equity
