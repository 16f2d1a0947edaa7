"""Every stage and the replay source as its own operating-system process, to be killed and started again at will."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from services.standalone.platform import STAGES

KINDS = ("source", *STAGES)
ROOT = Path(__file__).parents[2]
KILLED = -9
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
PATIENCE_SECONDS = 120.0
LOOK_SECONDS = 0.002


class Services:
    """The processes of one platform; leaving the context kills those that still run."""

    def __init__(self, folder: Path, **spec: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "services.log"
        told = {
            "log": str(self.log),
            "reports": str(folder / "reports"),
            "block_ms": 100,
            "patience_seconds": 5.0,
            **spec,
        }
        spec_file = folder / "spec.json"
        spec_file.write_text(json.dumps(told), encoding="utf-8")
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": path}
        self._zygote = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("zygote.py")), str(spec_file)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=environment, text=True,
        )  # fmt: skip
        self._answer()
        self.running: set[str] = set()
        self.kills: dict[str, int] = dict.fromkeys(KINDS, 0)

    def start(self, *names: str) -> None:
        """Start the named processes."""
        for name in names:
            self._ask("start", name)
            self.running.add(name)

    def kill(self, name: str) -> None:
        """SIGKILL one process; an end of its own before that is an error unless it is the source having finished."""
        status = self._ask("kill", name)["status"]
        self.running.discard(name)
        if status == KILLED:
            self.kills[name.partition("#")[0]] += 1
        elif (name, status) != ("source", 0):
            raise AssertionError(f"{name} had ended by itself with {status}:\n{self.told()}")

    def ended(self) -> dict[str, int]:
        """Return the processes that ended by themselves since the last look, with their exit status."""
        ended: dict[str, int] = self._ask("poll", "")["ended"]
        self.running -= ended.keys()
        return ended

    def check(self) -> None:
        """Raise if any process but a finished source has ended by itself."""
        wrong = {name: status for name, status in self.ended().items() if (name, status) != ("source", 0)}
        if wrong:
            raise AssertionError(f"ended by themselves: {wrong}\n{self.told()}")

    def told(self) -> str:
        """Return the end of what the processes have logged."""
        return self.log.read_text(encoding="utf-8")[-4000:] if self.log.exists() else "(nothing was logged)"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.close()
        self._zygote.wait(timeout=PATIENCE_SECONDS)
        self._zygote.stdout.close()

    def _ask(self, do: str, name: str) -> dict[str, Any]:
        assert self._zygote.stdin is not None
        self._zygote.stdin.write(json.dumps({"do": do, "name": name}) + "\n")
        self._zygote.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._zygote.stdout is not None
        line = self._zygote.stdout.readline()
        if not line:
            self.__exit__(None, None, None)
            raise AssertionError(f"the parent of the service processes has ended with {self._zygote.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def wait_until(reached: Callable[[], bool], *, within: float = PATIENCE_SECONDS, what: str) -> None:
    """Look again and again until ``reached``; raises AssertionError when ``within`` seconds have passed.

    Other processes are at work and have no way to call back, so this looks every two milliseconds.
    """
    deadline = time.monotonic() + within
    while not reached():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {within:.0f} s")
        time.sleep(LOOK_SECONDS)
