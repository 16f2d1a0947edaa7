"""Prism, the mock server that holds requests against a provider's own OpenAPI description. It comes from npm."""

import fcntl
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PRISM = "@stoplight/prism-cli@5.14.2"
HOME = Path(__file__).parents[2] / "var" / "prism"
START_S = 90.0
WITHOUT_NODE = (
    "the providers' descriptions are on this machine, so Prism must run, but node and npm are not on PATH: "
    "install Node.js 18 or later (or leave these tests out with CHLOE_PRISM=off)"
)
SLASHED_REF = re.compile(r"(#/components/\w+/)([^'\"\s]*/[^'\"\s]*)")


def installed() -> list[str]:
    """The command that runs Prism; installs the pinned package below ``var/prism`` on first use."""
    node, npm = shutil.which("node"), shutil.which("npm")
    script = HOME / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
    if node is None or (npm is None and not script.exists()):
        raise RuntimeError(WITHOUT_NODE)
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        # Two test runs may come first at the same time.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not script.exists():
            quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]
            done = subprocess.run(
                [str(npm), "install", *quiet, PRISM], cwd=HOME, capture_output=True, text=True, timeout=300, check=False
            )
            if done.returncode:
                raise RuntimeError(f"npm could not install {PRISM}: {done.stderr.strip()[-500:]}")
    return [node, str(script)]


class PrismServer:
    """One mock of one description on a free port of this machine."""

    def __init__(self, command: list[str], spec: Path) -> None:
        port = _free_port()
        self.base_url = f"http://127.0.0.1:{port}"
        self._said: list[str] = []
        self._listening = threading.Event()
        self._process = subprocess.Popen(
            [*command, "mock", "--host", "127.0.0.1", "--port", str(port), str(spec)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "NO_COLOR": "1"},
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()
        if not self._listening.wait(START_S) or self._process.poll() is not None:
            self.stop()
            raise RuntimeError(f"Prism did not start on {spec.name}: {' '.join(self._said)[-500:]}")

    def stop(self) -> None:
        """End the process; its output is read to the end."""
        self._process.terminate()
        self._process.wait(timeout=10)
        self._reader.join(timeout=10)
        if self._process.stdout:
            self._process.stdout.close()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            if not self._listening.is_set():
                self._said.append(line.strip())
            if "Prism is listening" in line:
                self._listening.set()
        self._listening.set()


class Prisms:
    """Mocks by description, started when asked for; at most ``at_once`` run, for each takes 150 MB and more."""

    def __init__(self, scratch: Path, at_once: int = 2) -> None:
        self._scratch = scratch
        self._at_once = at_once
        self._running: dict[Path, PrismServer] = {}

    def __call__(self, spec: Path) -> str:
        """The address of a mock of ``spec``, without the path prefix that its servers name: Prism leaves it out."""
        server = self._running.pop(spec, None)
        if server is None:
            while len(self._running) >= self._at_once:
                self._running.pop(next(iter(self._running))).stop()
            server = PrismServer(installed(), mended(spec, self._scratch))
        self._running[spec] = server
        return server.base_url

    def stop(self) -> None:
        """End all that run."""
        while self._running:
            self._running.popitem()[1].stop()


@contextmanager
def prisms(scratch: Path) -> Iterator[Prisms]:
    """Mocks that are gone at the end."""
    running = Prisms(scratch)
    try:
        yield running
    finally:
        running.stop()


def mended(spec: Path, scratch: Path) -> Path:
    """``spec``, or a copy of it in ``scratch`` where references to names with a slash are written as they must be.

    JSON pointers escape a slash as ``~1``; a description that does not is refused by Prism although it is clear.
    """
    text = spec.read_text()

    def escaped(found: re.Match[str]) -> str:
        declared = re.search(rf"^\s+['\"]?{re.escape(found[2])}['\"]?:", text, re.MULTILINE)
        return found[1] + found[2].replace("/", "~1") if declared else found[0]

    fixed = SLASHED_REF.sub(escaped, text)
    if fixed == text:
        return spec
    copy = scratch / spec.name
    copy.write_text(fixed)
    return copy


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
