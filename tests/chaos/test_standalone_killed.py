"""``chloe standalone`` killed while it trains and while it replays: started again, it continues where it was."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ledgers
import psycopg
import pytest
from processes import ROOT, wait_until
from replays import BEGINS, UNTIL, Progress, assert_equals_backtest, config, told, undisturbed

from services.domain.candles import FIELDS, moment
from services.kernel.config import ENV as CONFIG_DIR
from services.standalone import servers as embedded

KILLED = -signal.SIGKILL
STARTED = "select count(*) from run"
SETTLED = "select ts, closed_at from slices where ts <= (select slice_ts from stage_state where stage = 'execution')"


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder whose path is short enough for a socket; its servers are stopped whatever happens."""
    with tempfile.TemporaryDirectory(prefix="chloe-") as folder:
        data = Path(folder) / "d"
        yield data
        if (data / "pg" / "postmaster.pid").exists():
            embedded.start(data).stop()


@pytest.mark.slow
def test_standalone_killed_in_training_and_replay_continues_where_it_was(
    servers: embedded.Servers, template: str, data: Path, tmp_path: Path
) -> None:
    expected = undisturbed(servers.database_url, template, servers.redis_url)
    recorded = write_csv(tmp_path / "recorded")
    url = f"postgresql://postgres@/chloe?host={data / 'pg'}"
    progress = Progress(url)

    kill_when(lambda: bool(rows(url, STARTED) > [(0,)]), data, recorded, tmp_path)
    assert progress.look() == (0, False), "the first kill was meant to come before the replay"
    settled: list[Any] = []
    for share in (0.2, 0.6):
        wanted = int(told().recorded.slices * share)
        kill_when(lambda wanted=wanted: progress.look()[0] >= wanted, data, recorded, tmp_path)
        assert not progress.ended(), "the replay was over before it was killed"
        assert set(settled) <= set(rows(url, SETTLED)), "slices that were settled before have been closed again"
        settled = rows(url, SETTLED)
    progress.close()

    with standalone(data, recorded, tmp_path) as running:
        assert running.wait(timeout=120) == 0, log_of(tmp_path)
    assert not (data / "pg" / "postmaster.pid").exists(), "PostgreSQL was left running"
    started = embedded.start(data)
    assert set(settled) <= set(rows(url, SETTLED)), "slices that were settled before have been closed again"
    found = ledgers.read(url)
    started.stop()
    # Only the source's promises differ: standalone delivers in larger chunks.
    ledgers.assert_equal(found, expected, "standalone killed", without=("outbox ingestion.candles",))
    assert_equals_backtest(found)


def write_csv(folder: Path) -> Path:
    """Write the replay's candles as files that a person could have."""
    folder.mkdir()
    for one in told().recorded.series:
        columns = [getattr(one.candles, name).tolist() for name in FIELDS]
        lines = [
            ",".join([moment(ts).isoformat(), *map(repr, values)])
            for ts, *values in zip(one.candles.ts.tolist(), *columns, strict=True)
        ]
        path = folder / f"{one.symbol.replace('/', '-')}_1h.csv"
        path.write_text("\n".join([",".join(["ts", *FIELDS]), *lines]) + "\n", encoding="utf-8")
    return folder


def standalone(data: Path, recorded: Path, folder: Path) -> "subprocess.Popen[bytes]":
    """Start the command as a user would."""
    command = [sys.executable, "-m", "services.cli", "standalone", "--data", str(data), "--from", str(recorded)]
    span = ["--since", BEGINS.isoformat(), "--until", UNTIL.isoformat()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), CONFIG_DIR: str(config())}
    with (folder / "standalone.log").open("ab") as log:
        return subprocess.Popen([*command, *span, "--exit"], cwd=ROOT, stdout=log, stderr=log, env=environment)


def kill_when(reached: Any, data: Path, recorded: Path, folder: Path) -> None:
    """Start standalone and SIGKILL it as soon as ``reached``."""
    with standalone(data, recorded, folder) as running:

        def now() -> bool:
            assert running.poll() is None, f"standalone ended by itself:\n{log_of(folder)}"
            return bool(reached())

        try:
            wait_until(now, what=f"the moment to kill standalone\n{log_of(folder)}")
        finally:
            running.kill()
        assert running.wait() == KILLED


def rows(url: str, query: str) -> list[Any]:
    """Ask the database; nothing while it is away or has no tables yet."""
    try:
        with psycopg.connect(url) as conn:
            return conn.execute(query).fetchall()
    except (psycopg.OperationalError, psycopg.errors.UndefinedTable):
        return []


def log_of(folder: Path) -> str:
    """Return the end of what standalone has printed."""
    return (folder / "standalone.log").read_text(encoding="utf-8", errors="replace")[-3000:]
