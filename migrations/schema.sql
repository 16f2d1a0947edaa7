-- Chloe's schema on plain PostgreSQL, as the migrations make it. Written by migrations/snapshot.py: do not edit.
-- The migrations are the truth; they make the roles chloe_service and chloe_reader first, which the grants here need.

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);

COMMENT ON TABLE public.alembic_version IS 'The newest migration that this database has.';

COMMENT ON COLUMN public.alembic_version.version_num IS 'File of that number in migrations/versions.';

CREATE TABLE public.allocations (
    ts timestamp with time zone NOT NULL,
    symbol text NOT NULL,
    asset_class text NOT NULL,
    weight double precision,
    cash_weight double precision NOT NULL
);

COMMENT ON TABLE public.allocations IS 'The wanted share of equity per asset and slice; no weight means: leave the position as it is.';

COMMENT ON COLUMN public.allocations.weight IS 'Share of equity, 0.1 is 10 %; null leaves the position as it is.';

COMMENT ON COLUMN public.allocations.cash_weight IS 'Share of equity that stays cash in this slice.';

CREATE TABLE public.asset_class_config (
    phase text NOT NULL,
    asset_class text NOT NULL,
    phase_order smallint NOT NULL,
    active boolean DEFAULT false NOT NULL,
    activated_at timestamp with time zone,
    min_capital numeric(28,8),
    max_capital numeric(28,8),
    max_weight double precision NOT NULL
);

COMMENT ON TABLE public.asset_class_config IS 'The phases in their order: the asset class that each one opens, its capital, and whether it may trade.';

CREATE TABLE public.asset_performance (
    day date NOT NULL,
    symbol text NOT NULL,
    asset_class text NOT NULL,
    trades integer NOT NULL,
    wins integer NOT NULL,
    pnl numeric(28,8) NOT NULL,
    fees numeric(28,8) NOT NULL,
    slippage numeric(28,8) NOT NULL,
    trades_to_date integer NOT NULL,
    win_rate_to_date double precision,
    pnl_to_date numeric(28,8) NOT NULL,
    fees_to_date numeric(28,8) NOT NULL,
    profit_factor_to_date double precision,
    sharpe_to_date double precision,
    max_drawdown_to_date double precision,
    exposure double precision NOT NULL,
    gross_profit_to_date numeric(28,8),
    gross_loss_to_date numeric(28,8),
    slippage_to_date numeric(28,8),
    sortino_to_date double precision
);

COMMENT ON TABLE public.asset_performance IS 'Per asset and day: trades, wins, result after costs, and the same to date.';

COMMENT ON COLUMN public.asset_performance.pnl IS 'Change of what the asset is worth to the account over the day, after all costs.';

COMMENT ON COLUMN public.asset_performance.win_rate_to_date IS 'Share of closed trades with a gain, 0.5 is 50 %.';

COMMENT ON COLUMN public.asset_performance.max_drawdown_to_date IS 'Largest fall from a peak, 0.1 is 10 %.';

COMMENT ON COLUMN public.asset_performance.exposure IS 'Mean share of equity held in the asset over the day''s slices, 0.1 is 10 %.';

COMMENT ON COLUMN public.asset_performance.sortino_to_date IS 'Annualised, of daily returns on the account; null while undefined.';

CREATE TABLE public.asset_registry (
    symbol text NOT NULL,
    asset_class text NOT NULL,
    phase text NOT NULL,
    name text NOT NULL,
    collecting boolean DEFAULT false NOT NULL,
    trading_enabled boolean DEFAULT false NOT NULL,
    live_enabled boolean DEFAULT false NOT NULL,
    tier smallint,
    role text DEFAULT 'standard'::text NOT NULL,
    config json NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    level text DEFAULT 'off'::text NOT NULL,
    level_since timestamp with time zone,
    waits_for text DEFAULT ''::text NOT NULL,
    CONSTRAINT asset_registry_level_check CHECK ((level = ANY (ARRAY['off'::text, 'observed'::text, 'full'::text])))
);

COMMENT ON TABLE public.asset_registry IS 'All assets: their class, whether they collect data and whether they may trade, on paper and live.';

COMMENT ON COLUMN public.asset_registry.live_enabled IS 'May trade real money; also needs the live switch in configuration and environment.';

COMMENT ON COLUMN public.asset_registry.tier IS '1 enabled by measured edge, 2 observed at half size, 3 research only; null outside the rollout.';

COMMENT ON COLUMN public.asset_registry.level IS 'off; observed: entered at observation size; full: at its own size.';

COMMENT ON COLUMN public.asset_registry.waits_for IS 'What its next step lacks, or why it stands lower, in one line.';

CREATE TABLE public.run (
    only_one boolean DEFAULT true NOT NULL,
    mode text NOT NULL,
    description text NOT NULL,
    timeframe text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT run_mode_check CHECK ((mode = ANY (ARRAY['live'::text, 'replay'::text, 'paper'::text]))),
    CONSTRAINT run_only_one_check CHECK (only_one)
);

COMMENT ON TABLE public.run IS 'Which run this database holds (live, paper or replay) and of what; one row, and never two runs in one database.';

CREATE VIEW public.asset_performance_latest AS
 SELECT latest.symbol,
    latest.asset_class,
    latest.day AS as_of,
    latest.trades_to_date AS trades,
    round(((latest.win_rate_to_date * (100)::double precision))::numeric, 1) AS win_rate_pct,
    round((latest.profit_factor_to_date)::numeric, 2) AS profit_factor,
    round(latest.pnl_to_date, 2) AS pnl_usd,
    round(latest.fees_to_date, 2) AS fees_usd,
    round((latest.sharpe_to_date)::numeric, 2) AS sharpe,
    round(((latest.max_drawdown_to_date * (100)::double precision))::numeric, 1) AS max_drawdown_pct,
    round(((latest.exposure * (100)::double precision))::numeric, 1) AS exposure_pct,
    asset_registry.tier,
    asset_registry.trading_enabled,
    ( SELECT run.mode
           FROM public.run) AS mode,
    round((latest.sortino_to_date)::numeric, 2) AS sortino,
    round(latest.slippage_to_date, 2) AS slippage_usd,
    asset_registry.level,
    asset_registry.waits_for
   FROM (( SELECT DISTINCT ON (asset_performance.symbol) asset_performance.day,
            asset_performance.symbol,
            asset_performance.asset_class,
            asset_performance.trades,
            asset_performance.wins,
            asset_performance.pnl,
            asset_performance.fees,
            asset_performance.slippage,
            asset_performance.trades_to_date,
            asset_performance.win_rate_to_date,
            asset_performance.pnl_to_date,
            asset_performance.fees_to_date,
            asset_performance.profit_factor_to_date,
            asset_performance.sharpe_to_date,
            asset_performance.max_drawdown_to_date,
            asset_performance.exposure,
            asset_performance.gross_profit_to_date,
            asset_performance.gross_loss_to_date,
            asset_performance.slippage_to_date,
            asset_performance.sortino_to_date
           FROM public.asset_performance
          ORDER BY asset_performance.symbol, asset_performance.day DESC) latest
     LEFT JOIN public.asset_registry USING (symbol))
  ORDER BY latest.asset_class, latest.pnl_to_date DESC, latest.symbol;

COMMENT ON VIEW public.asset_performance_latest IS 'One line per asset: its record to date after costs, rounded; mode says live, paper or replay.';

