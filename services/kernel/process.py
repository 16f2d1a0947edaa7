"""Run one service as a process: health and metrics over HTTP, a clean stop on SIGTERM, errors as one line."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import uvicorn
import uvloop
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.kernel import logging
from services.kernel.config import config_version
from services.kernel.database import Connection, connect_pool
from services.kernel.errors import ChloeError
from services.kernel.settings import Settings, from_environment
from services.kernel.stage import LoopSettings, Stage, StageLoop
from services.kernel.streams import Streams, connect

S = TypeVar("S", bound=Settings)


def main(service: Callable[[S], Awaitable[None]], read: Callable[[], S] = from_environment) -> None:  # type: ignore[assignment]
    """Run a service until it ends or is told to stop; exits with 1 and one line for an error it can name."""
    try:
        settings = read()
        logging.configure(settings.log_level)
        uvloop.run(until_stopped(service(settings)))
    except ChloeError as error:
        sys.exit(f"chloe: {error}")
    except ExceptionGroup as group:
        known = group.subgroup(ChloeError)
        if known is None:
            raise
        sys.exit(f"chloe: {_first(known)}")


async def run_stage(
    settings: Settings, stage: Stage[Any], beside: Callable[[Connection], Coroutine[Any, Any, None]] | None = None
) -> None:
    """Run a stage's loop with its health endpoints, and another task ``beside`` it on the same pool."""
    replaying = settings.source == "replay"
    pool = await connect_pool(settings.database(), durable=True)
    redis = connect(settings.redis())
    loop_settings = LoopSettings(block_ms=250 if replaying else 1000, config_version=config_version())
    loop = StageLoop(stage, pool, Streams(redis, stage.name), loop_settings)
    logging.get(stage.name).info("started", source=settings.source, config_version=loop_settings.config_version)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(serve_health(settings, lambda: loop.ready))
            group.create_task(loop.run())
            if beside is not None:
                group.create_task(beside(pool))
    finally:
        await redis.aclose()
        await pool.close()


async def serve_health(settings: Settings, ready: Callable[[], bool]) -> None:
    """Serve ``/health``, ``/ready`` and ``/metrics``."""

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readiness(_: Request) -> Response:
        ok = ready()
        return JSONResponse({"ready": ok}, status_code=200 if ok else 503)

    async def measured(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    app = Starlette(routes=[Route("/health", health), Route("/ready", readiness), Route("/metrics", measured)])
    await serve_http(
        uvicorn.Config(
            app, settings.http_host, settings.http_port, log_level="warning", access_log=False, lifespan="off"
        )
    )


async def serve_http(config: uvicorn.Config) -> None:
    """Serve until cancelled, then answer what has been asked and close the port.

    Signals are left to :func:`main`: uvicorn would take the first SIGTERM for itself and end the process with it.
    """
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    serving = asyncio.ensure_future(server.serve())
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await serving


async def until_stopped(service: Awaitable[None]) -> None:
    """Await a service; SIGTERM and Ctrl-C end it cleanly."""
    task = asyncio.ensure_future(service)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    inner: BaseException = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
