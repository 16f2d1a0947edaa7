"""All tables of stored truth, as plain PostgreSQL; the next revision makes hypertables where the server can."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PLUMBING = """
-- Which run this database holds ('live' or 'replay') and of what; a database never mixes the two.
create table run (
    only_one boolean primary key default true check (only_one),
    mode text not null check (mode in ('live', 'replay', 'paper')),
    description text not null,
    timeframe text not null,
    started_at timestamptz not null default now()
);

-- Each stage's state and how far it has read its inputs: {"topic": {"producer": seq}}. Written with its decisions.
create table stage_state (
    stage text primary key,
    slice_ts timestamptz,
    seq bigint not null default 0,
    cursors json not null default '{}',
    state json not null default '{}',
    config_version text not null,
    updated_at timestamptz not null default now()
);

-- Every published message, byte for byte: what a reader has not seen is read again from here.
create table outbox (
    topic text not null,
    producer text not null,
    seq bigint not null,
    ts timestamptz not null,
    body text not null,
    created_at timestamptz not null default now(),
    primary key (topic, producer, seq)
);
create index outbox_created on outbox (created_at);

-- Operators' commands in the order they were accepted, and what became of them.
create table commands (
    seq bigint generated always as identity unique,
    id uuid primary key,
    name text not null,
    subject text,
    given_by text not null,
    note text not null default '',
    forced boolean not null default false,
    given_at timestamptz not null default now(),
    status text not null default 'pending' check (status in ('pending', 'done', 'refused')),
    outcome text
);
"""

REGISTRIES = """
create table asset_class_config (
    phase text primary key,
    asset_class text not null,
    phase_order smallint not null unique,
    active boolean not null default false,
    activated_at timestamptz,
    min_capital numeric(28, 8),
    max_capital numeric(28, 8),
    max_weight double precision not null
);

create table asset_registry (
    symbol text primary key,
    asset_class text not null,
    phase text not null references asset_class_config,
    name text not null,
    collecting boolean not null default false,
    trading_enabled boolean not null default false,
    live_enabled boolean not null default false,
    tier smallint,
    role text not null default 'standard',
    config json not null,
    updated_at timestamptz not null default now()
);

create table data_source_registry (
    source text primary key,
    family text not null,
    gives text not null,
    configured boolean not null,
    detail text not null default '',
    updated_at timestamptz not null default now()
);

create table phase_activation_log (
    seq bigint primary key,
    id uuid not null unique,
    ts timestamptz not null,
    subject text not null,
    change text not null check (change in ('activated', 'demoted', 'enabled', 'disabled')),
    given_by text not null,
    note text not null,
    forced boolean not null,
    evidence text not null,
    previous_hash text not null,
    hash text not null unique
);

create table model_registry (
    model text not null,
    version text not null,
    symbol text not null,
    asset_class text not null,
    horizon_hours smallint not null,
    trained_from timestamptz not null,
    trained_through timestamptz not null,
    valid_from timestamptz not null,
    valid_until timestamptz,
    features_hash text not null,
    params json not null,
    metrics json not null,
    artefact bytea not null,
    artefact_sha256 text not null,
    created_at timestamptz not null default now(),
    primary key (symbol, model, version)
);
create index model_registry_valid on model_registry (symbol, model, valid_from);

create table research_edges (
    symbol text not null,
    asset_class text not null,
    regime text not null,
    bucket smallint not null,
    edge_bps double precision not null,
    low_bps double precision,
    high_bps double precision,
    n integer not null,
    source text not null,
    as_of timestamptz not null,
    primary key (symbol, regime, bucket, as_of)
);

create table economic_calendar (
    event_id text primary key,
    name text not null,
    symbol text,
    scheduled_at timestamptz not null,
    available_at timestamptz not null,
    importance text not null default 'medium',
    source text not null
);

create table system_flags (
    id uuid primary key,
    name text not null,
    subject text,
    severity text not null check (severity in ('info', 'warning', 'critical')),
    blocks text not null default '',
    detail text not null,
    raised_at timestamptz not null,
    cleared_at timestamptz,
    acknowledged_by text
);

