"""The routes that read: nothing here changes anything."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Path, Query, Response
from pydantic import AwareDatetime

from services.domain.assets import normalise_symbol
from services.domain.candles import Timeframe, timeframe_of
from services.domain.ledger import trades_jsonl
from services.gateway import ladder, live, model_views, risk_views, shown, store, trading_views, views
from services.gateway.feeds import diagnoses
from services.kernel.database import Connection

REFUSALS = 10
"""Each comes with its whole table; ``/orders?status=refused`` lists more."""
NDJSON = "application/x-ndjson"
MISSING: dict[int | str, dict[str, Any]] = {404: {"model": views.Problem, "description": "No such thing"}}
LEDGER: dict[int | str, dict[str, Any]] = {200: {"content": {NDJSON: {"schema": {"type": "string"}}}}}
ACQUIRE_SECONDS = 5.0

TEXT = r"^[^\x00-\x1f\x7f]*$"
SymbolPath = Annotated[
    str, Path(description="BTC/USDT, BTCUSDT or BTC-USDT", examples=["BTC-USDT"], max_length=40, pattern=TEXT)
]
SymbolQuery = Annotated[
    str | None, Query(description="BTC/USDT, BTCUSDT or BTC-USDT", examples=["BTC-USDT"], max_length=40, pattern=TEXT)
]
PhasePath = Annotated[str, Path(examples=["phase_1_stocks"], max_length=80, pattern=TEXT)]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many rows, the newest first")]
Status = Literal["approved", "refused", "filled", "partly_filled", "cancelled"]

_JSON = msgspec.json.Encoder(decimal_format="string")


@dataclass(frozen=True, slots=True)
class Reader:
    """Serves the reading routes from one pool."""

    pool: Connection

    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection for one request."""
        async with self.pool.acquire(timeout=ACQUIRE_SECONDS) as conn:
            yield conn

    async def ladder(self) -> Response:
        """Show every phase of the ladder: each requirement, its threshold, the current value and what is missing."""
        # Asked for often: one statement, and encoded as it is instead of being validated once more.
        async with self.pool.acquire(timeout=ACQUIRE_SECONDS) as conn:
            rows = await store.readiness(conn, None)
        return Response(_JSON.encode(shown.ladder(rows)), media_type="application/json")


async def listing(conn: Connection, items: list[dict[str, Any]]) -> dict[str, Any]:
    """Put rows beside the run that they come from."""
    return {**shown.run_of(await mode(conn)), "items": items}


async def mode(conn: Connection) -> str | None:
    """Read the run's mode; None before a run has begun."""
    row = await store.run(conn)
    return row["mode"] if row else None


async def timeframe(conn: Connection) -> Timeframe:
    """Read the width of the run's bars; an hour before a run has begun."""
    row = await store.run(conn)
    return timeframe_of(row["timeframe"]) if row else "1h"


async def symbol_of(conn: Connection, text: str) -> str:
    """Find the declared symbol; raises BadSymbol, which answers 404."""
    return normalise_symbol(text, await store.symbols(conn))


async def optional_symbol(conn: Connection, text: str | None) -> str | None:
    """Find the declared symbol if one is given."""
    return None if text is None else await symbol_of(conn, text)


def routes(pool: Connection) -> APIRouter:
    """Make the reading routes on a pool."""
    reader = Reader(pool)
    router = APIRouter()
    router.add_api_route(
        "/phases/readiness", reader.ladder, response_model=views.Ladder, tags=["phases"], name="Readiness of all phases"
    )
    conn_of = Depends(reader.connection)
    _add_phases_and_assets(router, conn_of)
    _add_trading(router, conn_of)
    _add_platform(router, conn_of)
    ladder.add_route(router, conn_of)
    live.add_route(router, conn_of, Limit)
    return router


def _add_phases_and_assets(router: APIRouter, conn_of: Any) -> None:
    @router.get("/phases/readiness/{phase}", response_model=views.PhaseDetail, responses=MISSING, tags=["phases"])
    async def readiness_of_one_phase(phase: PhasePath, conn: Connection = conn_of) -> Any:
        """Show one phase's gate."""
        rows = await store.readiness(conn, phase)
        if not rows:
            raise HTTPException(404, f"no phase {phase!r} is declared; GET /phases/readiness lists them")
        return {**shown.phase(rows[0]), **shown.run_of(rows[0]["mode"]), "equity": rows[0]["equity"]}

    @router.get("/assets", response_model=views.Listing[views.AssetView], tags=["assets"])
    async def assets(conn: Connection = conn_of) -> Any:
        """List all assets with what they may do."""
        return await listing(conn, await store.assets(conn))

    @router.get("/assets/{symbol:path}", response_model=views.AssetDetail, responses=MISSING, tags=["assets"])
    async def asset(symbol: SymbolPath, conn: Connection = conn_of) -> Any:
        """Show one asset with its configuration."""
        found = await store.assets(conn, await symbol_of(conn, symbol))
        return {**found[0], **shown.run_of(await mode(conn))}


