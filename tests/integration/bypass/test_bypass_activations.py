"""A thousand commands for one activation while phases crashes again and again: it is carried out once."""

import asyncio
import copy
from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from services.contracts.messages import CommandGiven, DayEvaluated, decode
from services.contracts.topics import ACTIVATIONS, COMMANDS
from services.gateway.commands import CommandDesk, Wish
from services.kernel import database
from services.kernel.stage import LoopSettings, StageLoop
from services.kernel.streams import Streams, connect
from services.phases import store as phases_store
from services.phases.chain import first_broken
from services.phases.service import load_stage
from services.phases.store import read_log

WISHES = 1_000
AT_A_TIME = 200
LATE = 10
PATIENCE_SECONDS = 120.0
CALLS = (1, 2, 3, 7, 20, 100, 300)
"""Which calls of a place crash, counted over all lives of the stage."""
STORED = ("load_state", "last_message", "append", "save_state", "bodies")
CARRIED = ("publish", "read", "ensure_groups", "drop_pending")

CRASHES: ContextVar[bool] = ContextVar("crashes", default=False)


class CrashError(Exception):
    """Stands for the end of the process: nothing after the failing line happens."""


class Crashes:
    """Ends the stage before and after chosen calls of everything that it awaits."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.done = 0

    def around(self, place: str, real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Wrap a function."""

        def reach(side: str) -> None:
            if CRASHES.get():
                self.calls[place, side] += 1
                if self.calls[place, side] in CALLS:
                    self.done += 1
                    raise CrashError(f"{side} {place}")

        async def failing(*arguments: Any, **named: Any) -> Any:
            reach("before")
            answer = await real(*arguments, **named)
            reach("after")
            return answer

        return failing


@pytest.mark.parametrize(
    ("name", "subject", "change"),
    [("activate", "phase_1_stocks", "activated"), ("enable", "AVAX/USDT", "enabled")],
)
def test_one_of_a_thousand_commands_is_carried_out_while_phases_crashes_at_every_step(
    database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: Any, subject: str,
    change: str,
) -> None:  # fmt: skip
    crashes = Crashes()
    for place in STORED:
        monkeypatch.setattr(database, place, crashes.around(place, getattr(database, place)))
    for place in CARRIED:
        monkeypatch.setattr(Streams, place, crashes.around(place, getattr(Streams, place)))
    for place in ("save_evaluation", "finish_command"):
        monkeypatch.setattr(phases_store, place, crashes.around(place, getattr(phases_store, place)))

    async def case() -> None:
        pool, redis = await database.connect_pool(database_url, size=16), connect(redis_url)
        desk = CommandDesk(pool, Streams(redis, "gateway"), "cafe")
        made = load_stage(tmp_path / "reports")
        ids = []

        async def live() -> None:
            CRASHES.set(True)
            while True:
                settings = LoopSettings(block_ms=20, retry_seconds=0.01)
                try:
                    await StageLoop(copy.deepcopy(made), pool, Streams(redis, "phases"), settings).run()
                except CrashError:
                    continue

        limit = asyncio.Semaphore(AT_A_TIME)

        async def wish(n: int) -> None:
            key = ("the-same-for-all", f"own-{n}", None)[n % 3]
            async with limit:
                row = await desk.give(Wish(name, subject, f"live ({n})", forced=True, key=key))
            ids.append(row["id"])

        living = asyncio.create_task(live())
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with asyncio.TaskGroup() as group:
                for n in range(WISHES):
                    group.create_task(wish(n))
            await settled(pool, living)
            for n in range(WISHES, WISHES + LATE):  # one by one, so that the stream brings them
                await wish(3 * n + 1)
                await settled(pool, living)
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
        await check(pool, ids, subject, change)
        await redis.aclose()
        await pool.close()

    asyncio.run(case())
    assert crashes.done > 100
    assert {side for side, _ in crashes.calls} >= {*STORED, *CARRIED, "save_evaluation", "finish_command"}


async def settled(pool: Any, living: asyncio.Task[None]) -> None:
    """Wait until every command has been answered."""
    while await pool.fetchval("select count(*) from commands where status = 'pending'"):
        assert not living.done(), living
        await asyncio.sleep(0.005)


async def check(pool: Any, ids: list[Any], subject: str, change: str) -> None:
    """One command is done, all others are refused, each was heard once, and the log has one row."""
    different = 2 * WISHES // 3 + 1 + LATE
    assert (len(ids), len(set(ids))) == (WISHES + LATE, different)
    rows = await pool.fetch("select status, outcome from commands")
    assert Counter(row[0] for row in rows) == {"done": 1, "refused": different - 1}
    assert all("already" in row[1] for row in rows if row[0] == "refused")
    log = await read_log(pool)
    assert [(e.activation.subject, e.activation.change) for e in log] == [(subject, change)]
    assert first_broken(log) is None
    given = [decode(one.body) for one in await database.unseen(pool, COMMANDS.name, {}, 10 * WISHES)]
    said = [decode(one.body) for one in await database.unseen(pool, ACTIVATIONS.name, {}, 10 * WISHES)]
    asked = [one.id for one in given if isinstance(one, CommandGiven)]
    assert [one.command_id for one in said if isinstance(one, DayEvaluated)] == asked
    assert len(asked) == different
    assert sum(len(one.changes) for one in said if isinstance(one, DayEvaluated)) == 1
