"""The outermost layer: refuses foreign hosts and huge bodies, adds security headers, counts, and hides what broke."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.kernel import metrics
from services.kernel.logging import get

MAX_BODY_BYTES = 64 * 1024
OUTAGES = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError, TimeoutError)

# Probes come under the machine's own address; these answers tell a stranger nothing.
ANY_HOST = frozenset({"/health", "/ready"})

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)


@dataclass(slots=True)
class _Answer:
    """What has been sent so far."""

    status: int = 0


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, allowed_hosts: Iterable[str]) -> None:
        self.app = app
        self.allowed = frozenset(allowed_hosts)
        self.log = get("gateway")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of events pass."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer()

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            await send(message)

        headers = dict(scope["headers"])
        if scope["path"] not in ANY_HOST and host_name(headers.get(b"host", b"")) not in self.allowed:
            await refuse(guarded, 400, "this host name is not allowed; CHLOE_ALLOWED_HOSTS lists those that are")
        else:
            await self._run(scope, _limited(receive), guarded, answer)
        metrics.HTTP_REQUESTS.labels(getattr(scope.get("route"), "path", "none"), str(answer.status)).inc()

    async def _run(self, scope: Scope, receive: Receive, send: Send, answer: _Answer) -> None:
        try:
            await self.app(scope, receive, send)
        except OUTAGES as error:
            self.log.warning("database or stream out of reach", path=scope["path"], error=type(error).__name__)
            if not answer.status:
                await refuse(send, 503, "the database does not answer; GET /ready says what is missing")
        except Exception as error:
            self.log.exception("request failed", path=scope["path"], error=type(error).__name__)
            if not answer.status:
                await refuse(send, 500, "the request failed; the gateway's log says why")


async def refuse(send: Send, status: int, words: str) -> None:
    """Answer with a one-line error."""
    body = msgspec.json.encode({"error": words})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def host_name(header: bytes) -> str:
    """Return a Host header's name without its port, in lower case; IPv6 addresses without brackets."""
    text: Any = header.decode("latin-1").lower().strip()
    if text.startswith("["):
        return str(text[1:].partition("]")[0])
    return str(text.rpartition(":")[0] if text.count(":") == 1 else text)


def _limited(receive: Receive) -> Receive:
    read = 0

    async def limited() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > MAX_BODY_BYTES:
            raise ValueError(f"the body is larger than {MAX_BODY_BYTES} bytes")
        return message

    return limited
