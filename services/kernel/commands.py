"""A command's transaction, for whoever gives one: its row, its message in the outbox, its number, all or nothing.

All commands are the gateway's on the stream, whoever gave them: its row in ``stage_state`` is the lock under which they
get dense numbers. The caller opens the transaction and publishes afterwards; who reads finds it in the outbox anyway.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from services.contracts.messages import CommandGiven
from services.contracts.topics import COMMANDS
from services.kernel import database
from services.kernel.database import Connection
from services.kernel.streams import Outgoing, outgoing

STAGE = "gateway"
REPLAY = "replay"

Row = dict[str, Any]

INSERT_COMMAND = """
insert into commands (id, name, subject, given_by, note, forced, live) values ($1, $2, $3, $4, $5, $6, $7)
on conflict (id) do nothing
returning *
"""

OPEN_STAGE = "insert into stage_state (stage, config_version) values ('gateway', $1) on conflict (stage) do nothing"
LOCK_STAGE = "select seq from stage_state where stage = 'gateway' for update"

# How late it is on the platform: in a replay the newest settled slice, so that a command never lies in its future.
PLATFORM_TIME = """
select (select mode from run) as mode,
       coalesce((select slice_ts from stage_state where stage = 'execution'), (select min(ts) from candles)) as slice_ts
"""


async def lock(conn: Connection, config_version: str) -> int:
    """Take the turn to give commands until the transaction ends; return the number of the last one."""
    await conn.execute(OPEN_STAGE, config_version)
    seq: int = await conn.fetchval(LOCK_STAGE)
    return seq


async def platform_time(conn: Connection) -> tuple[str | None, datetime | None]:
    """Return the run's mode and the newest settled slice (else the first candle)."""
    row = await conn.fetchrow(PLATFORM_TIME)
    return row[0], row[1]


async def record(
    conn: Connection, make: Callable[[datetime], CommandGiven], now: datetime, config_version: str
) -> tuple[Row, Outgoing] | None:
    """Store what ``make`` makes of the command's moment; None if its id is there already."""
    seq = await lock(conn, config_version) + 1
    mode, slice_ts = await platform_time(conn)
    given = make(command_time(mode, slice_ts, now, seq))
    values = (given.id, given.name, given.subject, given.by, given.note, given.forced, given.live)
    row = await conn.fetchrow(INSERT_COMMAND, *values)
    if row is None:
        return None
    out = outgoing(COMMANDS.name, STAGE, seq, given)
    await database.append(conn, COMMANDS.name, STAGE, seq, [(given.ts, out.body)])
    await database.save_state(
        conn,
        STAGE,
        slice_ts=given.ts,
        seq=seq,
        previous_seq=seq - 1,
        cursors={},
        state="{}",
        config_version=config_version,
    )
    return dict(row), out


def command_time(mode: str | None, slice_ts: datetime | None, now: datetime, seq: int) -> datetime:
    """Return the moment a command is about: now, in a replay the newest slice plus ``seq`` microseconds.

    The microseconds give each command's evaluation a time of its own, behind that of the slice.
    """
    if mode == REPLAY and slice_ts is not None:
        return slice_ts + timedelta(microseconds=seq)
    return now
