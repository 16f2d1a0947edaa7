"""Read one week of a platform's books from the database. Nothing after the week's end is looked at."""

import re
from datetime import UTC, date, datetime, timedelta

from services.domain.candles import SECONDS, timeframe_of
from services.gateway.shown import refused
from services.kernel.database import Connection
from services.kernel.errors import ConfigError, DataError
from services.research.weekly_figures import AssetDay, Books, RoundTrip
from services.research.weekly_ladder import Change, Flag, LadderWeek, Stood

WEEK = timedelta(days=7)

RUN = "select mode, description, timeframe from run"
NEWEST = "select max(ts) from portfolio_equity"
# The value that the week began with: the last one before it, or the first of all.
BEGUN = "select ts, equity::float8 from portfolio_equity where ts <= $1 order by ts desc limit 1"
EQUITY = "select ts, equity::float8 from portfolio_equity where ts > $1 and ts <= $2 order by ts"
# A slice is named by its close: the one at midnight ends the day before it.
DAYS = """
select day, coalesce(lag(ended) over (order by day), first) as begun
from (
    select (ts - interval '1 microsecond')::date as day, (array_agg(equity order by ts desc))[1]::float8 as ended,
           (array_agg(equity order by ts))[1]::float8 as first
    from portfolio_equity where ts <= $1 group by 1
) days
where day <= (select max(day) from asset_performance) order by day
"""
ASSETS = """
select symbol, asset_class from asset_registry
where trading_enabled or symbol in (select symbol from asset_performance where day < $1)
"""
PERFORMANCE = """
select symbol, day, pnl::float8, fees::float8, slippage::float8, exposure
from asset_performance where day < $1 order by day, symbol
"""
# A fill at the entry says what the asset's currency was worth in the account's.
TRADES = """
select t.symbol, t.side, t.opened_at, t.closed_at, t.pnl::float8, (t.fees + t.carry)::float8 as costs,
       t.exit_reason, t.bucket, t.regime,
       (t.entry_price * t.quantity * coalesce(
           (select f.fx from fills f where f.symbol = t.symbol and f.ts = t.opened_at limit 1), 1))::float8 as notional
from trades t where t.closed_at < $1 order by t.closed_at, t.symbol, t.id
"""
CLOSES = """
select symbol, ts, close from candles
where timeframe = $1 and ts >= $2 and ts < $3 and symbol = any($4::text[]) order by symbol, ts
"""
DAILY_CLOSES = """
select distinct on (symbol, ts::date) symbol, ts::date as day, close from candles
where timeframe = $1 and ts < $2 and symbol = any($3::text[]) order by symbol, ts::date, ts desc
"""
ORDERS = "select count(*) from orders where ts >= $1 and ts < $2"
REFUSED = """
select id, ts, symbol, asset_class, side, quantity, detail, coalesce(checks::text, '[]') as checks
from orders where status = 'refused' and ts >= $1 and ts < $2
"""

# What the slices of the week changed: the one at midnight on Monday ends the week before.
CHANGES = """
select ts, subject, change, given_by as by, note, forced
from phase_activation_log where ts > $1 and ts <= $2 order by seq
"""
STANDINGS = """
select symbol, asset_class, level, tier, live, step, ready, evidence, why from (
    select distinct on (symbol) * from rollout_log where ts <= $1 order by symbol, ts desc
) newest order by asset_class <> 'crypto', tier nulls last, symbol
"""
FLAGS = """
select raised_at, case when cleared_at <= $2 then cleared_at end as cleared_at, severity, name,
       coalesce(subject, 'all') as subject, blocks, detail
from system_flags where raised_at <= $2 and (cleared_at is null or cleared_at > $1) order by raised_at, name, subject
"""


def week_of(text: str) -> datetime:
    """Return the Monday that an ISO week such as 2024-W12 begins with; raises ConfigError where it is none."""
    found = re.fullmatch(r"(\d{4})-W(\d{2})", text)
    if found is not None:
        try:
            return datetime.combine(date.fromisocalendar(int(found[1]), int(found[2]), 1), datetime.min.time(), UTC)
        except ValueError:
            pass  # no such year, or week 53 of a year that has 52
    raise ConfigError(f"'{text}' is not a week such as 2024-W12")


async def read_week(conn: Connection, since: datetime | None) -> Books:
    """Read the week that begins at ``since``, or the newest; raises DataError where nothing was settled in it."""
    run, newest = await conn.fetchrow(RUN), await conn.fetchval(NEWEST)
    if run is None or newest is None:
        raise DataError("weekly report: no slice has been settled yet")
    if since is None:
        day = (newest - timedelta(microseconds=1)).date()
        since = datetime.combine(day - timedelta(days=day.weekday()), datetime.min.time(), UTC)
    until = since + WEEK
    equity = [(row[0], row[1]) for row in await conn.fetch(EQUITY, since, until)]
    if not equity:
        year, week, _ = since.isocalendar()
        raise DataError(
            f"weekly report: no slice was settled in {year}-W{week:02d}; the newest is of {newest:%Y-%m-%d}"
        )
    begun = await conn.fetchrow(BEGUN, since)
    if begun is not None:
        equity.insert(0, (begun[0], begun[1]))
    classes = {row[0]: row[1] for row in await conn.fetch(ASSETS, until.date())}
    timeframe = run["timeframe"]
    return Books(
        mode=run["mode"],
        description=run["description"],
        since=since,
        until=until,
        equity=equity,
        day_equity={row[0]: row[1] for row in await conn.fetch(DAYS, until)},
        classes=classes,
        asset_days=await _asset_days(conn, until),
        trades=[RoundTrip(**dict(row)) for row in await conn.fetch(TRADES, until)],
        closes=await _closes(conn, timeframe, since, equity[-1][0], sorted(classes)),
        daily_closes=await _daily_closes(conn, timeframe, until, sorted(classes)),
        orders=await conn.fetchval(ORDERS, since, until),
        refused=[_by(row) for row in map(refused, await conn.fetch(REFUSED, since, until))],
        ladder=await _ladder(conn, since, until),
    )


def _by(shown: dict[str, object]) -> str:
    return str(shown["refused_by"] or shown["reason"])


async def _ladder(conn: Connection, since: datetime, until: datetime) -> LadderWeek:
    return LadderWeek(
        [Change(**dict(row)) for row in await conn.fetch(CHANGES, since, until)],
        [Stood(**dict(row)) for row in await conn.fetch(STANDINGS, until)],
        [Flag(**dict(row)) for row in await conn.fetch(FLAGS, since, until)],
    )


async def _asset_days(conn: Connection, until: datetime) -> list[AssetDay]:
    return [AssetDay(**dict(row)) for row in await conn.fetch(PERFORMANCE, until.date())]


async def _closes(
    conn: Connection, timeframe: str, since: datetime, until: datetime, symbols: list[str]
) -> dict[str, list[tuple[datetime, float]]]:
    """Read closes by the time of the close, from the one at ``since`` on."""
    bar = timedelta(seconds=SECONDS[timeframe_of(timeframe)])
    found: dict[str, list[tuple[datetime, float]]] = {}
    for symbol, opened, close in await conn.fetch(CLOSES, timeframe, since - bar, until, symbols):
        found.setdefault(symbol, []).append((opened + bar, close))
    return found


async def _daily_closes(
    conn: Connection, timeframe: str, until: datetime, symbols: list[str]
) -> dict[str, dict[date, float]]:
    found: dict[str, dict[date, float]] = {}
    for symbol, day, close in await conn.fetch(DAILY_CLOSES, timeframe, until, symbols):
        found.setdefault(symbol, {})[day] = close
    return found
