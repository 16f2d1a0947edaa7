"""Forks service processes from a parent that has imported everything, so that a restart costs milliseconds.

Run as a script with the path of a JSON file (see :class:`processes.Services`). It reads one JSON line a command from
standard input (``start``, ``kill``, ``poll``) and answers with one JSON line. At the end of its input it kills what is
left. A fork copies only the calling thread, so the parent runs no event loop, no model and no query; the threads that
libraries start when they are imported (memory reclaim, which handles forks) are not needed by the children.
"""

import asyncio
import json
import os
import pickle
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from services.domain.sessions import new_york
from services.ingestion import service as ingestion
from services.ingestion.replay import Recorded, deliver
from services.kernel import logging
from services.kernel.config import config_version
from services.kernel.database import connect_pool
from services.kernel.errors import ChloeError
from services.kernel.stage import LoopSettings, Stage, StageLoop
from services.kernel.streams import Streams, connect
from services.standalone.platform import Platform

REFUSED = 3


class Zygote:
    """The children by name; a name is a kind, or ``kind#2`` for a second process of the same kind."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.recorded: Recorded = pickle.loads(Path(spec["recorded"]).read_bytes())
        config = Path(spec["config"])
        stages = Platform(None, None, Path(spec["reports"]), live=False, config=config).stages()
        self.stages: dict[str, Stage[Any]] = {stage.name: stage for stage in stages}
        self.version = config_version(config)
        new_york()  # which takes half a second once a process: longer than many a process lives here
        self.children: dict[str, int] = {}
        ingestion.CHUNK_SLICES = spec["chunk_hours"]
        ingestion.AHEAD_SLICES = spec["ahead_hours"]
        ingestion.PATIENCE_SECONDS = spec["patience_seconds"]

    def start(self, name: str) -> dict[str, Any]:
        """Fork a child that runs the named service until it is killed or ends."""
        kind = name.partition("#")[0]
        pid = os.fork()
        if pid == 0:
            os._exit(_run(lambda: self._source() if kind == "source" else self._stage(kind), self.spec["log"]))
        self.children[name] = pid
        return {"pid": pid}

    def kill(self, name: str) -> dict[str, Any]:
        """Send SIGKILL and reap; ``status`` is negative for a signal, else what the child had already exited with."""
        pid = self.children.pop(name)
        os.kill(pid, signal.SIGKILL)  # a child that has ended stays a zombie until it is reaped here
        return {"status": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}

    def poll(self) -> dict[str, Any]:
        """Reap and name the children that ended by themselves, with their exit status."""
        ended = {}
        for name, pid in list(self.children.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                ended[name] = os.waitstatus_to_exitcode(status)
                del self.children[name]
        return {"ended": ended}

    async def _stage(self, kind: str) -> None:
        pool = await connect_pool(self.spec["database_url"], size=2, durable=True)
        streams = Streams(connect(self.spec["redis_url"]), kind)
        settings = LoopSettings(
            block_ms=self.spec["block_ms"],
            patience_seconds=self.spec["patience_seconds"],
            config_version=self.version,
        )
        await StageLoop(self.stages[kind], pool, streams, settings).run()

    async def _source(self) -> None:
        pool = await connect_pool(self.spec["database_url"], size=2, durable=True)
        await deliver(pool, connect(self.spec["redis_url"]), self.recorded, self.version)


def _run(service: Callable[[], Awaitable[None]], log: str) -> int:
    """Be the service; the pipe to the test belongs to the parent alone."""
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)

    async def main() -> None:
        await service()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
        return 0
    except ChloeError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        return REFUSED
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        return 1


def main() -> None:
    """Serve commands until standard input ends."""
    logging.configure("INFO", readable=False)
    zygote = Zygote(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    _say({"ready": True})
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "start":
            _say(zygote.start(command["name"]))
        elif command["do"] == "kill":
            _say(zygote.kill(command["name"]))
        else:
            _say(zygote.poll())
    for name in list(zygote.children):
        zygote.kill(name)


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
