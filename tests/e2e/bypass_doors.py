"""The ways in that have a door: the API without the right token, and the database as somebody who may only read it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import yaml

from services.gateway.api import create_app
from services.gateway.settings import Info
from services.gateway.tokens import create_tokens_file
from services.standalone.platform import Platform

PATHS = {"phase": "phase_1_stocks", "symbol": "SOL-USDT", "model": "lightgbm"}
BEYOND_OPERATE = ({"force": "true"}, {"live": "true"}, {"force": "true", "live": "true"})
DENIED = (401, 403)
ROUNDS = 6

ROWS = (
    "insert into outbox (topic, producer, seq, ts, body) select topic, producer, seq + 1, ts, body from outbox",
    "update outbox set body = replace(body, 'BTC/USDT', 'SOL/USDT')",
    "delete from outbox",
    "insert into commands (id, name, subject, given_by, forced)"
    " values (gen_random_uuid(), 'enable', 'SOL/USDT', 'x', true)",
    "insert into orders (id, ts, symbol, asset_class, side, quantity, reason, reduce_only, status)"
    " values (gen_random_uuid(), now(), 'SOL/USDT', 'crypto', 'buy', 1, 'entry', false, 'approved')",
    "update asset_registry set trading_enabled = true",
    "update asset_class_config set active = true",
    "insert into phase_activation_log select * from phase_activation_log",
    "delete from phase_activation_log",
    "update stage_state set state = '{}', seq = 0",
    "update candles set close = close * 2",
    "delete from system_flags",
)


class Doors:
    """Tries every door while the platform runs, and keeps what it got through."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self.database_url = database_url
        self.folder = folder
        self.knocks = 0
        self.opened: list[str] = []
        self.rows_tried = 0
        self.rows_written: list[str] = []

    async def knock(self, platform: Platform) -> None:
        """Ask every changing route of the API for what the caller has no token for."""
        tokens = create_tokens_file(self.folder / "tokens.yaml")
        known = yaml.safe_load((self.folder / "tokens.yaml").read_text(encoding="utf-8"))
        app = create_app(platform.pool, platform.redis, tokens, Info())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
            for _ in range(ROUNDS):
                for route, takes in _changing(app.openapi()):
                    for headers in ({}, _bearer("x" * 64), {"Authorization": "Basic abc"}, _bearer(known["read"])):
                        await self._ask(client, route, {}, headers)
                    for query in BEYOND_OPERATE:
                        if set(query) <= takes and route.endswith(("/enable", "/activate")):
                            await self._ask(client, route, query, _bearer(known["operate"]))

    async def _ask(self, client: httpx.AsyncClient, route: str, query: dict[str, str], headers: dict[str, str]) -> None:
        reply = await client.post(route, params=query, headers={**headers, "Idempotency-Key": "stolen"})
        self.knocks += 1
        if reply.status_code not in DENIED:
            self.opened.append(f"{route} {query}: {reply.status_code} {reply.text}")

    async def write_rows(self, platform: Platform) -> None:
        """Write to the database as the role that people read it with."""
        name = f"reader_{uuid4().hex}"
        await platform.pool.execute(f"create role {name} login in role chloe_reader")
        conn = await asyncpg.connect(self.database_url, user=name)
        try:
            for _ in range(ROUNDS * 2):
                for statement in ROWS:
                    self.rows_tried += 1
                    try:
                        await conn.execute(statement)
                        self.rows_written.append(statement)
                    except asyncpg.InsufficientPrivilegeError:
                        await asyncio.sleep(0)
        finally:
            await conn.close()
            await platform.pool.execute(f"drop role {name}")


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _changing(described: dict[str, Any]) -> Iterator[tuple[str, set[str]]]:
    """List the changing routes, filled in, with the names of what their queries take."""
    for path, methods in described["paths"].items():
        if "post" in methods:
            asked = methods["post"].get("parameters", [])
            filled = {one["name"]: PATHS.get(one["name"], "1") for one in asked if one["in"] == "path"}
            yield path.format(**filled), {one["name"] for one in asked if one["in"] == "query"}