create table feed_health (
    symbol text not null,
    source text not null,
    asset_class text not null,
    timeframe text not null,
    last_ts timestamptz,
    bars bigint not null default 0,
    gaps bigint not null default 0,
    repaired bigint not null default 0,
    refused bigint not null default 0,
    revisions bigint not null default 0,
    errors bigint not null default 0,
    last_error text,
    checked_at timestamptz not null default now(),
    primary key (symbol, source, timeframe)
);
"""

SERIES = """
create table candles (
    ts timestamptz not null,
    symbol text not null,
    timeframe text not null,
    asset_class text not null,
    open double precision not null,
    high double precision not null,
    low double precision not null,
    close double precision not null,
    volume double precision not null,
    source text not null,
    revision integer not null default 0,
    received_at timestamptz not null,
    unique (symbol, timeframe, ts)
);

-- What a candle said before a later delivery changed it.
create table candle_revisions (
    ts timestamptz not null,
    symbol text not null,
    timeframe text not null,
    asset_class text not null,
    revision integer not null,
    open double precision not null,
    high double precision not null,
    low double precision not null,
    close double precision not null,
    volume double precision not null,
    source text not null,
    received_at timestamptz not null,
    replaced_at timestamptz not null,
    primary key (symbol, timeframe, ts, revision)
);

create table refused_candles (
    id bigint generated always as identity primary key,
    symbol text not null,
    timeframe text not null,
    source text not null,
    place text not null,
    reason text not null,
    raw text not null,
    refused_at timestamptz not null default now(),
    unique (symbol, timeframe, source, place, reason)
);

create table slices (
    ts timestamptz not null,
    timeframe text not null,
    present integer not null,
    missing json not null,
    closed_at timestamptz not null default now(),
    primary key (timeframe, ts)
);

create table quotes (
    ts timestamptz not null,
    symbol text not null,
    asset_class text not null,
    bid numeric(28, 8) not null,
    ask numeric(28, 8) not null,
    bid_size double precision,
    ask_size double precision,
    source text not null,
    unique (symbol, source, ts)
);

create table leading_indicators (
    observed_at timestamptz not null,
    available_at timestamptz not null,
    name text not null,
    symbol text not null default '',
    value double precision not null,
    source text not null,
    unique (name, symbol, source, observed_at, available_at)
);

create table social_sentiment (
    ts timestamptz not null,
    available_at timestamptz not null,
    symbol text not null,
    asset_class text not null,
    source text not null,
    mentions integer not null,
    sentiment double precision,
    bullish double precision,
    bearish double precision,
    keywords json,
    unique (symbol, source, ts)
);

create table options_flow (
    ts timestamptz not null,
    available_at timestamptz not null,
    symbol text not null,
    asset_class text not null,
    contract text not null,
    kind text not null,
    strike numeric(28, 8) not null,
    expiry date not null,
    premium_usd numeric(28, 8) not null,
    side text,
    rule text not null default '',
    source text not null,
    unique (contract, rule, source, ts)
);

create table dominance (
    ts timestamptz not null,
    available_at timestamptz not null,
    btc_d double precision,
    usdt_d double precision,
    total_market_cap_usd double precision,
    source text not null,
    unique (source, ts)
);

create table correlation_matrix (
    ts timestamptz not null,
    symbol text not null,
    other text not null,
    window_hours integer not null,
    correlation double precision not null,
    primary key (ts, symbol, other, window_hours)
);
"""

DECISIONS = """
create table forecasts (
    ts timestamptz not null,
    symbol text not null,
    asset_class text not null,
    horizon_hours smallint not null,
    close double precision not null,
    expected_return double precision not null,
    uncertainty double precision not null,
    confidence double precision not null,
    bucket smallint not null,
    p_up double precision,
    parts json not null,
    unique (symbol, ts, horizon_hours)
);

create table signals (
    id uuid not null,
    ts timestamptz not null,
    symbol text not null,
    asset_class text not null,
    action text not null check (action in ('BUY', 'SELL', 'HOLD')),
    level text not null,
    expected_return double precision not null,
    confidence double precision not null,
    bucket smallint not null,
    regime text not null,
    threshold double precision not null,
    reasons text[] not null,
    unique (symbol, ts)
);

create table allocations (
    ts timestamptz not null,
    symbol text not null,
    asset_class text not null,
    weight double precision,
    cash_weight double precision not null,
    unique (symbol, ts)
);

