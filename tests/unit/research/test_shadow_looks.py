"""The shadow beside a stored run: one flag, raised and cleared by itself; plain words where nothing can be compared."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from shadow_cases import HALT, HOURS, PARAMS, RESUME, Moment, Words, platform

from services.contracts.messages import CommandGiven, Message, encode
from services.contracts.topics import ACTIVATIONS, COMMANDS, FORECASTS, ORDERS, PORTFOLIO, SLICES, TARGETS, Topic
from services.execution import store as execution
from services.kernel import database
from services.kernel.database import Connection
from services.research import shadow_store
from services.research.shadow_store import FLAG, NAME, Told, look, run

VERSION = "v1"
NOW = datetime.now(UTC)
FLAGS = "select subject, severity, blocks, detail, cleared_at from system_flags where name = $1 order by raised_at"


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Connection]:
    pool = await database.connect_pool(url, size=2)
    try:
        yield pool
    finally:
        await pool.close()


async def keep(
    pool: Connection,
    moments: Sequence[Moment],
    since: int = 0,
    *,
    commands: Sequence[CommandGiven] = (),
    version: str = VERSION,
    risk_ahead: int = 0,
) -> None:
    """Store the slices from ``since`` on as the stages do: messages, ledger, states and cursors."""
    words = [m.said for m in moments if m.said is not None]
    heard = sum(m.said is not None for m in moments[:-1])
    count, given = len(moments), len(commands)
    sent: dict[Topic, Sequence[Message]] = {
        SLICES: [m.closed for m in moments],
        FORECASTS: [m.forecasts for m in moments],
        TARGETS: [m.targets for m in moments],
        ORDERS: [m.orders for m in moments],
        PORTFOLIO: [m.portfolio for m in moments],
        ACTIVATIONS: words,
        COMMANDS: commands,
    }
    seen = {ACTIVATIONS.name: {ACTIVATIONS.writer: heard}}
    read: dict[str, tuple[dict[str, Any], str]] = {
        "signals": (seen | {FORECASTS.name: {FORECASTS.writer: count}}, encode(moments[-1].signals).decode()),
        "risk": (
            seen | {TARGETS.name: {TARGETS.writer: count}, COMMANDS.name: {COMMANDS.writer: given}},
            encode(moments[-1].risk).decode(),
        ),
        "execution": ({SLICES.name: {SLICES.writer: count}}, encode(moments[-1].book).decode()),
    }
    async with pool.acquire() as conn, conn.transaction():
        for topic, messages in sent.items():
            stored = await conn.fetchval(
                "select coalesce(max(seq), 0) from outbox where topic = $1 and producer = $2", topic.name, topic.writer
            )
            rows = [(m.ts, encode(m).decode()) for m in messages[stored:]]
            await database.append(conn, topic.name, topic.writer, stored + 1, rows)
        held = bool(moments[since - 1].portfolio.positions) if since else False
        for moment in moments[since:]:
            await execution.save(conn, moment.portfolio, held)
            held = bool(moment.portfolio.positions)
        for stage, (cursors, state) in read.items():
            at = moments[-1].closed.ts + timedelta(hours=risk_ahead if stage == "risk" else 0)
            previous = (await database.load_state(conn, stage)).seq
            await database.save_state(
                conn, stage, slice_ts=at, seq=count, previous_seq=previous, cursors=cursors, state=state,
                config_version=version,
            )  # fmt: skip


async def flags(pool: Connection) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await pool.fetch(FLAGS, FLAG)]


def on(url: str, does: Callable[[Connection], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with opened(url) as pool:
            await does(pool)

    asyncio.run(whole())


async def looked(pool: Connection, version: str = VERSION, now: datetime = NOW) -> Told:
    return await look(pool, PARAMS, version, now)


def test_a_stored_run_that_is_what_it_should_be_raises_no_flag(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow_store, "BATCH", 30)

    async def does(pool: Connection) -> None:
        assert (await looked(pool)).not_comparable == "nothing has been decided yet"
        await keep(pool, list(platform()))
        told = await looked(pool)
        assert (told.compared, told.since, told.differs, told.not_comparable) == (HOURS, None, None, "")
        assert await flags(pool) == []
        assert (await looked(pool)).compared == 0, "nothing new, nothing compared"

    on(database_url, does)


def test_one_changed_fill_blocks_all_entries_until_somebody_has_seen_it_and_a_later_look_is_equal(
    database_url: str,
) -> None:
    moments = list(platform())
    half = HOURS // 2
    changed = next(f for m in moments[10:half] for f in m.portfolio.fills)

    async def does(pool: Connection) -> None:
        await keep(pool, moments[:half])
        await pool.execute("update fills set price = price + 1 where id = $1", changed.id)
        assert (await looked(pool)).differs is not None
        ((subject, severity, blocks, detail, cleared),) = await flags(pool)
        assert (subject, severity, blocks, cleared) == ("all", "critical", "entries", None)
        assert re.search(r"ledger: fills\[\d\]\.price is ", detail)
        assert str(changed.price) in detail
        assert str(changed.price + 1) in detail
        await keep(pool, moments[: half + 9], half)
        assert (await looked(pool)).differs is not None, "slices that are equal again do not make it undone"
        assert len(await flags(pool)) == 1, "a second look raises no second flag"
        await pool.execute("update system_flags set acknowledged_by = 'ada', acknowledged_at = now()")
        told = await looked(pool)
        assert (told.compared, told.since) == (0, moments[half + 8].closed.ts)
        assert (await flags(pool))[0][4] is None, "it stays up until something was compared and equal"
        await keep(pool, moments, half + 9)
        assert (await looked(pool)).compared == HOURS - half - 9
        assert (await flags(pool))[0][4] is not None

    on(database_url, does)


def test_it_goes_on_where_it_stopped_with_commands_given_in_between(database_url: str) -> None:
    halt_at, resume_at = 30, 61
    moments = list(platform({halt_at: Words(commands=(HALT,)), resume_at: Words(commands=(RESUME,))}))

    async def first(pool: Connection) -> None:
        await keep(pool, moments[:40], commands=(HALT,))
        assert (await looked(pool)).compared == 40

    async def second(pool: Connection) -> None:
        await keep(pool, moments, 40, commands=(HALT, RESUME))
        told = await looked(pool)
        assert (told.compared, told.since, told.differs) == (HOURS - 40, None, None)
        assert await flags(pool) == []

    on(database_url, first)
    on(database_url, second)


@pytest.mark.parametrize("how", ["pruned", "old"])
def test_a_run_that_began_earlier_is_followed_from_where_all_stages_rest(database_url: str, how: str) -> None:
    moments = list(platform())
    now = NOW + timedelta(days=2) if how == "old" else NOW

    async def does(pool: Connection) -> None:
        await keep(pool, moments[:50], risk_ahead=1)
        if how == "pruned":
            await pool.execute("delete from outbox where seq <= 10")
        told = await looked(pool, now=now)
        assert told.not_comparable == "it began later than the run; the stages are at work"
        await keep(pool, moments[:50], 50)
        told = await looked(pool, now=now)
        assert (told.compared, told.since) == (0, moments[49].closed.ts)
        await keep(pool, moments, 50)
        told = await looked(pool, now=now)
        assert (told.compared, told.differs) == (HOURS - 50, None)

    on(database_url, does)


def test_messages_that_are_no_longer_kept_are_a_reason_to_begin_anew_and_no_difference(database_url: str) -> None:
    moments = list(platform())

    async def does(pool: Connection) -> None:
        await keep(pool, moments[:20])
        await looked(pool)
        await keep(pool, moments, 20)
        await pool.execute("delete from outbox where topic = $1 and seq < 60", TARGETS.name)
        told = await looked(pool)
        assert (told.compared, told.since, told.differs) == (0, moments[-1].closed.ts, None)
        assert await flags(pool) == []

    on(database_url, does)


def test_another_configuration_is_no_difference_but_nothing_to_compare_with(database_url: str) -> None:
    moments = list(platform())

    async def does(pool: Connection) -> None:
        await keep(pool, moments[:20])
        await looked(pool)
        told = await looked(pool, "v2")
        assert told.not_comparable == "a stage was last at work under configuration v1"
        await keep(pool, moments[:60], 20, version="v2")
        assert (await looked(pool, "v2")).since == moments[59].closed.ts
        await keep(pool, moments, 60, version="v2")
        assert (await looked(pool, "v2")).compared == HOURS - 60
        assert await flags(pool) == []

    on(database_url, does)


def test_its_own_state_of_an_older_release_is_taken_over_anew(database_url: str) -> None:
    async def does(pool: Connection) -> None:
        await keep(pool, list(platform(hours=30)))
        await looked(pool)
        await pool.execute('update stage_state set state = \'{"of": "another time"}\' where stage = $1', NAME)
        told = await looked(pool, now=NOW + timedelta(days=2))
        assert (told.differs, told.not_comparable) == (None, "")
        assert told.since is not None

    on(database_url, does)


def test_the_loop_looks_again_and_again(database_url: str) -> None:
    pauses: list[float] = []

    class Enough(Exception):
        """Ends a loop that has no end."""

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise Enough

    async def does(pool: Connection) -> None:
        await keep(pool, list(platform(hours=30)))
        with pytest.raises(Enough):
            await run(pool, PARAMS, VERSION, pause=pause)
        assert pauses == [shadow_store.EVERY_SECONDS] * 2

    on(database_url, does)
