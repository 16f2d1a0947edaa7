"""The page about adding a source, done as it says: its file, its line and its reply, word for word."""

import asyncio
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import yaml
from adapter_shape import assert_connect, assert_constants, assert_source
from asking import NOW, SINCE, ask
from recording import Recorder, answering

from services.ingestion.errors import FeedError, RateLimited
from services.ingestion.observations import Observation
from services.ingestion.settings import DataSources

PAGE = (Path(__file__).parents[3] / "docs" / "adding-a-source.md").read_text()


def block(language: str) -> str:
    """The only block of a language on the page."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return str(found)


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The page's file, imported from a folder of its own."""
    file = tmp_path_factory.mktemp("adapters") / "harbour.py"
    file.write_text(block("python"))
    spec = importlib.util.spec_from_file_location("harbour", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["harbour"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["harbour"]


async def over_loopback(harbour: ModuleType) -> tuple[list[Observation], list[str]]:
    """Ask a real server on this machine that answers with the page's reply; also what it was asked."""
    asked: list[str] = []
    body = block("json").encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode().splitlines()[0])
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        source = harbour.connect({"HARBOUR_API_KEY": "k3y"}, base_url=base_url, clock=lambda: NOW)
        found = await source.observe(SINCE)
        await source.close()
    return found, asked


def test_the_file_is_under_sixty_lines() -> None:
    assert len(block("python").splitlines()) < 60


def test_the_file_has_the_shape_of_all_adapters(harbour: ModuleType) -> None:
    assert_constants(harbour)
    assert_connect(harbour)
    asyncio.run(assert_source(harbour))


def test_it_asks_over_loopback_and_reads_the_reply(harbour: ModuleType) -> None:
    found, asked = asyncio.run(over_loopback(harbour))
    assert asked == ["GET /v1/waiting?from=2025-06-09&key=k3y HTTP/1.1"]
    assert [(one.name, one.symbol, one.value) for one in found] == [
        ("harbour.tankers_waiting", "WTI", 41.0),
        ("harbour.tankers_waiting", "WTI", 44.0),
    ]
    assert all(one.observed_at < one.available_at <= NOW for one in found)


def test_its_check_finds_the_error_inside_http_200(harbour: ModuleType) -> None:
    busy, fine = httpx.Response(200, json={"error": "slow down"}), httpx.Response(200, json=json.loads(block("json")))
    assert isinstance(asyncio.run(ask(harbour, "observe", Recorder(answering(busy)))), RateLimited)
    assert len(asyncio.run(ask(harbour, "observe", Recorder(answering(busy, fine))))) == 2


@pytest.mark.parametrize("body", [[], {}, {"days": 5}, {"days": [{}]}, {"days": [{"counted_at": 5}]}])
def test_it_reads_no_rows_out_of_nonsense(harbour: ModuleType, body: Any) -> None:
    assert isinstance(
        asyncio.run(ask(harbour, "observe", Recorder(answering(httpx.Response(200, json=body))))), FeedError
    )


def test_the_line_is_one_line_that_the_settings_take() -> None:
    line = block("yaml")
    assert len(line.splitlines()) == 1
    declared = DataSources(sources=yaml.safe_load(line))
    assert declared.sources["harbour"].adapter == "harbour"
    assert declared.sources["harbour"].family == "macro"
