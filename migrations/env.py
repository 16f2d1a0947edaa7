"""Run the chain on the connection that ``services.kernel.migrate`` hands over, inside its transaction and its lock."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
