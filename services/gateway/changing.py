"""The routes that change: each gives one command, which phases or risk carries out or refuses with a reason.

Taking a model back is none: it is one row of the registry, which inference reads again before its next batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from services.contracts.messages import CommandName, Requirement
from services.gateway import ladder, model_views, shown, store, views
from services.gateway.access import Caller, require
from services.gateway.commands import CommandDesk, Wish
from services.gateway.reading import TEXT, PhasePath, SymbolPath, symbol_of
from services.gateway.tokens import Tokens, allows
from services.kernel.commands import REPLAY, platform_time
from services.kernel.database import Connection
from services.kernel.logging import get

Answers = dict[int | str, dict[str, Any]]
DENIED: Answers = {
    401: {"model": views.Problem, "description": "No token, or an unknown one"},
    403: {"model": views.Problem, "description": "The token's scope does not reach that far"},
}
JUDGED: Answers = {
    **DENIED,
    202: {"model": views.CommandView, "description": "Still pending: ask GET /commands/{id}"},
    404: {"model": views.Problem, "description": "No such phase or asset"},
    409: {"model": views.NotReady, "description": "Refused, with the reason and the gate"},
}
TAKEN_BACK: Answers = {
    **DENIED,
    404: {"model": views.Problem, "description": "No such asset, or no such model of it"},
    409: {"model": views.Problem, "description": "No version of it is in use"},
}
AT_ONCE: Answers = {**DENIED, 409: {"model": views.Problem, "description": "The key was used for another command"}}

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key again gives the same command",
        examples=["halt-2024-03-05-1"],
    ),
]
ModelPath = Annotated[str, Path(examples=["lightgbm"], max_length=80, pattern=TEXT)]
Force = Annotated[bool, Query(description="Do it although it is not ready; needs a token of scope live and is logged")]

Live = Annotated[
    bool, Query(description="Its live phase, instead of its trading on paper; needs a token of scope live")
]
NoLive = Annotated[bool, Query(description="Only its live phase: it goes on trading on paper")]


class Note(BaseModel):
    """Why, for the record."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"note": "stocks source verified"}]})
    note: str = Field(default="", max_length=500, pattern=TEXT)


@dataclass(frozen=True, slots=True)
class Operations:
    """What the changing routes do, on one pool."""

    pool: Connection
    desk: CommandDesk
    wait_seconds: float

    async def activate(self, phase: str, wish: Wish) -> Response:
        """Give the command unless the newest evaluation refuses it, and answer with what became of it."""
        row = await self.desk.repeated(wish)
        if row is None:
            gate = await self._gate(phase)
            if gate["active"]:
                return refused(f"{phase} is active already", shown.requirements(gate))
            if not gate["ready"] and not wish.forced:
                return refused(shown.not_ready(gate), shown.requirements(gate))
            row = await self.desk.give(wish)
        row = await self.desk.outcome(row, self.wait_seconds)
        return refused_or_told(row, () if row["status"] != "refused" else shown.requirements(await self._gate(phase)))

    async def enable(self, symbol: str, wish: Wish) -> Response:
        """Give the command unless no order can have its way, and answer with what became of it."""
        row = await self.desk.repeated(wish)
        if row is None:
            asset = await self._standing(symbol)
            if wish.name == "enable" and not asset["phase_active"]:
                gate = shown.requirements(await self._gate(asset["phase"]))
                return refused(f"its phase {asset['phase']} is not active", gate)
            if wish.name == "enable" and (reason := ladder.order_refused(asset)) is not None:
                return refused(reason, ())
            row = await self.desk.give(wish)
        row = await self.desk.outcome(row, self.wait_seconds)
        enabling = row["status"] == "refused" and wish.name == "enable"
        return refused_or_told(row, ladder.gate_of(await self._standing(symbol), live=wish.live) if enabling else ())

    async def roll_back(self, symbol: str, model: str, by: str, note: str) -> dict[str, Any]:
        """Take the version in use back, in a replay the one in use at its newest slice, and say who asked and why."""
        known = await self.symbol(symbol)
        async with self.pool.acquire() as conn, conn.transaction():
            mode, slice_ts = await platform_time(conn)
            at = slice_ts if mode == REPLAY and slice_ts is not None else self.desk.now()
            why = f"taken back by {by}" + (f": {note}" if note else "")
            taken = await store.withdraw_model(conn, known, model, at, why)
            if taken is None and not await store.model_is_known(conn, known, model):
                raise HTTPException(404, f"no model {model!r} of {known} is registered; GET /models lists them")
        if taken is None:
            raise HTTPException(409, f"no version of {model} of {known} is in use")
        get("gateway").warning("model taken back", symbol=known, model=model, by=by, note=note, **taken)
        return {"symbol": known, "model": model, "by": by, "note": note, **taken}

    async def symbol(self, text: str) -> str:
        """Find the declared symbol; raises BadSymbol."""
        async with self.pool.acquire() as conn:
            return await symbol_of(conn, text)

    async def _gate(self, phase: str) -> store.Row:
        async with self.pool.acquire() as conn:
            rows = await store.readiness(conn, phase)
        if not rows:
            raise HTTPException(404, f"no phase {phase!r} is declared; GET /phases/readiness lists them")
        return rows[0]

    async def _standing(self, symbol: str) -> store.Row:
        async with self.pool.acquire() as conn:
            return (await ladder.read(conn, symbol))[1][0]


