"""All SQL of the gateway."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.contracts.messages import AssetStanding, Readiness, Trade
from services.domain.money import money
from services.kernel.database import Connection

Row = dict[str, Any]


class Evaluation(msgspec.Struct, frozen=True):
    """What is shown of phases' newest message; reading no more of it is a good deal faster."""

    ts: datetime
    readiness: tuple[Readiness, ...] = ()
    assets: tuple[AssetStanding, ...] = ()


_EVALUATION = msgspec.json.Decoder(Evaluation)

RUN = "select mode, description, timeframe, started_at from run"

# The newest evaluation of each phase is one step in its index. Evidence and capital are only in phases' message.
READINESS = """
select c.phase, c.phase_order, c.asset_class, c.active, c.activated_at, c.min_capital, c.max_capital,
       r.ts as evaluated_at, coalesce(r.ready, false) as ready, r.requirements::text as requirements,
       (select equity from portfolio_equity order by ts desc limit 1) as equity,
       (select mode from run) as mode
from asset_class_config c
left join lateral (
    select ts, ready, requirements from readiness_log l where l.phase = c.phase order by ts desc limit 1
) r on true
where $1::text is null or c.phase = $1
order by c.phase_order
"""

SYMBOLS = "select symbol from asset_registry"

ASSETS = """
select a.symbol, a.name, a.asset_class, a.phase, c.active as phase_active, a.role, a.tier, a.collecting,
       a.trading_enabled, a.live_enabled, a.level, a.level_since, a.waits_for, a.updated_at, c.phase_order,
       a.config::text as config
from asset_registry a join asset_class_config c using (phase)
where $1::text is null or a.symbol = $1
order by c.phase_order, a.tier nulls last, a.symbol
"""

LAST_EVALUATION = """
select body from outbox where topic = 'phases.activations' and producer = 'phases' order by seq desc limit 1
"""

# The newest signal of each asset, one index step each; with a symbol, its newest ones.
SIGNALS = """
select s.id, s.ts, s.symbol, s.asset_class, s.action, s.level, s.expected_return, s.confidence, s.bucket, s.regime,
       s.threshold, s.reasons, s.strength, s.stop, s.take, s.market, w.weight,
       f.uncertainty, f.low, f.high, f.p_up, coalesce(f.without, '{}') as without
from asset_registry a
cross join lateral (
    select * from signals where symbol = a.symbol order by ts desc
    limit case when $1::text is null then 1 else $2::bigint end
) s
left join lateral (select weight from allocations where symbol = s.symbol and ts = s.ts) w on true
left join lateral (
    select uncertainty, low, high, p_up, without from forecasts
    where symbol = s.symbol and ts = s.ts order by horizon_hours limit 1
) f on true
where $1::text is null or a.symbol = $1
order by s.ts desc, abs(s.expected_return) * s.confidence desc, s.symbol
limit $2::bigint
"""

PORTFOLIO = """
select ts, cash, equity, realised_pnl, unrealised_pnl, fees, open_positions,
       case when peak > 0 then ((peak - equity) / peak)::float8 else 0 end as drawdown, max_drawdown
from (select *, max(equity) over (order by ts) as peak from portfolio_equity) e
cross join (
    select coalesce(max(case when peak > 0 then (peak - equity) / peak else 0 end), 0)::float8 as max_drawdown
    from (select equity, max(equity) over (order by ts) as peak from portfolio_equity) p
) d
order by ts desc limit 1
"""

STARTING_CASH = """
select body::json ->> 'starting_cash' from outbox
where topic = 'execution.portfolio' and producer = 'execution' order by seq desc limit 1
"""

# Every n-th slice, and always the newest one.
EQUITY = """
select ts, equity, cash from (
    select ts, equity, cash, row_number() over (order by ts) as n, count(*) over () as total
    from portfolio_equity where $1::timestamptz is null or ts >= $1
) e
where n = total or (n - 1) % greatest(1, (total + $2::bigint - 1) / $2::bigint) = 0
order by ts
"""

POSITIONS = """
select symbol, asset_class, quantity, cost, mark_price, market_value, unrealised_pnl, stop_price, target_price,
       opened_at, expires_at, as_of
from positions order by abs(market_value) desc, symbol
"""

ORDERS = """
select id, ts, symbol, asset_class, side, quantity, reason, reduce_only, status, reference_price, stop_price,
       target_price, filled_quantity, detail, updated_at
from orders where $1::text is null or status = $1 order by ts desc, symbol, id limit $2
"""

