"""Tell people: a line in the log always, and one POST to ``CHLOE_NOTIFY_URL`` where that is set.

In order and at least once, beside the watching and never in its way: a receiver that does not answer costs some tries,
then the next one is told. The address is a secret, for whoever has it may write there: it stands in no line.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from services.kernel.database import Connection
from services.kernel.errors import StartRefused
from services.kernel.logging import get
from services.watchdog import notices
from services.watchdog.notices import Notice
from services.watchdog.settings import Notify

Pause = Callable[[float], Awaitable[None]]


class Receiver:
    """Where notifications are posted to; without an address they only stand in the log."""

    def __init__(self, url: str | None, client: httpx.AsyncClient) -> None:
        parts = urlsplit(url or "https://none")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise StartRefused("CHLOE_NOTIFY_URL: no address of a receiver; it starts with https:// or http://")
        self.url = url
        self.client = client
        # httpx writes whole URLs to its log.
        for library in ("httpx", "httpcore"):
            logging.getLogger(library).setLevel(logging.WARNING)

    async def post(self, one: Notice) -> str | None:
        """Post one notification; returns why that failed, in words without the address, or None."""
        if self.url is None:
            return None
        try:
            reply = await self.client.post(self.url, json=content(one))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return type(error).__name__
        return None if reply.is_success else f"status {reply.status_code}"


def content(one: Notice) -> dict[str, Any]:
    """Return what is posted."""
    return {"title": one.title, "text": one.text, "subject": one.subject, "at": one.at.astimezone(UTC).isoformat()}


def pause_seconds(tries: int, settings: Notify) -> float:
    """Return how long to wait after so many tries: doubling, up to the longest."""
    return float(min(settings.retry_seconds * 2 ** min(tries - 1, 32), settings.retry_longest_seconds))


async def tell(
    pool: Connection, receiver: Receiver, settings: Notify, *, pause: Pause = asyncio.sleep
) -> None:  # fmt: skip
    """Tell what waits, oldest first, for ever."""
    while True:
        await pause(await tell_next(pool, receiver, settings) or 0.0)


async def tell_next(pool: Connection, receiver: Receiver, settings: Notify) -> float | None:
    """Tell the oldest that waits; returns how many seconds to wait before the next turn, None: go on at once."""
    log = get("watchdog")
    one = await notices.waiting(pool)
    if one is None:
        return settings.poll_seconds
    if one.tries == 0:
        log.warning("notification", title=one.title, text=one.text, subject=one.subject, at=one.at.isoformat())
    # Counted first: a receiver that kills us is not asked for ever.
    await notices.tried(pool, one.seq)
    failed = await receiver.post(one)
    if failed is None:
        await notices.told(pool, one.seq, datetime.now(UTC))
        return None
    tries = one.tries + 1
    if tries < settings.tries:
        return pause_seconds(tries, settings)
    log.error("notification given up", title=one.title, tries=tries, reason=failed)
    await notices.give_up(pool, one.seq)
    return None
