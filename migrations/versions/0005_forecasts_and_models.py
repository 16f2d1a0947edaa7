"""Forecasts carry their 80 % interval and who was not heard; models have a standing, which one command can change."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UP = """
alter table forecasts add column low double precision;
alter table forecasts add column high double precision;
alter table forecasts add column without text[];
comment on column forecasts.low is 'Log return that the outcome exceeds nine times in ten: lower end of the 80 % interval.';
comment on column forecasts.high is 'Upper end of the 80 % interval, log return.';
comment on column forecasts.without is 'Models that should have had a say and could not.';

alter table model_registry add column standing text not null default 'in use'
    check (standing in ('in use', 'refused', 'withdrawn'));
alter table model_registry add column note text not null default '';
alter table model_registry add column changed_at timestamptz not null default now();
comment on column model_registry.standing is
    'in use: from valid_from on; refused: worse than the one in use; withdrawn: taken back by a person.';
comment on column model_registry.note is 'Why it stands so, with the figures that were compared.';
comment on column model_registry.changed_at is 'When its standing last changed; inference reads the registry again then.';
"""

DOWN = """
alter table model_registry drop column changed_at, drop column note, drop column standing;
alter table forecasts drop column without, drop column high, drop column low;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
