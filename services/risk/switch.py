"""The halt file: while it exists nothing is entered. Its coming and going become commands in the stored flow.

The command is what decides, not the file: a restart, a replay of the outbox and a second look find the same command. It
needs neither the API nor a token, only the right to write into the folder.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid5

from redis.exceptions import RedisError

from services.contracts.messages import CHLOE_NAMESPACE, CommandGiven, CommandName
from services.kernel.commands import STAGE, record
from services.kernel.database import Connection
from services.kernel.logging import get
from services.kernel.streams import Outgoing, RedisClient, Streams
from services.risk import store
from services.risk.halts import FILE_SWITCH

LOOK_SECONDS = 1.0
LONGEST_REASON = 200
PUBLISH_SECONDS = 1.0

Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Seen:
    """The halt file as it is now: when it was written, and its first line."""

    written: int
    """Nanoseconds, as the file system says; another time is another halt."""
    reason: str


@dataclass(frozen=True, slots=True)
class Given:
    """The file's newest command, as stored: ids of uuid5, so that the same sight never makes a second one."""

    name: str | None = None
    id: UUID | None = None
    resumed: UUID | None = None
    """The newest resumption: a file that comes back with an old time is a halt of its own."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The command that brings the platform to what the file says."""

    id: UUID
    name: CommandName
    note: str


def look(path: Path) -> Seen | None:
    """Look for the file; None where there is none. One that cannot be read halts too, and says so."""
    try:
        written = path.stat().st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            line = file.readline(LONGEST_REASON)
    except OSError as error:
        return Seen(written, f"{path.name} cannot be read: {error.strerror}")
    return Seen(written, "".join(c for c in line if c.isprintable()).strip())


def wanted(seen: Seen | None, last: Given) -> Wanted | None:
    """Compare the file with its newest command; None where that says the same already."""
    if seen is not None:
        halt = uuid5(CHLOE_NAMESPACE, f"{FILE_SWITCH}|halt|{seen.written}|{last.resumed}")
        return None if halt == last.id else Wanted(halt, "halt", seen.reason)
    if last.name == "halt":
        resume = uuid5(CHLOE_NAMESPACE, f"{FILE_SWITCH}|resume|{last.id}")
        return Wanted(resume, "resume", "the file is gone")
    return None


async def turn(conn: Connection, seen: Seen | None, config_version: str, now: datetime) -> Outgoing | None:
    """Give the command that the file asks for, if it was not given before; returns it to be published."""
    want = wanted(seen, Given(*await store.last_switch(conn, FILE_SWITCH)))
    if want is None:
        return None
    async with conn.transaction():
        recorded = await record(
            conn,
            lambda ts: CommandGiven(ts, want.id, want.name, None, FILE_SWITCH, want.note),
            now,
            config_version,
        )
    return None if recorded is None else recorded[1]


async def follow(
    pool: Connection, redis: RedisClient, path: Path, config_version: str, *, pause: Pause = asyncio.sleep
) -> None:
    """Look every second, for ever; what cannot be looked at is said once and looked at again."""
    log, said = get("risk"), ""
    while True:
        try:
            seen = look(path)
        except OSError as error:
            if said != (said := str(error)):
                log.warning("the halt file cannot be looked for", path=str(path), error=said)
        else:
            async with pool.acquire() as conn:
                out = await turn(conn, seen, config_version, datetime.now(UTC))
            if out is not None:
                log.warning("command given", name=out.message.name, by=FILE_SWITCH)  # type: ignore[attr-defined]
                await _publish(redis, out)
        await pause(LOOK_SECONDS)


async def _publish(redis: RedisClient, out: Outgoing) -> None:
    """Tell the readers at once if Redis is there; if not, they find the command in the outbox."""
    try:
        async with asyncio.timeout(PUBLISH_SECONDS):
            await Streams(redis, STAGE).publish([out])
    except (RedisError, OSError) as error:
        get("risk").warning("command waits in the outbox: Redis is out of reach", error=type(error).__name__)
