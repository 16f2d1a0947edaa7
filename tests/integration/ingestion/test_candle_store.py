"""Candles in PostgreSQL: written once, changed only as a revision, read back bit for bit."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.domain.candles import Candles, RefusedCandle, epoch, from_rows, moment
from services.ingestion import store
from services.ingestion.store import FeedDelta, Stored

pytestmark = pytest.mark.anyio

START = datetime(2024, 1, 1, tzinfo=UTC)
T0 = epoch(START)
LATER = datetime(2024, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def pool(database_url: str, anyio_backend: str) -> AsyncIterator[Any]:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=4) as opened:
        yield opened


def bars(closes: dict[int, float], symbol: str = "BTC/USDT") -> Candles:
    """Bars by hour after the start; the close says which delivery they come from."""
    rows = [(T0 + hour * 3600, 100.0, 1000.0, 1.0, close, 0.1 + hour) for hour, close in sorted(closes.items())]
    return from_rows(symbol, "1h", "test", rows)


async def closes(conn: Any, symbol: str = "BTC/USDT") -> dict[int, tuple[float, int]]:
    found = await conn.fetch("select ts, close, revision from candles where symbol = $1", symbol)
    return {(epoch(row["ts"]) - T0) // 3600: (row["close"], row["revision"]) for row in found}


async def test_what_is_stored_is_loaded_bit_for_bit(pool: Any) -> None:
    rng = np.random.default_rng(7)
    close = rng.lognormal(size=500)
    wild = Candles(
        "BTC/USDT", "1h", "test", T0 + 3600 * np.arange(500, dtype=np.int64),
        close / 3, close * 2, close / 7, close, rng.lognormal(size=500) * 1e9,
    )  # fmt: skip
    async with pool.acquire() as conn:
        stored = await store.store_candles(conn, wild, "crypto", LATER)
        loaded = await store.load_candles(conn, ["BTC/USDT", "ETH/USDT"], "1h", START, START + timedelta(hours=499))
        row = await conn.fetchrow("select * from candles where ts = $1", START)
        assert await store.newest_ts(conn, "BTC/USDT", "1h") == START + timedelta(hours=499)
        assert await store.stored_span(conn, "BTC/USDT", "1h") == (START, START + timedelta(hours=499))
        assert await store.stored_span(conn, "ETH/USDT", "1h") is None
        assert await store.newest_ts(conn, "ETH/USDT", "1h") is None
    assert (stored.new, stored.same, stored.revised, len(stored.written)) == (500, 0, 0, 500)
    assert loaded["BTC/USDT"].ts.tolist() == wild.ts[:499].tolist()
    assert (loaded["BTC/USDT"].values() == wild.values()[:499]).all()
    assert len(loaded["ETH/USDT"]) == 0
    assert (row["asset_class"], row["source"], row["timeframe"]) == ("crypto", "test", "1h")
    assert (row["received_at"], row["revision"]) == (LATER, 0)


async def test_a_candle_that_changes_is_a_revision_and_the_old_one_is_kept(pool: Any) -> None:
    async with pool.acquire() as conn:
        await store.store_candles(conn, bars({0: 10, 1: 11, 2: 12}), "crypto", LATER)
        stored = await store.store_candles(conn, bars({1: 11, 2: 99, 3: 13}), "crypto", LATER + timedelta(hours=1))
        assert stored == Stored(new=1, same=1, revised=1, written={T0 + 2 * 3600: 1, T0 + 3 * 3600: 0})
        assert await closes(conn) == {0: (10, 0), 1: (11, 0), 2: (99, 1), 3: (13, 0)}
        (old,) = await conn.fetch("select * from candle_revisions")
    assert (old["close"], old["revision"], old["received_at"]) == (12, 0, LATER)
    assert old["replaced_at"] == LATER + timedelta(hours=1)


async def test_an_older_delivery_that_comes_again_changes_nothing(pool: Any) -> None:
    async with pool.acquire() as conn:
        for close, at in ((10.0, LATER), (20.0, LATER + timedelta(hours=1)), (10.0, LATER)):
            stored = await store.store_candles(conn, bars({0: close}), "crypto", at)
        assert stored.same == 1
        assert await closes(conn) == {0: (20, 1)}


async def test_a_failed_transaction_leaves_nothing(pool: Any) -> None:
    async with pool.acquire() as conn:
        await store.store_candles(conn, bars({0: 10}), "crypto", LATER)
        transaction = conn.transaction()
        await transaction.start()
        await store.store_candles(conn, bars({0: 11, 1: 12}), "crypto", LATER)
        await store.store_candles(conn, bars({0: 12, 5: 12}), "crypto", LATER)
        await transaction.rollback()
        assert await closes(conn) == {0: (10, 0)}
        assert await conn.fetchval("select count(*) from candle_revisions") == 0


async def test_writers_of_the_same_bars_at_the_same_time_do_not_collide(pool: Any) -> None:
    async def write(close: float) -> Stored:
        async with pool.acquire() as conn:
            return await store.store_candles(conn, bars(dict.fromkeys(range(50), close)), "crypto", LATER)

    results = await asyncio.gather(*(write(float(close)) for close in range(10, 18)))
    async with pool.acquire() as conn:
        final = await closes(conn)
        history = await conn.fetchval("select count(*) from candle_revisions")
    assert sum(result.new for result in results) == 50
    assert sum(result.revised for result in results) == history == 7 * 50
    assert {revision for _, revision in final.values()} == {7}


deliveries = st.lists(
    st.dictionaries(st.integers(0, 4), st.sampled_from([5.0, 6.0, 7.0]), min_size=1), min_size=1, max_size=6
)


@given(batches=deliveries)
# One database for all examples: each begins with empty tables.
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_of_deliveries_ends_with_the_last_values_and_the_whole_history(
    database_url: str, batches: list[dict[int, float]]
) -> None:
    async def check() -> None:
        conn = await asyncpg.connect(database_url)
        try:
            await conn.execute("truncate candles, candle_revisions")
            told: dict[int, list[float]] = {}
            for number, batch in enumerate(batches):
                stored = await store.store_candles(conn, bars(batch), "crypto", LATER + timedelta(hours=number))
                assert stored.new + stored.same + stored.revised == len(batch)
                for hour, close in batch.items():
                    said = told.setdefault(hour, [])
                    if not said or said[-1] != close:
                        said.append(close)
            rows = await conn.fetch("select ts, close, revision from candle_revisions order by ts, revision")
            history: dict[int, list[float]] = {hour: [] for hour in told}
            for row in rows:
                kept = history[(epoch(row["ts"]) - T0) // 3600]
                assert row["revision"] == len(kept)
                kept.append(row["close"])
            assert history == {hour: said[:-1] for hour, said in told.items()}
            assert await closes(conn) == {hour: (said[-1], len(said) - 1) for hour, said in told.items()}
        finally:
            await conn.close()

    asyncio.run(check())


async def test_a_refused_candle_is_counted_once_however_often_it_comes(pool: Any) -> None:
    refused = [RefusedCandle(0, T0, "high below low", "open=1"), RefusedCandle(1, 10**18, "in the future", "open=2")]
    async with pool.acquire() as conn:
        assert await store.store_refused(conn, "BTC/USDT", "1h", "test", refused) == 2
        assert await store.store_refused(conn, "BTC/USDT", "1h", "test", refused) == 0
        named = ["a.csv line 3", "a.csv line 9"]
        assert await store.store_refused(conn, "BTC/USDT", "1h", "test", refused, named) == 2
        places = [row["place"] for row in await conn.fetch("select place from refused_candles order by id")]
    assert places == ["2024-01-01T00:00:00Z", f"epoch {10**18}", "a.csv line 3", "a.csv line 9"]


async def test_feed_health_adds_up_and_gaps_say_the_present(pool: Any) -> None:
    plain = ("BTC/USDT", "test", "crypto", "1h")
    async with pool.acquire() as conn:
        first = FeedDelta(*plain, last_ts=moment(T0), bars=3, gaps=5, refused=1)  # type: ignore[arg-type]
        await store.update_feed_health(conn, first, LATER)
        second = FeedDelta(*plain, bars=2, gaps=2, repaired=3, revisions=1, error="down")  # type: ignore[arg-type]
        await store.update_feed_health(conn, second, LATER)
        await store.update_feed_health(conn, FeedDelta(*plain), LATER)  # type: ignore[arg-type]
        row = dict(await conn.fetchrow("select * from feed_health"))
    expected = {"bars": 5, "gaps": 2, "repaired": 3, "refused": 1, "revisions": 1, "errors": 1, "last_error": "down"}
    assert {name: row[name] for name in expected} == expected
    assert row["last_ts"] == START
