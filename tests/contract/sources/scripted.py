"""Providers that answer as a test says, at a moment that never changes."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
from recording import Recorder

NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)
Respond = Callable[[httpx.Request], httpx.Response]
Answer = TypeVar("Answer")


class Objections(Recorder):
    """Asks a Prism mock; what it says against requests (not against its own examples) is in ``violations``."""

    @property
    def asked(self) -> list[str]:
        """Where the requests went."""
        return paths(self.requests)

    @property
    def violations(self) -> list[str]:
        """One line for each request that the description does not allow."""
        found = []
        for request, response in self.exchanged:
            said = json.loads(response.headers.get("sl-violations") or "[]")
            if wrong := [one for one in said if one["location"][0] == "request"]:
                found.append(f"{response.status_code} {request.url.path} {wrong}")
        return found


def clock() -> datetime:
    """The moment at which all tests of this folder happen."""
    return NOW


def says(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Respond:
    """The same answer to everything: JSON, or bytes as they are."""

    def respond(_: httpx.Request) -> httpx.Response:
        if isinstance(body, bytes):
            return httpx.Response(status, content=body, headers=headers)
        return httpx.Response(status, json=body, headers=headers)

    return respond


def paths(requests: list[httpx.Request]) -> list[str]:
    """Where the requests went."""
    return [request.url.path for request in requests]


def query(request: httpx.Request) -> dict[str, str]:
    """The parameters of a request."""
    return dict(request.url.params)


def asked(source: Any, question: Callable[[Any], Awaitable[Answer]]) -> Answer:
    """What a source answers; its connections are closed after it."""

    async def ask() -> Answer:
        try:
            return await question(source)
        finally:
            await source.close()

    return asyncio.run(ask())
