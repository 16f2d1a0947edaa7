"""What tests of the HTTP client and of the sources share: clients that keep what went over them, and never wait."""

from collections.abc import Callable, Sequence
from typing import Any

import httpx

from services.kernel.http import Http

Answer = Callable[[httpx.Request], httpx.Response]


class FakeTime:
    """A clock that only moves when somebody waits; ``slept`` says for how long each time, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        """Seconds on the clock."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Move on at once."""
        self.slept.append(seconds)
        self.now += seconds


class Recorder(httpx.AsyncBaseTransport):
    """Passes requests on and keeps each with its answer. ``http`` is given to an adapter's ``connect``.

    Without ``answer`` requests go over the network (to Prism on this machine).
    """

    def __init__(self, answer: Answer | None = None) -> None:
        self.requests: list[httpx.Request] = []
        """All that was asked, answered or not, oldest first."""
        self.exchanged: list[tuple[httpx.Request, httpx.Response]] = []
        self.time = FakeTime()
        self._next = httpx.MockTransport(answer) if answer else httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass one request on."""
        self.requests.append(request)
        response = await self._next.handle_async_request(request)
        self.exchanged.append((request, response))
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._next.aclose()

    def http(self, *args: Any, **kwargs: Any) -> Http:
        """Make an `Http` over this transport, on a clock that never waits. To be given as ``connect(..., http=)``."""
        kwargs |= {"client": httpx.AsyncClient(transport=self), "sleep": self.time.sleep}
        return Http(*args, **kwargs, monotonic=self.time.monotonic)

    def assert_accepted(self) -> None:
        """Fail unless Prism found every request right by the provider's own description, and there was one."""
        assert self.exchanged, "no request was made"
        for request, response in self.exchanged:
            violations = response.headers.get("sl-violations", "")
            told = f"{request.method} {request.url.path}?{request.url.query.decode()}"
            assert not violations, f"{told}: {violations}"
            assert response.status_code < 400, f"{told}: HTTP {response.status_code}"


def answering(*replies: httpx.Response | Exception) -> Answer:
    """Give the replies one after the other, then the last for ever; an exception is raised."""
    left = list(replies)

    def answer(request: httpx.Request) -> httpx.Response:
        reply = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(reply, Exception):
            raise reply
        # A response can be read once, and the last may be wanted often.
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)

    return answer


def keys_of(needs: Sequence[str]) -> dict[str, str]:
    """Planted credentials for environment variables: easy to find again wherever they must not be."""
    return {name: f"planted-{name.lower().replace('_', '-')}-5f3c9" for name in needs}
