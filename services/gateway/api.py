"""The application: its routes, its doors and its way of saying no."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from services.gateway import changing, flags, operations, reading, views
from services.gateway.access import require
from services.gateway.audit import routes as audit
from services.gateway.commands import CommandDesk, KeyReuseError, Pause, utc_now
from services.gateway.guard import OUTAGES, Guard
from services.gateway.settings import Info
from services.gateway.tokens import Tokens
from services.kernel.database import Connection
from services.kernel.errors import BadSymbol, ChloeError
from services.kernel.logging import get
from services.kernel.streams import RedisClient, Streams

DESCRIPTION = """
Chloe trades an asset only once it has earned the right to. Everything shown is simulated; `mode` says from which run.

Reading needs no token unless the gateway is set up so; changing needs `Authorization: Bearer …` of scope *operate* or
*live*. Amounts are decimal texts in account currency, fractions are 0.1 for 10 %, times are UTC. Errors are
`{"error": "one line"}`.
"""
TAGS = [
    {"name": "phases", "description": "The ladder of asset classes and its gates"},
    {"name": "assets", "description": "What each asset may do"},
    {"name": "trading", "description": "Signals, books, orders and round trips"},
    {"name": "risk", "description": "Limits, the halt switch and commands"},
    {"name": "platform", "description": "Feeds, models and stages"},
    {"name": "process", "description": "This process"},
]
COMMON: dict[int | str, dict[str, Any]] = {
    422: {"model": views.Problem, "description": "A parameter is not what it must be"},
    503: {"model": views.Problem, "description": "The database is out of reach"},
}


def create_app(
    pool: Connection,
    streams_redis: RedisClient,
    tokens: Tokens,
    info: Info,
    *,
    pause: Pause = asyncio.sleep,
    now: Callable[[], datetime] = utc_now,
) -> FastAPI:
    """Make the application on clients that the caller opened and will close; ``pause`` waits between two looks."""
    desk = CommandDesk(pool, Streams(streams_redis, "gateway"), info.config_version, pause=pause, now=now)
    app = FastAPI(
        title="Chloe",
        version=info.version,
        description=DESCRIPTION,
        openapi_tags=TAGS,
        docs_url=None,  # the stock page loads scripts from elsewhere; ours is web/docs.html
        redoc_url=None,
        responses=COMMON,
        lifespan=_lifespan(desk),
    )
    app.add_middleware(Guard, allowed_hosts=info.allowed_hosts)
    read = [Depends(require(tokens, "read"))] if info.require_read_token else []
    app.include_router(operations.process_routes(pool, streams_redis, info))
    app.include_router(operations.metrics_routes(), dependencies=read)
    # Before the routes of /assets/{symbol}, whose symbol may hold slashes too.
    app.include_router(
        audit.routes(pool, info.audit, now), dependencies=read, responses=changing.DENIED if read else {}
    )
    app.include_router(audit.recording_routes(pool, tokens, info.audit, now))
    app.include_router(reading.routes(pool), dependencies=read, responses=changing.DENIED if read else {})
    app.include_router(changing.routes(pool, desk, tokens, info.wait_seconds))
    app.include_router(flags.routes(pool, tokens, read))
    app.include_router(operations.console_routes())
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ChloeError, _chloe_error)
    return app


def _lifespan(desk: CommandDesk) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            await desk.resend()
        except OUTAGES as error:
            get("gateway").warning("last command not published again", error=type(error).__name__)
        yield

    return lifespan


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    unknown = error.status_code == 404 and error.detail == "Not Found"
    detail = "there is no such route; /docs lists them" if unknown else " ".join(str(error.detail).split())
    return JSONResponse({"error": detail}, error.status_code, error.headers)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return JSONResponse({"error": f"{place}: {' '.join(str(first['msg']).split())}"}, 422)


async def _chloe_error(_: Request, error: Exception) -> Response:
    status = 404 if isinstance(error, BadSymbol) else 409 if isinstance(error, KeyReuseError) else 503
    return JSONResponse({"error": " ".join(str(error).split())}, status)
