"""All SQL of the audit. What it reads is as of a moment: nothing later than that counts."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from services.domain.calendars import expected_opens
from services.domain.candles import SECONDS, Timeframe
from services.domain.feeds import NOT_BARS
from services.gateway import feeds, store
from services.gateway.audit.facts import (
    AuditFacts,
    Bars,
    CandleFacts,
    CellResult,
    EdgeFacts,
    FeedFacts,
    FillFacts,
    FlagFacts,
    ModelFacts,
    PerformanceFacts,
    ResearchFacts,
    TradeFacts,
    asset_of,
)
from services.gateway.audit.settings import AuditParams
from services.kernel.database import Connection

Row = Mapping[str, Any]
PLAN = "plan"
"""Source of research's starting values, which nobody has measured."""

# $3: open of the newest bar that has closed; $4 and $5: where the last 30 and 7 days begin.
CANDLES = """
select count(*) as count, min(ts) as first, max(ts) as last, count(*) filter (where revision > 0) as revised,
       count(*) filter (where ts >= $4) as month, count(*) filter (where ts >= $5) as week,
       (select count(*) from refused_candles where symbol = $1 and timeframe = $2) as refused
from candles where symbol = $1 and timeframe = $2 and ts <= $3
"""

# Of each model the version in use, as inference would choose it.
MODELS = """
select distinct on (model) model, version, trained_through, valid_from,
       (metrics -> 'out_of_sample' ->> 'ratio')::float8 as ratio, (metrics -> 'out_of_sample' ->> 'n')::integer as n
from model_registry
where symbol = $1 and standing = 'in use' and valid_from <= $2 and (valid_until is null or valid_until > $2)
order by model, valid_from desc, created_at desc, version desc
"""

FORECASTS = "select count(*) as count, max(ts) as newest from forecasts where symbol = $1 and ts <= $2"

RESEARCH = """
select as_of, tier, why, n, edge_bps, low_bps, high_bps, mix::text as mix
from research_tiers where symbol = $1 and as_of <= $2 and source <> $3 order by as_of desc limit 1
"""

EDGES = """
select distinct on (regime, bucket) as_of, regime, bucket, n, edge_bps, low_bps, high_bps, q_value
from research_edges where symbol = $1 and as_of <= $2 and source <> $3 order by regime, bucket, as_of desc
"""

PLAN_EDGE = "select avg(edge_bps)::float8 from research_edges where symbol = $1 and source = $2"

TRADES = """
select opened_at, closed_at, pnl, exit_reason, regime, bucket
from trades where symbol = $1 and closed_at <= $2 order by closed_at, id
"""

# In account currency; an entry's share is of the equity at the slice that decided it.
FILLS = """
select count(*) as count, coalesce(sum(f.quantity * f.price * f.fx), 0) as notional,
       coalesce(sum(f.slippage), 0) as slippage,
       max(f.quantity * f.price * f.fx) filter (where f.reason = 'entry') as largest,
       (max(f.quantity * f.price * f.fx / e.equity) filter (where f.reason = 'entry'))::float8 as largest_share
from fills f
left join lateral (
    select nullif(equity, 0) as equity from portfolio_equity
    where f.reason = 'entry' and ts <= f.ts order by ts desc limit 1
) e on true
where f.symbol = $1 and f.ts <= $2
"""

# What the asset earned on each stored day, of the equity with which that day began, the very first day with its first.
PERFORMANCE = """
select p.sharpe_to_date, p.sortino_to_date, p.max_drawdown_to_date,
       ((p.pnl_to_date - lag(p.pnl_to_date, 1, 0) over (order by p.day))
        / coalesce(e.equity, (select nullif(equity, 0) from portfolio_equity order by ts limit 1)))::float8 as earned
from asset_performance p
left join lateral (
    select nullif(equity, 0) as equity from portfolio_equity
    where ts <= p.day::timestamp at time zone 'UTC' order by ts desc limit 1
) e on true
where p.symbol = $1 and p.day <= $2 order by p.day
"""

# A day ends with the slice of its midnight. Days before the asset's first trade are days without a return.
DAYS = """
select count(distinct (ts at time zone 'UTC' - interval '1 second')::date) from portfolio_equity
where ts <= $1::date::timestamp at time zone 'UTC'
"""

CELLS = """
select regime, bucket, trades, pnl from performance_by_cell
where symbol = $1 order by trades desc, regime, bucket
"""

# Series that could be a declared indicator, by their own name and by the source that brought them.
SERIES = """
select name, max(available_at) as newest from leading_indicators
where symbol in ('', $1) and available_at <= $2 group by name
union all
select source, max(available_at) from leading_indicators where symbol = $1 and available_at <= $2 group by source
union all
select source, max(available_at) from leading_indicators where symbol = '' and available_at <= $2 group by source
union all
select source, max(available_at) from options_flow where symbol = $1 and available_at <= $2 group by source
union all
select source, max(available_at) from social_sentiment where symbol = $1 and available_at <= $2 group by source
"""

FLAGS = """
select name, coalesce(subject, '') as subject, severity, blocks, detail, acknowledged_by
from system_flags where cleared_at is null order by raised_at, name, subject
"""

SOURCES = "select source, configured from data_source_registry"

LAST_AUDIT = "select ts, ready, reasons::text as reasons from live_audits where symbol = $1 order by ts desc limit 1"

# The live desk and phases read the newest; another look at the same moment of a replay stands in place of the first.
RECORD = """
insert into live_audits (symbol, ts, ready, reasons) values ($1, $2, $3, $4::text::json)
on conflict (symbol, ts) do update set ready = excluded.ready, reasons = excluded.reasons
"""


