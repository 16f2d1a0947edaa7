"""One adapter is like the other: whoever knows one knows all, and the registry needs no special case."""

import asyncio
import sys
from pathlib import Path

import pytest
import yaml
from adapter_shape import assert_connect, assert_constants, assert_source

from services.ingestion.adapters import adapters

CONFIG = Path(__file__).parents[3] / "config" / "data_sources.yaml"
EVERY = pytest.mark.parametrize("name", list(adapters()))


@EVERY
def test_says_what_it_is(name: str) -> None:
    assert_constants(adapters()[name])


@EVERY
def test_is_connected_like_all(name: str) -> None:
    assert_connect(adapters()[name])


@EVERY
def test_has_the_methods_that_it_promises(name: str) -> None:
    asyncio.run(assert_source(adapters()[name]))


@EVERY
def test_is_one_line_of_config(name: str) -> None:
    sources = yaml.safe_load(CONFIG.read_text())["sources"]
    assert name in {line["adapter"] for line in sources.values()}


def test_adapters_are_found_by_name_and_only_when_asked_for() -> None:
    found = adapters()
    assert list(found) == sorted(found)
    assert len(found) == len(list(found))
    assert "ccxt_candles" not in found
    assert "nobody" not in found
    with pytest.raises(KeyError):
        found["nobody"]
    first = next(iter(found))
    assert found[first] is sys.modules[f"services.ingestion.adapters.{first}"]
