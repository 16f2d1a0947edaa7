"""The clock over a database says of splits what the back-test says of the same candles, and which symbols to doubt."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import numpy as np
import pytest

from services.contracts.messages import Missing, SliceClosed, Split, encode
from services.domain.candles import Candles, epoch
from services.domain.corporate_actions import CorporateAction, CorporateActions
from services.ingestion import flags, source_store
from services.ingestion.clock import ClockStage, ClockState, load_stage
from services.ingestion.files import CandleFile
from services.ingestion.service import Span
from services.ingestion.store import store_candles
from services.research.history import slices

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
START = datetime(2024, 6, 6, tzinfo=UTC)
HOURS = 6 * 24
SPAN = Span(START + 20 * HOUR, START + HOURS * HOUR)
DISAGREE = "polygon 100 and alpaca 103 (296 bps)"


def action(symbol: str, day: date, new: int, old: int) -> CorporateAction:
    return CorporateAction(
        symbol=symbol, kind="split", date=day, new=new, old=old, evidence="announced", source="made up"
    )


ACTIONS = CorporateActions(
    actions=(action("NVDA", date(2024, 6, 10), 10, 1), action("ETH/USDT", date(2024, 6, 8), 1, 5))
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def pool(database_url: str, anyio_backend: str) -> AsyncIterator[Any]:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=2) as opened:
        yield opened


def candles(symbol: str, opens: list[datetime], prices: list[float]) -> Candles:
    price = np.array(prices)
    ts = np.array([epoch(at) for at in opens], dtype=np.int64)
    return Candles(symbol, "1h", "made up", ts, price, price * 1.01, price * 0.99, price, np.full(len(ts), 1e5))


def series() -> list[CandleFile]:
    """Made-up bars: NVDA in its sessions at half past, raw over a 10:1 split; ETH around the clock, raw over 1:5."""
    hours = [START + n * HOUR for n in range(HOURS)]
    sessions = [at + HOUR / 2 for at in hours if at.weekday() < 5 and 13 <= at.hour < 20]
    nvda = candles("NVDA", sessions, [1200.0 if at < datetime(2024, 6, 10, tzinfo=UTC) else 121.0 for at in sessions])
    eth = candles("ETH/USDT", hours, [700.0 if at < datetime(2024, 6, 8, tzinfo=UTC) else 3500.0 for at in hours])
    return [CandleFile("ETH/USDT", "crypto", eth, [], 0, ()), CandleFile("NVDA", "stocks", nvda, [], 0, ())]


async def closed_by_clock(pool: Any, sizes: list[int]) -> list[SliceClosed]:
    """Close the span in batches, the stage made anew from its stored state before each."""
    made: list[Any] = []
    state = encode(ClockState(last=SPAN.begins)).decode()
    moments = [SPAN.begins + (n + 1) * HOUR for n in range(int((SPAN.until - SPAN.begins) / HOUR))]
    async with pool.acquire() as conn:
        while moments:
            stage = ClockStage("1h", None, ACTIONS)
            await stage.restore(conn, state)
            size = sizes[len(made) % len(sizes)]
            made += await stage.handle(conn, moments[:size])
            state, moments = stage.dump(), moments[size:]
    assert all(isinstance(one, SliceClosed) for one in made)
    return made


async def fill(pool: Any) -> list[CandleFile]:
    recorded = series()
    async with pool.acquire() as conn:
        await source_store.collect_only(conn, [one.symbol for one in recorded])
        for one in recorded:
            await store_candles(conn, one.candles, one.asset_class, SPAN.until)
    return recorded


async def test_clock_and_back_test_close_the_same_slices_byte_for_byte(pool: Any) -> None:
    recorded = await fill(pool)
    expected = slices(recorded, SPAN, ACTIONS)
    assert [(one.ts, one.splits) for one in expected if one.splits] == [
        (datetime(2024, 6, 8, 1, tzinfo=UTC), (Split("ETH/USDT", 1, 5),)),
        (datetime(2024, 6, 10, 15, tzinfo=UTC), (Split("NVDA", 10, 1),)),
    ]
    for sizes in ([96], [1, 7, 2]):
        made = await closed_by_clock(pool, sizes)
        assert [encode(one) for one in made] == [encode(one) for one in expected]


async def test_open_disagreements_of_collected_symbols_are_in_the_slices_closed_meanwhile(pool: Any) -> None:
    await fill(pool)
    stage = ClockStage("1h", None, ACTIONS)
    first, second, third = (SPAN.begins + n * HOUR for n in (1, 2, 3))
    async with pool.acquire() as conn:
        await flags.raise_flag(conn, flags.SOURCES_DISAGREE, "NVDA", DISAGREE, first)
        await flags.raise_flag(conn, flags.SOURCES_DISAGREE, "TSLA", DISAGREE, first)
        await flags.raise_flag(conn, "something_else", "ETH/USDT", "nothing of prices", first)
        (doubted,) = await stage.handle(conn, [first])
        await flags.clear(conn, flags.SOURCES_DISAGREE, "NVDA", second)
        clear = await stage.handle(conn, [second, third])
    assert isinstance(doubted, SliceClosed)
    assert doubted.suspect == (Missing("NVDA", DISAGREE),)
    assert [one.suspect for one in clear if isinstance(one, SliceClosed)] == [(), ()]


def test_the_clock_that_services_run_knows_the_declared_splits() -> None:
    stage = load_stage(None)
    assert [one.action.ratio for one in stage.splits["NVDA"]] == ["4:1", "10:1"]
    assert "MATIC/USDT" not in stage.splits, "a rename changes no unit"
    assert msgspec.json.decode(stage.dump(), type=ClockState) == ClockState()