create table orders (
    id uuid primary key,
    ts timestamptz not null,
    symbol text not null,
    asset_class text not null,
    side text not null check (side in ('buy', 'sell')),
    quantity numeric(28, 8) not null,
    reason text not null,
    reduce_only boolean not null,
    status text not null check (status in ('approved', 'refused', 'filled', 'partly_filled', 'cancelled')),
    reference_price numeric(28, 8),
    stop_price numeric(28, 8),
    target_price numeric(28, 8),
    filled_quantity numeric(28, 8) not null default 0,
    detail text not null default '',
    updated_at timestamptz not null default now()
);
create index orders_ts on orders (ts desc);

create table risk_events (
    id uuid not null,
    ts timestamptz not null,
    symbol text,
    name text not null,
    severity text not null,
    limit_value numeric,
    current_value numeric,
    detail text not null,
    primary key (id)
);
create index risk_events_ts on risk_events (ts desc);

create table fills (
    id uuid not null,
    ts timestamptz not null,
    order_id uuid,
    symbol text not null,
    asset_class text not null,
    side text not null,
    quantity numeric(28, 8) not null,
    price numeric(28, 8) not null,
    fee numeric(28, 8) not null,
    slippage numeric(28, 8) not null,
    reason text not null,
    settled_at timestamptz not null,
    unique (id, ts)
);

create table trades (
    id uuid primary key,
    symbol text not null,
    asset_class text not null,
    side text not null,
    opened_at timestamptz not null,
    closed_at timestamptz not null,
    quantity numeric(28, 8) not null,
    entry_price numeric(28, 8) not null,
    exit_price numeric(28, 8) not null,
    fees numeric(28, 8) not null,
    slippage numeric(28, 8) not null,
    pnl numeric(28, 8) not null,
    exit_reason text not null,
    bucket smallint not null,
    regime text not null
);
create index trades_closed on trades (closed_at);

create table positions (
    symbol text primary key,
    asset_class text not null,
    quantity numeric(28, 8) not null,
    cost numeric(28, 8) not null,
    mark_price numeric(28, 8) not null,
    market_value numeric(28, 8) not null,
    unrealised_pnl numeric(28, 8) not null,
    stop_price numeric(28, 8),
    target_price numeric(28, 8),
    opened_at timestamptz not null,
    expires_at timestamptz,
    as_of timestamptz not null
);

create table portfolio_equity (
    ts timestamptz not null,
    cash numeric(28, 8) not null,
    equity numeric(28, 8) not null,
    realised_pnl numeric(28, 8) not null,
    unrealised_pnl numeric(28, 8) not null,
    fees numeric(28, 8) not null,
    open_positions smallint not null,
    unique (ts)
);

create table asset_performance (
    day date not null,
    symbol text not null,
    asset_class text not null,
    trades integer not null,
    wins integer not null,
    pnl numeric(28, 8) not null,
    fees numeric(28, 8) not null,
    slippage numeric(28, 8) not null,
    trades_to_date integer not null,
    win_rate_to_date double precision,
    pnl_to_date numeric(28, 8) not null,
    fees_to_date numeric(28, 8) not null,
    profit_factor_to_date double precision,
    sharpe_to_date double precision,
    max_drawdown_to_date double precision,
    exposure double precision not null,
    primary key (day, symbol)
);

create table readiness_log (
    ts timestamptz not null,
    phase text not null,
    asset_class text not null,
    active boolean not null,
    ready boolean not null,
    requirements json not null,
    primary key (phase, ts)
);
"""

VIEWS = """
-- The newest evaluation, one line per requirement: select * from phase_readiness;
create view phase_readiness as
select latest.phase, latest.asset_class, latest.active, latest.ready,
       r.value ->> 'name' as requirement,
       r.value ->> 'comparison' as comparison,
       (r.value ->> 'threshold')::double precision as threshold,
       round((r.value ->> 'current')::numeric, 4) as current,
       (r.value ->> 'met')::boolean as met,
       r.value ->> 'missing' as missing,
       latest.ts as evaluated_at
from (select distinct on (phase) * from readiness_log order by phase, ts desc) latest
left join lateral json_array_elements(latest.requirements) r on true
order by latest.phase;
"""


def upgrade() -> None:
    for part in (PLUMBING, REGISTRIES, SERIES, DECISIONS, VIEWS):
        op.execute(part)


def downgrade() -> None:
    raise RuntimeError("Chloe's migrations only go forward: restore a backup instead")