CREATE TABLE public.candle_revisions (
    ts timestamp with time zone NOT NULL,
    symbol text NOT NULL,
    timeframe text NOT NULL,
    asset_class text NOT NULL,
    revision integer NOT NULL,
    open double precision NOT NULL,
    high double precision NOT NULL,
    low double precision NOT NULL,
    close double precision NOT NULL,
    volume double precision NOT NULL,
    source text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    replaced_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.candle_revisions IS 'What a candle said before a later delivery changed it.';

CREATE TABLE public.candles (
    ts timestamp with time zone NOT NULL,
    symbol text NOT NULL,
    timeframe text NOT NULL,
    asset_class text NOT NULL,
    open double precision NOT NULL,
    high double precision NOT NULL,
    low double precision NOT NULL,
    close double precision NOT NULL,
    volume double precision NOT NULL,
    source text NOT NULL,
    revision integer DEFAULT 0 NOT NULL,
    received_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.candles IS 'Closed candles of all assets as last delivered; ts is the open of the bar.';

COMMENT ON COLUMN public.candles.ts IS 'Open of the bar; the bar is known from ts + timeframe on.';

COMMENT ON COLUMN public.candles.volume IS 'In units of the base asset.';

COMMENT ON COLUMN public.candles.revision IS 'How often the candle has changed since first delivered; older values are in candle_revisions.';

COMMENT ON COLUMN public.candles.received_at IS 'When we had the candle.';

CREATE VIEW public.candles_1d AS
 SELECT date_bin('1 day'::interval, ts, '2000-01-01 00:00:00+00'::timestamp with time zone) AS ts,
    symbol,
    asset_class,
    '1d'::text AS timeframe,
    (array_agg(open ORDER BY candles.ts))[1] AS open,
    max(high) AS high,
    min(low) AS low,
    (array_agg(close ORDER BY candles.ts DESC))[1] AS close,
    sum(volume) AS volume,
    (array_agg(source ORDER BY candles.ts DESC))[1] AS source,
    count(*) AS bars
   FROM public.candles
  WHERE (timeframe = '1h'::text)
  GROUP BY (date_bin('1 day'::interval, ts, '2000-01-01 00:00:00+00'::timestamp with time zone)), symbol, asset_class;

COMMENT ON VIEW public.candles_1d IS 'Daily candles made of the 1-hour ones, from 00:00 UTC; bars counts the hours that are in.';

CREATE VIEW public.candles_4h AS
 SELECT date_bin('04:00:00'::interval, ts, '2000-01-01 00:00:00+00'::timestamp with time zone) AS ts,
    symbol,
    asset_class,
    '4h'::text AS timeframe,
    (array_agg(open ORDER BY candles.ts))[1] AS open,
    max(high) AS high,
    min(low) AS low,
    (array_agg(close ORDER BY candles.ts DESC))[1] AS close,
    sum(volume) AS volume,
    (array_agg(source ORDER BY candles.ts DESC))[1] AS source,
    count(*) AS bars
   FROM public.candles
  WHERE (timeframe = '1h'::text)
  GROUP BY (date_bin('04:00:00'::interval, ts, '2000-01-01 00:00:00+00'::timestamp with time zone)), symbol, asset_class;

COMMENT ON VIEW public.candles_4h IS 'Four-hour candles made of the 1-hour ones, from 00:00 UTC; bars counts the hours that are in.';

CREATE TABLE public.carry_charges (
    id uuid NOT NULL,
    ts timestamp with time zone NOT NULL,
    symbol text NOT NULL,
    asset_class text NOT NULL,
    kind text NOT NULL,
    notional numeric(28,8) NOT NULL,
    rate numeric(28,12) NOT NULL,
    amount numeric(28,8) NOT NULL,
    CONSTRAINT carry_charges_kind_check CHECK ((kind = ANY (ARRAY['funding'::text, 'borrow'::text, 'financing'::text])))
);

COMMENT ON TABLE public.carry_charges IS 'What holding positions cost: funding of perpetuals, borrowing for shorts, financing overnight.';

COMMENT ON COLUMN public.carry_charges.ts IS 'The slice that charged it.';

COMMENT ON COLUMN public.carry_charges.notional IS 'Size of the position at the slice''s close, account currency.';

COMMENT ON COLUMN public.carry_charges.rate IS 'Of the notional, all due moments since the slice before together.';

COMMENT ON COLUMN public.carry_charges.amount IS 'Taken from the cash: notional * rate to 8 places; negative was received.';

CREATE TABLE public.commands (
    seq bigint NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    subject text,
    given_by text NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    forced boolean DEFAULT false NOT NULL,
    given_at timestamp with time zone DEFAULT now() NOT NULL,
    status text DEFAULT 'pending'::text NOT NULL,
    outcome text,
    live boolean DEFAULT false NOT NULL,
    CONSTRAINT commands_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'done'::text, 'refused'::text])))
);

COMMENT ON TABLE public.commands IS 'What operators asked for (halt, resume, flatten, activate, enable, disable), in order, and what came of it.';

ALTER TABLE public.commands ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.commands_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.correlation_matrix (
    ts timestamp with time zone NOT NULL,
    symbol text NOT NULL,
    other text NOT NULL,
    window_hours integer NOT NULL,
    correlation double precision NOT NULL
);

COMMENT ON TABLE public.correlation_matrix IS 'Correlation of hourly returns between two assets over a window.';

