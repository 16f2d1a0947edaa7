"""Migrate the database as its owner, fill its registries, then let two logins in: the services' and the readers'.

The schema's migrations make the group roles ``chloe_service`` and ``chloe_reader`` and say what each may do; the logins
belong to this installation, for their passwords are its secrets. Running it again renews both passwords.
"""

import asyncio
import sys
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql

from services.kernel.database import connect_pool
from services.kernel.errors import ChloeError
from services.kernel.migrate import migrate
from services.kernel.settings import from_environment, read_secret
from services.phases.decide import PhasesParams
from services.phases.service import load_params
from services.phases.store import seed

SECRETS = Path("/run/secrets")


class Login(NamedTuple):
    """A role that may log in, the group whose rights it has, its secret and its settings."""

    name: str
    group: str
    secret: str
    settings: tuple[tuple[str, str], ...] = ()


LOGINS = (
    Login("chloe_app", "chloe_service", "database_app"),
    # People's queries: they can change nothing and cannot hold the server up.
    Login(
        "grafana_reader",
        "chloe_reader",
        "database_reader",
        (("default_transaction_read_only", "on"), ("statement_timeout", "30s")),
    ),
)


def admit(connection: psycopg.Connection, login: Login, password: str) -> None:
    """Create or renew a login; the server is sent a SCRAM verifier, so the password reaches no log of its own."""
    name, group = sql.Identifier(login.name), sql.Identifier(login.group)
    verifier = connection.pgconn.encrypt_password(password.encode(), login.name.encode(), b"scram-sha-256").decode()
    known = connection.execute("select from pg_roles where rolname = %s", [login.name]).fetchone() is not None
    verb = sql.SQL("alter" if known else "create")
    connection.execute(sql.SQL("{} role {} login password {}").format(verb, name, sql.Literal(verifier)))
    connection.execute(sql.SQL("grant {} to {}").format(group, name))
    for setting, value in login.settings:
        connection.execute(
            sql.SQL("alter role {} set {} = {}").format(name, sql.Identifier(setting), sql.Literal(value))
        )


def close_to_others(connection: psycopg.Connection) -> None:
    """Let nobody connect to this database but its owner and the members of the two groups."""
    database = sql.Identifier(connection.info.dbname)
    connection.execute(sql.SQL("revoke all on database {} from public").format(database))
    connection.execute(sql.SQL("grant connect on database {} to chloe_service, chloe_reader").format(database))
    # candles arrive by COPY into a temporary table
    connection.execute(sql.SQL("grant temporary on database {} to chloe_service").format(database))


async def fill_registries(dsn: str, params: PhasesParams) -> None:
    """Bring the registries to the configuration's facts; what has been activated or enabled stays."""
    async with await connect_pool(dsn, size=1) as pool, pool.acquire() as conn, conn.transaction():
        await seed(conn, params)


def prepare(dsn: str, secrets: Path) -> str:
    """Migrate, fill the registries, make the logins; return the kind of server. A second run only renews passwords.

    Raises ChloeError for a wrong configuration or password before it touches the database.
    """
    passwords = {login: read_secret(secrets / login.secret) for login in LOGINS}
    params = load_params()
    kind = migrate(dsn)
    asyncio.run(fill_registries(dsn, params))
    with psycopg.connect(dsn) as connection:
        close_to_others(connection)
        for login, password in passwords.items():
            admit(connection, login, password)
    return kind


def main() -> int:
    """Prepare the database that ``CHLOE_DATABASE_URL`` names."""
    try:
        kind = prepare(from_environment().database(), SECRETS)
    except (ChloeError, psycopg.Error) as error:
        sys.stderr.write(f"prepare_database: {' '.join(str(error).split())}\n")
        return 1
    sys.stdout.write(f"the database is at the newest schema ({kind}); logins: {', '.join(x.name for x in LOGINS)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
