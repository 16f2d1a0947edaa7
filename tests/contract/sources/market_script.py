"""A provider of market data on a script: it gives the answers it was told to, in turn, and keeps what it was asked."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import msgspec

from services.domain.candles import Candles
from services.kernel.http import Http, Policy
from services.kernel.provider_errors import FeedError


@dataclass(frozen=True)
class Answer:
    """One reply; a body that is no text is sent as JSON."""

    body: Any = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> httpx.Response:
        content = self.body.encode() if isinstance(self.body, str) else msgspec.json.encode(self.body)
        return httpx.Response(self.status, content=content, headers=self.headers)


class Script:
    """Answers in turn, the last one for ever. Time stands still but for the waiting that Http does."""

    def __init__(self, *answers: Answer | dict[str, Any]) -> None:
        self._answers = [one if isinstance(one, Answer) else Answer(one) for one in answers]
        self.requests: list[httpx.Request] = []
        self.seconds = 0.0

    def http(self, name: str, base_url: str, policy: Policy, **more: Any) -> Http:
        """What ``connect`` takes as ``http``."""
        client = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        return Http(name, base_url, policy, client=client, sleep=self._sleep, monotonic=lambda: self.seconds, **more)

    def params(self, request: int) -> dict[str, str]:
        """The query of a request, counted from 0."""
        return dict(self.requests[request].url.params)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return answer.response()

    async def _sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Described(Script):
    """Requests go to a mock of the provider's own description, which says in a header what is wrong with them."""

    def __init__(self) -> None:
        super().__init__()
        self.violations: list[str] = []
        self.statuses: list[int] = []

    def http(self, name: str, base_url: str, policy: Policy, **more: Any) -> Http:
        """What ``connect`` takes as ``http``; ``base_url`` is the mock's."""
        client = httpx.AsyncClient(event_hooks={"response": [self._noted]})
        return Http(name, base_url, policy, client=client, sleep=self._sleep, monotonic=lambda: self.seconds, **more)

    async def _noted(self, response: httpx.Response) -> None:
        self.requests.append(response.request)
        self.statuses.append(response.status_code)
        if found := response.headers.get("sl-violations"):
            self.violations.append(found)


def utc(text: str) -> datetime:
    """``2024-03-01 14:30`` as a moment in UTC."""
    return datetime.fromisoformat(f"{text}+00:00")


async def collected(pages: AsyncIterator[Candles]) -> list[Candles]:
    return [page async for page in pages]


async def until_error(pages: AsyncIterator[Candles], error: type[FeedError]) -> list[Candles]:
    """The pages before the error; it is a failure if none is raised."""
    found: list[Candles] = []
    try:
        async for page in pages:
            found += [page]
    except error:
        return found
    raise AssertionError(f"no {error.__name__} was raised")


def opens(pages: list[Candles]) -> list[str]:
    """The opens of all bars, in the order in which they came, as ``03-01 14:30``."""
    return [f"{datetime.fromisoformat(str(t)):%m-%d %H:%M}" for page in pages for t in page.ts.astype("datetime64[s]")]
