"""The providers' and brokers' own descriptions, and Prism to hold requests against them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from prism_mock import Prisms, prisms

SPECS = Path(__file__).parents[3] / "shared" / "specs"


@pytest.fixture(scope="session")
def specs_dir() -> Path:
    """The folder of the descriptions, which are not ours to ship."""
    folder = Path(os.environ.get("CHLOE_SPECS_DIR", SPECS))
    if not folder.is_dir():
        pytest.skip("provider specs are not on this machine: set CHLOE_SPECS_DIR")
    return folder


@pytest.fixture(scope="session")
def prism(specs_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prisms]:
    """``prism(spec)`` gives the address of a mock of a description. Without node the tests fail and say so."""
    if os.environ.get("CHLOE_PRISM") == "off":
        pytest.skip("left out on request (CHLOE_PRISM=off): requests are not held against the providers' descriptions")
    with prisms(tmp_path_factory.mktemp("prism")) as running:
        yield running
