"""Values other than candles: stored once, revised as vintages, published, and failures counted."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from services.contracts.messages import IndicatorObserved, decode
from services.ingestion import flags
from services.ingestion import observation_store as store
from services.ingestion.errors import BadKey, FeedError, SourceDown
from services.ingestion.observations import (
    CalendarEvent,
    DominanceReading,
    Observation,
    OptionsAlert,
    QuoteReading,
    SocialReading,
)
from services.ingestion.observing import LONG_PAUSE_SECONDS, Observer
from services.ingestion.registry import Declared
from services.ingestion.settings import SourceSettings
from services.kernel.streams import Streams, connect

pytestmark = pytest.mark.anyio

T0 = datetime(2024, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CLASSES = {"BTC/USDT": "crypto", "GME": "meme"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def pool(database_url: str, anyio_backend: str) -> AsyncIterator[Any]:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=4, server_settings={"timezone": "UTC"}) as opened:
        yield opened


@pytest.fixture
async def streams(redis_url: str, anyio_backend: str) -> AsyncIterator[Streams]:
    redis = connect(redis_url)
    yield Streams(redis, "made_up")
    await redis.aclose()


class MadeUp:
    """A made-up source of everything."""

    def __init__(self) -> None:
        self.values: list[Observation] = []
        self.error: FeedError | None = None
        self.asked_since: list[datetime] = []

    async def observe(self, since: datetime) -> list[Observation]:
        self.asked_since.append(since)
        if self.error is not None:
            raise self.error
        return self.values

    async def mentions(self, symbols: list[str], since: datetime) -> list[SocialReading]:
        reading = SocialReading("GME", T0, T0, 7, 0.4, 0.6, 0.1, {"squeeze": 3})
        return [reading, SocialReading("UNKNOWN", T0, T0, 1, None, None, None, {})]

    async def alerts(self, since: datetime) -> list[OptionsAlert]:
        contract = "GME240621C00030000"
        return [
            OptionsAlert("GME", T0, T0, contract, "call", Decimal(30), date(2024, 6, 21), Decimal(99000), None, "r")
        ]

    async def dominance(self) -> DominanceReading:
        return DominanceReading(T0, T0, 54.2, 4.4, 2.3e12)

    async def events(self, since: datetime, until: datetime) -> list[CalendarEvent]:
        return [CalendarEvent("cpi-2024-05", "CPI", None, T0 + 24 * HOUR, T0, "high")]


def declared(*gives: str) -> Declared:
    module: Any = SimpleNamespace(GIVES=frozenset(gives), NEEDS=())
    return Declared("made_up", SourceSettings(family="macro", adapter="made_up"), module, ())


def observer(source: MadeUp, pool: Any, streams: Streams, *gives: str) -> Observer:
    return Observer(source, declared(*gives), pool, streams, CLASSES, lambda: T0)


async def test_a_value_is_stored_and_published_once(pool: Any, streams: Streams) -> None:
    source = MadeUp()
    source.values = [Observation("x.hash_rate", "BTC/USDT", 5.0, T0 - HOUR, T0)]
    one = observer(source, pool, streams, "indicators")
    await one.once()
    source.values = [Observation("x.hash_rate", "BTC/USDT", 5.0, T0 - HOUR, T0 + HOUR)]  # the same, seen later
    await one.once()
    rows = await pool.fetch("select name, symbol, value, observed_at, available_at from leading_indicators")
    assert [tuple(row) for row in rows] == [("x.hash_rate", "BTC/USDT", 5.0, T0 - HOUR, T0)]
    entries = await streams.redis.xrange("ingestion.indicators")
    (message,) = [decode(fields["body"]) for _, fields in entries]
    assert isinstance(message, IndicatorObserved)
    assert (message.value, message.available_at, message.source) == (5.0, T0, "made_up")


async def test_a_revision_is_a_vintage_with_a_time_of_its_own(pool: Any, streams: Streams) -> None:
    source = MadeUp()
    one = observer(source, pool, streams, "indicators")
    for value, seen in ((1.0, T0), (1.2, T0 + HOUR), (1.2, T0 + 2 * HOUR), (1.0, T0 + 3 * HOUR)):
        source.values = [Observation("gdp", None, value, T0 - 90 * HOUR, seen)]
        await one.once()
    rows = await pool.fetch("select value, available_at, symbol from leading_indicators order by available_at")
    assert [tuple(row) for row in rows] == [(1.0, T0, ""), (1.2, T0 + HOUR, ""), (1.0, T0 + 3 * HOUR, "")]


async def test_the_next_look_reaches_back_behind_the_newest_value(pool: Any, streams: Streams) -> None:
    source = MadeUp()
    source.values = [Observation("x", None, 1.0, T0 - HOUR, T0)]
    one = observer(source, pool, streams, "indicators")
    await one.once()
    await one.once()
    assert source.asked_since == [T0 - timedelta(days=120), T0 - HOUR - timedelta(days=3)]


async def test_everything_else_is_stored_once_and_unknown_symbols_are_left_out(pool: Any, streams: Streams) -> None:
    one = observer(MadeUp(), pool, streams, "social", "options_flow", "dominance", "calendar")
    await one.once()
    await one.once()
    social = await pool.fetchrow("select symbol, asset_class, mentions, bullish, keywords::text from social_sentiment")
    assert tuple(social) == ("GME", "meme", 7, 0.6, '{"squeeze": 3}')
    for table in ("social_sentiment", "options_flow", "dominance", "economic_calendar"):
        assert await pool.fetchval(f"select count(*) from {table}") == 1, table
    assert await pool.fetchval("select btc_d from dominance") == 54.2


@pytest.mark.parametrize(("error", "pause"), [(SourceDown("gone"), 900.0), (BadKey("no"), LONG_PAUSE_SECONDS)])
async def test_a_failure_is_counted_and_the_next_look_waits_as_it_deserves(
    error: FeedError, pause: float, pool: Any, streams: Streams
) -> None:
    source = MadeUp()
    source.error = error
    assert await observer(source, pool, streams, "indicators").once() == pause
    health = await pool.fetchrow("select symbol, source, errors, last_error from feed_health")
    assert tuple(health) == ("*", "made_up", 1, str(error))


async def test_a_one_sided_quote_is_not_stored(pool: Any) -> None:
    whole = QuoteReading("GME", T0, Decimal("9.99"), Decimal("10.01"))
    async with pool.acquire() as conn:
        assert await store.save_quotes(conn, "s", CLASSES, [QuoteReading("GME", T0, None, Decimal(10))]) == 0
        assert await store.save_quotes(conn, "s", CLASSES, [whole, whole]) == 2
        assert await store.save_quotes(conn, "s", CLASSES, [whole]) == 1
        assert await conn.fetchval("select count(*) from quotes") == 1


async def test_a_flag_is_up_once_and_can_come_again(pool: Any) -> None:
    async with pool.acquire() as conn:
        for n in range(2):
            await flags.raise_flag(conn, flags.SOURCES_DISAGREE, "BTC/USDT", "a and b", T0 + n * HOUR)
        await flags.clear(conn, flags.SOURCES_DISAGREE, "BTC/USDT", T0 + 2 * HOUR)
        await flags.raise_flag(conn, flags.SOURCES_DISAGREE, "BTC/USDT", "again", T0 + 3 * HOUR)
        rows = await conn.fetch("select detail, cleared_at from system_flags order by raised_at")
    assert [tuple(row) for row in rows] == [("a and b", T0 + 2 * HOUR), ("again", None)]
