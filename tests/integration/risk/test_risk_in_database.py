"""Risk's rows, and the halt file as stored commands: given once, whatever is killed and restarted in between."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from decision_cases import HOUR, START, portfolio, position, target, targets_at
from redis.exceptions import ConnectionError as RedisConnectionError

from services.contracts.messages import CommandGiven, OrdersDecided, decision_id, decode
from services.kernel.database import connect_pool
from services.kernel.streams import connect
from services.risk.service import RiskStage, load_stage
from services.risk.state import RiskEvent
from services.risk.switch import follow, look, turn

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAME = decision_id(START, "gateway", "halt")
BTC, ETH = "BTC/USDT", "ETH/USDT"
GIVEN = "select name, note, status, outcome from commands where given_by = 'file switch' order by seq"
SENT = "select body from outbox where topic = 'gateway.commands' and producer = 'gateway' order by seq"


def on_database(url: str, case: Callable[[Any], Awaitable[None]]) -> None:
    async def go() -> None:
        pool = await connect_pool(url, size=3)
        try:
            await case(pool)
        finally:
            await pool.close()

    asyncio.run(go())


async def restarted(pool: Any, before: RiskStage | None) -> RiskStage:
    stage = load_stage()
    async with pool.acquire() as conn:
        await stage.restore(conn, None if before is None else before.dump())
    return stage


async def slice_of(pool: Any, stage: RiskStage, n: int, *commands: CommandGiven, held: str | None = None) -> Any:
    ts = START + n * HOUR
    books = portfolio("2500", *([position(BTC, held, "100", "96")] if held else []), ts=ts)
    event = RiskEvent(targets_at(ts, target(BTC, "BUY", 0.3), target(ETH, "BUY", 0.2)), books, (), commands)
    async with pool.acquire() as conn, conn.transaction():
        (decided,) = await stage.handle(conn, [event])
    assert isinstance(decided, OrdersDecided)
    return decided


async def sent(pool: Any) -> list[CommandGiven]:
    messages = [decode(row[0]) for row in await pool.fetch(SENT)]
    assert all(isinstance(message, CommandGiven) for message in messages)
    return messages  # type: ignore[return-value]


def test_orders_and_refusals_are_stored_with_the_table_and_what_bit_with_its_figures(database_url: str) -> None:
    async def case(pool: Any) -> None:
        stage = await restarted(pool, None)
        await slice_of(pool, stage, 0, held="5")
        rows = await pool.fetch("select symbol, status, reason, checks::text as checks from orders order by symbol")
        assert [(r["symbol"], r["status"], r["reason"]) for r in rows] == [
            (BTC, "approved", "increase"), (ETH, "approved", "entry"),
        ]  # fmt: skip
        for row in rows:
            names = [check["name"] for check in json.loads(row["checks"])]
            assert {"asset_enabled", "heat", "correlated", "cooldown"} <= set(names)
        halted = CommandGiven(START, NAME, "halt", None, "ada", "news")
        await slice_of(pool, stage, 1, halted)
        events = await pool.fetch("select symbol, name, severity, detail from risk_events where ts > $1", START)
        assert sorted(tuple(r) for r in events if r["symbol"] is None) == [
            (None, "halt", "critical", "halted by ada: news")
        ]
        refused = await pool.fetch("select symbol, detail, checks is null from orders where status = 'refused'")
        assert sorted(tuple(r) for r in refused) == [
            (BTC, "trading is halted: halted by ada: news", False),
            (ETH, "trading is halted: halted by ada: news", False),
        ]

    on_database(database_url, case)


def test_the_halt_file_becomes_one_stored_command_and_its_removal_another(database_url: str, tmp_path: Path) -> None:
    async def case(pool: Any) -> None:
        file = tmp_path / "HALT"
        async with pool.acquire() as conn:
            assert await turn(conn, look(file), "v1", NOW) is None
            file.write_text("exchange down\n")
            for _ in range(3):
                await turn(conn, look(file), "v1", NOW)
        (given,) = await sent(pool)
        assert (given.name, given.by, given.note) == ("halt", "file switch", "exchange down")

        stage = await restarted(pool, None)
        decided = await slice_of(pool, stage, 0, given, held="5")
        assert decided.halted == "halted by file switch: exchange down"
        assert not [o for o in decided.orders if not o.reduce_only]
        stage = await restarted(pool, stage)
        assert (await slice_of(pool, stage, 1)).halted == decided.halted, "it survives a restart"

        file.unlink()
        async with pool.acquire() as conn:
            for _ in range(3):
                await turn(conn, look(file), "v2", NOW)
        _, resumed = await sent(pool)
        stage = await restarted(pool, stage)
        after = await slice_of(pool, stage, 2, resumed)
        assert after.halted is None
        assert [o.symbol for o in after.orders] == [BTC, ETH]
        rows = [tuple(row) for row in await pool.fetch(GIVEN)]
        assert [row[:3] for row in rows] == [("halt", "exchange down", "done"), ("resume", "the file is gone", "done")]
        assert all(row[3].startswith("in force from slice") for row in rows)
        events = await pool.fetch("select name, detail from risk_events where symbol is null order by ts")
        assert [row[0] for row in events] == ["halt", "resume"]

    on_database(database_url, case)


def test_two_watchers_at_once_give_one_command(database_url: str, tmp_path: Path) -> None:
    async def case(pool: Any) -> None:
        (tmp_path / "HALT").write_text("both see it")
        seen = look(tmp_path / "HALT")

        async def one() -> Any:
            async with pool.acquire() as conn:
                return await turn(conn, seen, "v1", NOW)

        outs = await asyncio.gather(one(), one(), one())
        assert sum(out is not None for out in outs) == 1
        assert len(await sent(pool)) == 1

    on_database(database_url, case)


class Stopped(Exception):
    """The watcher is killed."""


@pytest.mark.parametrize("outage", [False, True])
def test_a_watcher_that_is_killed_and_started_again_neither_loses_nor_doubles(
    database_url: str, redis_url: str, tmp_path: Path, outage: bool
) -> None:
    async def case(pool: Any) -> None:
        file, redis = tmp_path / "HALT", connect(redis_url)
        publish = redis.pipeline

        def away(*_: object, **__: object) -> Any:
            raise RedisConnectionError("made up")

        async def watch(looks: int) -> None:
            left = looks

            async def pause(_: float) -> None:
                nonlocal left
                left -= 1
                if left == 0:
                    raise Stopped

            with pytest.raises(Stopped):
                await follow(pool, redis, file, "v1", pause=pause)

        try:
            redis.pipeline = away if outage else publish
            await watch(2)
            file.write_text("a")
            for looks in (1, 3, 1):
                await watch(looks)
            file.unlink()
            for looks in (1, 2):
                await watch(looks)
            assert [given.name for given in await sent(pool)] == ["halt", "resume"]
            assert await pool.fetchval("select seq from stage_state where stage = 'gateway'") == 2
            assert await redis.xlen("gateway.commands") == (0 if outage else 2)
        finally:
            await redis.aclose()

    on_database(database_url, case)


def test_flattening_goes_on_after_a_restart_until_nothing_is_held(database_url: str) -> None:
    async def case(pool: Any) -> None:
        stage = await restarted(pool, None)
        flatten = CommandGiven(START, NAME, "flatten", None, "ada")
        for n, (commands, held) in enumerate([((flatten,), "5"), ((), "5"), ((), "2"), ((), None)]):
            stage = await restarted(pool, stage)
            decided = await slice_of(pool, stage, n, *commands, held=held)
            closed = [(o.reason, o.quantity) for o in decided.orders]
            assert closed == ([("flatten", Decimal(held))] if held else [])
            assert decided.halted == "flattened by ada"

    on_database(database_url, case)
