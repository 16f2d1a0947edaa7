"""A stock on daily, hourly and minute bars: replayed through all services as it is back-tested, byte for byte.

Bars and forecasts are invented, and the ladder begins with stocks, so that nights and weekends lie between real orders
and their fills. The models are not what is tested here.
"""

import asyncio
import math
import os
import random
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from decision_cases import forecast, reading

from services.contracts.messages import Bar, ForecastsMade, Message, SliceClosed
from services.contracts.readings import Reading
from services.contracts.topics import FORECASTS, SLICES, Topic
from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.domain.calendars import expected_opens, positions
from services.domain.candles import SECONDS, Timeframe, epoch, from_rows
from services.domain.ledger import trades_jsonl
from services.gateway.store import load_trades
from services.inference import settings as inference_settings
from services.ingestion.files import CandleFile
from services.ingestion.replay import Recorded, claim
from services.ingestion.replay import deliver as deliver_recorded
from services.ingestion.service import Span
from services.kernel.config import TIMEFRAME_ENV, config_version, load
from services.kernel.database import Connection, connect_pool
from services.kernel.inbox import Inbox, pop_as
from services.kernel.stage import LoopSettings, StageLoop
from services.kernel.streams import Streams, connect
from services.research.backtest import BacktestResult, backtest
from services.research.history import forecasts, slices
from services.research.parameters import load_parameters
from services.signals.levels import bars_per_day
from services.standalone.platform import Platform, run_until
from services.standalone.replay import deliver, wait_for_end

ROOT = Path(__file__).parents[2]
SPANS: dict[Timeframe, tuple[datetime, datetime]] = {
    "1d": (datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 9, 28, tzinfo=UTC)),
    "1h": (datetime(2024, 11, 20, tzinfo=UTC), datetime(2024, 12, 5, tzinfo=UTC)),  # Thanksgiving and a half-day
    "1m": (datetime(2024, 6, 6, 19, tzinfo=UTC), datetime(2024, 6, 7, 15, tzinfo=UTC)),
}
HISTORY = {"1d": timedelta(days=1000), "1h": timedelta(days=150), "1m": timedelta(days=4)}
"""How long before the span there are bars, where features of them are asked for."""
LIVE_STOCKS = """
update asset_registry set trading_enabled = asset_class = 'stocks';
update asset_class_config set active = asset_class = 'stocks'
"""
CARRIES = {"1d": 7, "1h": 5, "1m": 11}
"""How many bars the invented forecasts hold on to a direction."""


def invented(timeframe: Timeframe, history: timedelta = timedelta(0)) -> Recorded:
    """A stock whose price wanders, with exactly the bars that its market owes."""
    since, until = SPANS[timeframe]
    chance, price, rows = random.Random(timeframe), 100.0, []
    for ts in expected_opens("stocks", timeframe, since - history, until).tolist():
        begun, price = price, price * math.exp(chance.gauss(0.0, 0.01))
        high, low = (edge(begun, price) * scale for edge, scale in ((max, 1.002), (min, 0.998)))
        rows.append((ts, begun, high, low, price, 1e7))
    candles = from_rows("NVDA", timeframe, "replay", rows)
    return Recorded((CandleFile("NVDA", "stocks", candles, [], 0, ()),), Span(since, until), timeframe, 0, ())


def said(closed: SliceClosed) -> ForecastsMade:
    """Rise and fall by turns, each for some bars of the market's own sequence."""
    made = tuple(_of(bar, closed) for bar in closed.bars)
    return ForecastsMade(closed.ts, closed.timeframe, made, readings=tuple(_read(bar, closed) for bar in closed.bars))


def _read(bar: Bar, closed: SliceClosed) -> Reading:
    """A support near below and a resistance above, in a market of two per cent a day."""
    timeframe: Any = closed.timeframe
    return reading(bar.symbol, bar.close, volatility=0.02 / bars_per_day("stocks", timeframe) ** 0.5)


def _of(bar: Bar, closed: SliceClosed) -> Any:
    timeframe: Any = closed.timeframe
    opened = bar.opened_at or closed.ts - timedelta(seconds=SECONDS[timeframe])
    (number,) = positions("stocks", timeframe, expected_opens("stocks", timeframe, opened, closed.ts)[:1]).tolist()
    up = number // CARRIES[timeframe] % 2 == 0
    return forecast(bar.symbol, 0.04 if up else -0.04, close=bar.close)


class Scripted:
    """An inference stage that says what :func:`said` does."""

    name = "inference"
    inputs: tuple[Topic, ...] = (SLICES,)
    output = FORECASTS

    def take(self, inbox: Inbox) -> list[SliceClosed]:
        return [pop_as(inbox, SLICES.name, SliceClosed)] if inbox.peek(SLICES.name, SliceClosed) else []

    async def handle(self, conn: Connection, events: list[SliceClosed]) -> list[Message]:
        return [said(one) for one in events]

    def dump(self) -> str:
        return "{}"

    async def restore(self, conn: Connection, state: str | None) -> None:
        """Nothing is remembered."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration with a ladder that begins with stocks."""
    folder = tmp_path / "config"
    shutil.copytree(ROOT / "config", folder)
    text = (folder / "phases.yaml").read_text()
    assert text.count("order: 0") == text.count("order: 1") == 1
    swapped = text.replace("order: 0", "order: X").replace("order: 1", "order: 0").replace("order: X", "order: 1")
    # Crypto's phase asks nothing and would open by itself: its feeds would be missed.
    (folder / "phases.yaml").write_text(swapped.replace("auto_activate: true", "auto_activate: false"))
    return folder


