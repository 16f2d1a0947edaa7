"""Signals say their strength, the price to leave at and the market they were made in."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

UP = """
alter table signals add column strength text not null default 'HOLD';
alter table signals add column stop double precision;
alter table signals add column take double precision;
alter table signals add column market text not null default 'unknown';
comment on column signals.strength is 'STRONG_BUY, BUY, HOLD, SELL or STRONG_SELL: by how far the forecast passes its threshold.';
comment on column signals.stop is 'Price to leave the position at, from the level behind it; null: the asset''s own distance.';
comment on column signals.take is 'Price at the next level ahead; null: the asset''s own distance.';
comment on column signals.market is 'btc_dominant, alt_season, risk_off, balanced or unknown, when the signal was made.';
"""

DOWN = """
alter table signals drop column market, drop column take, drop column stop, drop column strength;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