TRADES = """
select id, symbol, asset_class, side, opened_at, closed_at, quantity, entry_price, exit_price, fees, slippage, pnl,
       exit_reason, bucket, regime, carry
from trades order by closed_at desc, symbol desc, id desc limit $1
"""

LAST_ORDERS_MESSAGE = """
select body from outbox where topic = 'risk.orders' and producer = 'risk' order by seq desc limit 1
"""

RISK_EVENTS = """
select id, ts, symbol, name, severity, limit_value, current_value, detail
from risk_events order by ts desc, name, id limit $1
"""

# The newest refusals with the whole table as it stood; orders of earlier versions have none.
REFUSED = """
select id, ts, symbol, asset_class, side, quantity, detail, coalesce(checks::text, '[]') as checks
from orders where status = 'refused' order by ts desc, symbol, id limit $1
"""

PENDING_RISK = "select * from commands where status = 'pending' and name in ('halt', 'resume', 'flatten') order by seq"

FEEDS = """
select symbol, source, asset_class, timeframe, last_ts, bars, gaps, repaired, refused, revisions, errors, last_error,
       checked_at, completeness, latency_seconds, limited
from feed_health where $1::text is null or symbol = $1 order by asset_class, symbol, source, timeframe
"""

# Of artefacts only the ensembles' come along: they are a few lines of JSON, the weights.
MODELS = """
select model, version, symbol, asset_class, horizon_hours, trained_from, trained_through, valid_from, valid_until,
       features_hash, params::text as params, metrics::text as metrics, artefact_sha256, created_at, standing, note,
       case when model = 'ensemble' then artefact end as artefact
from model_registry where $1::text is null or symbol = $1 order by valid_from desc, symbol, model, version limit $2
"""

# The version in use at $3 of one model; inference reads the registry again when ``changed_at`` moves.
WITHDRAW = """
update model_registry set standing = 'withdrawn', note = $4, changed_at = clock_timestamp()
where (symbol, model, version) in (
    select symbol, model, version from model_registry
    where symbol = $1 and model = $2 and standing = 'in use' and valid_from <= $3
    order by valid_from desc, created_at desc, version desc limit 1
)
returning version, features_hash, params ->> 'preset' as preset
"""

# What stands behind it: a version of other features or another preset is never loaded in its place.
NOW_IN_USE = """
select version from model_registry
where symbol = $1 and model = $2 and standing = 'in use' and valid_from <= $3
    and features_hash = $4 and params ->> 'preset' is not distinct from $5
order by valid_from desc, created_at desc, version desc limit 1
"""

MODEL_IS_KNOWN = "select exists (select from model_registry where symbol = $1 and model = $2)"

PERFORMANCE = """
select symbol, asset_class, as_of, trades, win_rate_pct, profit_factor, pnl_usd, fees_usd, sharpe, max_drawdown_pct,
       exposure_pct, tier, trading_enabled, sortino, slippage_usd, level
from asset_performance_latest
"""

STAGES = (
    "select stage, slice_ts, seq, cursors::text as cursors, config_version, updated_at from stage_state order by stage"
)

MIGRATED = "select version_num from alembic_version"

COMMAND = "select * from commands where id = $1"


async def run(conn: Connection) -> Row | None:
    """Read which run the database holds."""
    return _row(await conn.fetchrow(RUN))


async def readiness(conn: Connection, phase: str | None) -> list[Row]:
    """Read every phase (or one) with its newest evaluation; ``requirements`` is JSON text or None.

    ``judged`` is what phases said of it last, None before anything was evaluated.
    """
    rows, said = _rows(await conn.fetch(READINESS, phase)), await last_evaluation(conn)
    judged = {one.phase: one for one in said.readiness} if said is not None else {}
    return [{**row, "judged": judged.get(row["phase"])} for row in rows]


async def symbols(conn: Connection) -> list[str]:
    """Read the declared symbols."""
    return [row[0] for row in await conn.fetch(SYMBOLS)]


async def assets(conn: Connection, symbol: str | None = None) -> list[Row]:
    """Read the registry, or one asset of it."""
    return _rows(await conn.fetch(ASSETS, symbol), "config")


async def last_evaluation(conn: Connection) -> Evaluation | None:
    """Read what phases said last; None before anything was evaluated."""
    body: str | None = await conn.fetchval(LAST_EVALUATION)
    return None if body is None else _EVALUATION.decode(body)


