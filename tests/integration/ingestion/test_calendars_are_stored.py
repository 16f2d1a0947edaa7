"""Every adapter that gives a calendar fills the table of events through the observer. Replies are hand-made."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import pytest
from recording import Recorder, keys_of

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.ingestion.adapters import adapters
from services.ingestion.observing import Observer
from services.ingestion.registry import Declared, declared
from services.ingestion.settings import DataSources, SourceSettings
from services.kernel.config import load
from services.kernel.streams import Streams, connect

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)
CLASSES = {"NVDA": "stocks", "TSLA": "stocks"}
Row = tuple[str, str | None, datetime, str]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def pool(database_url: str, anyio_backend: str) -> AsyncIterator[Any]:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=3, server_settings={"timezone": "UTC"}) as opened:
        yield opened


def fred(_: httpx.Request, cpi: str) -> httpx.Response:
    rows = [{"release_id": 10, "release_name": "Consumer Price Index", "date": cpi}]
    rows.append({"release_id": 999, "release_name": "Something else", "date": cpi})
    return httpx.Response(200, json={"count": 2, "offset": 0, "limit": 1000, "release_dates": rows})


def unusual_whales(request: httpx.Request, day: str) -> httpx.Response:
    data: list[dict[str, Any]] = []
    if request.url.path.endswith("economic-calendar"):
        data = [{"event": "Retail sales", "time": f"{day}T12:30:00Z", "type": "report", "reported_period": "February"}]
    elif request.url.path.endswith("/NVDA"):
        data = [{"report_date": day, "report_time": "postmarket", "ending_fiscal_quarter": "2026-01-31"}]
    return httpx.Response(200, json={"data": data})


def alpha_vantage(_: httpx.Request, day: str) -> httpx.Response:
    rows = ["symbol,name,reportDate,fiscalDateEnding,estimate,currency", f"NVDA,NVIDIA,{day},2026-01-31,1,USD"]
    return httpx.Response(200, text="\n".join([*rows, f"ZZZZ,Somebody else,{day},2026-01-31,1,USD", ""]))


def at(day: int, hour: int, minute: int) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


CASES: Mapping[str, tuple[Callable[[httpx.Request, str], httpx.Response], Callable[[int], set[Row]]]] = {
    "fred": (fred, lambda day: {("Consumer Price Index", None, at(day, 12, 30), "high")}),
    "unusual_whales": (
        unusual_whales,
        lambda day: {
            ("Retail sales", None, at(day, 12, 30), "medium"),
            ("NVDA earnings", "NVDA", at(day, 20, 5), "high"),
        },
    ),
    "alpha_vantage": (alpha_vantage, lambda day: {("NVDA earnings", "NVDA", at(day, 4, 0), "high")}),
}


def test_every_declared_source_of_a_calendar_is_tried_here() -> None:
    found = declared(load(DataSources, "data_sources.yaml"), {})
    assert {one.name for one in found if "calendar" in one.gives} == set(CASES)
    assert {name for name, module in adapters().items() if "calendar" in module.GIVES} == set(CASES)


async def looks(name: str, pool: Any, redis_url: str, *days: str) -> set[Row]:
    """Look once for each day that the provider names, and return what is stored then."""
    reply, told_day = CASES[name][0], [days[0]]
    module, redis = adapters()[name], connect(redis_url)
    only_calendar: Any = type("Module", (), {"GIVES": frozenset({"calendar"}), "NEEDS": module.NEEDS})
    assets = load(AssetsConfig, ASSETS_FILE)
    told = {s: a.venue_symbols[name] for s, a in assets.assets.items() if name in a.venue_symbols}
    recorder = Recorder(lambda request: reply(request, told_day[0]))
    source = module.connect(keys_of(module.NEEDS), symbols=told, clock=lambda: NOW, http=recorder.http)
    line = Declared(name, SourceSettings(family=module.FAMILY, adapter=name), only_calendar, ())
    observer = Observer(source, line, pool, Streams(redis, name), CLASSES, lambda: NOW)
    for told_day[0] in days:
        await observer.once()
    await source.close()
    await redis.aclose()
    assert await pool.fetchval("select errors from feed_health where source = $1 and symbol = '*'", name) == 0
    rows = await pool.fetch(
        "select name, symbol, scheduled_at, importance, source, available_at from economic_calendar"
    )
    assert {(row["source"], row["available_at"] <= NOW) for row in rows} == {(name, True)}
    return {(row["name"], row["symbol"], row["scheduled_at"], row["importance"]) for row in rows}


@pytest.mark.parametrize("name", sorted(CASES))
async def test_events_land_in_the_table_once_and_only_of_our_symbols(name: str, pool: Any, redis_url: str) -> None:
    assert await looks(name, pool, redis_url, "2026-03-18", "2026-03-18") == CASES[name][1](18)


@pytest.mark.parametrize("name", ["alpha_vantage", "unusual_whales"])
async def test_an_event_that_is_moved_moves(name: str, pool: Any, redis_url: str) -> None:
    assert await looks(name, pool, redis_url, "2026-03-18", "2026-03-19") == CASES[name][1](19)