def told(row: store.Row, status: int) -> Response:
    """Answer with a command."""
    body = views.CommandView.model_validate(shown.command(row)).model_dump_json()
    headers = {"Location": f"/commands/{row['id']}"}
    return Response(body, status, headers, "application/json")


def refused(reason: str, gate: Sequence[Requirement]) -> Response:
    """Answer 409 with the reason and the gate."""
    lines = [views.RequirementView.model_validate(line, from_attributes=True) for line in gate]
    return Response(views.NotReady(error=reason, requirements=lines).model_dump_json(), 409, None, "application/json")


def refused_or_told(row: store.Row, gate: Sequence[Requirement]) -> Response:
    """Answer with what became of a command: done, still pending, or refused with its gate."""
    if row["status"] == "refused":
        return refused(row["outcome"], gate)
    return told(row, 202 if row["status"] == "pending" else 200)


def routes(pool: Connection, desk: CommandDesk, tokens: Tokens, wait_seconds: float) -> APIRouter:
    """Make the changing routes."""
    router = APIRouter()
    operations = Operations(pool, desk, wait_seconds)
    operate = Depends(require(tokens, "operate"))
    _add_phases(router, operations, operate)
    _add_assets(router, operations, operate)
    _add_models(router, operations, operate)
    for name in RISK_WORDS:
        _add_risk(router, desk, operate, name)
    return router


def _add_phases(router: APIRouter, operations: Operations, operate: Any) -> None:
    @router.post("/phases/{phase}/activate", response_model=views.CommandView, responses=JUDGED, tags=["phases"])
    async def activate(
        phase: PhasePath, body: Note | None = None, force: Force = False, key: Key = None, caller: Caller = operate
    ) -> Any:
        """Open a phase that has met its gate; without a restart, from the next slice on."""
        _may_force(force, caller)
        return await operations.activate(phase, Wish("activate", phase, caller.by, _text(body), force, key))


def _add_assets(router: APIRouter, operations: Operations, operate: Any) -> None:
    @router.post("/assets/{symbol:path}/enable", response_model=views.CommandView, responses=JUDGED, tags=["assets"])
    async def enable(
        symbol: SymbolPath,
        body: Note | None = None,
        live: Live = False,
        force: Force = False,
        key: Key = None,
        caller: Caller = operate,
    ) -> Any:
        """Let an asset that has met its gate trade on paper; with ``live``, activate its live phase."""
        _may_force(force, caller)
        _may_go_live(live, caller)
        known = await operations.symbol(symbol)
        return await operations.enable(known, Wish("enable", known, caller.by, _text(body), force, key, live))

    @router.post("/assets/{symbol:path}/disable", response_model=views.CommandView, responses=JUDGED, tags=["assets"])
    async def disable(
        symbol: SymbolPath, body: Note | None = None, live: NoLive = False, key: Key = None, caller: Caller = operate
    ) -> Any:
        """Let an asset open nothing new; what it holds may be closed. With ``live``, only its live phase ends."""
        known = await operations.symbol(symbol)
        return await operations.enable(known, Wish("disable", known, caller.by, _text(body), False, key, live))


def _add_models(router: APIRouter, operations: Operations, operate: Any) -> None:
    @router.post(
        "/models/{symbol:path}/{model}/rollback",
        response_model=model_views.RolledBack,
        responses=TAKEN_BACK,
        tags=["platform"],
    )
    async def rollback(symbol: SymbolPath, model: ModelPath, body: Note | None = None, caller: Caller = operate) -> Any:
        """Take an asset's version of a model out of use; the one before it forecasts from the next batch of slices."""
        return await operations.roll_back(symbol, model, caller.by, _text(body))


RISK_WORDS: dict[CommandName, str] = {
    "halt": "Stop all entries from the next slice on; closing and reducing stay allowed.",
    "resume": "Allow entries again from the next slice on; the drawdown's peak starts anew.",
    "flatten": "Stop all entries and close every position, from the next slice on.",
}


def _add_risk(router: APIRouter, desk: CommandDesk, operate: Any, name: CommandName) -> None:
    async def give(body: Note | None = None, key: Key = None, caller: Caller = operate) -> Any:
        wish = Wish(name, None, caller.by, _text(body), False, key)
        return told(await desk.give(wish), 202)

    router.add_api_route(
        f"/risk/{name}", give, methods=["POST"], status_code=202, response_model=views.CommandView, responses=AT_ONCE,
        tags=["risk"], name=name, description=RISK_WORDS[name], operation_id=f"risk_{name}",
    )  # fmt: skip


def _text(body: Note | None) -> str:
    return "" if body is None else body.note.strip()


def _may_force(force: bool, caller: Caller) -> None:
    if force and not allows(caller.scope, "live"):
        raise HTTPException(403, "force=true needs a token of scope 'live'")


def _may_go_live(live: bool, caller: Caller) -> None:
    if live and not allows(caller.scope, "live"):
        raise HTTPException(403, "live=true needs a token of scope 'live'")