async def replayed(
    recorded: Recorded, config: Path, database_url: str, redis_url: str, reports: Path
) -> tuple[bytes, list[Any], list[Any]]:
    """Run the services over the bars; returns the round trips, the equity and the slices with missing bars."""
    pool, redis = await connect_pool(database_url, size=10, durable=False), connect(redis_url)
    async with pool.acquire() as conn, conn.transaction():
        await claim(conn, recorded, recorded.timeframe)
        await conn.execute(LIVE_STOCKS)
    platform = Platform(pool, redis, reports, live=False, config=config)
    settings = LoopSettings(config_version=config_version(config))
    stages: list[Any] = [Scripted() if stage.name == "inference" else stage for stage in platform.stages()]
    loops = [StageLoop(stage, pool, Streams(redis, stage.name), settings) for stage in stages]
    source = lambda: deliver(platform, recorded, config_version(config))  # noqa: E731
    await run_until(wait_for_end(platform, recorded, lambda _: None), [*(loop.run for loop in loops), source])
    async with pool.acquire() as conn:
        trades = trades_jsonl(await load_trades(conn))
        equity = [tuple(row) for row in await conn.fetch("select ts, equity from portfolio_equity order by ts")]
        absent = await conn.fetch("select ts from slices where missing::text <> '{}'")
    await redis.aclose()
    await pool.close()
    return trades, equity, list(absent)


@pytest.mark.parametrize("timeframe", ["1d", "1h", "1m"])
def test_a_stock_is_replayed_as_it_is_back_tested(
    timeframe: Timeframe,
    config: Path,
    database_url: str,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(TIMEFRAME_ENV, timeframe)
    assert load(AssetsConfig, ASSETS_FILE, config).timeframe == timeframe
    recorded = invented(timeframe)
    closed = slices(recorded.series, recorded.span)
    expected = backtest(((one, said(one)) for one in closed), load_parameters(config), {})
    assert len(expected.trades) >= 4, "a parity of nothing proves nothing"
    assert_fills_are_at_the_markets_next_open(expected, timeframe)
    trades, equity, absent = asyncio.run(replayed(recorded, config, database_url, redis_url, tmp_path / "reports"))
    assert trades == trades_jsonl(expected.trades)
    assert equity == expected.equity
    assert len(equity) == recorded.slices
    assert absent == [], "a closed market owes nothing"


@pytest.mark.parametrize("timeframe", ["1d", "1h", "1m"])
def test_a_stocks_forecasts_are_those_of_the_back_test_over_any_night(
    timeframe: Timeframe, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TIMEFRAME_ENV, timeframe)
    recorded = invented(timeframe, HISTORY[timeframe])
    closed = slices(recorded.series, recorded.span)
    configured = inference_settings.load(timeframe=timeframe, replay=True)
    expected = forecasts(recorded.series, closed, configured, [])
    assert [one for one in expected if not one.forecasts] == [one for one in expected if one.ts in shut(closed)]
    assert asyncio.run(forecast_by_services(recorded, database_url, redis_url)) == expected


def shut(closed: list[SliceClosed]) -> set[datetime]:
    return {one.ts for one in closed if not one.bars}


async def forecast_by_services(recorded: Recorded, database_url: str, redis_url: str) -> list[ForecastsMade]:
    """Run the source, the clock and inference over the bars; returns what inference published."""
    pool, redis = await connect_pool(database_url, size=6, durable=False), connect(redis_url)
    async with pool.acquire() as conn, conn.transaction():
        await claim(conn, recorded, recorded.timeframe)
    settings = LoopSettings(config_version=config_version())
    stages = [s for s in Platform(pool, redis, Path(), live=False).stages() if s.name in ("clock", "inference")]
    loops = [StageLoop(stage, pool, Streams(redis, stage.name), settings) for stage in stages]

    async def finished() -> None:
        while await pool.fetchval("select slice_ts from stage_state where stage = 'inference'") != recorded.span.until:
            await asyncio.sleep(0.02)

    async def source() -> None:
        await deliver_recorded(pool, redis, recorded, config_version(), ("inference",))

    await run_until(finished(), [*(loop.run for loop in loops), source])
    rows = await pool.fetch("select body from outbox where topic = $1 order by seq", FORECASTS.name)
    await redis.aclose()
    await pool.close()
    return [msgspec.json.decode(row["body"], type=ForecastsMade) for row in rows]


def assert_fills_are_at_the_markets_next_open(result: BacktestResult, timeframe: Timeframe) -> None:
    since, until = SPANS[timeframe]
    opens = set(expected_opens("stocks", timeframe, since, until).tolist())
    ordered = [fill for fill in result.fills if fill.order_id is not None]
    assert {epoch(fill.filled_at) for fill in ordered} <= opens
    if timeframe == "1d":
        assert 0 in {fill.filled_at.weekday() for fill in ordered}, "decided on Friday's bar, filled on Monday's"


def test_an_unknown_timeframe_is_refused_in_one_line(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    command = [sys.executable, "-m", "services.cli", "backtest", "--timeframe", "7h", "--ledger", str(ledger)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120, check=False)
    assert done.returncode != 0
    (line,) = done.stderr.strip().splitlines()
    assert "--timeframe or CHLOE_TIMEFRAME" in line
    assert not ledger.exists()
