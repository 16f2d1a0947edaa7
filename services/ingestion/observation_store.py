"""SQL for everything that is not a candle: indicators, quotes, social readings, options flow, dominance, calendars."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from services.ingestion.errors import LIMITS, FeedError
from services.ingestion.observations import (
    CalendarEvent,
    DominanceReading,
    Observation,
    OptionsAlert,
    QuoteReading,
    SocialReading,
)
from services.ingestion.trending import Standout
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

# What is no bar has a line of its own: quotes of a symbol, a stream, or all values of a source under the symbol '*'.
# Counters add up; latency and completeness say the present and stay where a look has none.
HEALTH = """
insert into feed_health as f (symbol, source, asset_class, timeframe, last_ts, bars, errors, last_error, checked_at,
                              completeness, latency_seconds, limited)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
on conflict (symbol, source, timeframe) do update
set last_ts = greatest(f.last_ts, excluded.last_ts), bars = f.bars + excluded.bars, errors = f.errors + excluded.errors,
    last_error = coalesce(excluded.last_error, f.last_error), checked_at = excluded.checked_at,
    completeness = coalesce(excluded.completeness, f.completeness),
    latency_seconds = coalesce(excluded.latency_seconds, f.latency_seconds), limited = f.limited + excluded.limited
"""

COUNTED_UNTIL = "select max(until) from social_counts where source = $1"

COUNT = """
insert into social_counts (since, until, source, ticker, mentions) values ($1, $2, $3, $4, $5) on conflict do nothing
"""

FORGET = "delete from social_counts where source = $1 and until < $2"

# Mentions by ticker and the seconds listened to, in [$2, $3) and in [$3, $4).
HEARD = """
select ticker,
       coalesce(sum(mentions) filter (where until > $3), 0)::bigint as recent,
       coalesce(sum(mentions) filter (where until <= $3), 0)::bigint as before,
       coalesce(sum(extract(epoch from until - since)) filter (where until > $3), 0)::double precision as recent_s,
       coalesce(sum(extract(epoch from until - since)) filter (where until <= $3), 0)::double precision as before_s
from social_counts where source = $1 and until > $2 and until <= $4 group by ticker
"""

TRENDED_AT = "select max(ts) from social_trending where source = $1"

TRENDING = """
insert into social_trending (ts, source, place, ticker, symbol, mentions, usual, score)
values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing
"""


@dataclass(frozen=True, slots=True)
class Health:
    """What one look at a source found besides bars. ``kind`` is quotes, stream or values; ``newest`` its time."""

    symbol: str
    source: str
    asset_class: str
    kind: Literal["quotes", "stream", "values"]
    newest: datetime | None = None
    count: int = 0
    error: FeedError | None = None
    latency_s: float | None = None
    completeness: float | None = None


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


async def save_quotes(conn: Connection, source: str, classes: Mapping[str, str], found: Sequence[QuoteReading]) -> int:
    """Store quotes of known symbols that have both sides; a one-sided one says nothing about the spread."""
    rows = [
        (q.ts, q.symbol, classes[q.symbol], q.bid, q.ask, q.bid_size, q.ask_size, source)
        for q in found if q.symbol in classes and q.bid is not None and q.ask is not None
    ]  # fmt: skip
    await conn.executemany(QUOTE, rows)
    return len(rows)


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


async def save_health(conn: Connection, lines: Sequence[Health], now: datetime) -> None:
    """Add what looks at a source found to its health."""
    rows = [
        (h.symbol, h.source, h.asset_class, h.kind, h.newest, h.count, 0 if h.error is None else 1,
         None if h.error is None else str(h.error), now, h.completeness, h.latency_s, int(isinstance(h.error, LIMITS)))
        for h in lines
    ]  # fmt: skip
    await conn.executemany(HEALTH, rows)


async def counted_until(conn: Connection, source: str) -> datetime | None:
    """Return up to when the mentions of a social source are counted."""
    until: datetime | None = await conn.fetchval(COUNTED_UNTIL, source)
    return until


async def save_counts(
    conn: Connection, source: str, since: datetime, until: datetime, texts: int, counts: Mapping[str, int]
) -> None:
    """Store how many texts of [since, until) there were and how many named each ticker, in one transaction."""
    rows = [(since, until, source, ticker, count) for ticker, count in (("", texts), *sorted(counts.items()))]
    async with conn.transaction():
        await conn.executemany(COUNT, rows)


async def heard(conn: Connection, source: str, since: datetime, middle: datetime, until: datetime) -> list[Any]:
    """Read mentions by ticker and seconds listened to, in (since, middle] and (middle, until]; ticker '' is all."""
    rows: list[Any] = await conn.fetch(HEARD, source, since, middle, until)
    return rows


async def forget_counts(conn: Connection, source: str, before: datetime) -> None:
    """Delete counts of intervals that no trailing average reaches back to."""
    await conn.execute(FORGET, source, before)


async def trended_at(conn: Connection, source: str) -> datetime | None:
    """Return when the trending tickers of a source were worked out last."""
    at: datetime | None = await conn.fetchval(TRENDED_AT, source)
    return at


async def save_trending(
    conn: Connection, source: str, at: datetime, found: Sequence[Standout], ours: Mapping[str, str]
) -> None:
    """Store what stands out, first place first; ``ours`` maps tickers to our symbols."""
    rows = [
        (at, source, place, one.ticker, ours.get(one.ticker), one.mentions, one.usual, one.score)
        for place, one in enumerate(found, 1)
    ]
    await conn.executemany(TRENDING, rows)