async def facts(conn: Connection, symbol: str, now: datetime, timeframe: Timeframe, params: AuditParams) -> AuditFacts:
    """Read what is known of a declared asset at ``now``."""
    row = (await store.assets(conn, symbol))[0]
    forecasts = await conn.fetchrow(FORECASTS, symbol, now)
    sources = {one["source"]: one["configured"] for one in await conn.fetch(SOURCES)}
    series = await conn.fetch(SERIES, symbol, now)
    return AuditFacts(
        now=now,
        symbol=symbol,
        asset=asset_of(row["config"]),
        **{name: row[name] for name in OF_THE_ROW},
        candles=await _candles(conn, symbol, row["asset_class"], now, timeframe),
        feed=await _feed(conn, symbol, now, timeframe),
        models=tuple(ModelFacts(**one) for one in await conn.fetch(MODELS, symbol, now)),
        forecasts=forecasts["count"],
        last_forecast=forecasts["newest"],
        research=_research(await conn.fetchrow(RESEARCH, symbol, now, PLAN)),
        plan_edge_bps=await conn.fetchval(PLAN_EDGE, symbol, PLAN),
        edges=tuple(EdgeFacts(**one) for one in await conn.fetch(EDGES, symbol, now, PLAN)),
        trades=tuple(TradeFacts(**one) for one in await conn.fetch(TRADES, symbol, now)),
        fills=FillFacts(**await conn.fetchrow(FILLS, symbol, now)),
        performance=_performance(
            await conn.fetch(PERFORMANCE, symbol, now.date()), await conn.fetchval(DAYS, now.date())
        ),
        cells=tuple(CellResult(**one) for one in await conn.fetch(CELLS, symbol)),
        series={one["name"]: one["newest"] for one in sorted(series, key=lambda one: one["newest"])},
        configured=frozenset(name for name, configured in sources.items() if configured),
        flags=await _flags(conn, symbol, row["asset_class"], list(sources), params),
    )


OF_THE_ROW = (
    "phase", "phase_active", "level", "waits_for", "tier", "trading_enabled", "live_enabled",
)  # fmt: skip


async def last_audit(conn: Connection, symbol: str) -> dict[str, Any] | None:
    """Read the newest recorded audit for live; None where there is none."""
    row = await conn.fetchrow(LAST_AUDIT, symbol)
    return None if row is None else {**row, "reasons": json.loads(row["reasons"])}


async def record(conn: Connection, symbol: str, ts: datetime, *, ready: bool, reasons: Sequence[str]) -> None:
    """Store an audit for live; the newest one of an asset counts."""
    await conn.execute(RECORD, symbol, ts, ready, json.dumps(list(reasons)))


async def _candles(conn: Connection, symbol: str, asset_class: str, now: datetime, timeframe: Timeframe) -> CandleFacts:
    step = timedelta(seconds=SECONDS[timeframe])
    month, week = now - timedelta(days=30), now - timedelta(days=7)
    row = await conn.fetchrow(CANDLES, symbol, timeframe, now - step, month, week)
    until = now - step + timedelta(seconds=1)  # the bar that has just closed is owed

    def bars(since: datetime, stored: int) -> Bars | None:
        try:
            return Bars(len(expected_opens(asset_class, timeframe, since, until)), stored)
        except ValueError:  # beyond the years whose sessions are known
            return None

    return CandleFacts(
        count=row["count"],
        first=row["first"],
        last=row["last"],
        revised=row["revised"],
        refused=row["refused"],
        whole=bars(row["first"], row["count"]) if row["count"] else None,
        month=bars(month, row["month"]),
        week=bars(week, row["week"]),
    )


async def _feed(conn: Connection, symbol: str, now: datetime, timeframe: Timeframe) -> FeedFacts:
    found = (await feeds.diagnoses(conn, symbol, now, timeframe))[0]
    of_bars = [line for line in found["sources"] if line["timeframe"] not in NOT_BARS]
    family = feeds.FAMILY.get(found["asset_class"], "stocks")
    fitting = [row["source"] for row in await conn.fetch(feeds.CONFIGURED) if row["family"] == family]
    return FeedFacts(
        fit=found["fit"],
        says=(found["state"], *found["reasons"]),
        sources=tuple(fitting or [line["source"] for line in of_bars]),
        errors=tuple(f"{line['source']}: {line['last_error']}" for line in of_bars if line["last_error"]),
        checked=bool(of_bars),
    )


def _research(row: Row | None) -> ResearchFacts | None:
    if row is None:
        return None
    mix: Counter[tuple[str, int]] = Counter()
    for one in json.loads(row["mix"]):
        mix[one["regime"], one["bucket"]] += one["share"]
    return ResearchFacts(**{**row, "mix": dict(mix)})


def _performance(rows: Sequence[Row], days: int) -> PerformanceFacts:
    if not rows:
        return PerformanceFacts()
    newest, earned = rows[-1], [row["earned"] or 0.0 for row in rows]
    returns = (*[0.0] * (days - len(earned)), *earned)
    return PerformanceFacts(
        newest["sharpe_to_date"], newest["sortino_to_date"], newest["max_drawdown_to_date"], returns
    )


async def _flags(
    conn: Connection, symbol: str, asset_class: str, sources: Sequence[str], params: AuditParams
) -> tuple[FlagFacts, ...]:
    """Keep all open flags but those that are about other assets, classes, sources or accounts."""
    own = {symbol, asset_class, params.accounts.get(asset_class), *params.assets.classes[asset_class].sources}
    others = {*params.assets.assets, *params.assets.classes, *params.accounts.values(), *sources} - own
    return tuple(FlagFacts(**row) for row in await conn.fetch(FLAGS) if row["subject"] not in others)
