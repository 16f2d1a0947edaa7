"""PostgreSQL for the services: a pool, and the three plumbing tables that make stages restartable.

``outbox`` holds every published message; ``stage_state`` holds each stage's state and cursors; both are written in the
transaction that stores the decision, so that a stage can be killed at any instant.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import asyncpg

from services.kernel.errors import StartRefused
from services.kernel.logging import scrub

Connection: TypeAlias = Any
"""An ``asyncpg`` connection or pooled proxy (asyncpg ships no complete types)."""

# A session's lock, so that the server lets go of it when the process dies, after what it still had under way.
LOCK_SPACE = 410_720
TRY_LOCK = "select pg_try_advisory_lock($1, hashtext($2))"
LOCK_LOOK_SECONDS = 0.02

LOAD_STATE = "select slice_ts, seq, cursors::text, state::text from stage_state where stage = $1"

# State and cursors move with the decision; the seq guard refuses a second process of the same stage.
SAVE_STATE = """
insert into stage_state (stage, slice_ts, seq, cursors, state, config_version, updated_at)
values ($1, $2, $3, $4::text::json, $5::text::json, $6, now())
on conflict (stage) do update set slice_ts = excluded.slice_ts, seq = excluded.seq, cursors = excluded.cursors,
    state = excluded.state, config_version = excluded.config_version, updated_at = excluded.updated_at
where stage_state.seq = $7
"""

APPEND = """
insert into outbox (topic, producer, seq, ts, body)
select $1, $2, s, t, b from unnest($3::bigint[], $4::timestamptz[], $5::text[]) as m (s, t, b)
"""

# Unseen messages of one topic, per producer in order; producers are the stages that have a row.
UNSEEN = """
select o.producer, o.seq, o.body
from (select stage, coalesce(($2::json ->> stage)::bigint, 0) as seen from stage_state) s
cross join lateral (
    select producer, seq, body from outbox
    where topic = $1 and producer = s.stage and seq > s.seen order by seq limit $3
) o
order by o.producer, o.seq
"""

# In lock-step most rounds bring one message, and this is a third of the price of the query for many.
BODY = "select body from outbox where topic = $1 and producer = $2 and seq = $3"

# One look into the primary key a number: who can write to a stream chooses the numbers, and must not choose the plan.
BODIES = """
select w.topic, w.producer, w.seq, o.body
from unnest($1::text[], $2::text[], $3::bigint[]) as w (topic, producer, seq)
cross join lateral (
    select body from outbox where topic = w.topic and producer = w.producer and seq = w.seq limit 1
) o
"""

LAST_BODY = "select seq, body from outbox where topic = $1 and producer = $2 order by seq desc limit 1"

# Keep a generous tail for people who look; nothing that a reader has not consumed is ever deleted.
PRUNE = "delete from outbox where topic = $1 and producer = $2 and seq < $3"

READER_CURSORS = "select stage, cursors::text from stage_state where stage = any($1::text[])"


Place: TypeAlias = tuple[str, str, int]
"""A message's place: topic, producer, number."""


@dataclass(frozen=True, slots=True)
class StoredState:
    """What a stage finds when it starts."""

    slice_ts: datetime | None
    seq: int
    cursors: dict[str, dict[str, int]]
    """``{topic: {producer: last consumed seq}}``"""
    state: str | None


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One outbox row."""

    producer: str
    seq: int
    body: str


async def connect_pool(dsn: str, *, size: int = 4, durable: bool = True) -> Connection:
    """Open a pool; ``durable`` False lets commits return before they are on disk (replays only).

    A lost tail is then a whole suffix of commits, from which the replay continues by itself.
    """
    server_settings = {"application_name": "chloe", "timezone": "UTC"}
    if not durable:
        server_settings["synchronous_commit"] = "off"
    try:
        return await asyncpg.create_pool(dsn, min_size=1, max_size=size, server_settings=server_settings)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StartRefused(f"database {scrub(dsn)}: {scrub(' '.join(str(error).split()))}") from None


@asynccontextmanager
async def sole(pool: Connection, name: str, *, patience_seconds: float) -> AsyncIterator[Connection]:
    """Hold a connection whose lock lets no second process run ``name`` on this database.

    A process that was killed may leave a commit under way, so this waits for it; raises :class:`StartRefused` after
    ``patience_seconds``, for then the other process is alive.
    """
    deadline = time.monotonic() + patience_seconds
    async with pool.acquire() as conn:
        while not await conn.fetchval(TRY_LOCK, LOCK_SPACE, name):
            if time.monotonic() > deadline:
                raise StartRefused(f"'{name}': another process is running it on this database; stop one of them")
            await asyncio.sleep(LOCK_LOOK_SECONDS)
        yield conn  # giving it back to the pool unlocks it


async def load_state(conn: Connection, stage: str) -> StoredState:
    """Read a stage's stored state; a new stage starts empty."""
    row = await conn.fetchrow(LOAD_STATE, stage)
    if row is None:
        return StoredState(None, 0, {}, None)
    return StoredState(row[0], row[1], json.loads(row[2]), row[3])


async def save_state(
    conn: Connection,
    stage: str,
    *,
    slice_ts: datetime | None,
    seq: int,
    previous_seq: int,
    cursors: dict[str, dict[str, int]],
    state: str,
    config_version: str,
) -> None:
    """Write state and cursors; raises :class:`StartRefused` if another process has moved this stage on."""
    done = await conn.execute(
        SAVE_STATE, stage, slice_ts, seq, json.dumps(cursors), state, config_version, previous_seq
    )
    if done.endswith(" 0"):
        raise StartRefused(f"stage '{stage}': another process is running it on this database; stop one of them")


async def append(
    conn: Connection, topic: str, producer: str, first_seq: int, rows: Sequence[tuple[datetime, str]]
) -> None:
    """Add messages ``(ts, body)`` to the outbox, numbered from ``first_seq``."""
    if rows:
        seqs = list(range(first_seq, first_seq + len(rows)))
        await conn.execute(APPEND, topic, producer, seqs, [r[0] for r in rows], [r[1] for r in rows])


async def unseen(conn: Connection, topic: str, seen: dict[str, int], limit: int = 512) -> list[StoredMessage]:
    """Read what a topic's producers have stored beyond the given cursors."""
    return [StoredMessage(*row) for row in await conn.fetch(UNSEEN, topic, json.dumps(seen), limit)]


async def bodies(conn: Connection, places: Collection[Place]) -> dict[Place, str]:
    """Read what is stored at the given places; those that hold nothing (yet, or any more) are left out."""
    if not places:
        return {}
    if len(places) == 1:
        (place,) = places
        body = await conn.fetchval(BODY, *place)
        return {} if body is None else {place: body}
    topics, producers, seqs = zip(*places, strict=True)
    return {(row[0], row[1], row[2]): row[3] for row in await conn.fetch(BODIES, topics, producers, seqs)}


async def last_message(conn: Connection, topic: str, producer: str) -> StoredMessage | None:
    """Return a producer's newest message on a topic."""
    row = await conn.fetchrow(LAST_BODY, topic, producer)
    return StoredMessage(producer, row[0], row[1]) if row else None


async def prune(conn: Connection, topic: str, producer: str, readers: Sequence[str], keep: int) -> None:
    """Delete outbox rows that every reader has consumed, keeping the newest ``keep`` of those."""
    rows = await conn.fetch(READER_CURSORS, list(readers))
    if len(rows) == len(readers):
        seen = [json.loads(row[1]).get(topic, {}).get(producer, 0) for row in rows]
        await conn.execute(PRUNE, topic, producer, min(seen, default=0) - keep)