async def signals(conn: Connection, symbol: str | None, limit: int) -> list[Row]:
    """Read the newest signal of each asset, or the newest ones of one asset."""
    return _rows(await conn.fetch(SIGNALS, symbol, limit))


async def portfolio(conn: Connection) -> Row | None:
    """Read the newest books with the drawdown now and the largest so far; None before the first slice."""
    books = _row(await conn.fetchrow(PORTFOLIO))
    if books is not None:
        cash = await conn.fetchval(STARTING_CASH)
        books["starting_cash"] = money(cash) if cash is not None else None
    return books


async def equity(conn: Connection, since: datetime | None, points: int) -> list[Row]:
    """Read the equity curve, thinned to about ``points`` rows."""
    return _rows(await conn.fetch(EQUITY, since, points))


async def positions(conn: Connection) -> list[Row]:
    """Read what is held, the largest first."""
    return _rows(await conn.fetch(POSITIONS))


async def orders(conn: Connection, status: str | None, limit: int) -> list[Row]:
    """Read the newest orders, refused ones included."""
    return _rows(await conn.fetch(ORDERS, status, limit))


async def trades(conn: Connection, limit: int) -> list[Row]:
    """Read the newest round trips."""
    return _rows(await conn.fetch(TRADES, limit))


async def load_trades(conn: Connection) -> list[Trade]:
    """Rebuild the whole ledger of round trips, as execution wrote it."""
    return [_trade(row) for row in await conn.fetch(TRADES, None)]


async def risk(conn: Connection, events: int) -> tuple[str | None, list[Row], list[Row]]:
    """Read risk's newest message (JSON), recent events, and commands that risk has not carried out yet."""
    body = await conn.fetchval(LAST_ORDERS_MESSAGE)
    return body, _rows(await conn.fetch(RISK_EVENTS, events)), _rows(await conn.fetch(PENDING_RISK))


async def refused(conn: Connection, limit: int) -> list[Row]:
    """Read the newest refused orders; ``checks`` as JSON text."""
    return _rows(await conn.fetch(REFUSED, limit))


async def feeds(conn: Connection, symbol: str | None = None) -> list[Row]:
    """Read the feeds' health."""
    return _rows(await conn.fetch(FEEDS, symbol))


async def models(conn: Connection, symbol: str | None, limit: int) -> list[Row]:
    """Read the registered models, the newest first; an artefact only of ensembles."""
    return _rows(await conn.fetch(MODELS, symbol, limit), "params", "metrics")


async def withdraw_model(conn: Connection, symbol: str, model: str, at: datetime, note: str) -> Row | None:
    """Take the version in use at ``at`` back: ``withdrawn``, and ``in_use`` (or None) now. None where none was in use.

    The caller opens the transaction.
    """
    taken = await conn.fetchrow(WITHDRAW, symbol, model, at, note)
    if taken is None:
        return None
    behind = await conn.fetchval(NOW_IN_USE, symbol, model, at, taken["features_hash"], taken["preset"])
    return {"withdrawn": taken["version"], "in_use": behind}


async def model_is_known(conn: Connection, symbol: str, model: str) -> bool:
    """Whether the registry holds any version of the model for this asset."""
    return bool(await conn.fetchval(MODEL_IS_KNOWN, symbol, model))


async def performance(conn: Connection) -> list[Row]:
    """Read each asset's record to date."""
    return _rows(await conn.fetch(PERFORMANCE))


async def stages(conn: Connection) -> list[Row]:
    """Read each stage's watermark and cursors."""
    return _rows(await conn.fetch(STAGES), "cursors")


async def schema_version(conn: Connection) -> str | None:
    """Read the newest migration; raises asyncpg.UndefinedTableError where none ever ran."""
    version: str | None = await conn.fetchval(MIGRATED)
    return version


async def command(conn: Connection, command_id: UUID) -> Row | None:
    """Read one command and what became of it."""
    return _row(await conn.fetchrow(COMMAND, command_id))


def _row(row: Mapping[str, Any] | None) -> Row | None:
    return None if row is None else dict(row)


def _rows(rows: list[Mapping[str, Any]], *json_columns: str) -> list[Row]:
    made = [dict(row) for row in rows]
    for row in made:
        for column in json_columns:
            row[column] = json.loads(row[column])
    return made


def _trade(row: Mapping[str, Any]) -> Trade:
    amounts = ("quantity", "entry_price", "exit_price", "fees", "slippage", "pnl", "carry")
    return Trade(**{**row, "id": UUID(int=row["id"].int), **{name: money(row[name]) for name in amounts}})
