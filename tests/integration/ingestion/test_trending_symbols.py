"""Hand-made posts through praw, the observer and the tables: which tickers trend. Reddit is a server on loopback."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from loopback import Asked, Loopback, Told, loopback
from recording import Recorder

from services.ingestion.adapters import reddit
from services.ingestion.observing import Observer
from services.ingestion.registry import Declared
from services.ingestion.settings import SourceSettings
from services.kernel.streams import Streams, connect

pytestmark = pytest.mark.anyio

T0 = datetime(2026, 3, 4, 15, 20, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
KEYS = {"REDDIT_CLIENT_ID": "planted-id-55", "REDDIT_CLIENT_SECRET": "planted-secret-77"}
"""Not one of them is anybody's."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def pool(database_url: str, anyio_backend: str) -> AsyncIterator[Any]:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=4, server_settings={"timezone": "UTC"}) as opened:
        yield opened


class Forum:
    """Posts of r/stocks by when they were written; listed newest first, as Reddit does."""

    def __init__(self) -> None:
        self.posts: list[tuple[datetime, str]] = []
        self.now = T0

    def respond(self, asked: Asked) -> Told:
        if asked.method == "POST":
            return Told({"access_token": "t", "token_type": "bearer", "expires_in": 3600, "scope": "*"})
        children = []
        if asked.path.rstrip("/") == "/r/stocks/new":
            for n, (at, text) in sorted(enumerate(self.posts), key=lambda post: post[1], reverse=True):
                data = {"id": f"p{n}", "name": f"t3_p{n}", "title": text, "selftext": "", "author": "somebody"}
                children.append({"kind": "t3", "data": data | {"score": 1, "created_utc": at.timestamp()}})
        return Told({"kind": "Listing", "data": {"after": None, "before": None, "children": children}})


async def counted(pool: Any, since: datetime, until: datetime, **mentions: int) -> None:
    """Put what was counted in earlier times into the table."""
    rows = [(since, until, "reddit", ticker, n) for ticker, n in ({"": 1000} | mentions).items()]
    await pool.executemany("insert into social_counts values ($1, $2, $3, $4, $5)", rows)


async def look(pool: Any, redis_url: str, server: Loopback, forum: Forum) -> None:
    redis = connect(redis_url)
    source = reddit.connect(KEYS, base_url=server.url, clock=lambda: forum.now, http=Recorder().http)
    settings = SourceSettings(family="sentiment", adapter="reddit", every_seconds=300)
    classes = {"GME": "meme", "BTC/USDT": "crypto"}
    one = Declared("reddit", settings, reddit, ())
    try:
        await Observer(source, one, pool, Streams(redis, "reddit"), classes, lambda: forum.now).once()
    finally:
        await source.close()
        await redis.aclose()


async def trending(pool: Any) -> list[tuple[Any, ...]]:
    rows = await pool.fetch("select ts, place, ticker, symbol, mentions, usual from social_trending order by ts, place")
    return [tuple(row) for row in rows]


async def test_what_stands_out_of_the_last_day_is_stored_with_its_place(pool: Any, redis_url: str) -> None:
    forum = Forum()
    await counted(pool, T0 - 15 * DAY, T0 - DAY, GME=14, NVDA=14 * 50, BTC=14 * 2)
    await counted(pool, T0 - DAY, T0 - HOUR, GME=2, NVDA=50, BTC=8)
    forum.posts = [(T0 - timedelta(minutes=n), "$GME $GME YOLO by the CEO") for n in range(1, 9)]
    forum.posts += [(T0 - timedelta(minutes=3), "$RKLB and NVDA")] * 2
    with loopback(forum.respond) as server:
        await look(pool, redis_url, server, forum)
    (first, second) = await trending(pool)
    assert first[:5] == (T0, 1, "GME", "GME", 10)
    assert second[:5] == (T0, 2, "BTC", "BTC/USDT", 8)
    # The last day was listened to for 23 hours and the ten minutes of this look.
    assert first[5] == pytest.approx((23 + 1 / 6) / 24)


async def test_an_hour_has_one_ranking_and_a_text_counts_once(pool: Any, redis_url: str) -> None:
    forum = Forum()
    await counted(pool, T0 - 15 * DAY, T0 - DAY, GME=14)
    forum.posts = [(T0 - timedelta(minutes=n), "$GME") for n in range(1, 8)]
    with loopback(forum.respond) as server:
        await look(pool, redis_url, server, forum)
        forum.now += timedelta(minutes=5)
        forum.posts.append((T0 + timedelta(minutes=1), "$GME again"))
        await look(pool, redis_url, server, forum)
        assert [row[0] for row in await trending(pool)] == [T0]
        forum.now += timedelta(minutes=40)
        await look(pool, redis_url, server, forum)
    assert [(row[0], row[4]) for row in await trending(pool)] == [(T0, 7), (T0 + timedelta(minutes=45), 8)]
    rows = await pool.fetch(
        "select since, until from social_counts where ticker = '' and until > $1 order by 1", T0 - DAY
    )
    spans = [(row[0], row[1]) for row in rows]
    assert spans[0][1] == spans[1][0] == T0, "intervals adjoin"
    assert spans[2][0] == forum.now - timedelta(minutes=10), "the time that was not listened to is left out"


async def test_without_a_trailing_average_counts_are_stored_and_nothing_trends(pool: Any, redis_url: str) -> None:
    forum = Forum()
    forum.posts = [(T0 - timedelta(minutes=1), "$GME")] * 9
    with loopback(forum.respond) as server:
        await look(pool, redis_url, server, forum)
    assert await trending(pool) == []
    rows = await pool.fetch("select ticker, mentions from social_counts order by ticker")
    assert [tuple(row) for row in rows] == [("", 9), ("GME", 9)]
