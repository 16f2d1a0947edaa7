"""The inference stage's readings on a real PostgreSQL: as in memory, the same after a restart, stored once a day."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import numpy as np

from services.contracts.messages import ForecastsMade, SliceClosed, encode
from services.inference import context_store, settings, store
from services.inference.asset_readings import reach
from services.inference.forecasting import Forecaster, slices_of
from services.inference.market import Market
from services.inference.series import Candles, Ints
from services.inference.service import InferenceStage

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
BARS = 2_520
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
CLASSES = {**dict.fromkeys(SYMBOLS, "crypto"), "NVDA": "stocks"}
INSERT = """
insert into candles (ts, symbol, timeframe, asset_class, open, high, low, close, volume, source, received_at)
select to_timestamp(t), $1, '1h', 'crypto', o, h, l, c, v, 'test', to_timestamp(t)
from unnest($2::bigint[], $3::float8[], $4::float8[], $5::float8[], $6::float8[], $7::float8[]) x (t, o, h, l, c, v)
"""
CONFIGURED = settings.load(replay=True).model_copy(
    update={"models": {"random_walk": settings.ModelSettings(params={})}, "leaders": {"crypto": SYMBOLS[:2]}}
)


def made_up(symbol: str, seed: int) -> Candles:
    chance = np.random.default_rng(seed)
    common = np.random.default_rng(0).normal(0.0, 0.006, BARS)
    own = chance.normal(0.0, 0.002 if seed < 3 else 0.01, BARS)
    close = 100.0 * np.exp(np.cumsum((common if seed < 3 else 0.0) + own))
    open_ = np.concatenate(([100.0], close[:-1]))
    ts: Ints = int(START.timestamp()) + 3_600 * np.arange(BARS, dtype=np.int64)
    high, low = np.maximum(open_, close) * 1.001, np.minimum(open_, close) * 0.999
    return Candles(symbol, "crypto", ts, open_, high, low, close, chance.lognormal(5.0, 1.0, BARS))


CANDLES = {symbol: made_up(symbol, i + 1) for i, symbol in enumerate(SYMBOLS)}
SLICES = slices_of(CANDLES, [START + HOUR * n for n in range(2_424 + 5, BARS + 1)])


def on(url: str, work: Callable[[Any], Awaitable[Any]]) -> Any:
    async def connected() -> Any:
        conn = await asyncpg.connect(url)
        try:
            for symbol, one in CANDLES.items():
                columns = (one.ts, one.open, one.high, one.low, one.close, one.volume)
                await conn.execute(INSERT, symbol, *(column.tolist() for column in columns))
            return await work(conn)
        finally:
            await conn.close()

    return asyncio.run(connected())


async def decided(conn: Any, stage: InferenceStage, slices: list[SliceClosed]) -> list[ForecastsMade]:
    async with conn.transaction():
        return list(await stage.handle(conn, slices))  # type: ignore[arg-type]


def stage_of() -> InferenceStage:
    return InferenceStage(CONFIGURED, CLASSES)


async def _by_and_by(conn: Any) -> tuple[list[ForecastsMade], list[Any]]:
    """Batches of several sizes, with a restart after each."""
    made: list[ForecastsMade] = []
    state, at = None, 0
    for size in (1, 17, 1, 1, 30, 48):
        stage = stage_of()
        await stage.restore(conn, state)
        made += await decided(conn, stage, SLICES[at : at + size])
        at, state = at + size, stage.dump()
    rows = await conn.fetch("select * from correlation_matrix order by ts, symbol, other")
    return made, rows


def test_the_stage_reads_what_a_back_test_reads_however_it_is_batched_and_restarted(database_url: str) -> None:
    made, rows = on(database_url, _by_and_by)
    expected, _ = Forecaster(CONFIGURED, []).forecast(Market(CANDLES, CONFIGURED.leaders), SLICES, {})
    assert len(made) == len(SLICES)
    assert [encode(one) for one in made] == [encode(one) for one in expected]
    assert made[50].clusters == (SYMBOLS[:2],)
    assert all(reading.regime != "unclassified" and reading.supports for reading in made[50].readings)
    assert [len(one.returns) for one in made if one.returns] == [3, 3, 3, 3]
    midnights = [datetime(2024, 4, 11, tzinfo=UTC) + timedelta(days=n) for n in range(5)]
    assert sorted({row["ts"] for row in rows}) == midnights
    assert [(row["symbol"], row["other"]) for row in rows[:3]] == [SYMBOLS[:2], SYMBOLS[::2], SYMBOLS[1:]]
    assert {row["window_hours"] for row in rows} == {720}
    assert rows[0]["correlation"] > 0.7 > abs(rows[1]["correlation"])


def test_a_candle_revised_during_the_day_leaves_the_days_clusters_as_they_were(database_url: str) -> None:
    async def work(conn: Any) -> tuple[list[ForecastsMade], int]:
        first = stage_of()
        await first.restore(conn, None)
        made = await decided(conn, first, SLICES[:2])
        await conn.execute("update candles set close = 100.0, high = high + 200.0 where symbol = 'ETH/USDT'")
        again = stage_of()
        await again.restore(conn, first.dump())
        made += await decided(conn, again, SLICES[2:3])
        return made, await conn.fetchval("select count(*) from correlation_matrix")

    made, stored = on(database_url, work)
    assert [one.clusters for one in made] == [(SYMBOLS[:2],)] * 3
    assert stored == 3


def test_recent_candles_reach_as_many_bars_back_as_asked_and_no_further(database_url: str) -> None:
    start, end = START + HOUR * 500, START + HOUR * 510

    async def work(conn: Any) -> dict[str, Candles]:
        return await store.recent_candles(conn, {"BTC/USDT": 40, "ETH/USDT": 9_999, "X": 5}, "1h", start, end, {})

    found = on(database_url, work)
    assert sorted(found) == ["BTC/USDT", "ETH/USDT"]
    assert found["BTC/USDT"].ts.tolist() == CANDLES["BTC/USDT"].ts[460:510].tolist()
    for name in ("open", "high", "low", "close", "volume"):
        assert getattr(found["ETH/USDT"], name).tobytes() == getattr(CANDLES["ETH/USDT"], name)[:510].tobytes()
    assert found["ETH/USDT"].asset_class == "crypto"


async def _told(conn: Any) -> context_store.Values:
    social = (
        "insert into social_sentiment (ts, available_at, symbol, asset_class, source, mentions, sentiment, keywords) "
        "values ($1, $1, $2, 'stocks', $3, 5, 0.5, $4::text::json)"
    )
    for hours, symbol, source, keywords in (
        (1, "TSLA", "x", '{"car": 4, "@elonmusk": 3}'),
        (2, "TSLA", "x", '{"car": 4}'),
        (3, "TSLA", "reddit", '{"@elonmusk": 50}'),
        (4, "TSLA", "x", "null"),
        (5, "NVDA", "x", None),
    ):
        await conn.execute(social, START + HOUR * hours, symbol, source, keywords)
    event = (
        "insert into economic_calendar (event_id, name, symbol, scheduled_at, available_at, source) "
        "values ($1, $2, $3, $4, $5, 'test')"
    )
    await conn.execute(event, "1", "NVDA earnings", "NVDA", START + timedelta(days=6), START + HOUR)
    await conn.execute(event, "2", "NVDA earnings", "NVDA", START + timedelta(days=9), START + timedelta(days=3))
    await conn.execute(event, "3", "NVDA earnings", "NVDA", START + timedelta(days=40), START)
    await conn.execute(event, "4", "TSLA deliveries", "TSLA", START + timedelta(days=2), START)
    return await context_store.load_values(conn, ["NVDA", "TSLA"], START, START + timedelta(days=2))


def test_posts_of_watched_accounts_and_earnings_are_read_with_when_they_were_known(database_url: str) -> None:
    found = on(database_url, _told)
    begin = int(START.timestamp())
    posts, earnings = found.of["TSLA"]["posts"], found.of["NVDA"]["earnings"]
    assert list(zip((posts.available - begin) // 3_600, posts.value.tolist(), strict=True)) == [(1, 3), (2, 0), (4, 0)]
    assert found.of["NVDA"]["posts"].value.tolist() == [0.0]
    assert ((earnings.available - begin).tolist(), (earnings.value - begin).tolist()) == ([3_600], [6 * 86_400])
    assert "earnings" not in found.of["TSLA"]


def test_the_stage_reads_enough_bars_for_its_readings_and_a_day() -> None:
    forecaster = Forecaster(CONFIGURED, [])
    for asset_class in ("crypto", "stocks", "forex"):
        assert forecaster.bars_back(asset_class) >= max(reach(asset_class, "1h") + 7, forecaster.history)
