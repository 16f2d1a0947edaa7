"""A series with a split in it, replayed through the running stages, equals the back-test byte for byte.

Prices and forecasts are made up: a calm market, told as it would be traded over a 10:1 split, and a model that mostly
wants to hold. Everything else is what the platform runs: the source, the clock, signals, risk, execution, research,
phases.
"""

import asyncio
import re
import shutil
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from decision_cases import CONFIGURED, forecast, forecasts_at

from services.contracts.messages import Fill, ForecastsMade, Message, SliceClosed, Split
from services.contracts.topics import FORECASTS, SLICES, Topic
from services.domain.candles import Candles, epoch
from services.domain.corporate_actions import CORPORATE_ACTIONS_FILE, CorporateActions, unadjust
from services.domain.ledger import fills_jsonl, trades_jsonl
from services.execution.service import load_stage as execution
from services.gateway.store import load_trades
from services.ingestion.clock import load_stage as clock
from services.ingestion.files import CandleFile
from services.ingestion.replay import Recorded, claim, deliver
from services.ingestion.service import Span
from services.kernel.config import config_version, load
from services.kernel.database import Connection, connect_pool
from services.kernel.inbox import Inbox, pop_as
from services.kernel.stage import LoopSettings, StageLoop
from services.kernel.streams import Streams, connect
from services.phases.service import load_stage as phases
from services.research.backtest import BacktestResult, backtest
from services.research.history import slices
from services.research.nightly.service import load_stage as research
from services.research.parameters import load_parameters
from services.risk.service import load_stage as risk
from services.signals.service import load_stage as signals
from services.standalone.platform import Platform, run_until
from services.standalone.replay import wait_for_end

CONFIG = Path(__file__).parents[2] / "config"
BTC = "BTC/USDT"
HOUR = timedelta(hours=1)
HOURS = 150
COLUMNS = ", ".join("ts as filled_at" if name == "filled_at" else name for name in Fill.__struct_fields__)
SPLIT_DAY = date(2024, 3, 4)
SPAN = Span(datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC) + HOURS * HOUR)
ENTRY = (
    f'  - {{symbol: {BTC}, kind: split, date: {SPLIT_DAY}, new: 10, old: 1, evidence: announced, source: "made up"}}\n'
)


def saying(closed: SliceClosed) -> ForecastsMade:
    """Want to hold, but for some hours; a function of the slice alone."""
    leaning = -0.02 if int(closed.ts.timestamp() // 3600) % 40 > 35 else 0.02
    return forecasts_at(closed.ts, *(forecast(bar.symbol, leaning, close=bar.close) for bar in closed.bars))


class Scripted:
    """Stands where inference stands and says what :func:`saying` says."""

    name = "inference"
    inputs: tuple[Topic, ...] = (SLICES,)
    output = FORECASTS

    def take(self, inbox: Inbox) -> list[SliceClosed]:
        taken = []
        while inbox.peek(SLICES.name, SliceClosed) is not None:
            taken.append(pop_as(inbox, SLICES.name, SliceClosed))
        return taken

    async def handle(self, conn: Connection, events: list[SliceClosed]) -> list[Message]:
        return [saying(closed) for closed in events]

    def dump(self) -> str:
        return "{}"

    async def restore(self, conn: Connection, state: str | None) -> None:
        return None


def recorded(folder: Path) -> Recorded:
    chance = np.random.default_rng(11)
    close = 60_000.0 * np.exp(np.cumsum(chance.normal(0.0003, 0.003, HOURS)))
    opened = np.concatenate(([60_000.0], close[:-1]))
    ts = np.array([epoch(SPAN.begins + n * HOUR) for n in range(HOURS)], dtype=np.int64)
    high, low = np.maximum(opened, close) * 1.001, np.minimum(opened, close) * 0.999
    true = Candles(BTC, "1h", "made up", ts, opened, high, low, close, np.full(HOURS, 1e5))
    raw = unadjust(true, load(CorporateActions, CORPORATE_ACTIONS_FILE, folder).of(BTC), SPAN.until)
    return Recorded((CandleFile(BTC, "crypto", raw, [], 0, ()),), SPAN, "made-up hours over a split", 0, ())


async def replayed(made: Recorded, folder: Path, database_url: str, redis_url: str) -> tuple[bytes, bytes, list[Any]]:
    pool, redis = await connect_pool(database_url, size=10, durable=False), connect(redis_url)
    async with pool.acquire() as conn, conn.transaction():
        await claim(conn, made, "1h")
    stages: list[Any] = [
        clock(None, folder),
        Scripted(),
        signals(folder),
        risk(folder),
        execution(folder),
        research(folder),
        phases(folder / "reports", folder),
    ]
    loops = [StageLoop(stage, pool, Streams(redis, stage.name), LoopSettings(block_ms=250)) for stage in stages]
    platform = Platform(pool, redis, folder / "reports", live=False, config=folder)
    await run_until(
        wait_for_end(platform, made, lambda _: None),
        [*(loop.run for loop in loops), lambda: deliver(pool, redis, made, config_version(folder))],
    )
    async with pool.acquire() as conn:
        trades = trades_jsonl(await load_trades(conn))
        fills = fills_jsonl([Fill(**dict(row)) for row in await conn.fetch(f"select {COLUMNS} from fills")])
        equity = [tuple(row) for row in await conn.fetch("select ts, equity from portfolio_equity order by ts")]
    await redis.aclose()
    await pool.close()
    return trades, fills, equity


def test_a_replay_over_a_split_equals_the_back_test_and_loses_nothing_by_it(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "config"
    shutil.copytree(CONFIG, folder)
    signals_file = folder / "signals.yaml"
    parts = re.compile(r"^  (regimes|buckets|levels|rules): true", re.MULTILINE)
    signals_file.write_text(parts.sub(r"  \1: false", signals_file.read_text()))  # made-up markets have no levels
    with (folder / CORPORATE_ACTIONS_FILE).open("a") as table:
        table.write(ENTRY)
    made = recorded(folder)
    closed = slices(made.series, SPAN, load(CorporateActions, CORPORATE_ACTIONS_FILE, folder))
    assert [(one.ts, one.splits) for one in closed if one.splits] == [
        (datetime(2024, 3, 4, 1, tzinfo=UTC), (Split(BTC, 10, 1),))
    ]
    expected: BacktestResult = backtest([(one, saying(one)) for one in closed], load_parameters(folder), CONFIGURED)
    trades, fills, equity = asyncio.run(replayed(made, folder, database_url, redis_url))
    assert len(expected.trades) >= 4
    assert trades == trades_jsonl(expected.trades)
    assert fills == fills_jsonl(expected.fills)
    assert equity == expected.equity
    assert max(abs(b / a - 1) for (_, a), (_, b) in pairwise(expected.equity)) < Decimal("0.01")
