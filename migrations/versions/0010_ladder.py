"""The ladder: standings of assets, records by regime and bucket, research's cells and tiers, flags that are told once."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

CHANGES = "'activated', 'demoted', 'enabled', 'disabled', 'observed', 'restored', 'live_enabled', 'live_disabled', 'tier_changed'"

TABLES = f"""
alter table phase_activation_log drop constraint phase_activation_log_change_check;
alter table phase_activation_log add constraint phase_activation_log_change_check check (change in ({CHANGES}));

alter table asset_registry add column level text not null default 'off' check (level in ('off', 'observed', 'full'));
alter table asset_registry add column level_since timestamptz;
alter table asset_registry add column waits_for text not null default '';
update asset_registry set level = 'full' where trading_enabled;

create table rollout_log (
    ts timestamptz not null,
    symbol text not null,
    asset_class text not null,
    level text not null,
    tier smallint,
    live boolean not null,
    step text,
    ready boolean not null,
    evidence text not null,
    why text not null,
    requirements json not null,
    primary key (symbol, ts)
);

alter table asset_performance add column gross_profit_to_date numeric(28, 8);
alter table asset_performance add column gross_loss_to_date numeric(28, 8);
alter table asset_performance add column slippage_to_date numeric(28, 8);
alter table asset_performance add column sortino_to_date double precision;

create table performance_by_cell (
    symbol text not null,
    asset_class text not null,
    regime text not null,
    bucket smallint not null,
    trades integer not null,
    wins integer not null,
    pnl numeric(28, 8) not null,
    profit_factor double precision,
    as_of date not null,
    primary key (symbol, regime, bucket)
);

alter table research_edges add column q_value double precision;

create table research_tiers (
    symbol text not null,
    as_of timestamptz not null,
    tier smallint,
    why text not null,
    n integer not null,
    edge_bps double precision,
    low_bps double precision,
    high_bps double precision,
    threshold double precision,
    mix json not null,
    source text not null,
    primary key (symbol, as_of)
);

alter table commands add column live boolean not null default false;

-- One open row a name and subject, so that raising is safe to repeat and to race. What was raised twice before stays up
-- once, as it was raised first.
update system_flags f set cleared_at = f.raised_at
where cleared_at is null and exists (
    select from system_flags o where o.name = f.name and o.cleared_at is null
        and coalesce(o.subject, 'all') = coalesce(f.subject, 'all') and (o.raised_at, o.id) < (f.raised_at, f.id)
);
create unique index system_flags_open on system_flags (name, coalesce(subject, 'all')) where cleared_at is null;
alter table system_flags add column acknowledged_at timestamptz;
alter table system_flags add column note text not null default '';

create index risk_events_of_all on risk_events (ts) where symbol is null;

create table notifications (
    seq bigint generated always as identity primary key,
    key text not null unique,
    at timestamptz not null,
    title text not null,
    text text not null,
    subject text not null,
    tries integer not null default 0,
    told_at timestamptz,
    given_up boolean not null default false
);
create index notifications_waiting on notifications (seq) where told_at is null and not given_up;
"""

COMMENTS = {
    "table rollout_log": "Every day's standing of every asset: its level, its next step, and what that lacks.",
    "table performance_by_cell": "Per asset, regime and confidence bucket: its closed trades to date, after costs.",
    "table research_tiers": "Research's nightly word on each asset: the tier it speaks for, its edge, the expected mix.",
    "column asset_registry.level": "off; observed: entered at observation size; full: at its own size.",
    "column asset_registry.waits_for": "What its next step lacks, or why it stands lower, in one line.",
    "column rollout_log.step": "The next step up: enabled, restored or live_enabled.",
    "column performance_by_cell.pnl": "Result of the closed trades in account currency, after fees and carry.",
    "column research_edges.q_value": "False discovery rate at which it would still be called an edge; null: not tested.",
    "column research_tiers.tier": "Null: too little is known to say.",
    "table notifications": "What people are told, once and in this order: changes of what may trade, flags, halts.",
    "column notifications.key": "What it is about: the same happening never makes a second one.",
    "column notifications.given_up": "True when its tries were used up; it stands in the log all the same.",
    "column system_flags.note": "What the person who acknowledged it had to say.",
    "column asset_performance.pnl": "Change of what the asset is worth to the account over the day, after all costs.",
    "column asset_performance.exposure": "Mean share of equity held in the asset over the day's slices, 0.1 is 10 %.",
    "column asset_performance.sortino_to_date": "Annualised, of daily returns on the account; null while undefined.",
}


VIEW = """
create {replace} view asset_performance_latest as
select latest.symbol,
       latest.asset_class,
       latest.day as as_of,
       latest.trades_to_date as trades,
       round((latest.win_rate_to_date * 100)::numeric, 1) as win_rate_pct,
       round(latest.profit_factor_to_date::numeric, 2) as profit_factor,
       round(latest.pnl_to_date, 2) as pnl_usd,
       round(latest.fees_to_date, 2) as fees_usd,
       round(latest.sharpe_to_date::numeric, 2) as sharpe,
       round((latest.max_drawdown_to_date * 100)::numeric, 1) as max_drawdown_pct,
       round((latest.exposure * 100)::numeric, 1) as exposure_pct,
       asset_registry.tier,
       asset_registry.trading_enabled,
       (select run.mode from run) as mode{more}
from (select distinct on (symbol) * from asset_performance order by symbol, day desc) latest
left join asset_registry using (symbol)
order by latest.asset_class, latest.pnl_to_date desc, latest.symbol
"""
MORE = """,
       round(latest.sortino_to_date::numeric, 2) as sortino,
       round(latest.slippage_to_date, 2) as slippage_usd,
       asset_registry.level,
       asset_registry.waits_for"""
VIEW_COMMENT = "One line per asset: its record to date after costs, rounded; mode says live, paper or replay."


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(VIEW.format(replace="or replace", more=MORE))
    for what, words in COMMENTS.items():
        quoted = words.replace("'", "''")
        op.execute(f"comment on {what} is '{quoted}'")


def downgrade() -> None:
    op.execute("drop view asset_performance_latest")
    op.execute("drop table notifications")
    op.execute("drop index risk_events_of_all")
    op.execute("alter table system_flags drop column note, drop column acknowledged_at")
    op.execute("drop index system_flags_open")
    op.execute("alter table commands drop column live")
    op.execute("drop table research_tiers")
    op.execute("alter table research_edges drop column q_value")
    op.execute("drop table performance_by_cell")
    for column in ("sortino_to_date", "slippage_to_date", "gross_loss_to_date", "gross_profit_to_date"):
        op.execute(f"alter table asset_performance drop column {column}")
    op.execute("drop table rollout_log")
    for column in ("waits_for", "level_since", "level"):
        op.execute(f"alter table asset_registry drop column {column}")
    # Rows with the newer changes stay, as an audit log must: the older constraint holds for new rows only.
    op.execute("alter table phase_activation_log drop constraint phase_activation_log_change_check")
    op.execute(
        "alter table phase_activation_log add constraint phase_activation_log_change_check"
        " check (change in ('activated', 'demoted', 'enabled', 'disabled')) not valid"
    )
    op.execute(VIEW.format(replace="", more=""))
    op.execute(f"comment on view asset_performance_latest is '{VIEW_COMMENT}'")
    op.execute("grant select on asset_performance_latest to chloe_reader")
    op.execute("grant select, insert, update, delete on asset_performance_latest to chloe_service")
