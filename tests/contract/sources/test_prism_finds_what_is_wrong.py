"""The check itself: Prism objects to a wrong request, and the recorder says so. The description is made by hand."""

import asyncio
from pathlib import Path

import pytest
from prism_mock import Prisms, mended
from recording import Recorder

from services.kernel.http import Policy
from services.kernel.provider_errors import FeedError

SPEC = """
openapi: 3.0.3
info: {title: shop, version: "1"}
servers: [{url: https://shop.example/v9}]
paths:
  /bars:
    get:
      parameters:
        - {name: limit, in: query, required: true, schema: {type: integer, maximum: 10}}
      responses:
        "200":
          description: fine
          content: {application/json: {schema: {$ref: '#/components/schemas/Shop/Bars'}, example: {bars: []}}}
components:
  schemas:
    Shop/Bars: {type: object, properties: {bars: {type: array, items: {}}}}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A description with a reference that Prism alone would not follow."""
    file = tmp_path / "shop.yaml"
    file.write_text(SPEC)
    return file


async def ask(base_url: str, recorder: Recorder, limit: int | None) -> object:
    http = recorder.http("shop", base_url, Policy(requests=10, per_seconds=1, attempts=1))
    try:
        return (await http.get("/bars", {"limit": limit})).json()
    finally:
        await http.close()


def test_right_request_is_accepted(prism: Prisms, spec: Path, recorder: Recorder) -> None:
    assert asyncio.run(ask(prism(spec), recorder, 5)) == {"bars": []}
    recorder.assert_accepted()


@pytest.mark.parametrize(("limit", "found"), [(None, "422"), (11, "limit")])
def test_wrong_request_is_found(prism: Prisms, spec: Path, recorder: Recorder, limit: int | None, found: str) -> None:
    with pytest.raises(FeedError):
        asyncio.run(ask(prism(spec), recorder, limit))
    with pytest.raises(AssertionError, match=found):
        recorder.assert_accepted()


def test_no_request_is_no_proof(recorder: Recorder) -> None:
    with pytest.raises(AssertionError, match="no request was made"):
        recorder.assert_accepted()


def test_only_names_with_a_slash_are_mended(spec: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    copy = mended(spec, folder)
    assert copy.parent == folder
    assert copy.read_text() == SPEC.replace("schemas/Shop/Bars'", "schemas/Shop~1Bars'")
    plain = tmp_path / "plain.yaml"
    plain.write_text("a: {$ref: '#/components/schemas/Bars/properties/t'}\n")
    assert mended(plain, folder) == plain
