"""SQL for everything that is not a candle: indicators, quotes, social readings, options flow, dominance, calendars."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.ingestion.observations import (
    CalendarEvent,
    DominanceReading,
    Observation,
    OptionsAlert,
    QuoteReading,
    SocialReading,
)
from services.kernel.database import Connection

# A value that is stored already is not stored again; a changed one is a new vintage with its own available_at.
INDICATOR = """
insert into leading_indicators (observed_at, available_at, name, symbol, value, source)
select o, a, n, coalesce(s, ''), v, $6
from unnest($1::timestamptz[], $2::timestamptz[], $3::text[], $4::text[], $5::double precision[]) as r (o, a, n, s, v)
where (
    select value from leading_indicators l
    where l.name = n and l.symbol = coalesce(s, '') and l.source = $6 and l.observed_at = o
    order by l.available_at desc limit 1
) is distinct from v
on conflict do nothing
returning name, symbol, value, observed_at, available_at
"""

NEWEST_INDICATOR = "select max(observed_at) from leading_indicators where source = $1"

QUOTE = """
insert into quotes (ts, symbol, asset_class, bid, ask, bid_size, ask_size, source)
values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing
"""

SOCIAL = """
insert into social_sentiment (ts, available_at, symbol, asset_class, source, mentions, sentiment, bullish, bearish,
                              keywords)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::json) on conflict do nothing
"""

OPTIONS = """
insert into options_flow (ts, available_at, symbol, asset_class, contract, kind, strike, expiry, premium_usd, side,
                          rule, source)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict do nothing
"""

DOMINANCE = """
insert into dominance (ts, available_at, btc_d, usdt_d, total_market_cap_usd, source)
values ($1, $2, $3, $4, $5, $6) on conflict do nothing
"""

EVENT = """
insert into economic_calendar (event_id, name, symbol, scheduled_at, available_at, importance, source)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (event_id) do update set scheduled_at = excluded.scheduled_at, available_at = excluded.available_at
where economic_calendar.scheduled_at <> excluded.scheduled_at
"""

# A source of values has one line of health, under the symbol '*'.
HEALTH = """
insert into feed_health as f (symbol, source, asset_class, timeframe, last_ts, bars, errors, last_error, checked_at)
values ('*', $1, $2, 'values', $3, $4, $5, $6, $7)
on conflict (symbol, source, timeframe) do update
set last_ts = greatest(f.last_ts, excluded.last_ts), bars = f.bars + excluded.bars, errors = f.errors + excluded.errors,
    last_error = coalesce(excluded.last_error, f.last_error), checked_at = excluded.checked_at
"""


async def save_indicators(conn: Connection, source: str, found: Sequence[Observation]) -> list[Any]:
    """Store observations and return the rows that are new: name, symbol ('' for none), value and both times."""
    if not found:
        return []
    columns = (
        [o.observed_at for o in found],
        [o.available_at for o in found],
        [o.name for o in found],
        [o.symbol for o in found],
        [o.value for o in found],
    )
    rows: list[Any] = await conn.fetch(INDICATOR, *columns, source)
    return rows


async def newest_indicator(conn: Connection, source: str) -> datetime | None:
    """Return the time of a source's newest stored value."""
    newest: datetime | None = await conn.fetchval(NEWEST_INDICATOR, source)
    return newest


async def save_quote(conn: Connection, source: str, asset_class: str, quote: QuoteReading) -> int:
    """Store a quote that has both sides; a one-sided one says nothing about the spread."""
    if quote.bid is None or quote.ask is None:
        return 0
    await conn.execute(
        QUOTE, quote.ts, quote.symbol, asset_class, quote.bid, quote.ask, quote.bid_size, quote.ask_size, source
    )
    return 1


async def save_social(conn: Connection, source: str, classes: dict[str, str], found: Sequence[SocialReading]) -> int:
    """Store social readings of known symbols."""
    rows = [
        (r.ts, r.available_at, r.symbol, classes[r.symbol], source, r.mentions, r.sentiment, r.bullish, r.bearish,
         json.dumps(r.keywords))
        for r in found if r.symbol in classes
    ]  # fmt: skip
    await conn.executemany(SOCIAL, rows)
    return len(rows)


async def save_options(conn: Connection, source: str, classes: dict[str, str], found: Sequence[OptionsAlert]) -> int:
    """Store options alerts of known symbols."""
    rows = [
        (a.ts, a.available_at, a.symbol, classes[a.symbol], a.contract, a.kind, a.strike, a.expiry, a.premium_usd,
         a.side, a.rule, source)
        for a in found if a.symbol in classes
    ]  # fmt: skip
    await conn.executemany(OPTIONS, rows)
    return len(rows)


async def save_dominance(conn: Connection, source: str, reading: DominanceReading) -> int:
    """Store one snapshot of the market's shares."""
    await conn.execute(
        DOMINANCE, reading.ts, reading.available_at, reading.btc_d, reading.usdt_d, reading.total_market_cap_usd, source
    )
    return 1


async def save_events(conn: Connection, source: str, found: Sequence[CalendarEvent]) -> int:
    """Store scheduled events; a moved one keeps its id."""
    rows = [(e.event_id, e.name, e.symbol, e.scheduled_at, e.available_at, e.importance, source) for e in found]
    await conn.executemany(EVENT, rows)
    return len(rows)


async def save_health(
    conn: Connection, source: str, family: str, newest: datetime | None, count: int, error: str | None, now: datetime
) -> None:
    """Add one look at a source of values to its health."""
    await conn.execute(HEALTH, source, family, newest, count, 0 if error is None else 1, error, now)
