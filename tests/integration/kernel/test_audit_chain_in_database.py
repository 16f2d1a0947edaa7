"""The audit chain as PostgreSQL keeps it: read back it holds, and a row changed by hand is found."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from services.contracts.messages import CommandGiven, decision_id
from services.kernel.database import connect_pool
from services.phases.chain import first_broken
from services.phases.decide import Commanded, on_command, start
from services.phases.service import load_params
from services.phases.store import read_log, save_evaluation

NOW = datetime(2024, 6, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=-3)))


async def _write_log(conn: Any) -> None:
    params = load_params()
    state = start(params)
    asked = [("disable", "BTC/USDT"), ("enable", "BTC/USDT"), ("activate", "phase_1_stocks"), ("disable", "NVDA")]
    for n, (name, subject) in enumerate(asked):
        ts = NOW + timedelta(minutes=n)
        given = CommandGiven(ts, decision_id(ts, "test", name), name, subject, "ada", 'a "note"', True)  # type: ignore[arg-type]
        state, verdict = on_command(state, Commanded(given, {}), replace(params))
        assert verdict.refusal is None
        await save_evaluation(conn, verdict.message, verdict.log)


def _broken_after(url: str, statement: str | None) -> int | None:
    async def case() -> int | None:
        pool = await connect_pool(url, size=1)
        try:
            async with pool.acquire() as conn:
                await _write_log(conn)
                if statement is not None:
                    assert (await conn.execute(statement)).endswith(" 1")
                return first_broken(await read_log(conn))
        finally:
            await pool.close()

    return asyncio.run(case())


def test_the_chain_holds_when_read_back(database_url: str) -> None:
    assert _broken_after(database_url, None) is None
    assert NOW.tzinfo is not UTC


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("given_by = 'eve' where seq = 2", 2),
        ("forced = false where seq = 3", 3),
        ("ts = ts + interval '1 microsecond' where seq = 1", 1),
        ("evidence = '{}' where seq = 3", 3),
        ("subject = 'TSLA' where seq = 4", 4),
    ],
)
def test_a_row_changed_by_hand_is_the_first_broken(database_url: str, change: str, broken: int) -> None:
    assert _broken_after(database_url, f"update phase_activation_log set {change}") == broken


def test_a_row_removed_by_hand_breaks_the_next(database_url: str) -> None:
    assert _broken_after(database_url, "delete from phase_activation_log where seq = 2") == 3
