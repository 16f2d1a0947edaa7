"""What a social source hears beyond our own assets, what stands out of it, and how fast and how whole each feed is."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = """
create table social_counts (
    since timestamptz not null,
    until timestamptz not null check (until > since),
    source text not null,
    ticker text not null,
    mentions integer not null check (mentions >= 0),
    unique (source, ticker, until)
);
create index social_counts_until on social_counts (source, until desc);

create table social_trending (
    ts timestamptz not null,
    source text not null,
    place integer not null check (place > 0),
    ticker text not null,
    symbol text,
    mentions integer not null,
    usual double precision not null,
    score double precision not null,
    unique (source, ts, ticker)
);
create index social_trending_ts on social_trending (ts desc, place);

alter table feed_health
    add column completeness double precision check (completeness between 0 and 1),
    add column latency_seconds double precision,
    add column limited bigint not null default 0;
"""

TABLE_COMMENTS = {
    "social_counts": "Texts that named each ticker in [since, until), ours or not; the row without a ticker counts all texts.",
    "social_trending": "Tickers whose mentions in the last 24 hours stand most above their own trailing average, hour by hour.",
}

COLUMN_COMMENTS = {
    "feed_health.completeness": "Share of the owed bars that are stored, 1 is all; for readings, of the symbols asked about.",
    "feed_health.latency_seconds": "How old the newest value was when it came: seconds since the bar's close, or its own time.",
    "feed_health.limited": "How often the source asked to slow down or its budget was spent.",
    "feed_health.timeframe": "The bars' timeframe, or what else the line is about: quotes, stream, values.",
    "social_counts.ticker": "In capitals without $; empty for all texts of the interval, named ticker or none.",
    "social_trending.mentions": "In the 24 hours before ts.",
    "social_trending.score": "(mentions - usual) / sqrt(usual + 1): about how many standard deviations above the usual.",
    "social_trending.symbol": "Our asset of that ticker; null for others.",
    "social_trending.ts": "When it was worked out; nothing before this may use it.",
    "social_trending.usual": "Mentions that its trailing average would give in the listening time of those 24 hours.",
}


def comment(kind: str, name: str, words: str) -> None:
    quoted = words.replace("'", "''")
    op.execute(f"comment on {kind} {name} is '{quoted}'")


def upgrade() -> None:
    op.execute(TABLES)
    for kind, comments in (("table", TABLE_COMMENTS), ("column", COLUMN_COMMENTS)):
        for name, words in comments.items():
            comment(kind, name, words)


def downgrade() -> None:
    raise RuntimeError("Chloe's migrations only go forward: restore a backup instead")
