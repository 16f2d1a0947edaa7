"""Every metric name of the platform, in one place; services only import and use them."""

from prometheus_client import Counter, Gauge, Histogram

# How many slices (or days, for phases) a stage has decided since it started.
STAGE_DECISIONS = Counter("chloe_stage_decisions_total", "Messages decided and stored by a stage", ["stage"])

# How long one decide-store-publish round takes, in seconds.
STAGE_SECONDS = Histogram(
    "chloe_stage_handle_seconds",
    "Seconds for one decide, store, publish, acknowledge round",
    ["stage"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)

# Messages read but not yet decided upon; grows when a stage is slower than its upstream.
STAGE_LAG = Gauge("chloe_stage_lag_messages", "Messages read and waiting in a stage's inbox", ["stage", "topic"])

# Slice time of a stage's newest decision, as a Unix time.
STAGE_SLICE = Gauge("chloe_stage_slice_timestamp_seconds", "Slice time of a stage's newest decision", ["stage"])

# Messages that a reader got from the stored outbox because the stream had lost or not yet brought them.
OUTBOX_RECOVERED = Counter("chloe_outbox_recovered_total", "Messages read from the outbox", ["stage"])

# Entries that could not be read or believed and went to the dead-letter stream.
DEAD_LETTERS = Counter("chloe_dead_letters_total", "Stream entries put aside", ["topic"])

# Of those the ones that read well: forged, for they say something else than their producer stored, or nobody did.
FORGED = Counter("chloe_forged_messages_total", "Stream entries that are not what their producer stored", ["stage"])

# Candles by source: newly stored, changed later (revisions), refused as impossible.
CANDLES_STORED = Counter("chloe_candles_stored_total", "Candles newly stored", ["source"])
CANDLES_REVISED = Counter("chloe_candles_revised_total", "Stored candles that a later delivery changed", ["source"])
CANDLES_REFUSED = Counter("chloe_candles_refused_total", "Impossible candles refused", ["source"])

# Requests to a provider, each attempt counted, and how they failed, by the kind of error.
PROVIDER_REQUESTS = Counter("chloe_provider_requests_total", "Requests to a provider", ["provider"])
PROVIDER_ERRORS = Counter("chloe_provider_errors_total", "Failed requests to a provider", ["provider", "kind"])

# Orders by outcome: approved, refused, filled, partly_filled, cancelled.
ORDERS = Counter("chloe_orders_total", "Orders by outcome", ["outcome"])

# The books after the newest slice, in account currency.
EQUITY = Gauge("chloe_equity", "Equity after the newest slice, account currency")
CASH = Gauge("chloe_cash", "Cash after the newest slice, account currency")

# 1 while trading is halted.
HALTED = Gauge("chloe_trading_halted", "1 while entries are halted")

# Gateway requests by route and status.
HTTP_REQUESTS = Counter("chloe_gateway_requests_total", "API requests", ["route", "status"])
