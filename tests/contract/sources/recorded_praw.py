"""Reddit's replies as praw's own tests recorded them: its source distribution comes from PyPI, pinned by its hash."""

import fcntl
import hashlib
import json
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

VERSION = "8.0.3"
SHA256 = "9b1428eb27e75420010713a5d6e86e7444540164efbb89eba6e693df0a10a512"
HOME = Path(__file__).parents[3] / "var" / "recorded"
ARCHIVE = HOME / f"praw-{VERSION}.tar.gz"


def replies(names: Sequence[str]) -> dict[str, list[tuple[int, Any]]]:
    """Status and JSON of each recorded reply, by recording, such as ``TestSubredditListings.test_new``."""
    _fetch()
    found = {}
    with tarfile.open(ARCHIVE) as archive:
        for name in names:
            member = archive.extractfile(f"praw-{VERSION}/tests/integration/cassettes/{name}.json")
            if member is None:
                raise FileNotFoundError(f"{ARCHIVE} holds no {name}")
            recorded = [one["response"] for one in json.load(member)["interactions"]]
            found[name] = [(one["status"]["code"], json.loads(one["body"]["string"])) for one in recorded]
    return found


def _fetch() -> None:
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "praw.lock").open("w") as lock:
        # Two test runs may come first at the same time.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ARCHIVE.exists():
            options = ["--quiet", "--no-deps", "--no-binary", "praw", "--dest", str(HOME)]
            command = [sys.executable, "-m", "pip", "download", *options, f"praw=={VERSION}"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            if done.returncode:
                raise RuntimeError(f"pip could not download praw {VERSION}: {done.stderr.strip()[-500:]}")
    digest = hashlib.sha256(ARCHIVE.read_bytes()).hexdigest()
    if digest != SHA256:
        raise RuntimeError(f"{ARCHIVE} is not the archive that the tests were written for (sha256 {digest})")
