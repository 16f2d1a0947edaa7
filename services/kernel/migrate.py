"""Bring a database to the newest schema: one chain for TimescaleDB (community, Apache-2) and plain PostgreSQL."""

import os
import re
import sys
import threading
from pathlib import Path
from typing import Literal, cast

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from psycopg import conninfo

from services.kernel.errors import ChloeError
from services.kernel.settings import from_environment, read_secret

ServerKind = Literal["timescale-community", "timescale-apache", "postgresql"]

# One number for everyone who migrates this database; taken until the end of the migration's transaction.
ADVISORY_LOCK = 4_107_200_001

# Alembic keeps the migration at work in module globals, so threads of one process take turns as well.
ONE_AT_A_TIME = threading.Lock()

CONNECT_TIMEOUT_SECONDS = "10"

KIND = """
select case current_setting('timescaledb.license', true)
         when 'timescale' then 'timescale-community'
         else 'timescale-apache'
       end
from pg_extension
where extname = 'timescaledb'
"""


class MigrationError(ChloeError):
    """The database could not be brought to the newest schema; it is as it was before."""


def migrate(dsn: str) -> ServerKind:
    """Apply all missing migrations in one transaction and name the kind of server.

    ``dsn`` is a PostgreSQL URL or a libpq connection string. Whoever comes second waits for the first and then finds
    nothing to do. Raises ``MigrationError`` and leaves the database unchanged if anything goes wrong.
    """
    plain_dsn = _plain(dsn)
    where = _place(plain_dsn)
    config = _config(migrations_dir())
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: _connect(plain_dsn), poolclass=sa.NullPool)
    try:
        with ONE_AT_A_TIME, engine.begin() as connection:
            connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        with engine.connect() as connection:
            return server_kind(connection)
    except sa.exc.DBAPIError as error:
        raise MigrationError(f"migrating {where} failed, nothing was changed: {_one_line(error.orig)}") from error
    except CommandError as error:
        raise MigrationError(
            f"{where} has a schema that this version of Chloe does not know ({_one_line(error)}): update Chloe"
        ) from error


def server_kind(connection: sa.Connection) -> ServerKind:
    """Name the kind of server by what the database has: the extension, and the licence that it runs under."""
    return cast(ServerKind, connection.scalar(sa.text(KIND)) or "postgresql")


def migrations_dir() -> Path:
    """Find the migrations: ``CHLOE_MIGRATIONS_DIR``, else beside ``services``, else in the working folder."""
    named = os.environ.get("CHLOE_MIGRATIONS_DIR")
    candidates = [Path(named)] if named else [Path(__file__).resolve().parents[2] / "migrations", Path("migrations")]
    for folder in candidates:
        if (folder / "env.py").is_file():
            return folder.resolve()
    looked = " or ".join(str(folder.absolute()) for folder in candidates)
    raise MigrationError(f"no migrations found in {looked}: set CHLOE_MIGRATIONS_DIR to the folder that holds env.py")


def database_url() -> str:
    """Read the owner's URL: the file that ``CHLOE_DATABASE_URL_FILE`` names, else the settings every service reads."""
    file = os.environ.get("CHLOE_DATABASE_URL_FILE")
    return read_secret(Path(file)) if file else from_environment().database()


def main() -> int:
    """Migrate the database that the environment names; return the exit status."""
    try:
        dsn = database_url()
        kind = migrate(dsn)
    except ChloeError as error:
        sys.stderr.write(f"chloe migrate: {error}\n")
        return 1
    sys.stdout.write(f"{_place(_plain(dsn))} is at the newest schema ({kind})\n")
    return 0


def _config(folder: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _connect(dsn: str) -> psycopg.Connection:
    try:
        settings = conninfo.conninfo_to_dict(dsn)
        settings.setdefault("connect_timeout", CONNECT_TIMEOUT_SECONDS)
        settings.setdefault("application_name", "chloe migrate")
        return psycopg.connect(**settings)  # type: ignore[arg-type]
    except psycopg.OperationalError as error:
        raise MigrationError(f"cannot connect to {_place(dsn)}: {_one_line(error)}") from error


def _plain(dsn: str) -> str:
    """Take SQLAlchemy's driver out of the URL (``postgresql+asyncpg://``): libpq knows none."""
    return re.sub(r"^(postgres(?:ql)?)\+\w+://", r"\1://", dsn.strip())


def _place(dsn: str) -> str:
    """Say which database, where and as whom; never the password."""
    try:
        settings = conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as error:
        raise MigrationError(f"the database URL cannot be read: {_without_url(error)}") from error
    host, user = settings.get("host", "localhost"), settings.get("user", "the system user")
    return f"database {settings.get('dbname', user)} at {host}:{settings.get('port', 5432)} as {user}"


def _without_url(error: Exception) -> str:
    """Drop what libpq quotes: it may be the URL with its password."""
    return re.sub(r'".*"', "(left out)", _one_line(error))


def _one_line(error: object) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main())
