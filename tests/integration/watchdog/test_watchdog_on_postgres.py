"""The watchdog on a stored run: what each fault raises, that it clears by itself, and that a replay is left alone."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from decision_cases import portfolio, position
from live_run import BTC, HOUR, LOOK, NOON, NOW, SETTINGS, flags_of, looking, on_live_run, settle, stage_at

from services.kernel.flags import raise_flag
from services.kernel.streams import connect
from services.watchdog.service import Watchdog

Urls = tuple[str, str]
SELDOM = timedelta(seconds=100)
"""As seldom as two looks still count as one after the other."""
Fault = Callable[[Any], Awaitable[None]]
DETAILS = "select detail from system_flags order by raised_at, name, subject"


def looks_of(seconds: float) -> int:
    """So many looks until something that holds from the first one on has held for so long."""
    return int(seconds // LOOK.total_seconds()) + 1


def test_where_all_is_well_no_flag_is_raised(urls: Urls) -> None:
    async def case(pool: Any, watchdog: Watchdog) -> None:
        await looking(watchdog, NOW, 20)
        assert await flags_of(pool) == []
        row = await pool.fetchrow("select config_version, slice_ts from stage_state where stage = 'watchdog'")
        assert tuple(row) == ("cafe", None)

    on_live_run(urls, case)


@pytest.mark.parametrize("mode", ["replay", None])
def test_a_replay_and_an_empty_database_are_left_alone(urls: Urls, mode: str | None) -> None:
    async def case(pool: Any, watchdog: Watchdog) -> None:
        await pool.execute("update run set mode = 'replay'" if mode else "delete from run")
        await pool.execute("update portfolio_equity set cash = cash + 1")
        await looking(watchdog, NOW + 100 * HOUR, 20)
        assert await flags_of(pool) == []
        assert await pool.fetchval("select count(*) from stage_state where stage = 'watchdog'") == 0
        assert await pool.fetchval("select count(*) from notifications") == 0

    on_live_run(urls, case)


async def risk_stuck(pool: Any) -> None:
    await stage_at(pool, "risk", NOON - 2 * HOUR)


async def research_stuck(pool: Any) -> None:
    midnight = NOON.replace(hour=0)
    await pool.execute(
        "insert into slices values ($1, '1h', 12, '{}', $1) on conflict (timeframe, ts) do update set closed_at = $1",
        midnight,
    )
    await stage_at(pool, "research", midnight - HOUR)


async def feed_gone(pool: Any) -> None:
    await pool.execute("update candles set ts = $2 where symbol = $1", BTC, NOON - 4 * HOUR)


async def books_tampered_with(pool: Any) -> None:
    await pool.execute("update positions set market_value = market_value + 0.00000001")


async def equity_tampered_with(pool: Any) -> None:
    await pool.execute("update portfolio_equity set equity = equity + 1")


async def fill_lost(pool: Any) -> None:
    await pool.execute("delete from fills")


async def senseless_wish(pool: Any) -> None:
    await pool.execute(
        "insert into risk_events values (gen_random_uuid(), $1, $2, 'figures', 'info', null, null, 'a close of 0'),"
        " (gen_random_uuid(), $1, $2, 'heat', 'info', 625, 700, 'cut to nothing')",
        NOON, BTC,
    )  # fmt: skip


async def bad_source(pool: Any) -> None:
    await pool.execute(
        "insert into refused_candles (symbol, timeframe, source, place, reason, raw, refused_at)"
        " select $1, '1h', 'bybit', n::text, 'high < low', '', $2 from generate_series(1, 20) n",
        BTC, NOW - timedelta(minutes=5),
    )  # fmt: skip


async def refused_script(pool: Any) -> None:
    await pool.execute(
        "insert into commands (id, name, given_by, status, given_at)"
        " select gen_random_uuid(), 'enable', 'operate', 'refused', $1 from generate_series(1, 10)",
        NOW - timedelta(minutes=5),
    )


async def drifted_long(pool: Any) -> None:
    await raise_flag(pool, "model_drift", BTC, severity="warning", blocks="", detail="50%", now=NOW - timedelta(days=8))


async def dear_fills(pool: Any) -> None:
    fills = (
        "insert into fills"
        " (id, ts, symbol, asset_class, side, quantity, price, fee, slippage, reason, settled_at, cash)"
        " select gen_random_uuid(), $1::timestamptz - n * interval '1 hour', $2, 'crypto', 'buy', 1, 100, 0, $3,"
        " 'entry', $1, 0 from generate_series(1, $4::integer) n"
    )
    await pool.execute(fills, NOW - timedelta(days=2), BTC, Decimal("0.02"), 20)
    await pool.execute(fills, NOW, BTC, Decimal("0.08"), 3)


FAULTS: list[tuple[Fault, str, str, str]] = [
    (risk_stuck, "stage_lag", "risk", "it has not handled the slice of 2026-03-04 11:00, which was there at 11:00:20"),
    (research_stuck, "stage_lag", "research", "slice of 2026-03-04 00:00, which was there at 00:00:00"),
    (feed_gone, "stale_feed", BTC, "3 bars of 1h are missing; its newest opened at 2026-03-04 08:00"),
    (books_tampered_with, "equity_mismatch", "all", "the table's positions differ from the books' by 1E-8"),
    (equity_tampered_with, "equity_mismatch", "all", "the table's equity differs from the books' by 1.00000000"),
    (fill_lost, "equity_mismatch", "all", "the cash that all fills and charges give differs from the books' by 500"),
    (senseless_wish, "senseless_orders", BTC, "1 wishes that make no sense"),
    (bad_source, "refused_candles", "bybit", "20 impossible candles within 1:00:00"),
    (refused_script, "refused_commands", "all", "10 refused commands within 0:10:00"),
    (drifted_long, "drift_lasting", BTC, "has been up since 2026-02-24"),
    (dear_fills, "abnormal_slippage", BTC, "8.0 bps, median of 3 in 24 hours, against 2.0 usually (20 fills)"),
]


@pytest.mark.parametrize(("fault", "name", "subject", "words"), FAULTS, ids=[row[0].__name__ for row in FAULTS])
def test_a_fault_raises_its_flag_once_it_has_lasted(
    urls: Urls, fault: Fault, name: str, subject: str, words: str
) -> None:
    check = SETTINGS.checks.of(name)

    async def case(pool: Any, watchdog: Watchdog) -> None:
        await fault(pool)
        needed = looks_of(check.raise_after_seconds)
        due = await looking(watchdog, NOW, needed - 1)
        ours = "select name, subject, severity, blocks from system_flags where name <> 'model_drift'"
        assert await pool.fetch(ours) == [], "not before its time"
        await looking(watchdog, due, 10)
        assert [tuple(row) for row in await pool.fetch(ours)] == [(name, subject, check.severity, check.blocks)]
        details = [row[0] for row in await pool.fetch(DETAILS)]
        assert any(words in detail for detail in details), details

    on_live_run(urls, case)


def test_a_flag_comes_down_by_itself_once_its_condition_has_been_over_long_enough(urls: Urls) -> None:
    async def case(pool: Any, watchdog: Watchdog) -> None:
        await risk_stuck(pool)
        due = await looking(watchdog, NOW, looks_of(60))
        assert await flags_of(pool) == [("stage_lag", "risk", True)]
        await stage_at(pool, "risk", NOON)
        over = due
        due = await looking(watchdog, due, looks_of(300) - 1)
        assert await flags_of(pool) == [("stage_lag", "risk", True)], "not before its time"
        await looking(watchdog, due, 1)
        assert await flags_of(pool) == [("stage_lag", "risk", False)]
        assert await pool.fetchval("select cleared_at from system_flags") == over + timedelta(seconds=300)

    on_live_run(urls, case)


async def dead_flags(pool: Any) -> list[tuple[str, str, bool]]:
    """Leave out what hours without a new slice raise besides."""
    return [flag for flag in await flags_of(pool) if flag[0] == "dead_letters"]


def test_unreadable_messages_are_counted_while_redis_answers_and_left_as_they_are_while_not(urls: Urls) -> None:
    async def case(pool: Any, watchdog: Watchdog) -> None:
        milliseconds = int(NOW.timestamp() * 1000)
        await watchdog.redis.xadd("dead.risk.orders", {"reason": "old"}, id=f"{milliseconds - 7_200_000}-0")
        for n in range(3):
            await watchdog.redis.xadd("dead.risk.orders", {"reason": "no JSON"}, id=f"{milliseconds - 1000 + n}-0")
        due = await looking(watchdog, NOW, 1)
        assert await dead_flags(pool) == [("dead_letters", "risk.orders", True)]
        assert await pool.fetchval(DETAILS) == "3 unreadable or forged messages within 1:00:00"
        redis, watchdog.redis = watchdog.redis, connect("unix:///nowhere/redis.sock")
        try:
            due = await looking(watchdog, due, 108, SELDOM)
            assert await dead_flags(pool) == [("dead_letters", "risk.orders", True)]
        finally:
            await watchdog.redis.aclose()
            watchdog.redis = redis
        await looking(watchdog, due, 37, SELDOM)
        assert await dead_flags(pool) == [("dead_letters", "risk.orders", False)]

    on_live_run(urls, case)


def test_the_next_books_are_reckoned_up_too_and_flags_of_others_are_never_touched(urls: Urls) -> None:
    async def case(pool: Any, watchdog: Watchdog) -> None:
        await raise_flag(
            pool, "paper_backtest_divergence", BTC, severity="critical", blocks="live", detail="2 trades", now=NOW
        )
        await looking(watchdog, NOW, 3)
        later = NOON + HOUR
        gain = {"starting_cash": Decimal(2500), "unrealised_pnl": Decimal(1)}
        await settle(pool, 2, later, portfolio("2501", position(BTC, "0.5", "1002"), ts=later, **gain))
        await pool.execute("insert into slices values ($1, '1h', 12, '{}', $1)", later)
        for stage in ("clock", "inference", "signals", "risk", "execution"):
            await stage_at(pool, stage, later)
        await pool.execute("update candles set ts = ts + interval '1 hour'")
        await looking(watchdog, later + timedelta(seconds=60), 100)
        assert await flags_of(pool) == [("paper_backtest_divergence", BTC, True)]

    on_live_run(urls, case)
