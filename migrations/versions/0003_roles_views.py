"""Who may do what, a summary per asset, and a comment on everything, so that psql's backslash-d explains the schema."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Roles belong to the whole cluster: another database's migration may have made them, even in this very moment.
ROLES = """
do $$
declare
    wanted text;
begin
    foreach wanted in array array['chloe_service', 'chloe_reader'] loop
        if not exists (select from pg_roles where rolname = wanted) then
            begin
                execute format('create role %I nologin', wanted);
            exception when duplicate_object or unique_violation then
                null;
            end;
        end if;
    end loop;
end
$$;
"""

VIEWS = """
create view asset_performance_latest as
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
       (select run.mode from run) as mode
from (select distinct on (symbol) * from asset_performance order by symbol, day desc) latest
left join asset_registry using (symbol)
order by latest.asset_class, latest.pnl_to_date desc, latest.symbol;
"""

# The activation log only ever grows: its hash chain shows a change, and services may not make one.
GRANTS = """
revoke create on schema public from public;
grant usage on schema public to chloe_service, chloe_reader;

grant select, insert, update, delete on all tables in schema public to chloe_service;
grant select on all tables in schema public to chloe_reader;
alter default privileges in schema public grant select, insert, update, delete on tables to chloe_service;
alter default privileges in schema public grant select on tables to chloe_reader;

