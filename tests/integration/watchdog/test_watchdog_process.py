"""The watchdog as a process: it looks, blocks and tells; in a replay it is healthy and does nothing."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import httpx
import pytest
from live_run import BTC, begin, commands_of
from loopback import Asked, Told, loopback

from services.kernel.database import connect_pool
from services.kernel.flags import raise_flag
from services.kernel.settings import Settings
from services.kernel.streams import connect
from services.standalone.watching import watch
from services.watchdog import __main__ as wiring
from services.watchdog.service import utc_now

Urls = tuple[str, str]


async def until(pool: Any, sql: str) -> None:
    """Wait until a statement answers true; the database is asked again as soon as it has answered."""
    async with asyncio.timeout(30):
        while not await pool.fetchval(sql):
            await asyncio.sleep(0.01)


async def ended(process: "asyncio.Task[None]") -> None:
    process.cancel()
    with suppress(asyncio.CancelledError):
        await process


@pytest.mark.parametrize("standalone", [False, True])
def test_a_flag_of_another_service_is_blocked_and_told(urls: Urls, standalone: bool, monkeypatch: Any) -> None:
    """The process, and the same as one task of the standalone platform."""

    async def go(url: str) -> None:
        pool = await connect_pool(urls[0], size=4)
        async with pool.acquire() as conn, conn.transaction():
            await begin(conn)
        monkeypatch.setenv("CHLOE_NOTIFY_URL", url)
        monkeypatch.setenv("CHLOE_REDIS_URL", urls[1])
        settings = Settings(database_url=urls[0], http_port=0, source="live")
        redis = connect(urls[1])
        # Raised after the first start, so that it is news; the next process finds it.
        first = asyncio.create_task(watch(pool, redis) if standalone else wiring.serve(settings))
        await until(pool, "select exists (select from stage_state where stage = 'watchdog')")
        await ended(first)
        await raise_flag(
            pool, "made_up", BTC, severity="critical", blocks="entries", detail="words", now=utc_now()
        )  # fmt: skip
        second = asyncio.create_task(watch(pool, redis) if standalone else wiring.serve(settings))
        await until(pool, "select exists (select from notifications where text like 'words.%' and told_at is not null)")
        await ended(second)
        assert ("block", BTC, "made_up: words") in [(c.name, c.subject, c.note) for c in await commands_of(pool)]
        await redis.aclose()
        await pool.close()

    def ok(_: Asked) -> Told:
        return Told({})

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with loopback(ok) as server:
        asyncio.run(go(f"{server.url}/hook"))
    titles = [json.loads(asked.body)["title"] for asked in server.asked]
    assert titles.count(f"Critical: made_up {BTC}") == 1


def test_in_a_replay_the_process_is_ready_and_looks_at_nothing(urls: Urls, unused_tcp_port: int) -> None:
    async def go() -> None:
        pool = await connect_pool(urls[0], size=2)
        async with pool.acquire() as conn, conn.transaction():
            await begin(conn)
            await conn.execute("delete from fills")
        settings = Settings(database_url=urls[0], redis_url=urls[1], http_port=unused_tcp_port, source="replay")
        process = asyncio.create_task(wiring.serve(settings))
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(30):
            status = 0
            while status != 200:
                with suppress(httpx.TransportError):
                    status = (await client.get(f"http://127.0.0.1:{unused_tcp_port}/ready")).status_code
                await asyncio.sleep(0.01)
        await ended(process)
        assert await pool.fetchval("select count(*) from system_flags") == 0
        assert await pool.fetchval("select count(*) from stage_state where stage = 'watchdog'") == 0
        await pool.close()

    asyncio.run(go())
