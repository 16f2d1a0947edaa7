"""What ``chloe audit verify`` does: check the hash chain of the audit log without a running platform."""

import asyncio
import os
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from rich.console import Console

from services.commands import with_standalone
from services.kernel.errors import DataError, StartRefused
from services.kernel.settings import from_environment
from services.phases.chain import LogEntry
from services.phases.chain_check import Head, read_lines, verify
from services.phases.store import read_log

HEAD = "select state::text from stage_state where stage = 'phases'"


class _Remembered(msgspec.Struct):
    """What is needed of the phases stage's state."""

    log_seq: int
    log_hash: str


def verify_log(data: Path, file: Path | None) -> None:
    """Check a file, else the database; prints one line, and raises ChainBroken naming the first broken row."""
    if file is not None:
        name, entries, head = str(file), _from_file(file), None
    else:
        name, (entries, head) = _from_database(data)
    held = verify(name, entries, head)
    last = f"the last is seq {entries[-1].seq}, hash {entries[-1].hash}" if entries else "nothing was activated yet"
    told = f"{name}: the chain holds: {held} rows; {last}"
    Console().print(told, highlight=False, soft_wrap=True, markup=False)
    if head is None:
        note = "rows cut off at the end do not show here: compare the last hash with one noted before"
        Console().print(note, highlight=False, soft_wrap=True)


async def read_chain(conn: Any) -> tuple[list[LogEntry], Head | None]:
    """Read the log, and the newest row as the phases stage remembers it (None before it has run)."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        entries = await read_log(conn)
        state = await conn.fetchval(HEAD)
    if state in (None, "{}"):
        return entries, None
    try:
        kept = msgspec.json.decode(state, type=_Remembered)
    except msgspec.MsgspecError as error:
        raise DataError(f"stage_state: the phases stage's state cannot be read ({error})") from None
    return entries, Head(kept.log_seq, kept.log_hash)


def _from_file(file: Path) -> list[LogEntry]:
    try:
        return read_lines(str(file), file.read_bytes())
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from None


def _from_database(data: Path) -> tuple[str, tuple[list[LogEntry], Head | None]]:
    if (data / "pg").exists() or "CHLOE_DATABASE_URL" not in os.environ:
        return str(data), with_standalone(data, read_chain)
    url = from_environment().database()

    async def go() -> tuple[list[LogEntry], Head | None]:
        conn = await asyncpg.connect(url, server_settings={"timezone": "UTC"})
        try:
            return await read_chain(conn)
        finally:
            await conn.close()

    try:
        return "the database of CHLOE_DATABASE_URL", asyncio.run(go())
    except (OSError, asyncpg.PostgresError) as error:
        raise StartRefused(f"CHLOE_DATABASE_URL: the database does not answer ({error})") from None
