"""Brokers that answer as a test says: over a transport in memory, or over a server on this machine for ccxt."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import httpx
from recording import FakeTime, Recorder, keys_of

from services.execution.brokers import bybit
from services.execution.brokers.bybit_calls import Calls
from services.execution.brokers.protocol import Broker


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came in; header names are lower-case, the body is decoded."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: Any

    @property
    def changes(self) -> bool:
        """Whether it asks for something to be done."""
        return self.method != "GET"


@dataclass(frozen=True, slots=True)
class Told:
    """One answer, or what goes wrong instead of one."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    how: Literal["answer", "hang", "drop", "half"] = "answer"

    @property
    def content(self) -> bytes:
        """The bytes of the body; half of them where the connection breaks off."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Respond = Callable[[Asked], Told]


@dataclass
class Line:
    """A broker and what it was asked."""

    broker: Broker
    asked: list[Asked]
    time: FakeTime

    @property
    def sent(self) -> list[Asked]:
        """The requests that change something."""
        return [one for one in self.asked if one.changes]


@asynccontextmanager
async def line(module: ModuleType, respond: Respond, **more: Any) -> AsyncIterator[Line]:
    """Connect an adapter with planted keys to ``respond`` for as long as the block lasts; no waiting takes time."""
    keys = more.pop("keys", None) or keys_of(module.NEEDS)
    make = _ccxt_line if module is bybit else _http_line
    async with make(module, respond, keys, more) as opened:
        try:
            yield opened
        finally:
            await opened.broker.close()
            await opened.broker.close()


@asynccontextmanager
async def _http_line(
    module: ModuleType, respond: Respond, keys: Mapping[str, str], more: dict[str, Any]
) -> AsyncIterator[Line]:
    asked: list[Asked] = []

    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        url = request.url
        asked.append(Asked(request.method, url.path, dict(url.params), dict(request.headers.items()), body))
        told = respond(asked[-1])
        if told.how == "hang":
            raise httpx.ReadTimeout("no reply")
        if told.how == "drop":
            raise httpx.ReadError("connection reset by peer")
        content = told.content[: len(told.content) // 2] if told.how == "half" else told.content
        return httpx.Response(told.status, content=content, headers=told.headers)

    recorder = Recorder(answer)
    yield Line(module.connect(keys, http=recorder.http, **more), asked, recorder.time)


@asynccontextmanager
async def _ccxt_line(
    module: ModuleType, respond: Respond, keys: Mapping[str, str], more: dict[str, Any]
) -> AsyncIterator[Line]:
    asked: list[Asked] = []
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await _read(reader))
        told = respond(asked[-1])
        if told.how == "hang":
            await over.wait()
        elif told.how != "drop":
            head = f"HTTP/1.1 {told.status} X\r\nConnection: close\r\nContent-Length: {len(told.content)}\r\n"
            head += "".join(f"{name}: {value}\r\n" for name, value in told.headers.items())
            content = told.content[: len(told.content) // 2] if told.how == "half" else told.content
            writer.write(head.encode() + b"\r\n" + content)
            await writer.drain()
        writer.close()

    time = FakeTime()
    timeout_s = more.pop("timeout_s", 10.0)
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        calls = partial(Calls, sleep=time.sleep, timeout_s=timeout_s)
        broker = module.connect(keys, **{"base_url": url, "http": calls, **more})
        client = broker._calls._exchange
        client.enableRateLimit, client.timeout_on_exit = False, 0
        try:
            yield Line(broker, asked, time)
        finally:
            over.set()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in head[1:] if one)}
    length = int(headers.get("content-length", "0"))
    content = await reader.readexactly(length) if length else b""
    parts = urlsplit(target)
    return Asked(method, parts.path, dict(parse_qsl(parts.query)), headers, json.loads(content) if content else None)
