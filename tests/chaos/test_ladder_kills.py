"""The ladder with services killed at random: the same log, trades, fills and equity as in the back-test."""

import asyncio
import pickle
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import ladder_sample
import ledgers
import psycopg
import pytest
import redis as redis_sync
from processes import KINDS, LOOK_SECONDS, PATIENCE_SECONDS, Services
from psycopg import conninfo
from psycopg.rows import dict_row
from replays import AHEAD_HOURS, CHUNK_HOURS
from test_kills import SEED

from services.contracts.messages import Fill, Trade
from services.domain.ledger import fills_jsonl, trades_jsonl
from services.inference import store as models
from services.ingestion.replay import claim
from services.ingestion.service import AHEAD_SLICES, CHUNK_SLICES
from services.kernel import database
from services.phases.chain_check import as_lines
from services.phases.store import read_log
from services.standalone.replay import REACHED, reached_end
from services.standalone.servers import Servers

KILLS = 20
"""At least so many in the eleven days; a round that ends earlier kills too seldom to say anything."""
LONGEST_PAUSE_SECONDS = 2.0 if ladder_sample.YEARS else 0.12
SPACED = (CHUNK_SLICES, AHEAD_SLICES) if ladder_sample.YEARS else (CHUNK_HOURS, AHEAD_HOURS)
PATIENCE = 7200.0 if ladder_sample.YEARS else PATIENCE_SECONDS


@contextmanager
def prepared(server_url: str, template: str) -> Iterator[str]:
    """Make a database that holds the models and is claimed for the replay; drop it afterwards."""
    name = f"ladder_{uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute(f"create database {name} template {template}")
    url = f"postgresql://postgres@/{name}?host={conninfo.conninfo_to_dict(server_url)['host']}"
    try:
        asyncio.run(_register(url))
        yield url
    finally:
        with psycopg.connect(server_url, autocommit=True) as conn:
            conn.execute(f"drop database {name} with (force)")


async def _register(url: str) -> None:
    told = ladder_sample.told(ladder_sample.SHORT)
    pool = await database.connect_pool(url, size=1)
    async with pool.acquire() as conn, conn.transaction():
        await claim(conn, told.recorded, "1h")
        await models.save_models(conn, told.trained)
    await pool.close()


def disturb(running: Services, url: str, rng: random.Random) -> Counter[str]:
    """Kill and restart whatever chance names, until the replay has reached its end."""
    deadline, kills = time.monotonic() + PATIENCE, Counter[str]()
    running.start(*KINDS)
    with psycopg.connect(url, autocommit=True) as conn:
        while not _ended(conn):
            assert time.monotonic() < deadline, f"stuck\n{running.told()}"
            pause = time.monotonic() + rng.uniform(0, LONGEST_PAUSE_SECONDS)
            while time.monotonic() < pause:  # to kill at a random moment is the point of this test
                time.sleep(LOOK_SECONDS)
            running.check()
            name = rng.choice(sorted(running.running))
            running.kill(name)
            running.start(name)
            kills[name] += 1
    return kills


def _ended(conn: "psycopg.Connection[tuple[object, ...]]") -> bool:
    row = conn.execute(REACHED).fetchone()
    assert row is not None
    return reached_end(ladder_sample.BEGINS, ladder_sample.SHORT, *row)  # type: ignore[arg-type]


async def _log(url: str) -> bytes:
    pool = await database.connect_pool(url, size=1)
    async with pool.acquire() as conn:
        found = as_lines(await read_log(conn))
    await pool.close()
    return found


def _ledger(url: str) -> tuple[bytes, bytes, list[tuple[Any, ...]]]:
    """Read the ledger; two years leave more messages than the outbox keeps, so those are not compared."""
    with psycopg.connect(url, options="-c timezone=UTC") as conn:
        with conn.cursor(row_factory=dict_row) as cursor:
            trades = [Trade(**row) for row in cursor.execute(ledgers.TRADES)]
            fills = [Fill(**row) for row in cursor.execute(ledgers.FILLS)]
        equity = conn.execute("select ts, equity from portfolio_equity order by ts").fetchall()
    return trades_jsonl(trades), fills_jsonl(fills), equity


@pytest.mark.slow
def test_the_ladder_of_killed_services_is_the_ladder_of_the_backtest(
    servers: Servers, template: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ladder_sample.told(ladder_sample.SHORT)
    changes = Counter[str](e.activation.change for e in told.expected.log)
    assert min(changes[change] for change in ladder_sample.CHANGES[:-1]) >= 1, changes
    recorded = tmp_path / "recorded.pickle"
    recorded.write_bytes(pickle.dumps(told.recorded))
    redis_sync.Redis.from_url(servers.redis_url).flushall()
    with prepared(servers.database_url, template) as url:
        spec = {"recorded": str(recorded), "config": str(ladder_sample.config()), "redis_url": servers.redis_url}
        spaced = {"chunk_hours": SPACED[0], "ahead_hours": SPACED[1]}
        with Services(tmp_path / "run", database_url=url, **spec, **spaced) as running:
            kills = disturb(running, url, random.Random(SEED))
        log, trades, fills, equity = (asyncio.run(_log(url)), *_ledger(url))
    with capsys.disabled():
        print(f"\n  {kills.total()} kills: {dict(kills)}", end="")  # noqa: T201
    assert kills.total() >= KILLS, kills
    assert log == as_lines(told.expected.log)
    assert trades == trades_jsonl(told.expected.trades)
    assert fills == fills_jsonl(told.expected.fills)
    assert equity == told.expected.equity
