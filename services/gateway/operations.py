"""The routes about the process itself, and the web console's files."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError

from services.gateway import store, views
from services.gateway.settings import Info
from services.kernel.database import Connection
from services.kernel.streams import RedisClient

CHECK_SECONDS = 2.0
WEB = Path(__file__).parent / "web"
PAGES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/docs": ("docs.html", "text/html; charset=utf-8"),
    "/web/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/web/docs.js": ("docs.js", "text/javascript; charset=utf-8"),
    "/web/style.css": ("style.css", "text/css; charset=utf-8"),
}


async def missing_parts(pool: Connection, redis: RedisClient) -> tuple[list[str], str | None]:
    """Name what the gateway lacks for its work, and the schema's version."""
    missing: list[str] = []
    version: str | None = None
    try:
        async with asyncio.timeout(CHECK_SECONDS), pool.acquire() as conn:
            version = await store.schema_version(conn)
        if version is None:
            missing.append("database: the migrations have not run")
    except asyncpg.UndefinedTableError:
        missing.append("database: the migrations have not run")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        missing.append(f"database: not reachable ({type(error).__name__})")
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await redis.ping()
    except (RedisError, OSError) as error:
        missing.append(f"redis: not reachable ({type(error).__name__})")
    return missing, version


def process_routes(pool: Connection, redis: RedisClient, info: Info) -> APIRouter:
    """Make /health and /ready, which need no token ever."""
    router = APIRouter(tags=["process"])

    @router.get("/health", response_model=views.Alive)
    async def health() -> views.Alive:
        """Say that the process answers."""
        return views.Alive(status="ok", version=info.version)

    @router.get("/ready", response_model=views.Ready, responses={503: {"model": views.Ready}})
    async def ready(response: Response) -> views.Ready:
        """Say whether database, schema and Redis are there; 503 names what is missing."""
        missing, version = await missing_parts(pool, redis)
        response.status_code = 503 if missing else 200
        return views.Ready(
            ready=not missing, missing=missing, schema_version=version, config_version=info.config_version
        )

    return router


def metrics_routes() -> APIRouter:
    """Make /metrics."""
    router = APIRouter(tags=["process"])

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Show this process's metrics in Prometheus' text format."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


def console_routes() -> APIRouter:
    """Serve the console and the API's documentation from memory."""
    router = APIRouter(include_in_schema=False)
    for path, (name, media_type) in PAGES.items():
        router.add_api_route(path, _file((WEB / name).read_bytes(), media_type), methods=["GET"], name=name)
    return router


def _file(content: bytes, media_type: str) -> Callable[[], Awaitable[Response]]:
    async def serve() -> Response:
        return Response(content, media_type=media_type)

    return serve