CREATE TABLE public.data_source_registry (
    source text NOT NULL,
    family text NOT NULL,
    gives text NOT NULL,
    configured boolean NOT NULL,
    detail text DEFAULT ''::text NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.data_source_registry IS 'The data sources, what each gives, and whether it is configured (never a key).';

CREATE TABLE public.dominance (
    ts timestamp with time zone NOT NULL,
    available_at timestamp with time zone NOT NULL,
    btc_d double precision,
    usdt_d double precision,
    total_market_cap_usd double precision,
    source text NOT NULL
);

COMMENT ON TABLE public.dominance IS 'Bitcoin''s and Tether''s share of the crypto market, in per cent, and its whole value.';

CREATE TABLE public.economic_calendar (
    event_id text NOT NULL,
    name text NOT NULL,
    symbol text,
    scheduled_at timestamp with time zone NOT NULL,
    available_at timestamp with time zone NOT NULL,
    importance text DEFAULT 'medium'::text NOT NULL,
    source text NOT NULL
);

COMMENT ON TABLE public.economic_calendar IS 'Scheduled events (earnings, central banks, deliveries) and since when we have known of them.';

COMMENT ON COLUMN public.economic_calendar.available_at IS 'Since when the event has been known; nothing before this may use it.';

CREATE TABLE public.feed_health (
    symbol text NOT NULL,
    source text NOT NULL,
    asset_class text NOT NULL,
    timeframe text NOT NULL,
    last_ts timestamp with time zone,
    bars bigint DEFAULT 0 NOT NULL,
    gaps bigint DEFAULT 0 NOT NULL,
    repaired bigint DEFAULT 0 NOT NULL,
    refused bigint DEFAULT 0 NOT NULL,
    revisions bigint DEFAULT 0 NOT NULL,
    errors bigint DEFAULT 0 NOT NULL,
    last_error text,
    checked_at timestamp with time zone DEFAULT now() NOT NULL,
    completeness double precision,
    latency_seconds double precision,
    limited bigint DEFAULT 0 NOT NULL,
    CONSTRAINT feed_health_completeness_check CHECK (((completeness >= (0)::double precision) AND (completeness <= (1)::double precision)))
);

COMMENT ON TABLE public.feed_health IS 'Per asset and source: newest bar, gaps, repairs, refusals, revisions and errors so far.';

COMMENT ON COLUMN public.feed_health.timeframe IS 'The bars'' timeframe, or what else the line is about: quotes, stream, values.';

COMMENT ON COLUMN public.feed_health.completeness IS 'Share of the owed bars that are stored, 1 is all; for readings, of the symbols asked about.';

COMMENT ON COLUMN public.feed_health.latency_seconds IS 'How old the newest value was when it came: seconds since the bar''s close, or its own time.';

COMMENT ON COLUMN public.feed_health.limited IS 'How often the source asked to slow down or its budget was spent.';

CREATE TABLE public.fills (
    id uuid NOT NULL,
    ts timestamp with time zone NOT NULL,
    order_id uuid,
    symbol text NOT NULL,
    asset_class text NOT NULL,
    side text NOT NULL,
    quantity numeric(28,8) NOT NULL,
    price numeric(28,8) NOT NULL,
    fee numeric(28,8) NOT NULL,
    slippage numeric(28,8) NOT NULL,
    reason text NOT NULL,
    settled_at timestamp with time zone NOT NULL,
    fx numeric(28,12) DEFAULT 1 NOT NULL,
    liquidity text DEFAULT 'taker'::text NOT NULL,
    cash numeric(28,8)
);

COMMENT ON TABLE public.fills IS 'Every execution on the books; price includes spread and slippage.';

COMMENT ON COLUMN public.fills.ts IS 'Open of the bar that filled it.';

COMMENT ON COLUMN public.fills.fee IS 'In account currency.';

COMMENT ON COLUMN public.fills.slippage IS 'What spread and slippage cost, in account currency.';

COMMENT ON COLUMN public.fills.fx IS 'Account currency for one unit of the currency that the price is in.';

COMMENT ON COLUMN public.fills.liquidity IS 'maker: a limit that waited for its price; taker: everything else.';

COMMENT ON COLUMN public.fills.cash IS 'What it changed the cash by, before its fee; cash = starting cash + all of these - fees - carry_charges.';

CREATE TABLE public.forecasts (
    ts timestamp with time zone NOT NULL,
    symbol text NOT NULL,
    asset_class text NOT NULL,
    horizon_hours smallint NOT NULL,
    close double precision NOT NULL,
    expected_return double precision NOT NULL,
    uncertainty double precision NOT NULL,
    confidence double precision NOT NULL,
    bucket smallint NOT NULL,
    p_up double precision,
    parts json NOT NULL,
    low double precision,
    high double precision,
    without text[]
);

COMMENT ON TABLE public.forecasts IS 'Each asset''s forecast at each slice: log return over the horizon, with every model''s part.';

COMMENT ON COLUMN public.forecasts.expected_return IS 'Log return over the horizon.';

COMMENT ON COLUMN public.forecasts.uncertainty IS 'Standard deviation of the log return.';

COMMENT ON COLUMN public.forecasts.confidence IS 'Percentile of |expected return| / uncertainty among the asset''s recent forecasts; not a probability.';

COMMENT ON COLUMN public.forecasts.bucket IS 'Tenth of confidence, 0 to 9.';

COMMENT ON COLUMN public.forecasts.p_up IS 'Calibrated probability of a rise; null while no model claims one.';

COMMENT ON COLUMN public.forecasts.low IS 'Log return that the outcome exceeds nine times in ten: lower end of the 80 % interval.';

COMMENT ON COLUMN public.forecasts.high IS 'Upper end of the 80 % interval, log return.';

COMMENT ON COLUMN public.forecasts.without IS 'Models that should have had a say and could not.';

CREATE TABLE public.leading_indicators (
    observed_at timestamp with time zone NOT NULL,
    available_at timestamp with time zone NOT NULL,
    name text NOT NULL,
    symbol text DEFAULT ''::text NOT NULL,
    value double precision NOT NULL,
    source text NOT NULL
);

COMMENT ON TABLE public.leading_indicators IS 'Values other than prices (macro, on-chain, index), with when each was observed and could be known.';

COMMENT ON COLUMN public.leading_indicators.available_at IS 'When the value could first be known; nothing before this may use it.';

CREATE TABLE public.live_accounts (
    broker text NOT NULL,
    id uuid NOT NULL,
    environment text NOT NULL,
    currency text NOT NULL,
    basis text NOT NULL,
    opening_cash numeric(28,8) NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    CONSTRAINT live_accounts_basis_check CHECK ((basis = ANY (ARRAY['cash'::text, 'margin'::text]))),
    CONSTRAINT live_accounts_environment_check CHECK ((environment = ANY (ARRAY['testnet'::text, 'paper'::text, 'practice'::text, 'live'::text])))
);

COMMENT ON TABLE public.live_accounts IS 'Brokers'' accounts as the live desk took them over, flat; one a broker.';

COMMENT ON COLUMN public.live_accounts.basis IS 'cash: purchases take their price out of the balance; margin: only results, fees, charges do.';

CREATE TABLE public.live_audits (
    symbol text NOT NULL,
    ts timestamp with time zone NOT NULL,
    ready boolean NOT NULL,
    reasons json NOT NULL
);

COMMENT ON TABLE public.live_audits IS 'Audits of assets for live trading; only the newest of an asset counts, and not for ever.';

CREATE TABLE public.live_charges (
    broker text NOT NULL,
    id text NOT NULL,
    kind text NOT NULL,
    amount numeric(28,8) NOT NULL,
    ts timestamp with time zone NOT NULL,
    symbol text
);

COMMENT ON TABLE public.live_charges IS 'Movements of a broker''s cash that are no executions: funding, interest, deposits.';

CREATE TABLE public.live_fills (
    broker text NOT NULL,
    id text NOT NULL,
    order_id uuid,
    symbol text NOT NULL,
    asset_class text NOT NULL,
    side text NOT NULL,
    quantity numeric(28,8) NOT NULL,
    price numeric(28,8) NOT NULL,
    fee numeric(28,8) NOT NULL,
    withheld numeric(28,8) NOT NULL,
    rate numeric(28,12) NOT NULL,
    realised numeric(28,8),
    ts timestamp with time zone NOT NULL,
    CONSTRAINT live_fills_price_check CHECK ((price > (0)::numeric)),
    CONSTRAINT live_fills_quantity_check CHECK ((quantity > (0)::numeric)),
    CONSTRAINT live_fills_side_check CHECK ((side = ANY (ARRAY['buy'::text, 'sell'::text])))
);

COMMENT ON TABLE public.live_fills IS 'Executions under the brokers'' own ids; those without an order of ours are remembered, not booked.';

COMMENT ON COLUMN public.live_fills.withheld IS 'Units of the asset that the broker kept as its fee.';

COMMENT ON COLUMN public.live_fills.rate IS 'Account currency for one unit of the currency that price is in.';

COMMENT ON COLUMN public.live_fills.realised IS 'Profit that the broker booked with it; null where it tells none.';

CREATE TABLE public.live_mandates (
    symbol text NOT NULL,
    broker text NOT NULL,
    asset_class text NOT NULL,
    wanted numeric(28,8) NOT NULL,
    stop_price numeric(28,8),
    paper_order_id uuid,
    made integer NOT NULL,
    tries integer NOT NULL,
    retry_at timestamp with time zone,
    detail text NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT live_mandates_made_check CHECK ((made >= 0)),
    CONSTRAINT live_mandates_tries_check CHECK ((tries >= 0))
);

COMMENT ON TABLE public.live_mandates IS 'What the live desk wants of each asset; it works from what is held toward it.';

COMMENT ON COLUMN public.live_mandates.wanted IS 'Signed quantity; an entry that falls short lowers it to what is held.';

COMMENT ON COLUMN public.live_mandates.made IS 'Orders made so far, which numbers their ids.';

CREATE TABLE public.live_orders (
    id uuid NOT NULL,
    broker text NOT NULL,
    symbol text NOT NULL,
    asset_class text NOT NULL,
    side text NOT NULL,
    kind text NOT NULL,
    quantity numeric(28,8) NOT NULL,
    purpose text NOT NULL,
    reason text NOT NULL,
    decided_at timestamp with time zone NOT NULL,
    notional numeric(28,8) NOT NULL,
    stop_price numeric(28,8),
    valid_until timestamp with time zone,
    paper_order_id uuid,
    status text NOT NULL,
    filled numeric(28,8) NOT NULL,
    attempts integer NOT NULL,
    submitted_at timestamp with time zone,
    cancel_wanted boolean NOT NULL,
    detail text NOT NULL,
    updated_at timestamp with time zone,
    CONSTRAINT live_orders_filled_check CHECK ((filled >= (0)::numeric)),
    CONSTRAINT live_orders_kind_check CHECK ((kind = ANY (ARRAY['market'::text, 'stop'::text]))),
    CONSTRAINT live_orders_purpose_check CHECK ((purpose = ANY (ARRAY['entry'::text, 'increase'::text, 'reduce'::text, 'stop'::text]))),
    CONSTRAINT live_orders_quantity_check CHECK ((quantity > (0)::numeric)),
    CONSTRAINT live_orders_side_check CHECK ((side = ANY (ARRAY['buy'::text, 'sell'::text]))),
    CONSTRAINT live_orders_status_check CHECK ((status = ANY (ARRAY['decided'::text, 'submitting'::text, 'ambiguous'::text, 'acked'::text, 'partly_filled'::text, 'filled'::text, 'cancelled'::text, 'rejected'::text])))
);

COMMENT ON TABLE public.live_orders IS 'Every order of the live desk, stored before the broker is called; id is the client order id.';

COMMENT ON COLUMN public.live_orders.notional IS 'Of an entry, in account currency when it was decided.';

COMMENT ON COLUMN public.live_orders.status IS 'submitting and ambiguous: it may be at the broker; it is asked before anything else is done.';

COMMENT ON COLUMN public.live_orders.filled IS 'By the executions that are stored.';

CREATE VIEW public.live_positions AS
 SELECT m.symbol,
    m.asset_class,
    m.broker,
    a.environment,
    COALESCE(f.held, (0)::numeric) AS held,
    m.wanted,
    m.stop_price,
    m.detail,
    m.updated_at
   FROM ((public.live_mandates m
     JOIN public.live_accounts a USING (broker))
     LEFT JOIN LATERAL ( SELECT sum(
                CASE live_fills.side
                    WHEN 'buy'::text THEN (live_fills.quantity - live_fills.withheld)
                    ELSE (- live_fills.quantity)
                END) AS held
           FROM public.live_fills
          WHERE ((live_fills.broker = m.broker) AND (live_fills.symbol = m.symbol) AND (live_fills.order_id IS NOT NULL))) f ON (true));

COMMENT ON VIEW public.live_positions IS 'What the live desk holds of each asset beside what it wants.';

CREATE TABLE public.live_report (
    symbol text NOT NULL,
    account text,
    reasons text[] NOT NULL,
    as_of timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.live_report IS 'Per asset, what keeps the live desk from entering it, as it last looked; empty: nothing does.';

CREATE TABLE public.model_registry (
    model text NOT NULL,
    version text NOT NULL,
    symbol text NOT NULL,
    asset_class text NOT NULL,
    horizon_hours smallint NOT NULL,
    trained_from timestamp with time zone NOT NULL,
    trained_through timestamp with time zone NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    valid_until timestamp with time zone,
    features_hash text NOT NULL,
    params json NOT NULL,
    metrics json NOT NULL,
    artefact bytea NOT NULL,
    artefact_sha256 text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    standing text DEFAULT 'in use'::text NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT model_registry_standing_check CHECK ((standing = ANY (ARRAY['in use'::text, 'refused'::text, 'withdrawn'::text])))
);

COMMENT ON TABLE public.model_registry IS 'Trained models with the span of data each one saw and the span it may forecast.';

COMMENT ON COLUMN public.model_registry.trained_through IS 'Close of the last bar that the model saw.';

COMMENT ON COLUMN public.model_registry.valid_from IS 'First slice that the model may forecast.';

COMMENT ON COLUMN public.model_registry.standing IS 'in use: from valid_from on; refused: worse than the one in use; withdrawn: taken back by a person.';

COMMENT ON COLUMN public.model_registry.note IS 'Why it stands so, with the figures that were compared.';

COMMENT ON COLUMN public.model_registry.changed_at IS 'When its standing last changed; inference reads the registry again then.';

CREATE TABLE public.notifications (
    seq bigint NOT NULL,
    key text NOT NULL,
    at timestamp with time zone NOT NULL,
    title text NOT NULL,
    text text NOT NULL,
    subject text NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    told_at timestamp with time zone,
    given_up boolean DEFAULT false NOT NULL
);

COMMENT ON TABLE public.notifications IS 'What people are told, once and in this order: changes of what may trade, flags, halts.';

COMMENT ON COLUMN public.notifications.key IS 'What it is about: the same happening never makes a second one.';

COMMENT ON COLUMN public.notifications.given_up IS 'True when its tries were used up; it stands in the log all the same.';

ALTER TABLE public.notifications ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.notifications_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.options_flow (
    ts timestamp with time zone NOT NULL,
    available_at timestamp with time zone NOT NULL,
    symbol text NOT NULL,
    asset_class text NOT NULL,
    contract text NOT NULL,
    kind text NOT NULL,
    strike numeric(28,8) NOT NULL,
    expiry date NOT NULL,
    premium_usd numeric(28,8) NOT NULL,
    side text,
    rule text DEFAULT ''::text NOT NULL,
    source text NOT NULL
);

COMMENT ON TABLE public.options_flow IS 'Unusual options trades per asset; dropped after five years where the server can.';

COMMENT ON COLUMN public.options_flow.available_at IS 'When the trade could first be known; nothing before this may use it.';

CREATE TABLE public.orders (
    id uuid NOT NULL,
    ts timestamp with time zone NOT NULL,
    symbol text NOT NULL,
    asset_class text NOT NULL,
    side text NOT NULL,
    quantity numeric(28,8) NOT NULL,
    reason text NOT NULL,
    reduce_only boolean NOT NULL,
    status text NOT NULL,
    reference_price numeric(28,8),
    stop_price numeric(28,8),
    target_price numeric(28,8),
    filled_quantity numeric(28,8) DEFAULT 0 NOT NULL,
    detail text DEFAULT ''::text NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    checks json,
    kind text DEFAULT 'market'::text NOT NULL,
    limit_price numeric(28,8),
    trigger_price numeric(28,8),
    trail numeric(28,8),
    CONSTRAINT orders_kind_check CHECK ((kind = ANY (ARRAY['market'::text, 'limit'::text, 'stop'::text, 'stop_limit'::text]))),
    CONSTRAINT orders_side_check CHECK ((side = ANY (ARRAY['buy'::text, 'sell'::text]))),
    CONSTRAINT orders_status_check CHECK ((status = ANY (ARRAY['approved'::text, 'refused'::text, 'filled'::text, 'partly_filled'::text, 'cancelled'::text])))
);

COMMENT ON TABLE public.orders IS 'Every order that was wanted: approved or refused, with the reason, and what became of it.';

COMMENT ON COLUMN public.orders.ts IS 'Close of the slice that decided it; it fills at the next bar''s open.';

COMMENT ON COLUMN public.orders.checks IS 'Every check as it stood when risk decided: name, limit, current, passed (left out: true), allowed. Entries only.';

COMMENT ON COLUMN public.orders.limit_price IS 'The worst price that a limit or stop-limit order takes.';

COMMENT ON COLUMN public.orders.trigger_price IS 'The price that wakes a stop or stop-limit order.';

COMMENT ON COLUMN public.orders.trail IS 'Fraction by which the stop follows the best price; null: it stands still.';

CREATE TABLE public.outbox (
    topic text NOT NULL,
    producer text NOT NULL,
    seq bigint NOT NULL,
    ts timestamp with time zone NOT NULL,
    body text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.outbox IS 'Every published message as it was sent; readers that missed one on the stream read it again from here.';

COMMENT ON COLUMN public.outbox.seq IS 'Dense per topic and producer: a missing number is a missed message.';

CREATE TABLE public.performance_by_cell (
    symbol text NOT NULL,
    asset_class text NOT NULL,
    regime text NOT NULL,
    bucket smallint NOT NULL,
    trades integer NOT NULL,
    wins integer NOT NULL,
    pnl numeric(28,8) NOT NULL,
    profit_factor double precision,
    as_of date NOT NULL
);

COMMENT ON TABLE public.performance_by_cell IS 'Per asset, regime and confidence bucket: its closed trades to date, after costs.';

COMMENT ON COLUMN public.performance_by_cell.pnl IS 'Result of the closed trades in account currency, after fees and carry.';

CREATE TABLE public.phase_activation_log (
    seq bigint NOT NULL,
    id uuid NOT NULL,
    ts timestamp with time zone NOT NULL,
    subject text NOT NULL,
    change text NOT NULL,
    given_by text NOT NULL,
    note text NOT NULL,
    forced boolean NOT NULL,
    evidence text NOT NULL,
    previous_hash text NOT NULL,
    hash text NOT NULL,
    CONSTRAINT phase_activation_log_change_check CHECK ((change = ANY (ARRAY['activated'::text, 'demoted'::text, 'enabled'::text, 'disabled'::text, 'observed'::text, 'restored'::text, 'live_enabled'::text, 'live_disabled'::text, 'tier_changed'::text])))
);

COMMENT ON TABLE public.phase_activation_log IS 'Every change of what may trade, with its evidence; each row carries the hash of the one before.';

COMMENT ON COLUMN public.phase_activation_log.previous_hash IS 'Hash of the row before; a changed row breaks every later one.';

CREATE TABLE public.readiness_log (
    ts timestamp with time zone NOT NULL,
    phase text NOT NULL,
    asset_class text NOT NULL,
    active boolean NOT NULL,
    ready boolean NOT NULL,
    requirements json NOT NULL
);

COMMENT ON TABLE public.readiness_log IS 'Every evaluation of every phase''s gate.';

CREATE VIEW public.phase_readiness AS
 SELECT latest.phase,
    latest.asset_class,
    latest.active,
    latest.ready,
    (r.value ->> 'name'::text) AS requirement,
    (r.value ->> 'comparison'::text) AS comparison,
    ((r.value ->> 'threshold'::text))::double precision AS threshold,
    round(((r.value ->> 'current'::text))::numeric, 4) AS current,
    ((r.value ->> 'met'::text))::boolean AS met,
    (r.value ->> 'missing'::text) AS missing,
    latest.ts AS evaluated_at
   FROM (( SELECT DISTINCT ON (readiness_log.phase) readiness_log.ts,
            readiness_log.phase,
            readiness_log.asset_class,
            readiness_log.active,
            readiness_log.ready,
            readiness_log.requirements
           FROM public.readiness_log
          ORDER BY readiness_log.phase, readiness_log.ts DESC) latest
     LEFT JOIN LATERAL json_array_elements(latest.requirements) r(value) ON (true))
  ORDER BY latest.phase;

COMMENT ON VIEW public.phase_readiness IS 'The newest evaluation of each phase, one line per requirement: what is asked, what is, what is missing.';

CREATE TABLE public.portfolio_equity (
    ts timestamp with time zone NOT NULL,
    cash numeric(28,8) NOT NULL,
    equity numeric(28,8) NOT NULL,
    realised_pnl numeric(28,8) NOT NULL,
    unrealised_pnl numeric(28,8) NOT NULL,
    fees numeric(28,8) NOT NULL,
    open_positions smallint NOT NULL,
    carry numeric(28,8) DEFAULT 0 NOT NULL
);

COMMENT ON TABLE public.portfolio_equity IS 'The books after each slice: cash plus positions is equity, exactly.';

COMMENT ON COLUMN public.portfolio_equity.carry IS 'All charges for holding so far: equity = starting cash + realised + unrealised - fees - carry.';

CREATE TABLE public.positions (
    symbol text NOT NULL,
    asset_class text NOT NULL,
    quantity numeric(28,8) NOT NULL,
    cost numeric(28,8) NOT NULL,
    mark_price numeric(28,8) NOT NULL,
    market_value numeric(28,8) NOT NULL,
    unrealised_pnl numeric(28,8) NOT NULL,
    stop_price numeric(28,8),
    target_price numeric(28,8),
    opened_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    as_of timestamp with time zone NOT NULL,
    fx numeric(28,12) DEFAULT 1 NOT NULL,
    trail numeric(28,8)
);

COMMENT ON TABLE public.positions IS 'What is held now; quantity is negative when short.';

COMMENT ON COLUMN public.positions.cost IS 'What the position cost without fees; negative when short.';

COMMENT ON COLUMN public.positions.fx IS 'Account currency for one unit of the currency that its prices are in, at the mark.';

COMMENT ON COLUMN public.positions.trail IS 'Fraction by which stop_price follows the best price; null: it stands still.';

CREATE TABLE public.quotes (
    ts timestamp with time zone NOT NULL,
    symbol text NOT NULL,
    asset_class text NOT NULL,
    bid numeric(28,8) NOT NULL,
    ask numeric(28,8) NOT NULL,
    bid_size double precision,
    ask_size double precision,
    source text NOT NULL
);

COMMENT ON TABLE public.quotes IS 'Best bid and ask over time; dropped after 90 days where the server can.';

CREATE TABLE public.refused_candles (
    id bigint NOT NULL,
    symbol text NOT NULL,
    timeframe text NOT NULL,
    source text NOT NULL,
    place text NOT NULL,
    reason text NOT NULL,
    raw text NOT NULL,
    refused_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.refused_candles IS 'Impossible candles that were refused: where each one stood and why.';

ALTER TABLE public.refused_candles ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.refused_candles_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.research_edges (
    symbol text NOT NULL,
    asset_class text NOT NULL,
    regime text NOT NULL,
    bucket smallint NOT NULL,
    edge_bps double precision NOT NULL,
    low_bps double precision,
    high_bps double precision,
    n integer NOT NULL,
    source text NOT NULL,
    as_of timestamp with time zone NOT NULL,
    q_value double precision
);

COMMENT ON TABLE public.research_edges IS 'Measured edge per asset, regime and confidence bucket: mean forward return after costs, out of sample.';

COMMENT ON COLUMN public.research_edges.edge_bps IS 'Mean forward return after costs, in hundredths of a per cent.';

COMMENT ON COLUMN public.research_edges.low_bps IS 'Lower end of the confidence interval.';

COMMENT ON COLUMN public.research_edges.high_bps IS 'Upper end of the confidence interval.';

COMMENT ON COLUMN public.research_edges.n IS 'Forecasts in the sample.';

COMMENT ON COLUMN public.research_edges.q_value IS 'False discovery rate at which it would still be called an edge; null: not tested.';

CREATE TABLE public.research_tiers (
    symbol text NOT NULL,
    as_of timestamp with time zone NOT NULL,
    tier smallint,
    why text NOT NULL,
    n integer NOT NULL,
    edge_bps double precision,
    low_bps double precision,
    high_bps double precision,
    threshold double precision,
    mix json NOT NULL,
    source text NOT NULL
);

COMMENT ON TABLE public.research_tiers IS 'Research''s nightly word on each asset: the tier it speaks for, its edge, the expected mix.';

COMMENT ON COLUMN public.research_tiers.tier IS 'Null: too little is known to say.';

CREATE TABLE public.risk_events (
    id uuid NOT NULL,
    ts timestamp with time zone NOT NULL,
    symbol text,
    name text NOT NULL,
    severity text NOT NULL,
    limit_value numeric,
    current_value numeric,
    detail text NOT NULL
);

COMMENT ON TABLE public.risk_events IS 'Limits that bit, halts and resumptions: the limit and the value as they stood.';

CREATE TABLE public.rollout_log (
    ts timestamp with time zone NOT NULL,
    symbol text NOT NULL,
    asset_class text NOT NULL,
    level text NOT NULL,
    tier smallint,
    live boolean NOT NULL,
    step text,
    ready boolean NOT NULL,
    evidence text NOT NULL,
    why text NOT NULL,
    requirements json NOT NULL
);

COMMENT ON TABLE public.rollout_log IS 'Every day''s standing of every asset: its level, its next step, and what that lacks.';

COMMENT ON COLUMN public.rollout_log.step IS 'The next step up: enabled, restored or live_enabled.';

CREATE TABLE public.signals (
    id uuid NOT NULL,
    ts timestamp with time zone NOT NULL,
    symbol text NOT NULL,
    asset_class text NOT NULL,
    action text NOT NULL,
    level text NOT NULL,
    expected_return double precision NOT NULL,
    confidence double precision NOT NULL,
    bucket smallint NOT NULL,
    regime text NOT NULL,
    threshold double precision NOT NULL,
    reasons text[] NOT NULL,
    strength text DEFAULT 'HOLD'::text NOT NULL,
    stop double precision,
    take double precision,
    market text DEFAULT 'unknown'::text NOT NULL,
    CONSTRAINT signals_action_check CHECK ((action = ANY (ARRAY['BUY'::text, 'SELL'::text, 'HOLD'::text])))
);

COMMENT ON TABLE public.signals IS 'BUY, SELL or HOLD per asset and slice, with the reasons.';

COMMENT ON COLUMN public.signals.strength IS 'STRONG_BUY, BUY, HOLD, SELL or STRONG_SELL: by how far the forecast passes its threshold.';

COMMENT ON COLUMN public.signals.stop IS 'Price to leave the position at, from the level behind it; null: the asset''s own distance.';

COMMENT ON COLUMN public.signals.take IS 'Price at the next level ahead; null: the asset''s own distance.';

COMMENT ON COLUMN public.signals.market IS 'btc_dominant, alt_season, risk_off, balanced or unknown, when the signal was made.';

CREATE TABLE public.slices (
    ts timestamp with time zone NOT NULL,
    timeframe text NOT NULL,
    present integer NOT NULL,
    missing json NOT NULL,
    closed_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.slices IS 'The bar closes that have driven the platform: how many assets had a bar, which had none and why.';

COMMENT ON COLUMN public.slices.ts IS 'Close of the bars.';

CREATE TABLE public.social_counts (
    since timestamp with time zone NOT NULL,
    until timestamp with time zone NOT NULL,
    source text NOT NULL,
    ticker text NOT NULL,
    mentions integer NOT NULL,
    CONSTRAINT social_counts_check CHECK ((until > since)),
    CONSTRAINT social_counts_mentions_check CHECK ((mentions >= 0))
);

COMMENT ON TABLE public.social_counts IS 'Texts that named each ticker in [since, until), ours or not; the row without a ticker counts all texts.';

COMMENT ON COLUMN public.social_counts.ticker IS 'In capitals without $; empty for all texts of the interval, named ticker or none.';

CREATE TABLE public.social_sentiment (
    ts timestamp with time zone NOT NULL,
    available_at timestamp with time zone NOT NULL,
    symbol text NOT NULL,
    asset_class text NOT NULL,
    source text NOT NULL,
    mentions integer NOT NULL,
    sentiment double precision,
    bullish double precision,
    bearish double precision,
    keywords json
);

COMMENT ON TABLE public.social_sentiment IS 'Mentions and mood per asset and source; dropped after five years where the server can.';

COMMENT ON COLUMN public.social_sentiment.available_at IS 'When the count could first be known; nothing before this may use it.';

CREATE TABLE public.social_trending (
    ts timestamp with time zone NOT NULL,
    source text NOT NULL,
    place integer NOT NULL,
    ticker text NOT NULL,
    symbol text,
    mentions integer NOT NULL,
    usual double precision NOT NULL,
    score double precision NOT NULL,
    CONSTRAINT social_trending_place_check CHECK ((place > 0))
);

COMMENT ON TABLE public.social_trending IS 'Tickers whose mentions in the last 24 hours stand most above their own trailing average, hour by hour.';

COMMENT ON COLUMN public.social_trending.ts IS 'When it was worked out; nothing before this may use it.';

COMMENT ON COLUMN public.social_trending.symbol IS 'Our asset of that ticker; null for others.';

COMMENT ON COLUMN public.social_trending.mentions IS 'In the 24 hours before ts.';

COMMENT ON COLUMN public.social_trending.usual IS 'Mentions that its trailing average would give in the listening time of those 24 hours.';

COMMENT ON COLUMN public.social_trending.score IS '(mentions - usual) / sqrt(usual + 1): about how many standard deviations above the usual.';

CREATE TABLE public.stage_state (
    stage text NOT NULL,
    slice_ts timestamp with time zone,
    seq bigint DEFAULT 0 NOT NULL,
    cursors json DEFAULT '{}'::json NOT NULL,
    state json DEFAULT '{}'::json NOT NULL,
    config_version text NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.stage_state IS 'Each stage''s state and how far it has read its inputs; written in one transaction with its decisions.';

CREATE TABLE public.system_flags (
    id uuid NOT NULL,
    name text NOT NULL,
    subject text,
    severity text NOT NULL,
    blocks text DEFAULT ''::text NOT NULL,
    detail text NOT NULL,
    raised_at timestamp with time zone NOT NULL,
    cleared_at timestamp with time zone,
    acknowledged_by text,
    acknowledged_at timestamp with time zone,
    note text DEFAULT ''::text NOT NULL,
    CONSTRAINT system_flags_severity_check CHECK ((severity = ANY (ARRAY['info'::text, 'warning'::text, 'critical'::text])))
);

COMMENT ON TABLE public.system_flags IS 'Conditions that a person should see or that block trading; open while cleared_at is null.';

COMMENT ON COLUMN public.system_flags.note IS 'What the person who acknowledged it had to say.';

CREATE TABLE public.trades (
    id uuid NOT NULL,
    symbol text NOT NULL,
    asset_class text NOT NULL,
    side text NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    closed_at timestamp with time zone NOT NULL,
    quantity numeric(28,8) NOT NULL,
    entry_price numeric(28,8) NOT NULL,
    exit_price numeric(28,8) NOT NULL,
    fees numeric(28,8) NOT NULL,
    slippage numeric(28,8) NOT NULL,
    pnl numeric(28,8) NOT NULL,
    exit_reason text NOT NULL,
    bucket smallint NOT NULL,
    regime text NOT NULL,
    carry numeric(28,8) DEFAULT 0 NOT NULL
);

COMMENT ON TABLE public.trades IS 'Round trips from flat to flat, after costs.';

COMMENT ON COLUMN public.trades.quantity IS 'The largest absolute size that the position had.';

COMMENT ON COLUMN public.trades.pnl IS 'In account currency, after fees.';

COMMENT ON COLUMN public.trades.carry IS 'What holding it cost: funding, borrowing, financing; pnl is after it.';

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY public.allocations
    ADD CONSTRAINT allocations_symbol_ts_key UNIQUE (symbol, ts);

ALTER TABLE ONLY public.asset_class_config
    ADD CONSTRAINT asset_class_config_phase_order_key UNIQUE (phase_order);

ALTER TABLE ONLY public.asset_class_config
    ADD CONSTRAINT asset_class_config_pkey PRIMARY KEY (phase);

ALTER TABLE ONLY public.asset_performance
    ADD CONSTRAINT asset_performance_pkey PRIMARY KEY (day, symbol);

ALTER TABLE ONLY public.asset_registry
    ADD CONSTRAINT asset_registry_pkey PRIMARY KEY (symbol);

ALTER TABLE ONLY public.candle_revisions
    ADD CONSTRAINT candle_revisions_pkey PRIMARY KEY (symbol, timeframe, ts, revision);

ALTER TABLE ONLY public.candles
    ADD CONSTRAINT candles_symbol_timeframe_ts_key UNIQUE (symbol, timeframe, ts);

ALTER TABLE ONLY public.carry_charges
    ADD CONSTRAINT carry_charges_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.commands
    ADD CONSTRAINT commands_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.commands
    ADD CONSTRAINT commands_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.correlation_matrix
    ADD CONSTRAINT correlation_matrix_pkey PRIMARY KEY (ts, symbol, other, window_hours);

ALTER TABLE ONLY public.data_source_registry
    ADD CONSTRAINT data_source_registry_pkey PRIMARY KEY (source);

ALTER TABLE ONLY public.dominance
    ADD CONSTRAINT dominance_source_ts_key UNIQUE (source, ts);

ALTER TABLE ONLY public.economic_calendar
    ADD CONSTRAINT economic_calendar_pkey PRIMARY KEY (event_id);

ALTER TABLE ONLY public.feed_health
    ADD CONSTRAINT feed_health_pkey PRIMARY KEY (symbol, source, timeframe);

ALTER TABLE ONLY public.fills
    ADD CONSTRAINT fills_id_ts_key UNIQUE (id, ts);

ALTER TABLE ONLY public.forecasts
    ADD CONSTRAINT forecasts_symbol_ts_horizon_hours_key UNIQUE (symbol, ts, horizon_hours);

ALTER TABLE ONLY public.leading_indicators
    ADD CONSTRAINT leading_indicators_name_symbol_source_observed_at_available_key UNIQUE (name, symbol, source, observed_at, available_at);

ALTER TABLE ONLY public.live_accounts
    ADD CONSTRAINT live_accounts_id_key UNIQUE (id);

ALTER TABLE ONLY public.live_accounts
    ADD CONSTRAINT live_accounts_pkey PRIMARY KEY (broker);

ALTER TABLE ONLY public.live_audits
    ADD CONSTRAINT live_audits_pkey PRIMARY KEY (symbol, ts);

ALTER TABLE ONLY public.live_charges
    ADD CONSTRAINT live_charges_pkey PRIMARY KEY (broker, id);

ALTER TABLE ONLY public.live_fills
    ADD CONSTRAINT live_fills_pkey PRIMARY KEY (broker, id);

ALTER TABLE ONLY public.live_mandates
    ADD CONSTRAINT live_mandates_pkey PRIMARY KEY (symbol);

ALTER TABLE ONLY public.live_orders
    ADD CONSTRAINT live_orders_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.live_report
    ADD CONSTRAINT live_report_pkey PRIMARY KEY (symbol);

ALTER TABLE ONLY public.model_registry
    ADD CONSTRAINT model_registry_pkey PRIMARY KEY (symbol, model, version);

ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT notifications_key_key UNIQUE (key);

ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT notifications_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.options_flow
    ADD CONSTRAINT options_flow_contract_rule_source_ts_key UNIQUE (contract, rule, source, ts);

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (topic, producer, seq);

ALTER TABLE ONLY public.performance_by_cell
    ADD CONSTRAINT performance_by_cell_pkey PRIMARY KEY (symbol, regime, bucket);

ALTER TABLE ONLY public.phase_activation_log
    ADD CONSTRAINT phase_activation_log_hash_key UNIQUE (hash);

ALTER TABLE ONLY public.phase_activation_log
    ADD CONSTRAINT phase_activation_log_id_key UNIQUE (id);

ALTER TABLE ONLY public.phase_activation_log
    ADD CONSTRAINT phase_activation_log_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.portfolio_equity
    ADD CONSTRAINT portfolio_equity_ts_key UNIQUE (ts);

ALTER TABLE ONLY public.positions
    ADD CONSTRAINT positions_pkey PRIMARY KEY (symbol);

ALTER TABLE ONLY public.quotes
    ADD CONSTRAINT quotes_symbol_source_ts_key UNIQUE (symbol, source, ts);

ALTER TABLE ONLY public.readiness_log
    ADD CONSTRAINT readiness_log_pkey PRIMARY KEY (phase, ts);

ALTER TABLE ONLY public.refused_candles
    ADD CONSTRAINT refused_candles_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.refused_candles
    ADD CONSTRAINT refused_candles_symbol_timeframe_source_place_reason_key UNIQUE (symbol, timeframe, source, place, reason);

ALTER TABLE ONLY public.research_edges
    ADD CONSTRAINT research_edges_pkey PRIMARY KEY (symbol, regime, bucket, as_of);

ALTER TABLE ONLY public.research_tiers
    ADD CONSTRAINT research_tiers_pkey PRIMARY KEY (symbol, as_of);

ALTER TABLE ONLY public.risk_events
    ADD CONSTRAINT risk_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.rollout_log
    ADD CONSTRAINT rollout_log_pkey PRIMARY KEY (symbol, ts);

ALTER TABLE ONLY public.run
    ADD CONSTRAINT run_pkey PRIMARY KEY (only_one);

ALTER TABLE ONLY public.signals
    ADD CONSTRAINT signals_symbol_ts_key UNIQUE (symbol, ts);

ALTER TABLE ONLY public.slices
    ADD CONSTRAINT slices_pkey PRIMARY KEY (timeframe, ts);

ALTER TABLE ONLY public.social_counts
    ADD CONSTRAINT social_counts_source_ticker_until_key UNIQUE (source, ticker, until);

ALTER TABLE ONLY public.social_sentiment
    ADD CONSTRAINT social_sentiment_symbol_source_ts_key UNIQUE (symbol, source, ts);

ALTER TABLE ONLY public.social_trending
    ADD CONSTRAINT social_trending_source_ts_ticker_key UNIQUE (source, ts, ticker);

ALTER TABLE ONLY public.stage_state
    ADD CONSTRAINT stage_state_pkey PRIMARY KEY (stage);

ALTER TABLE ONLY public.system_flags
    ADD CONSTRAINT system_flags_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.trades
    ADD CONSTRAINT trades_pkey PRIMARY KEY (id);

CREATE INDEX allocations_ts ON public.allocations USING btree (ts DESC);

CREATE INDEX candles_ts ON public.candles USING btree (ts DESC);

CREATE INDEX carry_charges_ts ON public.carry_charges USING btree (ts DESC, symbol);

CREATE INDEX fills_ts ON public.fills USING btree (ts DESC);

CREATE INDEX forecasts_ts ON public.forecasts USING btree (ts DESC);

CREATE INDEX leading_indicators_available_at ON public.leading_indicators USING btree (available_at DESC);

CREATE INDEX live_fills_ts ON public.live_fills USING btree (ts DESC);

CREATE INDEX live_orders_decided ON public.live_orders USING btree (decided_at DESC);

CREATE INDEX live_orders_open ON public.live_orders USING btree (broker) WHERE (status <> ALL (ARRAY['filled'::text, 'cancelled'::text, 'rejected'::text]));

CREATE INDEX model_registry_valid ON public.model_registry USING btree (symbol, model, valid_from);

CREATE INDEX notifications_waiting ON public.notifications USING btree (seq) WHERE ((told_at IS NULL) AND (NOT given_up));

CREATE INDEX orders_ts ON public.orders USING btree (ts DESC);

CREATE INDEX outbox_created ON public.outbox USING btree (created_at);

CREATE INDEX risk_events_of_all ON public.risk_events USING btree (ts) WHERE (symbol IS NULL);

CREATE INDEX risk_events_ts ON public.risk_events USING btree (ts DESC);

CREATE INDEX signals_ts ON public.signals USING btree (ts DESC);

CREATE INDEX social_counts_until ON public.social_counts USING btree (source, until DESC);

CREATE INDEX social_trending_ts ON public.social_trending USING btree (ts DESC, place);

CREATE UNIQUE INDEX system_flags_open ON public.system_flags USING btree (name, COALESCE(subject, 'all'::text)) WHERE (cleared_at IS NULL);

CREATE INDEX trades_closed ON public.trades USING btree (closed_at);

ALTER TABLE ONLY public.asset_registry
    ADD CONSTRAINT asset_registry_phase_fkey FOREIGN KEY (phase) REFERENCES public.asset_class_config(phase);

ALTER TABLE ONLY public.live_charges
    ADD CONSTRAINT live_charges_broker_fkey FOREIGN KEY (broker) REFERENCES public.live_accounts(broker);

ALTER TABLE ONLY public.live_fills
    ADD CONSTRAINT live_fills_broker_fkey FOREIGN KEY (broker) REFERENCES public.live_accounts(broker);

ALTER TABLE ONLY public.live_fills
    ADD CONSTRAINT live_fills_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.live_orders(id);

ALTER TABLE ONLY public.live_mandates
    ADD CONSTRAINT live_mandates_broker_fkey FOREIGN KEY (broker) REFERENCES public.live_accounts(broker);

ALTER TABLE ONLY public.live_orders
    ADD CONSTRAINT live_orders_broker_fkey FOREIGN KEY (broker) REFERENCES public.live_accounts(broker);

GRANT USAGE ON SCHEMA public TO chloe_service;
GRANT USAGE ON SCHEMA public TO chloe_reader;

GRANT SELECT ON TABLE public.alembic_version TO chloe_service;
GRANT SELECT ON TABLE public.alembic_version TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.allocations TO chloe_service;
GRANT SELECT ON TABLE public.allocations TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.asset_class_config TO chloe_service;
GRANT SELECT ON TABLE public.asset_class_config TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.asset_performance TO chloe_service;
GRANT SELECT ON TABLE public.asset_performance TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.asset_registry TO chloe_service;
GRANT SELECT ON TABLE public.asset_registry TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.run TO chloe_service;
GRANT SELECT ON TABLE public.run TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.asset_performance_latest TO chloe_service;
GRANT SELECT ON TABLE public.asset_performance_latest TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.candle_revisions TO chloe_service;
GRANT SELECT ON TABLE public.candle_revisions TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.candles TO chloe_service;
GRANT SELECT ON TABLE public.candles TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.candles_1d TO chloe_service;
GRANT SELECT ON TABLE public.candles_1d TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.candles_4h TO chloe_service;
GRANT SELECT ON TABLE public.candles_4h TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.carry_charges TO chloe_service;
GRANT SELECT ON TABLE public.carry_charges TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.commands TO chloe_service;
GRANT SELECT ON TABLE public.commands TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.correlation_matrix TO chloe_service;
GRANT SELECT ON TABLE public.correlation_matrix TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.data_source_registry TO chloe_service;
GRANT SELECT ON TABLE public.data_source_registry TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.dominance TO chloe_service;
GRANT SELECT ON TABLE public.dominance TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.economic_calendar TO chloe_service;
GRANT SELECT ON TABLE public.economic_calendar TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.feed_health TO chloe_service;
GRANT SELECT ON TABLE public.feed_health TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.fills TO chloe_service;
GRANT SELECT ON TABLE public.fills TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.forecasts TO chloe_service;
GRANT SELECT ON TABLE public.forecasts TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.leading_indicators TO chloe_service;
GRANT SELECT ON TABLE public.leading_indicators TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.live_accounts TO chloe_service;
GRANT SELECT ON TABLE public.live_accounts TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.live_audits TO chloe_service;
GRANT SELECT ON TABLE public.live_audits TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.live_charges TO chloe_service;
GRANT SELECT ON TABLE public.live_charges TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.live_fills TO chloe_service;
GRANT SELECT ON TABLE public.live_fills TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.live_mandates TO chloe_service;
GRANT SELECT ON TABLE public.live_mandates TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.live_orders TO chloe_service;
GRANT SELECT ON TABLE public.live_orders TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.live_positions TO chloe_service;
GRANT SELECT ON TABLE public.live_positions TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.live_report TO chloe_service;
GRANT SELECT ON TABLE public.live_report TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.model_registry TO chloe_service;
GRANT SELECT ON TABLE public.model_registry TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.notifications TO chloe_service;
GRANT SELECT ON TABLE public.notifications TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.options_flow TO chloe_service;
GRANT SELECT ON TABLE public.options_flow TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.orders TO chloe_service;
GRANT SELECT ON TABLE public.orders TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.outbox TO chloe_service;
GRANT SELECT ON TABLE public.outbox TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.performance_by_cell TO chloe_service;
GRANT SELECT ON TABLE public.performance_by_cell TO chloe_reader;

GRANT SELECT,INSERT ON TABLE public.phase_activation_log TO chloe_service;
GRANT SELECT ON TABLE public.phase_activation_log TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.readiness_log TO chloe_service;
GRANT SELECT ON TABLE public.readiness_log TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.phase_readiness TO chloe_service;
GRANT SELECT ON TABLE public.phase_readiness TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.portfolio_equity TO chloe_service;
GRANT SELECT ON TABLE public.portfolio_equity TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.positions TO chloe_service;
GRANT SELECT ON TABLE public.positions TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.quotes TO chloe_service;
GRANT SELECT ON TABLE public.quotes TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.refused_candles TO chloe_service;
GRANT SELECT ON TABLE public.refused_candles TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.research_edges TO chloe_service;
GRANT SELECT ON TABLE public.research_edges TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.research_tiers TO chloe_service;
GRANT SELECT ON TABLE public.research_tiers TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.risk_events TO chloe_service;
GRANT SELECT ON TABLE public.risk_events TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.rollout_log TO chloe_service;
GRANT SELECT ON TABLE public.rollout_log TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.signals TO chloe_service;
GRANT SELECT ON TABLE public.signals TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.slices TO chloe_service;
GRANT SELECT ON TABLE public.slices TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.social_counts TO chloe_service;
GRANT SELECT ON TABLE public.social_counts TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.social_sentiment TO chloe_service;
GRANT SELECT ON TABLE public.social_sentiment TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.social_trending TO chloe_service;
GRANT SELECT ON TABLE public.social_trending TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.stage_state TO chloe_service;
GRANT SELECT ON TABLE public.stage_state TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.system_flags TO chloe_service;
GRANT SELECT ON TABLE public.system_flags TO chloe_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.trades TO chloe_service;
GRANT SELECT ON TABLE public.trades TO chloe_reader;

ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT,INSERT,DELETE,UPDATE ON TABLES TO chloe_service;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO chloe_reader;

INSERT INTO public.alembic_version VALUES ('0010');
