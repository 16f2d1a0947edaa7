"""People are told of changes, flags and halts: in order, at least once, and never in the way of watching."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from live_run import BTC, LOOK, NOON, NOW, SETTINGS, looking, on_live_run
from loopback import Asked, Loopback, Told, loopback
from structlog.testing import capture_logs

from services.kernel.errors import StartRefused
from services.kernel.flags import clear_flag, raise_flag
from services.watchdog import notices
from services.watchdog.notify import Receiver, tell, tell_next
from services.watchdog.service import Watchdog

Urls = tuple[str, str]
NOTIFY = SETTINGS.notify
SECRET = "/hook/9c1f0e7d"


def ok(_: Asked) -> Told:
    return Told({})


async def happenings(pool: Any) -> None:
    """An activation, a halt and its end, a flag that came and went, and one that nobody needs to hear of."""
    await pool.execute(
        "insert into phase_activation_log values (1, gen_random_uuid(), $1, 'phase_1_stocks', 'activated', 'chloe',"
        " 'ready at the day''s end', false, '{}', '', 'h1'),"
        " (2, gen_random_uuid(), $2, 'AVAX/USDT', 'live_enabled', 'live (kim)', '', true, '{}', 'h1', 'h2')",
        NOON, NOON + timedelta(seconds=1),
    )  # fmt: skip
    await pool.execute(
        "insert into risk_events values"
        " (gen_random_uuid(), $1, null, 'halt', 'critical', null, null, 'daily loss limit: 5.1 %'),"
        " (gen_random_uuid(), $2, null, 'resume', 'info', null, null, 'trading goes on'),"
        " (gen_random_uuid(), $1, 'BTC/USDT', 'heat', 'info', null, null, 'cut')",
        NOON + timedelta(seconds=2), NOON + timedelta(seconds=3),
    )  # fmt: skip
    at = NOON + timedelta(seconds=4)
    await raise_flag(pool, "sources_disagree", BTC, severity="warning", blocks="entries", detail="a and b", now=at)
    await raise_flag(pool, "refused_commands", "all", severity="info", blocks="", detail="10", now=at)
    await clear_flag(pool, "sources_disagree", BTC, at + timedelta(seconds=1))


TITLES = [
    "phase_1_stocks activated",
    "AVAX/USDT live enabled, forced",
    "Trading is halted",
    "Trading goes on",
    "Warning: sources_disagree BTC/USDT",
    "Over: sources_disagree BTC/USDT",
]


async def told_all(pool: Any, receiver: Receiver, turns: int = 100) -> list[float]:
    """Tell until nothing waits; returns the pauses that were asked for."""
    pauses: list[float] = []
    for _ in range(turns):
        pause = await tell_next(pool, receiver, NOTIFY)
        if pause == NOTIFY.poll_seconds and await notices.waiting(pool) is None:
            return pauses
        pauses.append(pause or 0.0)
    raise AssertionError("something waits for ever")


def with_receiver(urls: Urls, respond: Callable[[Asked], Told], case: Callable[..., Any]) -> Loopback:
    """Run a case with a receiver on this machine."""

    async def go(pool: Any, watchdog: Watchdog) -> None:
        await watchdog.look(NOW - LOOK)
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            await case(pool, watchdog, Receiver(server.url + SECRET, client))

    with loopback(respond) as server:
        on_live_run(urls, go)
    return server


def test_everything_is_told_in_order_once_and_as_json(urls: Urls) -> None:
    async def case(pool: Any, watchdog: Watchdog, receiver: Receiver) -> None:
        await happenings(pool)
        await looking(watchdog, NOW, 5)
        assert await told_all(pool, receiver) == [0.0] * 6
        await looking(watchdog, NOW + timedelta(minutes=5), 5)
        assert await told_all(pool, receiver) == []

    server = with_receiver(urls, ok, case)
    bodies = [json.loads(asked.body) for asked in server.asked]
    assert [body["title"] for body in bodies] == TITLES
    assert bodies[0] == {
        "title": "phase_1_stocks activated",
        "text": "By chloe: ready at the day's end.",
        "subject": "phase_1_stocks",
        "at": "2026-03-04T12:00:00+00:00",
    }
    assert [body["text"] for body in bodies[1:]] == [
        "By live (kim).",
        "daily loss limit: 5.1 %",
        "trading goes on",
        "a and b. Entries are blocked.",
        "It was: a and b",
    ]
    assert {(a.method, a.path, a.headers["content-type"]) for a in server.asked} == {
        ("POST", SECRET, "application/json")
    }


def test_what_was_before_the_first_start_is_no_news(urls: Urls) -> None:
    async def case(pool: Any, watchdog: Watchdog) -> None:
        await happenings(pool)
        await looking(watchdog, NOW, 3)
        assert await notices.waiting(pool) is None
        assert await pool.fetchval("select count(*) from notifications where told_at is not null") == 6
        await raise_flag(pool, "later", BTC, severity="critical", blocks="live", detail="new", now=NOW)
        await looking(watchdog, NOW + LOOK, 3)
        one = await notices.waiting(pool)
        assert one is not None
        assert (one.title, one.text) == ("Critical: later BTC/USDT", "new. Live entries are blocked.")

    on_live_run(urls, case)


def test_what_is_stored_later_than_the_time_that_it_bears_is_told_all_the_same(urls: Urls) -> None:
    async def case(pool: Any, watchdog: Watchdog) -> None:
        await looking(watchdog, NOW + timedelta(days=29), 2)
        await happenings(pool)
        await looking(watchdog, NOW + timedelta(days=29, minutes=1), 2)
        rows = await pool.fetch("select title from notifications where told_at is null and subject <> 'clock'")
        assert set(TITLES) <= {row[0] for row in rows}

    on_live_run(urls, case)


def test_a_receiver_that_fails_for_a_while_misses_nothing_and_hears_it_in_order(urls: Urls) -> None:
    failures = iter([503, 500, 429, 200, 200, 502, 200, 200, 200, 200])

    async def case(pool: Any, watchdog: Watchdog, receiver: Receiver) -> None:
        await happenings(pool)
        await looking(watchdog, NOW, 1)
        assert await told_all(pool, receiver) == [5.0, 10.0, 20.0, 0.0, 0.0, 5.0, 0.0, 0.0, 0.0, 0.0]

    server = with_receiver(urls, lambda _: Told({}, next(failures)), case)
    heard = [json.loads(asked.body)["title"] for asked in server.asked]
    assert list(dict.fromkeys(heard)) == TITLES
    assert heard.count(TITLES[0]) == 4


def test_after_the_last_try_the_next_one_has_its_turn_and_the_log_has_both(urls: Urls) -> None:
    async def case(pool: Any, watchdog: Watchdog, receiver: Receiver) -> None:
        await raise_flag(pool, "first", BTC, severity="critical", blocks="", detail="a", now=NOW)
        await raise_flag(pool, "second", BTC, severity="critical", blocks="", detail="b", now=NOW + LOOK)
        await watchdog.look(NOW)
        with capture_logs() as lines:
            pauses = await told_all(pool, receiver)
        assert pauses == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 0.0, 0.0]
        said = [(line["event"], line["title"]) for line in lines]
        assert said == [
            ("notification", "Critical: first BTC/USDT"),
            ("notification given up", "Critical: first BTC/USDT"),
            ("notification", "Critical: second BTC/USDT"),
        ]
        assert lines[1]["reason"] == "status 500"
        rows = await pool.fetch("select tries, told_at is not null, given_up from notifications order by seq")
        assert [tuple(row) for row in rows] == [(8, False, True), (1, True, False)]

    with_receiver(urls, lambda asked: Told({}, 500 if "first" in asked.body else 200), case)


def test_watching_goes_on_while_the_receiver_keeps_one_waiting(urls: Urls) -> None:
    async def case(pool: Any, watchdog: Watchdog) -> None:
        asked, answered = asyncio.Event(), asyncio.Event()

        async def soon(_: float) -> None:
            await asyncio.sleep(0)

        async def held(_: httpx.Request) -> httpx.Response:
            asked.set()
            await answered.wait()
            return httpx.Response(200)

        await watchdog.look(NOW - LOOK)
        async with httpx.AsyncClient(transport=httpx.MockTransport(held)) as client:
            telling = asyncio.create_task(tell(pool, Receiver("https://hook.test/x", client), NOTIFY, pause=soon))
            await raise_flag(pool, "first", BTC, severity="critical", blocks="entries", detail="a", now=NOW)
            await watchdog.look(NOW)
            await asked.wait()
            await clear_flag(pool, "first", BTC, NOW)
            await looking(watchdog, NOW + LOOK, 3)
            assert await pool.fetchval("select count(*) from commands") == 2
            assert await pool.fetchval("select count(*) from notifications where told_at is null") == 2
            telling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await telling
        one = await notices.waiting(pool)
        assert one is not None
        assert (one.title, one.tries) == ("Critical: first BTC/USDT", 1), "killed while asking: it is told again"

    on_live_run(urls, case)


@pytest.mark.parametrize("status", [200, 500, None])
def test_the_address_stands_in_no_line_and_in_no_row(urls: Urls, status: int | None) -> None:
    async def case(pool: Any, watchdog: Watchdog, receiver: Receiver) -> None:
        if status is None:
            receiver = Receiver(f"http://127.0.0.1:1{SECRET}", receiver.client)
        await happenings(pool)
        await watchdog.look(NOW)
        with capture_logs() as lines:
            await told_all(pool, receiver)
        assert len(lines) >= 6
        rows = await pool.fetch("select n::text from notifications n")
        assert SECRET not in f"{lines} {rows}"
        assert "127.0.0.1" not in f"{lines} {rows}"

    with_receiver(urls, lambda _: Told({}, status or 200), case)


@pytest.mark.parametrize("url", ["ftp://hook.test/9c1f0e7d", "9c1f0e7d", "https:///9c1f0e7d"])
def test_an_address_that_is_none_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(StartRefused, match=r"^CHLOE_NOTIFY_URL: no address of a receiver") as refused:
        Receiver(url, httpx.AsyncClient())
    assert "9c1f0e7d" not in str(refused.value)


def test_without_an_address_the_log_alone_says_it(urls: Urls) -> None:
    async def case(pool: Any, watchdog: Watchdog) -> None:
        await watchdog.look(NOW - LOOK)
        await happenings(pool)
        await watchdog.look(NOW)
        async with httpx.AsyncClient() as client:
            with capture_logs() as lines:
                await told_all(pool, Receiver(None, client))
        assert [line["title"] for line in lines] == TITLES
        assert {line["log_level"] for line in lines} == {"warning"}

    on_live_run(urls, case)
