"""A crash at every boundary of every loop, at chosen calls: the same places every time, where kills hit by chance."""

import asyncio
import copy
from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ledgers
import pytest
from processes import KINDS, PATIENCE_SECONDS
from replays import AHEAD_HOURS, CHUNK_HOURS, assert_equals_backtest, config, prepared, told, undisturbed

from services.ingestion import service as ingestion
from services.ingestion.replay import deliver
from services.kernel import database
from services.kernel.config import config_version
from services.kernel.stage import LoopSettings, Stage, StageLoop
from services.kernel.streams import Streams, connect
from services.standalone.platform import Platform
from services.standalone.replay import wait_for_end
from services.standalone.servers import Servers

# Between two of these lies every await of the loop that changes something: start, read, decide, commit, publish.
STORED = ("load_state", "last_message", "append", "save_state")
CARRIED = ("publish", "read", "ensure_groups", "drop_pending")
SIDES = ("before", "after")
CALLS = (1, 2, 5)
"""Which calls of a place crash, counted over all lives of the service; phases stores once a day only."""

AT_WORK: ContextVar[str] = ContextVar("at_work")


class Crashed(Exception):
    """Stands for the end of the process: nothing after the failing line happens."""


@dataclass(slots=True)
class Failpoints:
    """Counts the calls by service and place, and crashes at the chosen ones, each once."""

    calls: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    crashed: set[tuple[str, str, str, int]] = field(default_factory=set)

    def reach(self, place: str, side: str) -> None:
        """Count this side of a place; raises Crashed at the chosen calls."""
        here = (AT_WORK.get(""), place, side)
        self.calls[here] += 1
        if here[0] and self.calls[here] in CALLS:
            self.crashed.add((*here, self.calls[here]))
            raise Crashed(f"{here} {self.calls[here]}")

    def around(self, place: str, real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Wrap a function with a failpoint on each side."""

        async def failing(*arguments: Any, **named: Any) -> Any:
            self.reach(place, "before")
            answer = await real(*arguments, **named)
            self.reach(place, "after")
            return answer

        return failing


def test_ledger_survives_a_crash_on_each_side_of_every_boundary_of_every_service(
    servers: Servers, template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    expected = undisturbed(servers.database_url, template, servers.redis_url)
    failpoints = Failpoints()
    for name in STORED:
        monkeypatch.setattr(database, name, failpoints.around(name, getattr(database, name)))
    for name in CARRIED:
        monkeypatch.setattr(Streams, name, failpoints.around(name, getattr(Streams, name)))
    monkeypatch.setattr(ingestion, "CHUNK_SLICES", CHUNK_HOURS)
    monkeypatch.setattr(ingestion, "AHEAD_SLICES", AHEAD_HOURS)
    with prepared(servers.database_url, template) as url:
        asyncio.run(replay_with(failpoints, url, redis_url, tmp_path))
        found = ledgers.read(url)
    ledgers.assert_equal(found, expected, "crashes at failpoints")
    assert_equals_backtest(found)
    assert failpoints.crashed == planned()


def planned() -> set[tuple[str, str, str, int]]:
    """Every place that each kind of service passes; the source reads nothing."""
    return {
        (kind, place, side, call)
        for kind in KINDS
        for place in (*STORED, *CARRIED)
        for side in SIDES
        for call in CALLS
        if kind != "source" or place not in ("read", "ensure_groups", "drop_pending")
    }


async def replay_with(failpoints: Failpoints, database_url: str, redis_url: str, folder: Path) -> None:
    """Run the replay in one loop; each service that crashes is made anew, as a restarted process would be."""
    pool = await database.connect_pool(database_url, size=16)
    redis = connect(redis_url)
    platform = Platform(pool, redis, folder / "reports", live=False, config=config())
    made = {stage.name: stage for stage in platform.stages()}
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        tasks = [group.create_task(keep_running(kind, platform, made.get(kind))) for kind in KINDS]
        await wait_for_end(platform, told().recorded, lambda _: None)
        for task in tasks:
            task.cancel()
    await redis.aclose()
    await pool.close()


async def keep_running(kind: str, platform: Platform, made: Stage[Any] | None) -> None:
    """Start the service again, with nothing left in memory, after every crash."""
    AT_WORK.set(kind)
    while True:
        try:
            await (deliver_all(platform) if made is None else decide_all(copy.deepcopy(made), platform))
            return
        except Crashed:
            continue


async def deliver_all(platform: Platform) -> None:
    """Be the source."""
    await deliver(platform.pool, platform.redis, told().recorded, config_version(config()))


async def decide_all(stage: Stage[Any], platform: Platform) -> None:
    """Be a stage that has just been made."""
    settings = LoopSettings(block_ms=20, config_version=config_version(config()))
    await StageLoop(stage, platform.pool, Streams(platform.redis, stage.name), settings).run()
