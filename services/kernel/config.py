"""Read YAML configuration strictly: an unknown key or a wrong type is a one-line error that names file and key."""

import hashlib
import os
import reprlib
from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from services.kernel.errors import ConfigError

ENV = "CHLOE_CONFIG_DIR"
TIMEFRAME_ENV = "CHLOE_TIMEFRAME"
TIMEFRAME = "timeframe"
"""The key that the variable above overrides in every file that has it, so that no stage runs on other bars."""


class Strict(BaseModel):
    """A frozen configuration section that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


T = TypeVar("T", bound=BaseModel)


def config_dir() -> Path:
    """Find the configuration folder: ``CHLOE_CONFIG_DIR``, else ``config`` here, else the checkout's own."""
    named = os.environ.get(ENV)
    if named:
        folder = Path(named)
        if not folder.is_dir():
            raise ConfigError(f"{ENV}={named}: no such folder")
        return folder
    here = Path("config")
    return here if here.is_dir() else Path(__file__).parents[2] / "config"


def read_yaml(path: Path) -> dict[str, Any]:
    """Read one YAML mapping; duplicate keys are refused, for the second would silently win."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: file not found") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    try:
        content = yaml.load(text, Loader=_UniqueKeyLoader)  # a SafeLoader subclass
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected a mapping of keys, found {type(content).__name__}")
    return content


def load(kind: type[T], name: str, folder: Path | None = None) -> T:
    """Load ``name`` (such as ``risk.yaml``) as ``kind``; raises :class:`ConfigError` naming file and key."""
    path = (folder or config_dir()) / name
    content = read_yaml(path)
    wanted = os.environ.get(TIMEFRAME_ENV)
    if wanted and TIMEFRAME in content:
        content[TIMEFRAME] = wanted
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        if wanted and first["loc"] == (TIMEFRAME,):
            raise ConfigError(f"--timeframe or {TIMEFRAME_ENV}: {first['msg']}, got {wanted!r}") from None
        raise ConfigError(f"{path}: {_first_problem(error)}") from None


def config_version(folder: Path | None = None) -> str:
    """Name the configuration by the first 12 hex digits of the SHA-256 over its YAML files."""
    digest = hashlib.sha256(os.environ.get(TIMEFRAME_ENV, "").encode())
    for path in sorted((folder or config_dir()).glob("*.yaml")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _first_problem(error: ValidationError) -> str:
    problems = error.errors()
    first = problems[0]
    key = ".".join(str(part) for part in first["loc"]) or "(whole file)"
    if first["type"] == "extra_forbidden":
        text = f"unknown key '{key}'"
    elif first["type"] == "missing":
        text = f"key '{key}' is missing"
    elif first["type"] == "value_error":  # a check of ours, whose words name the value; the input is a whole section
        text = f"key '{key}': {first['msg']}"
    else:
        text = f"key '{key}': {first['msg']}, got {reprlib.repr(first['input'])}"
    more = len(problems) - 1
    return text + (f" (and {more} more)" if more else "")


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML's safe loader, refusing a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(None, None, f"key {key} is no name", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key '{key}' stands twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)