def _add_trading(router: APIRouter, conn_of: Any) -> None:
    @router.get("/signals", response_model=views.Listing[trading_views.SignalView], responses=MISSING, tags=["trading"])
    async def signals(symbol: SymbolQuery = None, limit: Limit = 50, conn: Connection = conn_of) -> Any:
        """Show each asset's newest signal with its reasons; with a symbol, its newest signals."""
        return await listing(conn, await store.signals(conn, await optional_symbol(conn, symbol), limit))

    @router.get("/portfolio", response_model=trading_views.PortfolioView, tags=["trading"])
    async def portfolio(conn: Connection = conn_of) -> Any:
        """Show the books after the newest slice: cash plus the positions' value is equity, exactly."""
        books = await store.portfolio(conn) or dict.fromkeys(trading_views.PortfolioView.model_fields)
        run, held = shown.run_of(await mode(conn)), await store.positions(conn)
        return {**books, **run, "as_of": books.get("ts"), "positions": held}

    @router.get("/portfolio/equity", response_model=views.Listing[trading_views.EquityPoint], tags=["trading"])
    async def equity(
        since: Annotated[AwareDatetime | None, Query(description="First slice, with its offset")] = None,
        points: Annotated[int, Query(ge=2, le=5000, description="About so many points")] = 500,
        conn: Connection = conn_of,
    ) -> Any:
        """Show the equity curve, thinned; the newest slice is always in."""
        return await listing(conn, await store.equity(conn, since, points))

    @router.get("/positions", response_model=views.Listing[trading_views.PositionView], tags=["trading"])
    async def positions(conn: Connection = conn_of) -> Any:
        """Show what is held now."""
        return await listing(conn, await store.positions(conn))

    @router.get("/orders", response_model=views.Listing[trading_views.OrderView], tags=["trading"])
    async def orders(status: Status | None = None, limit: Limit = 100, conn: Connection = conn_of) -> Any:
        """Show the newest orders, refused ones with their reasons."""
        return await listing(conn, await store.orders(conn, status, limit))

    @router.get("/trades", response_model=views.Listing[trading_views.TradeView], responses=LEDGER, tags=["trading"])
    async def trades(
        limit: Limit = 100,
        format: Annotated[
            Literal["json", "jsonl"], Query(description="jsonl: the whole ledger, byte for byte")
        ] = "json",
        conn: Connection = conn_of,
    ) -> Any:
        """Show the newest round trips; as ``jsonl`` all of them, in the bytes of reports/trades.jsonl."""
        if format == "jsonl":
            run = {"X-Chloe-Mode": str(shown.run_of(await mode(conn))["mode"])}
            return Response(trades_jsonl(await store.load_trades(conn)), media_type=NDJSON, headers=run)
        return await listing(conn, await store.trades(conn, limit))

    @router.get("/performance", response_model=views.Listing[trading_views.PerformanceView], tags=["trading"])
    async def performance(conn: Connection = conn_of) -> Any:
        """Show each asset's record to date, after costs."""
        return await listing(conn, await store.performance(conn))


def _add_platform(router: APIRouter, conn_of: Any) -> None:
    @router.get("/risk", response_model=risk_views.RiskView, tags=["risk"])
    async def risk(limit: Limit = 50, conn: Connection = conn_of) -> Any:
        """Show whether trading is halted and why, all limits as last decided, the last refusals and recent events."""
        body, events, pending = await store.risk(conn, limit)
        waiting = [shown.command(row) for row in pending]
        refused = [shown.refused(row) for row in await store.refused(conn, min(limit, REFUSALS))]
        now = {**shown.run_of(await mode(conn)), **shown.risk(body)}
        return {**now, "pending_commands": waiting, "refused": refused, "events": events}

    @router.get("/commands/{id}", response_model=views.CommandView, responses=MISSING, tags=["risk"])
    async def command(id: UUID, conn: Connection = conn_of) -> Any:
        """Show what became of a command."""
        row = await store.command(conn, id)
        if row is None:
            raise HTTPException(404, f"no command {id} was given")
        return shown.command(row)

    @router.get("/feeds", response_model=views.Listing[views.DiagnosisView], responses=MISSING, tags=["platform"])
    async def feeds(symbol: SymbolQuery = None, conn: Connection = conn_of) -> Any:
        """Show whether each asset's feed is fit to trade on and why not, with the health of its sources."""
        one = await optional_symbol(conn, symbol)
        return await listing(conn, await diagnoses(conn, one, datetime.now(UTC), await timeframe(conn)))

    @router.get("/models", response_model=views.Listing[model_views.ModelView], responses=MISSING, tags=["platform"])
    async def models(symbol: SymbolQuery = None, limit: Limit = 100, conn: Connection = conn_of) -> Any:
        """Show the registered models: standing, the data each one saw, its error beside the random walk's, weights."""
        rows = await store.models(conn, await optional_symbol(conn, symbol), limit)
        return await listing(conn, [model_views.shown(row) for row in rows])

    @router.get("/stages", response_model=views.Listing[views.StageView], tags=["platform"])
    async def stages(conn: Connection = conn_of) -> Any:
        """Show how far each stage is and how much waits for it."""
        return await listing(conn, shown.stages(await store.stages(conn)))
