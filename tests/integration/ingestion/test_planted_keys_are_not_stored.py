"""Keys planted into requests, and into all that a provider answers, are in no table, stream or log line afterwards."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import asyncpg
import httpx
import pytest
from recording import Answer, Recorder, answering, keys_of

from services.ingestion.adapters import adapters, eia
from services.ingestion.observing import Observer
from services.ingestion.registry import Declared
from services.ingestion.settings import SourceSettings
from services.kernel.logging import configure
from services.kernel.streams import Streams, connect

pytestmark = pytest.mark.anyio

NOW = datetime(2025, 6, 18, 20, tzinfo=UTC)
LOGS_IN = {"reddit"}  # over its own library, past the recorder
VALUES = [name for name in adapters() if name not in LOGS_IN and not adapters()[name].GIVES & {"candles"}]


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
    yield Streams(redis, "planted")
    await redis.aclose()


async def look(module: ModuleType, answer: Answer, pool: Any, streams: Streams) -> Recorder:
    """Let the platform's own observer look once at a source."""
    recorder = Recorder(answer)
    source = module.connect(keys_of(module.NEEDS), http=recorder.http, clock=lambda: NOW)
    declared = Declared(module.NAME, SourceSettings(family=module.FAMILY, adapter=module.NAME), module, ())
    observer = Observer(source, declared, pool, streams, {"TSLA": "stocks"}, lambda: NOW)
    await observer.once()
    await source.close()
    return recorder


async def everything_stored(pool: Any, redis_url: str) -> str:
    """All rows of all tables and all entries of all streams, as text."""
    tables = await pool.fetch("select tablename from pg_tables where schemaname = 'public'")
    rows = [str(row[0]) for t in tables for row in await pool.fetch(f'select t::text from "{t[0]}" as t')]
    redis = connect(redis_url)
    entries = [
        str(await redis.xrange(key)) for key in await redis.keys("*") if await redis.type(key) in (b"stream", "stream")
    ]
    await redis.aclose()
    return "\n".join([*rows, *entries])


@pytest.mark.parametrize("name", VALUES)
async def test_what_a_failure_leaves_behind_is_clean(
    name: str, pool: Any, streams: Streams, redis_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    configure("DEBUG", readable=False)
    module = adapters()[name]
    keys = list(keys_of(module.NEEDS).values())
    said = " ".join(keys) or "nothing"
    told = json.dumps({"error": said, "message": said, "request": {"api_key": said}})
    for reply in (
        httpx.Response(401, content=told),
        httpx.Response(403, content=told),
        httpx.Response(200, content=told),
        httpx.ConnectError(f"no way to https://{name}.example/?api_key={said}"),
    ):
        recorder = await look(module, answering(reply), pool, streams)
        assert recorder.requests
    stored, logged = await everything_stored(pool, redis_url), "".join(capfd.readouterr())
    assert "no values" in logged
    assert name in stored, "the failure is in the health of the source"
    assert not [key for key in keys if key in stored + logged]


async def test_what_a_reply_that_repeats_the_key_leaves_behind_is_clean(
    pool: Any, streams: Streams, redis_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """EIA repeats every parameter, the key included. The reply is made by hand."""
    configure("DEBUG", readable=False)
    (key,) = keys_of(eia.NEEDS).values()

    def answer(request: httpx.Request) -> httpx.Response:
        row = {"period": "2025-06-06", "series": request.url.params["facets[series][]"], "value": "64.5", "units": "$"}
        echo = {"command": "/v2/", "params": dict(request.url.params)}
        return httpx.Response(200, json={"response": {"total": "1", "data": [row]}, "request": echo})

    recorder = await look(eia, answer, pool, streams)
    assert all(request.url.params["api_key"] == key for request in recorder.requests)
    assert await pool.fetchval("select count(*) from leading_indicators where source = 'eia'") > 0
    assert key not in await everything_stored(pool, redis_url) + "".join(capfd.readouterr())
