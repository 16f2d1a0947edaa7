"""Shared fixtures: one embedded PostgreSQL and Redis a test run, a migrated and seeded database a test."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import redis as redis_sync
import structlog
from psycopg import conninfo

from services.kernel import database
from services.kernel.migrate import migrate
from services.phases.service import load_params
from services.phases.store import seed
from services.standalone import servers as embedded

# One thread a library, as the services run: libraries that share two processors by threads wait for each other most of
# the time. Read when torch or a BLAS is first imported.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

SAMPLE = Path(__file__).parents[1] / "sample"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Undo what a test has set up for a process of its own: a command run in here leaves its level to all others."""
    before = structlog.get_config() if structlog.is_configured() else None
    yield
    if before is None:
        structlog.reset_defaults()
    else:
        structlog.configure(**before)


@pytest.fixture(scope="session")
def servers() -> Iterator[embedded.Servers]:
    """Real servers of our own, in a folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="chloe-") as folder:
        started = embedded.start(Path(folder) / "d")
        yield started
        started.stop()


@pytest.fixture(scope="session")
def template(servers: embedded.Servers) -> str:
    """A migrated and seeded database that tests copy."""
    url = _create(servers, "chloe_template", None)
    migrate(url)
    asyncio.run(_seed(url))
    return "chloe_template"


@pytest.fixture
def database_url(servers: embedded.Servers, template: str) -> Iterator[str]:
    """A database of the test's own, migrated and seeded."""
    name = f"t_{uuid4().hex}"
    yield _create(servers, name, template)
    with psycopg.connect(servers.database_url, autocommit=True) as conn:
        conn.execute(f"drop database {name} with (force)")


@pytest.fixture
def redis_url(servers: embedded.Servers) -> str:
    """The Redis server, emptied."""
    redis_sync.Redis.from_url(servers.redis_url).flushall()
    return servers.redis_url


def _create(servers: embedded.Servers, name: str, template: str | None) -> str:
    with psycopg.connect(servers.database_url, autocommit=True) as conn:
        source = f" template {template}" if template else ""
        conn.execute(f"create database {name}{source}")
    parts = conninfo.conninfo_to_dict(servers.database_url)
    return f"postgresql://postgres@/{name}?host={parts['host']}"


async def _seed(url: str) -> None:
    pool = await database.connect_pool(url, size=1)
    async with pool.acquire() as conn, conn.transaction():
        await seed(conn, load_params())
    await pool.close()
