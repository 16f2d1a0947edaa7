"""The live desk: accounts taken over, what is wanted of each asset, orders, executions and charges, audits for live."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = """
create table live_accounts (
    broker text primary key,
    id uuid not null unique,
    environment text not null check (environment in ('testnet', 'paper', 'practice', 'live')),
    currency text not null,
    basis text not null check (basis in ('cash', 'margin')),
    opening_cash numeric(28, 8) not null,
    opened_at timestamptz not null
);

create table live_mandates (
    symbol text primary key,
    broker text not null references live_accounts,
    asset_class text not null,
    wanted numeric(28, 8) not null,
    stop_price numeric(28, 8),
    paper_order_id uuid,
    made integer not null check (made >= 0),
    tries integer not null check (tries >= 0),
    retry_at timestamptz,
    detail text not null,
    updated_at timestamptz not null
);

create table live_orders (
    id uuid primary key,
    broker text not null references live_accounts,
    symbol text not null,
    asset_class text not null,
    side text not null check (side in ('buy', 'sell')),
    kind text not null check (kind in ('market', 'stop')),
    quantity numeric(28, 8) not null check (quantity > 0),
    purpose text not null check (purpose in ('entry', 'increase', 'reduce', 'stop')),
    reason text not null,
    decided_at timestamptz not null,
    notional numeric(28, 8) not null,
    stop_price numeric(28, 8),
    valid_until timestamptz,
    paper_order_id uuid,
    status text not null check (status in
        ('decided', 'submitting', 'ambiguous', 'acked', 'partly_filled', 'filled', 'cancelled', 'rejected')),
    filled numeric(28, 8) not null check (filled >= 0),
    attempts integer not null,
    submitted_at timestamptz,
    cancel_wanted boolean not null,
    detail text not null,
    updated_at timestamptz
);
create index live_orders_decided on live_orders (decided_at desc);
create index live_orders_open on live_orders (broker) where status not in ('filled', 'cancelled', 'rejected');

create table live_fills (
    broker text not null references live_accounts,
    id text not null,
    order_id uuid references live_orders,
    symbol text not null,
    asset_class text not null,
    side text not null check (side in ('buy', 'sell')),
    quantity numeric(28, 8) not null check (quantity > 0),
    price numeric(28, 8) not null check (price > 0),
    fee numeric(28, 8) not null,
    withheld numeric(28, 8) not null,
    rate numeric(28, 12) not null,
    realised numeric(28, 8),
    ts timestamptz not null,
    primary key (broker, id)
);
create index live_fills_ts on live_fills (ts desc);

create table live_charges (
    broker text not null references live_accounts,
    id text not null,
    kind text not null,
    amount numeric(28, 8) not null,
    ts timestamptz not null,
    symbol text,
    primary key (broker, id)
);

create table live_audits (
    symbol text not null,
    ts timestamptz not null,
    ready boolean not null,
    reasons json not null,
    primary key (symbol, ts)
);

create table live_report (
    symbol text primary key,
    account text,
    reasons text[] not null,
    as_of timestamptz not null
);

create view live_positions as
select m.symbol, m.asset_class, m.broker, a.environment, coalesce(f.held, 0) as held, m.wanted, m.stop_price, m.detail,
       m.updated_at
from live_mandates m
join live_accounts a using (broker)
left join lateral (
    select sum(case side when 'buy' then quantity - withheld else -quantity end) as held
    from live_fills where broker = m.broker and symbol = m.symbol and order_id is not null
) f on true;
"""

TABLE_COMMENTS = {
    "live_accounts": "Brokers' accounts as the live desk took them over, flat; one a broker.",
    "live_mandates": "What the live desk wants of each asset; it works from what is held toward it.",
    "live_orders": "Every order of the live desk, stored before the broker is called; id is the client order id.",
    "live_fills": "Executions under the brokers' own ids; those without an order of ours are remembered, not booked.",
    "live_charges": "Movements of a broker's cash that are no executions: funding, interest, deposits.",
    "live_report": "Per asset, what keeps the live desk from entering it, as it last looked; empty: nothing does.",
    "live_audits": "Audits of assets for live trading; only the newest of an asset counts, and not for ever.",
}

COLUMN_COMMENTS = {
    "live_accounts.basis": "cash: purchases take their price out of the balance; margin: only results, fees, charges do.",
    "live_fills.withheld": "Units of the asset that the broker kept as its fee.",
    "live_fills.rate": "Account currency for one unit of the currency that price is in.",
    "live_fills.realised": "Profit that the broker booked with it; null where it tells none.",
    "live_mandates.wanted": "Signed quantity; an entry that falls short lowers it to what is held.",
    "live_mandates.made": "Orders made so far, which numbers their ids.",
    "live_orders.filled": "By the executions that are stored.",
    "live_orders.notional": "Of an entry, in account currency when it was decided.",
    "live_orders.status": "submitting and ambiguous: it may be at the broker; it is asked before anything else is done.",
}


def comment(kind: str, name: str, words: str) -> None:
    quoted = words.replace("'", "''")
    op.execute(f"comment on {kind} {name} is '{quoted}'")


def upgrade() -> None:
    op.execute(TABLES)
    for name, words in TABLE_COMMENTS.items():
        comment("table", name, words)
    comment("view", "live_positions", "What the live desk holds of each asset beside what it wants.")
    for name, words in COLUMN_COMMENTS.items():
        comment("column", name, words)


def downgrade() -> None:
    op.execute("drop view live_positions")
    for name in ("live_report", "live_audits", "live_charges", "live_fills", "live_orders", "live_mandates", "live_accounts"):
        op.execute(f"drop table {name}")
