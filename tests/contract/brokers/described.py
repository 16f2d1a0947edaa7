"""Brokers that talk to a mock of their own description; what it says against their requests is kept."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from types import ModuleType
from typing import Any

import httpx
from recording import Recorder, keys_of

from services.execution.brokers.protocol import Broker
from services.kernel.errors import ChloeError


class Ahead(Recorder):
    """Gives prepared answers first, so that the next question is asked at all, and then passes on to the mock."""

    def __init__(self, prepared: list[httpx.Response]) -> None:
        super().__init__()
        self._prepared = prepared

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer or pass on."""
        if self._prepared:
            self.requests.append(request)
            return self._prepared.pop(0)
        return await super().handle_async_request(request)

    @property
    def objections(self) -> list[str]:
        """One line for each request that the description does not allow; the mock's own examples are not ours."""
        found = []
        for request, response in self.exchanged:
            said = json.loads(response.headers.get("sl-violations") or "[]")
            if wrong := [one for one in said if one["location"][0] == "request"]:
                found.append(f"{request.method} {request.url.raw_path.decode()} {wrong}")
        return found


def told(
    module: ModuleType,
    base_url: str,
    question: Callable[[Broker], Awaitable[Any]],
    *prepared: httpx.Response,
    keys: Mapping[str, str] | None = None,
) -> Ahead:
    """Ask once; what the broker makes of the mock's example is of no interest here."""

    async def run() -> None:
        broker = module.connect(keys or keys_of(module.NEEDS), base_url=base_url, http=recorder.http)
        try:
            await question(broker)
        except ChloeError:
            pass
        finally:
            await broker.close()

    recorder = Ahead(list(prepared))
    asyncio.run(run())
    return recorder