revoke update, delete on phase_activation_log from chloe_service;
revoke insert, update, delete on alembic_version from chloe_service;
"""

TABLE_COMMENTS = {
    "alembic_version": "The newest migration that this database has.",
    "run": "Which run this database holds (live, paper or replay) and of what; one row, and never two runs in one database.",
    "stage_state": "Each stage's state and how far it has read its inputs; written in one transaction with its decisions.",
    "outbox": "Every published message as it was sent; readers that missed one on the stream read it again from here.",
    "commands": "What operators asked for (halt, resume, flatten, activate, enable, disable), in order, and what came of it.",
    "asset_class_config": "The phases in their order: the asset class that each one opens, its capital, and whether it may trade.",
    "asset_registry": "All assets: their class, whether they collect data and whether they may trade, on paper and live.",
    "data_source_registry": "The data sources, what each gives, and whether it is configured (never a key).",
    "phase_activation_log": "Every change of what may trade, with its evidence; each row carries the hash of the one before.",
    "model_registry": "Trained models with the span of data each one saw and the span it may forecast.",
    "research_edges": "Measured edge per asset, regime and confidence bucket: mean forward return after costs, out of sample.",
    "economic_calendar": "Scheduled events (earnings, central banks, deliveries) and since when we have known of them.",
    "system_flags": "Conditions that a person should see or that block trading; open while cleared_at is null.",
    "feed_health": "Per asset and source: newest bar, gaps, repairs, refusals, revisions and errors so far.",
    "candles": "Closed candles of all assets as last delivered; ts is the open of the bar.",
    "candle_revisions": "What a candle said before a later delivery changed it.",
    "refused_candles": "Impossible candles that were refused: where each one stood and why.",
    "slices": "The bar closes that have driven the platform: how many assets had a bar, which had none and why.",
    "quotes": "Best bid and ask over time; dropped after 90 days where the server can.",
    "leading_indicators": "Values other than prices (macro, on-chain, index), with when each was observed and could be known.",
    "social_sentiment": "Mentions and mood per asset and source; dropped after five years where the server can.",
    "options_flow": "Unusual options trades per asset; dropped after five years where the server can.",
    "dominance": "Bitcoin's and Tether's share of the crypto market, in per cent, and its whole value.",
    "correlation_matrix": "Correlation of hourly returns between two assets over a window.",
    "forecasts": "Each asset's forecast at each slice: log return over the horizon, with every model's part.",
    "signals": "BUY, SELL or HOLD per asset and slice, with the reasons.",
    "allocations": "The wanted share of equity per asset and slice; no weight means: leave the position as it is.",
    "orders": "Every order that was wanted: approved or refused, with the reason, and what became of it.",
    "risk_events": "Limits that bit, halts and resumptions: the limit and the value as they stood.",
    "fills": "Every execution on the books; price includes spread and slippage.",
    "trades": "Round trips from flat to flat, after costs.",
    "positions": "What is held now; quantity is negative when short.",
    "portfolio_equity": "The books after each slice: cash plus positions is equity, exactly.",
    "asset_performance": "Per asset and day: trades, wins, result after costs, and the same to date.",
    "readiness_log": "Every evaluation of every phase's gate.",
}

VIEW_COMMENTS = {
    "phase_readiness": "The newest evaluation of each phase, one line per requirement: what is asked, what is, what is missing.",
    "asset_performance_latest": "One line per asset: its record to date after costs, rounded; mode says live, paper or replay.",
    "candles_4h": "Four-hour candles made of the 1-hour ones, from 00:00 UTC; bars counts the hours that are in.",
    "candles_1d": "Daily candles made of the 1-hour ones, from 00:00 UTC; bars counts the hours that are in.",
}

COLUMN_COMMENTS = {
    "alembic_version.version_num": "File of that number in migrations/versions.",
    "allocations.cash_weight": "Share of equity that stays cash in this slice.",
    "allocations.weight": "Share of equity, 0.1 is 10 %; null leaves the position as it is.",
    "asset_performance.exposure": "Share of equity held in the asset at the day's end, 0.1 is 10 %.",
    "asset_performance.max_drawdown_to_date": "Largest fall from a peak, 0.1 is 10 %.",
    "asset_performance.pnl": "Result of the day's closed trades in account currency, after fees.",
    "asset_performance.win_rate_to_date": "Share of closed trades with a gain, 0.5 is 50 %.",
    "asset_registry.live_enabled": "May trade real money; also needs the live switch in configuration and environment.",
    "asset_registry.tier": "1 enabled by measured edge, 2 observed at half size, 3 research only; null outside the rollout.",
    "candles.received_at": "When we had the candle.",
    "candles.revision": "How often the candle has changed since first delivered; older values are in candle_revisions.",
    "candles.ts": "Open of the bar; the bar is known from ts + timeframe on.",
    "candles.volume": "In units of the base asset.",
    "economic_calendar.available_at": "Since when the event has been known; nothing before this may use it.",
    "fills.fee": "In account currency.",
    "fills.slippage": "What spread and slippage cost, in account currency.",
    "fills.ts": "Open of the bar that filled it.",
    "forecasts.bucket": "Tenth of confidence, 0 to 9.",
    "forecasts.confidence": "Percentile of |expected return| / uncertainty among the asset's recent forecasts; not a probability.",
    "forecasts.expected_return": "Log return over the horizon.",
    "forecasts.p_up": "Calibrated probability of a rise; null while no model claims one.",
    "forecasts.uncertainty": "Standard deviation of the log return.",
    "leading_indicators.available_at": "When the value could first be known; nothing before this may use it.",
    "model_registry.trained_through": "Close of the last bar that the model saw.",
    "model_registry.valid_from": "First slice that the model may forecast.",
    "options_flow.available_at": "When the trade could first be known; nothing before this may use it.",
    "orders.ts": "Close of the slice that decided it; it fills at the next bar's open.",
    "outbox.seq": "Dense per topic and producer: a missing number is a missed message.",
    "phase_activation_log.previous_hash": "Hash of the row before; a changed row breaks every later one.",
    "positions.cost": "What the position cost without fees; negative when short.",
    "research_edges.edge_bps": "Mean forward return after costs, in hundredths of a per cent.",
    "research_edges.low_bps": "Lower end of the confidence interval.",
    "research_edges.high_bps": "Upper end of the confidence interval.",
    "research_edges.n": "Forecasts in the sample.",
    "slices.ts": "Close of the bars.",
    "social_sentiment.available_at": "When the count could first be known; nothing before this may use it.",
    "trades.pnl": "In account currency, after fees.",
    "trades.quantity": "The largest absolute size that the position had.",
}


def comment(kind: str, name: str, words: str) -> None:
    quoted = words.replace("'", "''")
    op.execute(f"comment on {kind} {name} is '{quoted}'")


def upgrade() -> None:
    op.execute(ROLES)
    op.execute(VIEWS)
    op.execute(GRANTS)
    for kind, comments in (("table", TABLE_COMMENTS), ("view", VIEW_COMMENTS), ("column", COLUMN_COMMENTS)):
        for name, words in comments.items():
            comment(kind, name, words)


def downgrade() -> None:
    raise RuntimeError("Chloe's migrations only go forward: restore a backup instead")
