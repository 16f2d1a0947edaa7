"""Orders carry the table of risk as it stood."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UP = """
alter table orders add column checks json;
comment on column orders.checks is
    'Every check as it stood when risk decided: name, limit, current, passed (left out: true), allowed. Entries only.';
"""

DOWN = """
alter table orders drop column checks;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
