"""Hypertables, policies and 4-hour and daily candles, as far as the server can: detected, never configured."""

from typing import NamedTuple

from alembic import op
from sqlalchemy import text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


class Series(NamedTuple):
    """A table in time. ``order_by`` holds, with ``segment_by``, every column of the table's unique constraint."""

    table: str
    time: str
    chunk: str
    segment_by: str
    order_by: str
    compress_after: str = "30 days"
    drop_after: str | None = None


# Nothing that the books or a past decision rest on is ever dropped: only quotes and bought-in opinions age out.
SERIES = (
    Series("candles", "ts", "30 days", "symbol, timeframe", "ts desc"),
    Series("quotes", "ts", "1 day", "symbol, source", "ts desc", "7 days", "90 days"),
    Series("leading_indicators", "observed_at", "90 days", "name, symbol, source", "observed_at desc, available_at desc"),
    Series("social_sentiment", "ts", "30 days", "symbol, source", "ts desc", drop_after="5 years"),
    Series("options_flow", "ts", "30 days", "symbol", "ts desc, contract, rule, source", drop_after="5 years"),
    Series("dominance", "ts", "90 days", "source", "ts desc"),
    Series("forecasts", "ts", "30 days", "symbol", "ts desc, horizon_hours"),
    Series("signals", "ts", "30 days", "symbol", "ts desc"),
    Series("allocations", "ts", "30 days", "symbol", "ts desc"),
    Series("fills", "ts", "90 days", "symbol", "ts desc, id"),
    Series("portfolio_equity", "ts", "90 days", "", "ts desc"),
)


class Rollup(NamedTuple):
    """Longer candles made of the 1-hour ones. ``refresh_every`` bounds how long a late correction stays unseen."""

    view: str
    timeframe: str
    width: str
    refresh_every: str = "10 minutes"


ROLLUPS = (Rollup("candles_4h", "4h", "4 hours"), Rollup("candles_1d", "1d", "1 day"))

# What is read by time alone, on every server; create_hypertable's own indexes would exist on two of the three only.
INDEXES = """
create index candles_ts on candles (ts desc);
create index leading_indicators_available_at on leading_indicators (available_at desc);
create index forecasts_ts on forecasts (ts desc);
create index signals_ts on signals (ts desc);
create index allocations_ts on allocations (ts desc);
create index fills_ts on fills (ts desc);
"""

# Creating the extension where its loader is not preloaded ends the session, so look for a setting of the loader first.
OFFERED = """
select exists (select from pg_available_extensions where name = 'timescaledb')
   and current_setting('timescaledb.max_background_workers', true) is not null
   and (exists (select from pg_extension where extname = 'timescaledb')
        or has_database_privilege(current_database(), 'create'))
"""

# 'timescale' on community, 'apache' on the Apache-2 build. The setting alone proves nothing: any server may carry it.
LICENSE = """
select current_setting('timescaledb.license', true) from pg_extension where extname = 'timescaledb'
"""

# On TimescaleDB: real time, so that the newest, still open bucket is there before the first refresh.
CONTINUOUS = """
create materialized view {view} with (timescaledb.continuous, timescaledb.materialized_only = false) as
select time_bucket(interval '{width}', ts) as ts,
       symbol,
       asset_class,
       '{timeframe}'::text as timeframe,
       first(open, candles.ts) as open,
       max(high) as high,
       min(low) as low,
       last(close, candles.ts) as close,
       sum(volume) as volume,
       last(source, candles.ts) as source,
       count(*) as bars
from candles
where timeframe = '1h'
group by time_bucket(interval '{width}', ts), symbol, asset_class
with no data;
"""

# The same rows elsewhere. Both cut at midnight UTC.
PLAIN = """
create view {view} as
select date_bin(interval '{width}', ts, timestamptz '2000-01-01 00:00:00+00') as ts,
       symbol,
       asset_class,
       '{timeframe}'::text as timeframe,
       (array_agg(open order by candles.ts))[1] as open,
       max(high) as high,
       min(low) as low,
       (array_agg(close order by candles.ts desc))[1] as close,
       sum(volume) as volume,
       (array_agg(source order by candles.ts desc))[1] as source,
       count(*) as bars
from candles
where timeframe = '1h'
group by date_bin(interval '{width}', ts, timestamptz '2000-01-01 00:00:00+00'), symbol, asset_class;
"""


def make_hypertable(series: Series) -> None:
    """Cut the table into chunks of time; rows that it already holds are moved."""
    op.execute(
        f"select create_hypertable('{series.table}', '{series.time}', chunk_time_interval => interval '{series.chunk}',"
        " create_default_indexes => false, migrate_data => true)"
    )


def add_policies(series: Series) -> None:
    """Compress old chunks, and drop those of tables that may age out."""
    op.execute(
        f"alter table {series.table} set (timescaledb.compress, timescaledb.compress_segmentby = '{series.segment_by}',"
        f" timescaledb.compress_orderby = '{series.order_by}')"
    )
    op.execute(f"select add_compression_policy('{series.table}', interval '{series.compress_after}')")
    if series.drop_after:
        op.execute(f"select add_retention_policy('{series.table}', interval '{series.drop_after}')")


def add_rollup(rollup: Rollup) -> None:
    """Create a continuous aggregate and keep it fresh; with no start offset, so that corrections of any age arrive."""
    op.execute(CONTINUOUS.format(**rollup._asdict()))
    op.execute(
        f"select add_continuous_aggregate_policy('{rollup.view}', start_offset => null,"
        f" end_offset => interval '{rollup.width}', schedule_interval => interval '{rollup.refresh_every}')"
    )


def upgrade() -> None:
    op.execute(INDEXES)
    connection = op.get_bind()
    if connection.scalar(text(OFFERED)):
        op.execute("create extension if not exists timescaledb")
        for series in SERIES:
            make_hypertable(series)
    if connection.scalar(text(LICENSE)) == "timescale":
        for series in SERIES:
            add_policies(series)
        for rollup in ROLLUPS:
            add_rollup(rollup)
    else:
        for rollup in ROLLUPS:
            op.execute(PLAIN.format(**rollup._asdict()))


def downgrade() -> None:
    raise RuntimeError("Chloe's migrations only go forward: restore a backup instead")
