"""What every adapter file has in common, checked on the module itself and on what its ``connect`` makes."""

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from recording import Recorder, keys_of

from services.ingestion.adapters import utc_now
from services.kernel.http import Http, Policy

FAMILIES = {"crypto", "stocks", "forex", "sentiment", "macro"}
LINES_MAX = 400
METHODS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "candles": {
        "history": ("symbol", "timeframe", "since", "until"),
        "latest": ("symbol", "timeframe", "since"),
    },
    "quotes": {"quote": ("symbol",)},
    "indicators": {"observe": ("since",)},
    "social": {"mentions": ("symbols", "since")},
    "options_flow": {"alerts": ("since",)},
    "dominance": {"dominance": ()},
    "calendar": {"events": ("since", "until")},
}
"""The methods that each word of ``GIVES`` promises, with their parameters. All are awaited but ``history``."""


def assert_constants(module: ModuleType) -> None:
    """The module says who it is, what it needs and gives, and how its provider wants to be asked."""
    source = Path(str(module.__file__))
    assert module.__doc__, "a docstring says what the provider is"
    assert source.stem == module.NAME, "the file is named as the source"
    assert module.FAMILY in FAMILIES
    assert isinstance(module.NEEDS, tuple)
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]+", name) for name in module.NEEDS)
    assert isinstance(module.GIVES, frozenset)
    assert module.GIVES, "an adapter gives something"
    assert set(METHODS) >= module.GIVES
    assert isinstance(module.POLICY, Policy)
    assert re.fullmatch(r"https://[a-z0-9.-]+(/[\w./-]*\w)?", module.BASE_URL), "no plain HTTP, no closing slash"
    assert len(source.read_text().splitlines()) <= LINES_MAX


def assert_connect(module: ModuleType) -> None:
    """``connect`` can be called the same way for all."""
    signature = inspect.signature(module.connect)
    defaults = {name: parameter.default for name, parameter in signature.parameters.items()}
    assert defaults.pop("environment") is inspect.Parameter.empty
    wanted = {"base_url": module.BASE_URL, "symbols": None, "clock": utc_now, "http": Http}
    for name, default in wanted.items():
        assert signature.parameters[name].kind is inspect.Parameter.KEYWORD_ONLY, name
        assert defaults.pop(name) is default, name
    assert all(default is not inspect.Parameter.empty for default in defaults.values()), "more of its own is optional"


async def assert_source(module: ModuleType) -> None:
    """What ``connect`` makes has the methods that ``GIVES`` promises and no others; making and closing asks nothing."""
    recorder = Recorder()
    source = module.connect(keys_of(module.NEEDS), http=recorder.http)
    try:
        assert source.name == module.NAME
        assert type(source).__doc__
        for gives, methods in METHODS.items():
            for name, parameters in methods.items():
                assert hasattr(source, name) == (gives in module.GIVES), f"{name} goes with {gives!r} in GIVES"
                if gives in module.GIVES:
                    _assert_method(getattr(source, name), name, parameters)
    finally:
        await source.close()
        await source.close()
    assert recorder.requests == []


def _assert_method(method: Any, name: str, parameters: tuple[str, ...]) -> None:
    assert inspect.getdoc(method), f"{name} says what it gives"
    found = inspect.signature(method).parameters
    assert tuple(found)[: len(parameters)] == parameters, name
    extra = list(found.values())[len(parameters) :]
    assert all(parameter.default is not inspect.Parameter.empty for parameter in extra), f"{name}: more is optional"
    right = inspect.isasyncgenfunction(method) if name == "history" else inspect.iscoroutinefunction(method)
    assert right, f"{name} is {'an async generator' if name == 'history' else 'awaited'}"
