"""Orders of every type, what holding positions costs, and results in other currencies."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

UP = """
create table carry_charges (
    id uuid primary key,
    ts timestamptz not null,
    symbol text not null,
    asset_class text not null,
    kind text not null check (kind in ('funding', 'borrow', 'financing')),
    notional numeric(28, 8) not null,
    rate numeric(28, 12) not null,
    amount numeric(28, 8) not null
);
create index carry_charges_ts on carry_charges (ts desc, symbol);
comment on table carry_charges is 'What holding positions cost: funding of perpetuals, borrowing for shorts, financing overnight.';
comment on column carry_charges.ts is 'The slice that charged it.';
comment on column carry_charges.notional is 'Size of the position at the slice''s close, account currency.';
comment on column carry_charges.rate is 'Of the notional, all due moments since the slice before together.';
comment on column carry_charges.amount is 'Taken from the cash: notional * rate to 8 places; negative was received.';

alter table orders
    add column kind text not null default 'market' check (kind in ('market', 'limit', 'stop', 'stop_limit')),
    add column limit_price numeric(28, 8),
    add column trigger_price numeric(28, 8),
    add column trail numeric(28, 8);
comment on column orders.limit_price is 'The worst price that a limit or stop-limit order takes.';
comment on column orders.trigger_price is 'The price that wakes a stop or stop-limit order.';
comment on column orders.trail is 'Fraction by which the stop follows the best price; null: it stands still.';

alter table fills
    add column fx numeric(28, 12) not null default 1,
    add column liquidity text not null default 'taker',
    add column cash numeric(28, 8);
comment on column fills.fx is 'Account currency for one unit of the currency that the price is in.';
comment on column fills.liquidity is 'maker: a limit that waited for its price; taker: everything else.';
comment on column fills.cash is 'What it changed the cash by, before its fee; cash = starting cash + all of these - fees - carry_charges.';

alter table trades add column carry numeric(28, 8) not null default 0;
comment on column trades.carry is 'What holding it cost: funding, borrowing, financing; pnl is after it.';

alter table positions
    add column fx numeric(28, 12) not null default 1,
    add column trail numeric(28, 8);
comment on column positions.fx is 'Account currency for one unit of the currency that its prices are in, at the mark.';
comment on column positions.trail is 'Fraction by which stop_price follows the best price; null: it stands still.';

alter table portfolio_equity add column carry numeric(28, 8) not null default 0;
comment on column portfolio_equity.carry is 'All charges for holding so far: equity = starting cash + realised + unrealised - fees - carry.';
"""

DOWN = """
alter table portfolio_equity drop column carry;
alter table positions drop column trail, drop column fx;
alter table trades drop column carry;
alter table fills drop column cash, drop column liquidity, drop column fx;
alter table orders drop column trail, drop column trigger_price, drop column limit_price, drop column kind;
drop table carry_charges;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
