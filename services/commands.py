"""What the command line does: each function is one command, with parsed arguments."""

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import uvloop
import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.domain.ledger import fills_jsonl, trades_jsonl
from services.domain.performance import profit_factor
from services.inference import settings as inference_settings
from services.ingestion.replay import Recorded, read
from services.kernel.config import load
from services.kernel.database import connect_pool
from services.kernel.errors import ChloeError, StartRefused
from services.kernel.migrate import migrate
from services.kernel.process import until_stopped
from services.kernel.settings import from_environment
from services.phases.service import load_params
from services.phases.store import seed
from services.research.backtest import BacktestResult, backtest
from services.research.history import forecasts, slices
from services.research.parameters import load_parameters
from services.standalone import servers, training
from services.standalone.run import Wanted, run
from services.standalone.screen import Screen


class ApiError(ChloeError):
    """The API refused, or could not be reached."""


def standalone(
    data: Path,
    source: Path,
    since: datetime | None,
    until: datetime | None,
    *,
    live: bool,
    fresh: bool,
    serve: bool,
    port: int,
) -> None:
    """Run the platform in this process; the embedded servers stop with it."""
    assets = load(AssetsConfig, ASSETS_FILE)
    load_parameters()
    inference_settings.load(timeframe=assets.timeframe, replay=not live)
    if not live:
        read(source, assets, since, until)  # bad input is refused before anything is started or removed
    started = servers.start(data, fresh=fresh)
    try:
        uvloop.run(until_stopped(run(Wanted(data, source, since, until, live, fresh, serve, port), started, Screen())))
    finally:
        started.stop()


def run_backtest(
    source: Path,
    since: datetime | None,
    until: datetime | None,
    ledger: Path | None,
    fills: Path | None,
    *,
    as_json: bool,
) -> None:
    """Train, forecast and decide in memory; print the result and write the ledgers that were asked for."""
    parameters = load_parameters()
    configured = inference_settings.load(timeframe=parameters.assets.timeframe, replay=True)
    recorded = read(source, parameters.assets, since, until)
    closed = slices(recorded.series, recorded.span)
    made = forecasts(recorded.series, closed, configured)
    result = backtest(zip(closed, made, strict=True), parameters, {"crypto": True})
    for path, content in ((ledger, trades_jsonl(result.trades)), (fills, fills_jsonl(result.fills))):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    _print_backtest(result, recorded, as_json=as_json)


def train(source: Path | None) -> None:
    """Train on a folder, or on the candles of the configured database, and register the models there."""
    settings, assets = from_environment(), load(AssetsConfig, ASSETS_FILE)
    configured = inference_settings.load(timeframe=assets.timeframe, replay=source is not None)
    recorded = read(source, assets, None, None) if source is not None else None
    screen = Screen()

    async def go() -> int:
        pool = await connect_pool(settings.database(), size=2)
        try:
            with screen.training() as tell:
                if recorded is None:
                    return len(await training.train_on_stored(pool, configured, tell))
                return len(await training.train(pool, recorded.series, configured, tell))
        finally:
            await pool.close()

    screen.step("models", f"{asyncio.run(go())} registered, trained by walk-forward")


def migrate_and_seed() -> None:
    """Migrate the configured database and bring its registries to the configuration."""
    settings, params = from_environment(), load_params()
    kind = migrate(settings.database())

    async def go() -> None:
        pool = await connect_pool(settings.database(), size=1)
        try:
            async with pool.acquire() as conn, conn.transaction():
                await seed(conn, params)
        finally:
            await pool.close()

    asyncio.run(go())
    Screen().step("schema", f"newest, on {kind}; registries follow the configuration")


def sql(data: Path, query: str) -> None:
    """Run a query read-only against a standalone platform and print its rows."""

    async def ask(conn: Any) -> list[Any]:
        try:
            async with conn.transaction(readonly=True):
                found: list[Any] = await conn.fetch(query)
                return found
        except asyncpg.PostgresError as error:
            raise ApiError(f"sql: {error}") from None

    rows = with_standalone(data, ask)
    names = list(rows[0].keys()) if rows else []
    _print_rows(names, [[_cell(value) for value in row.values()] for row in rows])


def post(url: str, path: str, note: str, token: str | None, data: Path, *, scope: str = "operate") -> None:
    """Give a command with the token and print what became of it; a refusal is an error."""
    answer = send_api(url, path, note, token, data, scope)
    subject = f" {answer['subject']}" if answer["subject"] else ""
    outcome = answer["outcome"] or f"the next slice takes it in, see {url}/commands/{answer['id']}"
    Console().print(f"{answer['name']}{subject}: {answer['status']}; {outcome}", highlight=False, soft_wrap=True)


