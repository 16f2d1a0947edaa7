"""One short replay of the sample, the ledger that it must give, and databases that are ready to run it."""

import asyncio
import atexit
import pickle
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import few_models
import psycopg
import redis as redis_sync
from ledgers import Ledger
from ledgers import read as read_ledger
from processes import KINDS, Services, wait_until
from psycopg import conninfo

from services.domain.ledger import fills_jsonl, trades_jsonl
from services.inference import settings
from services.inference import store as models
from services.inference.registry import TrainedModel
from services.inference.walk_forward import walk_forward
from services.ingestion.replay import Recorded, claim
from services.kernel import database
from services.research.backtest import BacktestResult, backtest
from services.research.history import forecasts, market_of, slices
from services.research.parameters import load_parameters
from services.standalone.replay import REACHED, reached_end

BEGINS = datetime(2024, 8, 1, tzinfo=UTC)
UNTIL = datetime(2024, 8, 13, tzinfo=UTC)
CHUNK_HOURS, AHEAD_HOURS = 6, 18
"""Small steps of the source keep every process busy to the end, so that kills meet all of them at work."""


@dataclass(frozen=True, slots=True)
class Told:
    """The recorded candles, the models that were trained on them, and the back-test's result."""

    recorded: Recorded
    trained: tuple[TrainedModel, ...]
    expected: BacktestResult


@cache
def config() -> Path:
    """Write the configuration of all these replays once a session: few models, the ensemble of them, many trades."""
    parent = Path(tempfile.mkdtemp(prefix="chloe-config-"))
    atexit.register(shutil.rmtree, parent, ignore_errors=True)
    return few_models.write_config(parent / "config")


@cache
def told() -> Told:
    """Read, train and back-test once a session."""
    recorded = few_models.short_replay(BEGINS, UNTIL)
    configured, parameters = settings.load(config(), replay=True), load_parameters(config())
    trained = tuple(walk_forward(market_of(recorded.series, configured), configured))
    closed = slices(recorded.series, recorded.span)
    made = forecasts(recorded.series, closed, configured, trained)
    sources = {name: "replay" in one.sources for name, one in parameters.assets.classes.items()}
    return Told(recorded, trained, backtest(zip(closed, made, strict=True), parameters, sources))


@contextmanager
def prepared(server_url: str, template: str) -> Iterator[str]:
    """Make a database that is migrated, seeded, claimed for the replay and holds the models; drop it afterwards."""
    name = f"chaos_{uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute(f"create database {name} template {template}")
    url = f"postgresql://postgres@/{name}?host={conninfo.conninfo_to_dict(server_url)['host']}"
    try:
        asyncio.run(register(url))
        yield url
    finally:
        with psycopg.connect(server_url, autocommit=True) as conn:
            conn.execute(f"drop database {name} with (force)")


async def register(url: str) -> None:
    """Claim a migrated and seeded database for the replay and store the models."""
    pool = await database.connect_pool(url, size=1)
    async with pool.acquire() as conn, conn.transaction():
        await claim(conn, told().recorded, "1h")
        await models.save_models(conn, told().trained)
    await pool.close()


def services(folder: Path, database_url: str, redis_url: str, **spec: Any) -> Services:
    """Make the parent of the service processes for the replay, on an emptied Redis."""
    redis_sync.Redis.from_url(redis_url).flushall()
    folder.mkdir(parents=True, exist_ok=True)
    recorded = folder / "recorded.pickle"
    recorded.write_bytes(pickle.dumps(told().recorded))
    spaced: dict[str, Any] = {"chunk_hours": CHUNK_HOURS, "ahead_hours": AHEAD_HOURS, **spec}
    urls = {"database_url": database_url, "redis_url": redis_url}
    return Services(folder, recorded=str(recorded), config=str(config()), **urls, **spaced)


class Progress:
    """How far a replay is, seen from outside; a database that is away or empty is at its beginning."""

    def __init__(self, database_url: str) -> None:
        self.url = database_url
        self._conn: psycopg.Connection[Any] | None = None

    def look(self) -> tuple[int, bool]:
        """Return the number of slices settled so far, and whether the replay has reached its end."""
        try:
            self._conn = self._conn or psycopg.connect(self.url, autocommit=True)
            row = self._conn.execute(REACHED).fetchone()
        except (psycopg.OperationalError, psycopg.errors.UndefinedTable):
            self.close()
            return 0, False
        assert row is not None
        settled = row[0]
        count = 0 if settled is None else int((settled - BEGINS) / timedelta(hours=1))
        return count, reached_end(BEGINS, UNTIL, *row)

    def ended(self) -> bool:
        """Say whether the replay has reached its end."""
        return self.look()[1]

    def close(self) -> None:
        """Let go of the connection."""
        if self._conn is not None:
            self._conn.close()
        self._conn = None


@cache
def undisturbed(server_url: str, template: str, redis_url: str) -> Ledger:
    """Return the ledger of a run that nobody disturbs, every service a process of its own; run once a session."""
    with tempfile.TemporaryDirectory() as folder, prepared(server_url, template) as url:
        progress = Progress(url)
        with services(Path(folder), url, redis_url) as running:
            running.start(*KINDS)

            def ended() -> bool:
                running.check()
                return progress.ended()

            wait_until(ended, what="the undisturbed replay")
        progress.close()
        found = read_ledger(url)
    assert_equals_backtest(found)
    return found


def assert_equals_backtest(found: Ledger) -> None:
    """Compare the ledger files and the equity with the back-test's."""
    expected = told().expected
    assert len(expected.trades) >= 5, "the replay is meant to trade"
    assert found.parts["trades.jsonl"] == trades_jsonl(expected.trades)
    assert found.parts["fills.jsonl"] == fills_jsonl(expected.fills)
    equity = [line.split(b"\t")[2] for line in found.parts["portfolio_equity"].splitlines()]
    assert equity == [f"{amount:.8f}".encode() for _, amount in expected.equity]
