"""All stages, the source and the gateway side by side in one event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.execution.service import load_stage as execution
from services.inference.service import load_stage as inference
from services.ingestion.clock import load_stage as clock
from services.ingestion.clock import wall_clock
from services.kernel.config import config_version
from services.kernel.database import Connection
from services.kernel.stage import LoopSettings, Stage, StageLoop
from services.kernel.streams import RedisClient, Streams
from services.phases.service import load_stage as phases
from services.research.nightly.service import load_stage as research
from services.risk.service import load_stage as risk
from services.signals.service import load_stage as signals

STAGES = ("clock", "inference", "signals", "risk", "execution", "research", "phases")


@dataclass(frozen=True, slots=True)
class Platform:
    """What the loops need."""

    pool: Connection
    redis: RedisClient
    reports: Path
    live: bool
    config: Path | None = None

    def stages(self) -> list[Stage[Any]]:
        """Make every stage with its configuration; raises ConfigError."""
        return [
            clock(wall_clock if self.live else None, self.config),
            inference(self.config, replay=not self.live),
            signals(self.config),
            risk(self.config),
            execution(self.config),
            research(self.config),
            phases(self.reports, self.config),
        ]

    def loops(self) -> list[StageLoop[Any]]:
        """Make every stage's loop."""
        settings = LoopSettings(block_ms=1000 if self.live else 250, config_version=config_version(self.config))
        return [StageLoop(stage, self.pool, Streams(self.redis, stage.name), settings) for stage in self.stages()]


async def run_until(finished: Awaitable[Any], background: Sequence[Callable[[], Awaitable[Any]]]) -> None:
    """Run everything until ``finished`` returns; the first error of any of them ends all and is raised."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_run(start)) for start in background]
        await finished
        for task in tasks:
            task.cancel()


async def _run(start: Callable[[], Awaitable[Any]]) -> None:
    await start()
