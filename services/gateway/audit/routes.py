"""The audit of one asset: has it earned the right to trade, and what speaks against it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Depends

from services.gateway import reading, shown, store
from services.gateway.access import Caller, require
from services.gateway.audit import inputs
from services.gateway.audit import store as audit_store
from services.gateway.audit.facts import AuditFacts
from services.gateway.audit.judging import judge
from services.gateway.audit.settings import AuditParams
from services.gateway.audit.views import AuditPart, AuditView, RecordedAudit
from services.gateway.changing import DENIED
from services.gateway.reading import MISSING, SymbolPath
from services.gateway.tokens import Tokens
from services.kernel.commands import REPLAY, platform_time
from services.kernel.database import Connection
from services.kernel.logging import get

Clock = Callable[[], datetime]


async def audit(conn: Connection, symbol: str, params: AuditParams, clock: Clock) -> AuditView:
    """Audit an asset, named in any spelling, as of the platform's time; raises BadSymbol."""
    known = await reading.symbol_of(conn, symbol)
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        facts = await audit_store.facts(
            conn, known, await moment_of(conn, clock), await reading.timeframe(conn), params
        )
        row = (await store.assets(conn, known))[0]
        recorded = await audit_store.last_audit(conn, known)
        mode = await reading.mode(conn)
    return _view(facts, params, {**row, **shown.run_of(mode)}, recorded)


async def record(conn: Connection, symbol: str, params: AuditParams, clock: Clock) -> AuditView:
    """Audit an asset and store the outcome as its audit for live, which the live desk and phases read."""
    found = await audit(conn, symbol, params, clock)
    await audit_store.record(conn, found.symbol, found.as_of, ready=found.ready_for_live, reasons=found.reasons)
    kept = _recorded({"ts": found.as_of, "ready": found.ready_for_live, "reasons": found.reasons}, params)
    return found.model_copy(update={"recorded": kept})


async def moment_of(conn: Connection, clock: Clock) -> datetime:
    """Say how late it is: in a replay the newest settled slice, else now."""
    mode, slice_ts = await platform_time(conn)
    return slice_ts if mode == REPLAY and slice_ts is not None else clock()


def routes(pool: Connection, params: AuditParams, clock: Clock) -> APIRouter:
    """Make the route that reads."""
    router = APIRouter()
    conn_of = Depends(reading.Reader(pool).connection)

    @router.get("/assets/{symbol:path}/audit", response_model=AuditView, responses=MISSING, tags=["assets"])
    async def audit_of_an_asset(symbol: SymbolPath, conn: Connection = conn_of) -> Any:
        """Audit an asset: is it fit to trade on paper, ready for real money, and what speaks against it."""
        return await audit(conn, symbol, params, clock)

    return router


def recording_routes(pool: Connection, tokens: Tokens, params: AuditParams, clock: Clock) -> APIRouter:
    """Make the route that records."""
    router = APIRouter()
    conn_of, operate = Depends(reading.Reader(pool).connection), Depends(require(tokens, "operate"))

    @router.post(
        "/assets/{symbol:path}/audit", response_model=AuditView, responses={**DENIED, **MISSING}, tags=["assets"]
    )
    async def record_audit(symbol: SymbolPath, conn: Connection = conn_of, caller: Caller = operate) -> Any:
        """Audit an asset and record the outcome for live, ready or not: the newest one counts."""
        found = await record(conn, symbol, params, clock)
        get("gateway").info("audit recorded", symbol=found.symbol, ready=found.ready_for_live, by=caller.by)
        return found

    return router


def _view(facts: AuditFacts, params: AuditParams, row: dict[str, Any], recorded: dict[str, Any] | None) -> AuditView:
    found = judge(facts, params)
    newest = sorted(facts.models, key=lambda m: (-m.valid_from.timestamp(), m.model))
    return AuditView(
        **{name: row[name] for name in AuditView.model_fields if name in row},
        as_of=facts.now,
        verdict=found.verdict,
        paper_reasons=list(found.paper_reasons),
        ready_for_live=found.ready_for_live,
        reasons=list(found.reasons),
        sections=[AuditPart.model_validate(section) for section in found.sections],
        newest_model=f"{newest[0].model} {newest[0].version}" if newest else None,
        open_flags=[f"{flag.name}: {flag.detail}" for flag in facts.flags],
        indicators_missing=inputs.missing_indicators(facts, params),
        recorded=None if recorded is None else _recorded(recorded, params),
    )


def _recorded(row: dict[str, Any], params: AuditParams) -> RecordedAudit:
    return RecordedAudit(**row, valid_until=row["ts"] + timedelta(days=params.audit_days))
