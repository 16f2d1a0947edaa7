"""What goes into the images, and that nothing else does."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = (ROOT / "infrastructure/docker/Dockerfile").read_text(encoding="utf-8")


def constraints() -> dict[str, str]:
    lines = (ROOT / "infrastructure/docker/constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.!]+", pin) for pin in pins), "only public versions of public names"
    return dict(pin.split("==") for pin in pins)


def test_every_declared_dependency_is_pinned_to_a_version_it_allows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = constraints()
    for text in [*project["dependencies"], *project["optional-dependencies"]["ml"]]:
        requirement = Requirement(text)
        version = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{text}: the constraints say {version}"


def test_torch_of_the_image_is_the_pinned_one() -> None:
    assert f"ARG TORCH=torch=={constraints()['torch']}\n" in DOCKERFILE


def test_both_targets_end_as_an_unprivileged_user() -> None:
    stages = re.split(r"(?m)^FROM ", DOCKERFILE)[1:]
    ends = {stage.split("\n")[0].rpartition(" AS ")[2]: re.findall(r"(?m)^USER (\S+)", stage) for stage in stages}
    assert ends["base"] == ends["ml"] == ["10001:10001"]


def test_dockerfile_needs_no_buildkit() -> None:
    assert not re.search(r"--mount|--link|<<|^# syntax=", DOCKERFILE, re.MULTILINE)


def test_only_named_folders_reach_the_images() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    assert allowed == {"pyproject.toml", "README.md", "config", "migrations", "services", "infrastructure/docker"}
