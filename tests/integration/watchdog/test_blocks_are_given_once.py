"""Flags that block entries become commands exactly once, whoever raised them and however often it is killed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from decision_cases import START
from live_run import BTC, LOOK, NOW, commands_of, looking, on_live_run, stage_at

from services.contracts.messages import CommandGiven
from services.kernel.errors import StartRefused
from services.kernel.flags import change_flag, clear_flag, raise_flag
from services.watchdog import service
from services.watchdog.service import Watchdog, watch

Urls = tuple[str, str]
DIVERGED = "paper_backtest_divergence"


async def raised(pool: Any, name: str, subject: str, detail: str = "2 trades differ", minutes: int = 0) -> None:
    await raise_flag(
        pool, name, subject, severity="critical", blocks="entries", detail=detail, now=NOW + timedelta(minutes=minutes)
    )


def told(commands: list[CommandGiven]) -> list[tuple[str, str | None, str]]:
    return [(command.name, command.subject, command.note) for command in commands]


def test_a_flag_of_whoever_blocks_while_it_is_up_and_the_block_is_lifted_with_it(urls: Urls) -> None:
    async def case(pool: Any, watchdog: Watchdog) -> None:
        await raised(pool, DIVERGED, BTC)
        due = await looking(watchdog, NOW, 3)
        (command,) = await commands_of(pool)
        assert (command.name, command.subject, command.by) == ("block", BTC, "watchdog")
        assert (command.note, command.ts, command.live) == (f"{DIVERGED}: 2 trades differ", NOW, False)
        row = await pool.fetchrow("select id, name, subject, given_by, status, live from commands")
        assert tuple(row) == (command.id, "block", BTC, "watchdog", "pending", False)

        await clear_flag(pool, DIVERGED, BTC, due)
        due = await looking(watchdog, due, 3)
        await raised(pool, DIVERGED, BTC, "3 trades differ", minutes=5)
        await looking(watchdog, due, 3)
        assert told(await commands_of(pool)) == [
            ("block", BTC, f"{DIVERGED}: 2 trades differ"),
            ("unblock", BTC, f"{DIVERGED}: 2 trades differ"),
            ("block", BTC, f"{DIVERGED}: 3 trades differ"),
        ]
        assert await watchdog.redis.xlen("gateway.commands") == 3
        assert await pool.fetchval("select seq from stage_state where stage = 'gateway'") == 3

    on_live_run(urls, case)


def test_a_flag_whose_words_change_is_lifted_and_blocked_anew(urls: Urls) -> None:
    async def case(pool: Any, watchdog: Watchdog) -> None:
        await raised(pool, DIVERGED, "crypto")
        due = await looking(watchdog, NOW, 1)
        await change_flag(pool, DIVERGED, "crypto", severity="critical", blocks="entries", detail="worse", now=due)
        await looking(watchdog, due, 2)
        assert told(await commands_of(pool)) == [
            ("block", "crypto", f"{DIVERGED}: 2 trades differ"),
            ("unblock", "crypto", f"{DIVERGED}: 2 trades differ"),
            ("block", "crypto", f"{DIVERGED}: worse"),
        ]

    on_live_run(urls, case)


def test_flags_that_block_less_and_flags_that_nobody_saw_in_time_give_no_command(urls: Urls) -> None:
    async def case(pool: Any, watchdog: Watchdog) -> None:
        await raised(pool, DIVERGED, BTC)
        await clear_flag(pool, DIVERGED, BTC, NOW)
        await raise_flag(pool, "live_mismatch", BTC, severity="critical", blocks="live", detail="1 unit", now=NOW)
        await raise_flag(pool, "model_drift", BTC, severity="warning", blocks="", detail="50%", now=NOW)
        await stage_at(pool, "risk", START)
        await looking(watchdog, NOW, 10)
        assert await commands_of(pool) == []
        assert await pool.fetchval("select count(*) from system_flags where cleared_at is null") == 3

    on_live_run(urls, case)


class Killed(Exception):
    """The process ends between two statements."""


class Mortal:
    """A pool whose connections, and a client that, end the process at the given call to a server."""

    CALLS = frozenset({"execute", "executemany", "fetch", "fetchrow", "fetchval", "xrange", "pipeline"})

    def __init__(self, inner: Any, counter: Callable[[], None]) -> None:
        self._inner, self._counter = inner, counter

    def __getattr__(self, name: str) -> Any:
        if name in self.CALLS:
            self._counter()
        return getattr(self._inner, name)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        async with self._inner.acquire() as conn:
            yield Mortal(conn, self._counter)


def dying(watchdog: Watchdog, at: int) -> Watchdog:
    """The same watchdog, which is killed at its n-th call to a server."""
    calls = 0

    def counter() -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise Killed

    pool, redis = Mortal(watchdog.pool, counter), Mortal(watchdog.redis, counter)
    return Watchdog(pool, redis, watchdog.settings, watchdog.config_version)


def test_killed_between_any_two_statements_it_gives_and_notes_everything_once(urls: Urls) -> None:
    async def case(pool: Any, watchdog: Watchdog) -> None:
        await watchdog.look(NOW - LOOK)
        at, survived, now, names = 0, False, NOW, list[str]()
        while not survived:
            at += 1
            names.append(f"made_up_{at:03}")
            await raised(pool, names[-1], BTC)
            survived = await killed_at(at, watchdog, now)
            await clear_flag(pool, names[-1], BTC, now + LOOK)
            survived = await killed_at(at, watchdog, now + LOOK) and survived
            now += 2 * LOOK
        assert at > 20, "it was killed at every call that a look makes"
        assert told(await commands_of(pool)) == [
            (command, BTC, f"{name}: 2 trades differ") for name in names for command in ("block", "unblock")
        ]
        assert await pool.fetchval("select seq from stage_state where stage = 'gateway'") == 2 * len(names)
        noted = "select count(*) from notifications where key like $1 and told_at is null"
        assert [await pool.fetchval(noted, kind) for kind in ("raised|%", "cleared|%")] == [len(names)] * 2

    on_live_run(urls, case)


async def killed_at(at: int, watchdog: Watchdog, now: datetime) -> bool:
    """Kill a look at its n-th call and look again after the restart; True where it had ended before."""
    survived = True
    try:
        await dying(watchdog, at).look(now)
    except Killed:
        survived = False
    await watchdog.look(now)
    return survived


def test_a_second_watchdog_on_the_database_is_refused(urls: Urls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PATIENCE_SECONDS", 0.0)

    async def case(pool: Any, watchdog: Watchdog) -> None:
        looked = asyncio.Event()
        first = asyncio.create_task(watch(watchdog, clock=lambda: NOW, looked=looked.set))
        await looked.wait()
        with pytest.raises(StartRefused, match="'watchdog': another process is running it"):
            await watch(watchdog, clock=lambda: NOW)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first

    on_live_run(urls, case)
