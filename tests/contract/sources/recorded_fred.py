"""FRED's replies as pyfredapi's tests recorded them: its source distribution comes from PyPI, pinned by its hash."""

import fcntl
import hashlib
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import yaml

RELEASE = "pyfredapi==0.10.2"
ARCHIVE = "pyfredapi-0.10.2.tar.gz"
SHA256 = "c244fe3aa55954669e372a98194a0fa168935fd7482c909d29a537c7a4b94783"
HOME = Path(__file__).parents[3] / "var" / "recorded"


def archive() -> Path:
    """The distribution, downloaded below ``var/recorded`` on first use."""
    target = HOME / ARCHIVE
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        # Two test runs may come first at the same time.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            options = ["--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(HOME)]
            command = [sys.executable, "-m", "pip", "download", *options, RELEASE]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            if done.returncode:
                raise RuntimeError(f"pip could not download {RELEASE}: {done.stderr.strip()[-500:]}")
    found = hashlib.sha256(target.read_bytes()).hexdigest()
    if found != SHA256:
        raise RuntimeError(f"{target} is not the archive that the tests were written for (sha256 {found})")
    return target


def replies(distribution: Path, name: str) -> list[Any]:
    """The JSON bodies of one recording, such as ``test_release/test_get_releases.yaml``, newest last."""
    with tarfile.open(distribution) as opened:
        member = opened.extractfile(f"{ARCHIVE.removesuffix('.tar.gz')}/tests/vhs/{name}")
        if member is None:
            raise FileNotFoundError(f"{distribution} holds no {name}")
        recording = yaml.load(member, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return [json.loads(one["response"]["body"]["string"]) for one in recording["interactions"]]
