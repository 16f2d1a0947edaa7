"""All SQL of the watchdog."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from services.contracts.messages import PortfolioSettled, decode
from services.contracts.topics import PORTFOLIO
from services.domain.candles import timeframe_of
from services.kernel import database
from services.kernel.database import Connection
from services.kernel.errors import StreamCorrupt
from services.watchdog.conditions import DAILY
from services.watchdog.decide import FlagRow, WatchState
from services.watchdog.observation import BooksSeen, FeedSeen, FillsSeen, Observation, StageSeen
from services.watchdog.settings import NAMES, Checks

STAGE = "watchdog"
"""Its row in ``stage_state``, the name of its lock, and who gives its commands."""

STAGES = ("inference", "signals", "risk", "execution", "phases", "research")

RUN = "select mode, timeframe, started_at from run"
NEWEST_SLICE = "select max(ts) from slices where timeframe = $1"

# The oldest slice after a stage's newest; of those that work once a day, the oldest that ends a day.
OWED = """
select w.stage, o.ts, o.closed_at
from unnest($2::text[], $3::boolean[]) as w (stage, daily)
left join stage_state s using (stage)
left join lateral (
    select ts, closed_at from slices
    where timeframe = $1 and ts > coalesce(s.slice_ts, '-infinity')
        and (not w.daily or date_trunc('day', ts, 'UTC') = ts)
    order by ts limit 1
) o on true
"""

FEEDS = """
select a.symbol, a.asset_class,
       (select ts from candles c where c.symbol = a.symbol and c.timeframe = $1 order by ts desc limit 1)
from asset_registry a where a.trading_enabled order by a.symbol
"""

# Slippage in basis points of what the fill was worth in account currency.
FILLS = """
select symbol,
       count(*) filter (where ts >= $2), percentile_cont(0.5) within group (order by bps) filter (where ts >= $2),
       count(*) filter (where ts < $2), percentile_cont(0.5) within group (order by bps) filter (where ts < $2)
from (
    select symbol, ts, (slippage / nullif(quantity * price * fx, 0) * 10000)::float8 as bps from fills where ts >= $1
) f
group by symbol order by symbol
"""

BOOKS = "select body from outbox where topic = $1 and producer = 'execution' order by seq desc limit 1"
TABLES = """
select e.cash, e.equity, (select coalesce(sum(market_value), 0) from positions),
       (select case when count(*) = count(cash) then coalesce(sum(cash), 0) end from fills),
       (select coalesce(sum(fee), 0) from fills), (select coalesce(sum(amount), 0) from carry_charges)
from (select) one left join portfolio_equity e on e.ts = $1
"""

DRIFTING = "select subject, raised_at from system_flags where name = 'model_drift' and cleared_at is null"
REFUSED_CANDLES = "select source, count(*) from refused_candles where refused_at >= $1 group by source"
REFUSED_COMMANDS = "select count(*) from commands where status = 'refused' and given_at >= $1"
SENSELESS = """
select symbol, count(*) from risk_events where ts >= $1 and name = any($2::text[]) and symbol is not null
group by symbol order by symbol
"""

UP = "select name, subject from system_flags where name = any($1::text[]) and cleared_at is null"

# All there ever were: a block of long ago may still have to be lifted.
BLOCKING = """
select id, name, subject, detail, cleared_at is null as up from system_flags where blocks = 'entries'
order by raised_at, id
"""
GIVEN = "select id from commands where given_by = $1"
KNOWN = "select symbol from asset_registry union select asset_class from asset_registry"


async def is_live(conn: Connection) -> bool:
    """Whether this database holds a live run (of which there is a row from its first start on)."""
    mode: str | None = await conn.fetchval("select mode from run")
    return mode is not None and mode != "replay"


async def observe(conn: Connection, checks: Checks, now: datetime, dead: dict[str, int] | None) -> Observation:
    """Read everything as of one moment; the caller holds a transaction that sees one."""
    _, name, started_at = await conn.fetchrow(RUN)
    daily = [stage in DAILY for stage in STAGES]
    recent, old = _ago(now, hours=checks.abnormal_slippage.window_hours), checks.abnormal_slippage.history_days
    senseless = checks.senseless_orders
    return Observation(
        now=now,
        timeframe=timeframe_of(name),
        started_at=started_at,
        newest_slice=await conn.fetchval(NEWEST_SLICE, name),
        stages=tuple(StageSeen(*row) for row in await conn.fetch(OWED, name, list(STAGES), daily)),
        feeds=tuple(FeedSeen(*row) for row in await conn.fetch(FEEDS, name)),
        fills=tuple(FillsSeen(*row) for row in await conn.fetch(FILLS, _ago(now, days=old), recent)),
        books=await _books(conn),
        drifting=dict(map(tuple, await conn.fetch(DRIFTING))),
        dead_letters=dead,
        refused_candles=await _counts(conn, REFUSED_CANDLES, _window(now, checks.refused_candles.window_seconds)),
        refused_commands=await conn.fetchval(
            REFUSED_COMMANDS, _window(now, checks.refused_commands.window_seconds)
        ),
        senseless_orders=await _counts(
            conn, SENSELESS, _window(now, senseless.window_seconds), list(senseless.checks)
        ),
    )  # fmt: skip


async def load(conn: Connection) -> WatchState | None:
    """Return what it remembers; None at the very first start."""
    stored = (await database.load_state(conn, STAGE)).state
    return None if stored is None else msgspec.json.decode(stored, type=WatchState)


async def save(conn: Connection, state: WatchState, config_version: str) -> None:
    """Keep what it must remember, and when it last looked."""
    await database.save_state(
        conn, STAGE, slice_ts=None, seq=0, previous_seq=0, cursors={}, state=msgspec.json.encode(state).decode(),
        config_version=config_version,
    )  # fmt: skip


async def own_flags(conn: Connection) -> set[tuple[str, str]]:
    """Return the names and subjects of the watchdog's own flags that are up."""
    return {(row[0], row[1]) for row in await conn.fetch(UP, list(NAMES))}


async def blocking(conn: Connection) -> tuple[list[FlagRow], set[Any], set[str]]:
    """Return all flags that block entries, up or not, the commands given so far, and all symbols and classes."""
    flags = [FlagRow(*row) for row in await conn.fetch(BLOCKING)]
    given = {row[0] for row in await conn.fetch(GIVEN, STAGE)}
    return flags, given, {row[0] for row in await conn.fetch(KNOWN)}


async def _books(conn: Connection) -> BooksSeen | None:
    body = await conn.fetchval(BOOKS, PORTFOLIO.name)
    if body is None:
        return None
    told = decode(body)
    if not isinstance(told, PortfolioSettled):
        raise StreamCorrupt(f"outbox: {PORTFOLIO.name} holds another message than it carries")
    return BooksSeen(told, *await conn.fetchrow(TABLES, told.ts))


async def _counts(conn: Connection, sql: str, *arguments: datetime | Sequence[str]) -> dict[str, int]:
    return {row[0]: row[1] for row in await conn.fetch(sql, *arguments)}


def _ago(now: datetime, *, days: float = 0.0, hours: float = 0.0) -> datetime:
    return now - timedelta(days=days, hours=hours)


def _window(now: datetime, seconds: float) -> datetime:
    return now - timedelta(seconds=seconds)
