"""Ask any adapter for everything that it gives, whatever its provider is."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

from recording import Recorder, keys_of

from services.ingestion.errors import FeedError

NOW = datetime(2025, 6, 18, 20, tzinfo=UTC)
SINCE = NOW - timedelta(days=9)
SYMBOLS = {"crypto": "BTC/USDT", "stocks": "NVDA", "forex": "GBP/JPY", "macro": "WTI", "sentiment": "TSLA"}
OPTIONAL_KEYS = {"coingecko": ("COINGECKO_API_KEY",)}
LOGS_IN = frozenset({"reddit"})
"""Sources that ask for a token first, with a request of their library's own."""

Asking = Callable[[Any, str], Awaitable[Any]]


async def _history(source: Any, symbol: str) -> list[Any]:
    return [bar async for page in source.history(symbol, "1d", SINCE, NOW) for bar in page.ts]


async def _latest(source: Any, symbol: str) -> list[Any]:
    return list((await source.latest(symbol, "1h", SINCE)).ts)


ASKING: Mapping[str, Mapping[str, Asking]] = {
    "candles": {"history": _history, "latest": _latest},
    "quotes": {"quote": lambda source, symbol: source.quote(symbol)},
    "indicators": {"observe": lambda source, _: source.observe(SINCE)},
    "social": {"mentions": lambda source, symbol: source.mentions([symbol], SINCE)},
    "options_flow": {"alerts": lambda source, _: source.alerts(SINCE)},
    "dominance": {"dominance": lambda source, _: source.dominance()},
    "calendar": {"events": lambda source, _: source.events(SINCE, NOW)},
}


def questions(module: ModuleType) -> list[str]:
    """The methods that an adapter can be asked by."""
    return [name for gives in sorted(module.GIVES) for name in ASKING[gives]]


def planted(module: ModuleType) -> dict[str, str]:
    """Credentials for an adapter, easy to find wherever they must not be."""
    return keys_of([*module.NEEDS, *OPTIONAL_KEYS.get(module.NAME, ())])


async def ask(module: ModuleType, question: str, recorder: Recorder) -> Any:
    """What the adapter answers, or the FeedError that it raises; any other error is a fault of the adapter."""
    async with logins() as base_url:
        more = {"base_url": base_url} if module.NAME in LOGS_IN else {}
        source = module.connect(planted(module), http=recorder.http, clock=lambda: NOW, **more)
        asking = next(methods[question] for methods in ASKING.values() if question in methods)
        try:
            return await asking(source, SYMBOLS[module.FAMILY])
        except FeedError as error:
            return error
        finally:
            await source.close()


@asynccontextmanager
async def logins() -> AsyncIterator[str]:
    """A server on this machine that gives everybody a token: client libraries log in past the shared client."""
    body = json.dumps({"access_token": "planted-token-77aa", "token_type": "bearer", "expires_in": 3600, "scope": "*"})

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write((head + body).encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
