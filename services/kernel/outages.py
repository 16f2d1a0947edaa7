"""Outlast outages of PostgreSQL and Redis: every job here continues from what is stored, so it is simply run again."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
from redis.exceptions import RedisError

from services.kernel.logging import get

OUTAGES = (OSError, RedisError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What waiting may mend; asyncpg says ``InternalClientError`` of an idle connection that was cut."""

RETRY_SECONDS = 0.2


async def outlast(component: str, job: Callable[[], Awaitable[None]], retry_seconds: float | None = None) -> None:
    """Run a job until it returns, again after every outage; other errors are raised.

    An outage is one line in the log however often it is met again, and another line says when it is something else.
    """
    log = get(component)
    said = ""
    while True:
        try:
            await job()
            return
        except OUTAGES as error:
            reason: BaseException = error
        except ExceptionGroup as group:
            known, others = group.split(OUTAGES)
            if known is None or others is not None:
                raise
            reason = _first(known)
        text = f"{type(reason).__name__}: {reason}"
        if text != said:
            log.warning("continuing from the stored state as soon as it answers", error=text)
            said = text
        await asyncio.sleep(RETRY_SECONDS if retry_seconds is None else retry_seconds)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
