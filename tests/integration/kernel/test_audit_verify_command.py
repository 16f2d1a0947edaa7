"""``chloe audit verify`` on a real PostgreSQL: it says that the chain holds, or names the first broken row."""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.cli import main
from services.contracts.messages import CommandGiven, decision_id, encode
from services.kernel.database import connect_pool
from services.phases.chain_check import as_lines
from services.phases.decide import Commanded, on_command, start
from services.phases.service import load_params
from services.phases.store import read_log, save_evaluation

NOW = datetime(2024, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)
ASKED = (("disable", "BTC/USDT"), ("enable", "BTC/USDT"), ("activate", "phase_1_stocks"), ("disable", "NVDA"))
STATE = """
insert into stage_state (stage, state, config_version)
values ('phases', json_build_object('log_seq', $1::bigint, 'log_hash', $2::text), 'cafe')
"""
SWAP = [f"update phase_activation_log set seq = {to} where seq = {at}" for at, to in ((2, 9), (3, 2), (9, 3))]


def _fill(url: str, statements: list[str]) -> bytes:
    async def case() -> bytes:
        params, pool = load_params(), await connect_pool(url, size=1)
        state = start(params)
        async with pool.acquire() as conn:
            for n, (name, subject) in enumerate(ASKED):
                ts = NOW + timedelta(minutes=n)
                given = CommandGiven(ts, decision_id(ts, "test", name), name, subject, "ada", "x", True)  # type: ignore[arg-type]
                state, verdict = on_command(state, Commanded(given, {}), params)
                await save_evaluation(conn, verdict.message, verdict.log)
            assert state.log_seq == len(ASKED)
            await conn.execute(STATE, state.log_seq, state.log_hash)
            for statement in statements:
                assert (await conn.execute(statement)).endswith(" 1")
            exported = as_lines(await read_log(conn))
        await pool.close()
        return exported

    return asyncio.run(case())


Verify = Callable[..., str | None]


@pytest.fixture
def verify(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verify:
    """Type the command; returns the one line it ended with, None where it ended well."""

    def type_it(*statements: str, file: bool = False) -> str | None:
        export = tmp_path / "log.jsonl"
        export.write_bytes(_fill(database_url, list(statements)))
        monkeypatch.setenv("CHLOE_DATABASE_URL", database_url)
        asked = ["--file", str(export)] if file else []
        monkeypatch.setattr(sys, "argv", ["chloe", "audit", "verify", "--data", str(tmp_path / "none"), *asked])
        with pytest.raises(SystemExit) as ended:
            main()
        assert "\n" not in str(ended.value.code)
        return None if ended.value.code in (0, None) else str(ended.value.code)

    return type_it


@pytest.mark.parametrize("file", [False, True])
def test_an_intact_chain_is_told_with_its_last_row(
    verify: Verify, capsys: pytest.CaptureFixture[str], file: bool
) -> None:
    assert verify(file=file) is None
    out = capsys.readouterr().out
    assert "the chain holds: " in out
    assert ("cut off at the end do not show" in out) == file


@pytest.mark.parametrize("file", [False, True])
@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (["update phase_activation_log set given_by = 'eve' where seq = 2"], "broken at seq 2 (2024-06-01T12:"),
        (["delete from phase_activation_log where seq = 2"], "seq 2 is not before it"),
        (SWAP, "broken at seq 2 (2024-06-01T12:"),
    ],
)
def test_the_first_broken_row_is_named(verify: Verify, statements: list[str], told: str, file: bool) -> None:
    said = verify(*statements, file=file)
    assert said is not None
    assert told in said


def test_rows_removed_at_the_end_show_in_the_database(verify: Verify) -> None:
    last = "delete from phase_activation_log where seq = (select max(seq) from phase_activation_log)"
    assert "were written and are missing" in str(verify(last))


def test_a_state_that_cannot_be_read_is_said_and_not_passed_over(verify: Verify) -> None:
    spoilt = """update stage_state set state = '{"log_seq": "x"}' where stage = 'phases'"""
    assert "the phases stage's state cannot be read" in str(verify(spoilt))


def test_a_platform_on_which_nothing_changed_yet_holds(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def begin() -> None:
        pool = await connect_pool(database_url, size=1)
        begun = encode(start(load_params())).decode()
        statement = "insert into stage_state (stage, state, config_version) values ('phases', $1::text::json, 'cafe')"
        await pool.execute(statement, begun)
        await pool.close()

    asyncio.run(begin())
    monkeypatch.setenv("CHLOE_DATABASE_URL", database_url)
    monkeypatch.setattr(sys, "argv", ["chloe", "audit", "verify", "--data", str(tmp_path / "none")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None)
    assert "the chain holds: 0 rows; nothing was activated yet" in capsys.readouterr().out


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["chloe", "audit", "verify", "--file", str(tmp_path / "gone.jsonl")])
    with pytest.raises(SystemExit, match=r"gone\.jsonl: cannot be read: No such file"):
        main()


def test_without_a_platform_or_a_database_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CHLOE_DATABASE_URL", raising=False)
    monkeypatch.setattr(sys, "argv", ["chloe", "audit", "verify", "--data", str(tmp_path / "none")])
    with pytest.raises(SystemExit, match="holds no standalone platform"):
        main()
    monkeypatch.setenv("CHLOE_DATABASE_URL", f"postgresql://postgres@/chloe?host={tmp_path}")
    with pytest.raises(SystemExit, match="CHLOE_DATABASE_URL: the database does not answer"):
        main()
