"""What ``chloe audit`` does: audit an asset, or check the hash chain of the audit log without a running platform."""

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import msgspec
from rich.console import Console

from services import audit_page
from services.commands import ask_api, send_api, with_standalone
from services.gateway.audit import routes as audit
from services.gateway.audit.settings import load_params
from services.kernel.errors import ConfigError, DataError, StartRefused
from services.kernel.settings import from_environment
from services.phases.chain import GENESIS, LogEntry
from services.phases.chain_check import Head, read_lines, verify
from services.phases.store import read_log

HEAD = "select state::text from stage_state where stage = 'phases'"


class _Remembered(msgspec.Struct):
    """What is needed of the phases stage's state, which leaves out what is as at the start."""

    log_seq: int = 0
    log_hash: str = GENESIS


def audit_asset(
    url: str,
    data: Path,
    symbol: str,
    *,
    for_live: bool = False,
    record: bool = False,
    as_json: bool = False,
    token: str | None = None,
) -> None:
    """Audit an asset through the API, or in the data folder where no API answers, and print it.

    With ``record`` the outcome is stored as its audit for live; the newest one counts.
    """
    if record and not for_live:
        raise ConfigError("--record stores an audit for live: give --for-live with it")
    if not _answers(url):
        answer = with_standalone(data, lambda conn: _in_the_folder(conn, symbol, record=record))
    elif record:
        answer = send_api(url, f"/assets/{quote(symbol)}/audit", "", token, data)
    else:
        answer = ask_api(url, f"/assets/{quote(symbol)}/audit")
    if as_json:
        print(json.dumps(answer, indent=2))  # noqa: T201
        return
    audit_page.show(Console(), answer, for_live=for_live)


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


def _answers(url: str) -> bool:
    try:
        httpx.get(url.rstrip("/") + "/health", timeout=15, trust_env=False)
    except httpx.TransportError:
        return False
    return True


async def _in_the_folder(conn: Any, symbol: str, *, record: bool) -> dict[str, Any]:
    look = audit.record if record else audit.audit
    return (await look(conn, symbol, load_params(), lambda: datetime.now(UTC))).model_dump(mode="json")


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