def roll_back(url: str, symbol: str, model: str, note: str, token: str | None, data: Path) -> None:
    """Take an asset's version of a model out of use and say which one forecasts now."""
    answer = send_api(url, f"/models/{quote(symbol)}/{quote(model, safe='')}/rollback", note, token, data)
    now = (
        f"{answer['in_use']} is in use now" if answer["in_use"] else "none is in use now, the ensemble does without it"
    )
    said = f"{answer['model']} of {answer['symbol']}: {answer['withdrawn']} withdrawn; {now}"
    Console().print(said, highlight=False, soft_wrap=True)


def ask_api(url: str, path: str) -> Any:
    """Read one route of the API; raises ApiError in one line where it refuses or does not answer."""
    return _ask("GET", url, path)


def send_api(url: str, path: str, note: str, token: str | None, data: Path, scope: str = "operate") -> Any:
    """Post to a changing route with the token, else the one of the data folder; raises ApiError in one line."""
    tokens = data / "api_tokens.yaml"
    if token is None and tokens.exists():
        token = yaml.safe_load(tokens.read_text(encoding="utf-8"))[scope]
    if token is None:
        raise ApiError(f"no token: give --token or CHLOE_TOKEN, or --data with the folder that holds {tokens.name}")
    return _ask("POST", url, path, headers={"Authorization": f"Bearer {token}"}, json={"note": note})


def _ask(method: str, url: str, path: str, **more: Any) -> Any:
    try:
        reply = httpx.request(method, url.rstrip("/") + path, timeout=15, trust_env=False, **more)
        content = reply.json()
    except httpx.HTTPError as error:
        raise ApiError(f"{url}: the API does not answer ({error}); is the platform running?") from None
    except ValueError:
        raise ApiError(f"{url}{path}: the answer is not JSON") from None
    if reply.status_code >= 400:
        raise ApiError(str(content.get("error", content)))
    return content


def with_standalone(data: Path, ask: Any) -> Any:
    """Ask the database of a data folder, joining its server or starting it for the moment."""
    if not (data / "pg").exists():
        raise StartRefused(f"{data}: holds no standalone platform; run 'chloe standalone' first, or name one by --data")
    started = servers.start(data)

    async def go() -> Any:
        conn = await asyncpg.connect(started.database_url, server_settings={"timezone": "UTC"})
        try:
            return await ask(conn)
        finally:
            await conn.close()

    try:
        return asyncio.run(go())
    finally:
        started.stop()


def _print_rows(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows as a table if it fits the screen, else each row as lines of name and value."""
    console = Console()
    if not rows:
        console.print("no rows")
        return
    wide = sum(max(len(name), *(len(row[i]) for row in rows)) + 3 for i, name in enumerate(names)) + 1
    fits = wide <= console.width
    table = Table(*names) if fits else Table(show_header=False)
    for row in rows:
        if fits:
            table.add_row(*map(escape, row))
            continue
        for name, value in zip(names, row, strict=True):
            table.add_row(name, escape(value))
        table.add_section()
    console.print(table)


def _cell(value: object) -> str:
    """Write a value as psql does: nothing for null, decimals without an exponent."""
    if value is None:
        return ""
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def factor(pnls: Sequence[float]) -> dict[str, Any]:
    won, lost = sum(p for p in pnls if p > 0), -sum(p for p in pnls if p <= 0)
    return {"trades": len(pnls), "profit_factor": profit_factor(won, lost), "pnl": round(sum(pnls), 8)}


def _print_backtest(result: BacktestResult, recorded: Recorded, *, as_json: bool) -> None:
    pnls = [float(t.pnl) for t in result.trades]
    content = {
        "simulated": True,
        "span": recorded.description,
        "slices": len(result.equity),
        "equity": str(result.equity[-1][1]),
        "orders": result.orders,
        "refused": result.refused,
        **factor(pnls),
    }
    if as_json:
        print(json.dumps(content, indent=2))  # noqa: T201
        return
    table = Table(title="Back-test: simulated on recorded candles, after costs", show_header=False)
    for name, value in content.items():
        table.add_row(name.replace("_", " "), f"{value:,.2f}" if isinstance(value, float) else str(value))
    Console().print(table)
