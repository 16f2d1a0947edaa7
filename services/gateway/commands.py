"""The command path: one transaction makes a command, its message and its number; the outbox makes sure of delivery."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4, uuid5

from redis.exceptions import RedisError

from services.contracts.messages import CHLOE_NAMESPACE, CommandGiven, CommandName, decode
from services.contracts.topics import COMMANDS
from services.gateway import store
from services.gateway.store import Row
from services.kernel import database
from services.kernel.commands import STAGE, record
from services.kernel.database import Connection
from services.kernel.errors import ChloeError
from services.kernel.logging import get
from services.kernel.streams import Outgoing, Streams

POLL_SECONDS = 0.05
PUBLISH_SECONDS = 1.0

Pause = Callable[[float], Awaitable[None]]


class KeyReuseError(ChloeError):
    """An Idempotency-Key came again with another command."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What an operator asks for; ``key`` makes a repetition the same command."""

    name: CommandName
    subject: str | None
    by: str
    note: str = ""
    forced: bool = False
    key: str | None = None
    live: bool = False

    def command_id(self) -> UUID:
        """Name the command: by its key if it has one."""
        return uuid4() if self.key is None else uuid5(CHLOE_NAMESPACE, f"command|{self.key}")


def utc_now() -> datetime:
    """Return the time of the wall clock."""
    return datetime.now(UTC)


class CommandDesk:
    """Takes wishes in, and asks what became of them."""

    def __init__(
        self,
        pool: Connection,
        streams: Streams,
        config_version: str,
        *,
        pause: Pause = asyncio.sleep,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.pool = pool
        self.streams = streams
        self.config_version = config_version
        self.pause = pause
        self.now = now
        self.log = get(STAGE)

    async def repeated(self, wish: Wish) -> Row | None:
        """Return the command that the wish's key has made before; raises KeyReuseError if that was another one."""
        if wish.key is None:
            return None
        async with self.pool.acquire() as conn:
            row = await store.command(conn, wish.command_id())
        return None if row is None else _same(row, wish)

    async def give(self, wish: Wish) -> Row:
        """Store and publish a command once; a wish with a known key gives the command it made before."""
        command_id = wish.command_id()

        def given(ts: datetime) -> CommandGiven:
            return CommandGiven(ts, command_id, wish.name, wish.subject, wish.by, wish.note, wish.forced, wish.live)

        async with self.pool.acquire() as conn, conn.transaction():
            recorded = await record(conn, given, self.now(), self.config_version)
            if recorded is None:
                return _same(await store.command(conn, command_id) or {}, wish)
        row, out = recorded
        self.log.info("command given", name=wish.name, subject=wish.subject, by=wish.by, id=str(command_id))
        await self._publish(out)
        return row

    async def outcome(self, row: Row, wait_seconds: float) -> Row:
        """Wait until the command is done or refused, at most ``wait_seconds``; return it as it then is."""
        for _ in range(max(1, round(wait_seconds / POLL_SECONDS))):
            if row["status"] != "pending":
                break
            await self.pause(POLL_SECONDS)
            async with self.pool.acquire() as conn:
                row = await store.command(conn, row["id"]) or row
        return row

    async def resend(self) -> None:
        """Publish the newest command again after a restart; readers that missed earlier ones see its number."""
        async with self.pool.acquire() as conn:
            last = await database.last_message(conn, COMMANDS.name, STAGE)
        if last is not None:
            await self._publish(Outgoing(COMMANDS.name, STAGE, last.seq, decode(last.body), last.body))

    async def _publish(self, out: Outgoing) -> None:
        """Tell the readers at once if Redis is there; if not, they find the command in the outbox."""
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                await self.streams.publish([out])
        except (RedisError, OSError) as error:
            self.log.warning("command waits in the outbox: Redis is out of reach", error=type(error).__name__)


def _same(row: dict[str, Any], wish: Wish) -> Row:
    asked = (wish.name, wish.subject, wish.forced, wish.live)
    if (row["name"], row["subject"], row["forced"], row["live"]) != asked:
        raise KeyReuseError("this Idempotency-Key has been used for another command; take a new one")
    return row
