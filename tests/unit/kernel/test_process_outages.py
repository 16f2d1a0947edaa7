"""A process outlasts its servers' outages, and ends at once for an error that only a person can mend."""

import asyncio
import socket
from urllib.request import urlopen

import asyncpg
import pytest
from redis.exceptions import ConnectionError as RedisDown
from structlog.testing import capture_logs

from services.kernel import outages, process
from services.kernel.errors import StartRefused
from services.kernel.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outages, "RETRY_SECONDS", 0)


OUTAGES: list[Exception] = [
    RedisDown("gone"),
    OSError("gone"),
    asyncpg.CannotConnectNowError("gone"),
    ExceptionGroup("tasks", [ExceptionGroup("inner", [RedisDown("gone")])]),
]


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: type(outage).__name__)
async def test_starts_the_job_again_after_every_outage_and_says_so_in_one_line(outage: Exception) -> None:
    raised = [outage, outage]

    async def job() -> None:
        if raised:
            raise raised.pop()

    with capture_logs() as logs:
        await outages.outlast("ingestion-crypto", job)
    assert [line["log_level"] for line in logs] == ["warning"]
    assert all(line["error"].endswith(": gone") for line in logs)


async def test_an_error_that_no_waiting_mends_ends_the_job() -> None:
    async def refused() -> None:
        raise StartRefused("holds something else")

    async def both() -> None:
        raise ExceptionGroup("tasks", [RedisDown("gone"), ValueError("a fault of ours")])

    with pytest.raises(StartRefused):
        await outages.outlast("ingestion-crypto", refused)
    with pytest.raises(ExceptionGroup):
        await outages.outlast("ingestion-crypto", both)


async def test_health_is_served_until_cancelled_and_the_port_is_free_afterwards() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    serving = asyncio.ensure_future(process.serve_health(Settings(http_port=port), lambda: False))

    def ask() -> bytes | None:
        try:
            with urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as reply:
                content: bytes = reply.read()
                return content
        except OSError:
            return None

    answered = None
    while answered is None:
        answered = await asyncio.to_thread(ask)
    assert answered == b'{"status":"alive"}'
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert await asyncio.to_thread(ask) is None
