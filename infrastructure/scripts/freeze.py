"""Write infrastructure/docker/constraints.txt: the exact versions of everything the images install.

Run it with the Python of an environment in which the project and its ``ml`` extra are installed:
``.venv/bin/python infrastructure/scripts/freeze.py``. Distributions of the ``ml`` extra that are not installed there
keep the pin that the file already has.
"""

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "infrastructure" / "docker" / "constraints.txt"
BUILD_TOOLS = frozenset({"pip", "setuptools", "wheel"})  # each image brings its own
HEADER = "# Exact versions for the images. Made by infrastructure/scripts/freeze.py; do not edit by hand.\n"


def pinned(text: str) -> dict[str, str]:
    """Read ``name==version`` lines."""
    lines = (line.partition("==") for line in text.splitlines() if re.match(r"[A-Za-z0-9]", line))
    return {canonicalize_name(name): version.strip() for name, _, version in lines}


def closure(requirements: list[str], known: dict[str, str]) -> dict[str, str]:
    """Name every distribution that the requirements bring, with its version; ``known`` fills what is not installed."""
    todo = [(Requirement(text), frozenset({""})) for text in requirements]
    seen: set[tuple[str, frozenset[str]]] = set()
    found: dict[str, str] = {}
    while todo:
        requirement, extras = todo.pop()
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        name = canonicalize_name(requirement.name)
        if name in BUILD_TOOLS or (name, frozenset(requirement.extras)) in seen:
            continue
        seen.add((name, frozenset(requirement.extras)))
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            if name not in known:
                sys.exit(f"freeze: {name} is neither installed here nor pinned in {TARGET.name}: install it first")
            found[name] = known[name]
            continue
        # a local version (torch's 2.13.0+cpu) is one machine's build of the public one
        found[name] = distribution.version.partition("+")[0]
        todo += [(Requirement(text), frozenset(requirement.extras) | {""}) for text in distribution.requires or []]
    return found


def main() -> None:
    """Rewrite the constraints file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = pinned(TARGET.read_text(encoding="utf-8")) if TARGET.exists() else {}
    versions = closure([*project["dependencies"], *project["optional-dependencies"]["ml"]], known)
    if "torch" in versions and not _installed("torch"):  # what torch needs is unknown here: keep its pins
        versions = {**{name: pin for name, pin in known.items() if name not in BUILD_TOOLS}, **versions}
    TARGET.write_text(HEADER + "".join(f"{name}=={versions[name]}\n" for name in sorted(versions)), encoding="utf-8")


def _installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    main()
