"""How the HTTP client paces itself: rate, daily cap, retries, Retry-After and the circuit breaker. No clock runs."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording import Recorder, answering

from services.kernel.http import BACKOFF_MAX_S, LONGEST_WAIT_S, Http, Policy, Reply, retry_after_s
from services.kernel.provider_errors import BudgetSpent, RateLimited, SourceDown

POLICY = Policy(requests=1000, per_seconds=1, breaker_failures=100)
OK = httpx.Response(200, json={"fine": True})
DOWN = httpx.Response(503)


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def client(recorder: Recorder, policy: Policy = POLICY, **more: Any) -> Http:
    return recorder.http("shop", "https://shop.example/v1", policy, **more)


def test_waits_when_the_window_is_full() -> None:
    recorder = Recorder(answering(OK))
    http = client(recorder, Policy(requests=2, per_seconds=10))

    async def five() -> None:
        await asyncio.gather(*(http.get("/x") for _ in range(5)))

    run(five())
    assert recorder.time.slept == [10.0, 10.0]
    assert len(recorder.requests) == 5


@given(
    pauses=st.lists(st.floats(0, 20), min_size=1, max_size=30),
    requests=st.integers(1, 5),
    per_seconds=st.floats(0.1, 60),
)
def test_any_stretch_of_the_window_holds_no_more_than_allowed(
    pauses: list[float], requests: int, per_seconds: float
) -> None:
    recorder, stamps = Recorder(answering(OK)), []
    http = client(recorder, Policy(requests=requests, per_seconds=per_seconds))

    async def paced() -> None:
        for pause in pauses:
            recorder.time.now += pause
            await http.get("/x")
            stamps.append(recorder.time.now)

    run(paced())
    apart = [later - earlier for earlier, later in zip(stamps, stamps[requests:], strict=False)]
    assert all(gap >= per_seconds - 1e-9 for gap in apart)


def test_retries_count_towards_the_rate() -> None:
    recorder = Recorder(answering(DOWN, DOWN, OK))
    run(client(recorder, Policy(requests=1, per_seconds=30)).get("/x"))
    assert recorder.time.now - 1000.0 == pytest.approx(60.0)


def test_a_spent_day_is_said_at_once_and_ends() -> None:
    recorder = Recorder(answering(OK))
    http = client(recorder, replace(POLICY, per_day=2))

    async def three() -> None:
        await http.get("/x")
        recorder.time.now += 3600
        await http.get("/x")
        with pytest.raises(BudgetSpent, match="shop GET /x: the 2 requests of a day are used up") as spent:
            await http.get("/x")
        assert spent.value.until_s == pytest.approx(82_800)
        recorder.time.now += 82_800
        await http.get("/x")

    run(three())
    assert len(recorder.requests) == 3
    assert recorder.time.slept == []


def test_a_budget_the_provider_calls_spent_is_not_asked_for_again() -> None:
    recorder = Recorder(answering(OK))

    def check(_: Reply) -> None:
        raise BudgetSpent("come back tomorrow", until_s=500)

    http = client(recorder, check=check)

    async def twice() -> None:
        for _ in range(2):
            with pytest.raises(BudgetSpent):
                await http.get("/x")

    run(twice())
    assert len(recorder.requests) == 1


@pytest.mark.parametrize(
    "failure", [DOWN, httpx.ReadTimeout("slow"), httpx.ConnectError("refused"), httpx.Response(200, text="<html>")]
)
def test_recovers_from_a_passing_failure(failure: httpx.Response | Exception) -> None:
    recorder = Recorder(answering(failure, OK))
    assert run(client(recorder).get("/x")).json() == {"fine": True}
    assert len(recorder.requests) == 2
    assert len(recorder.time.slept) == 1


def test_waits_between_tries_are_drawn_with_full_jitter() -> None:
    first: list[float] = []
    for _ in range(40):
        recorder = Recorder(answering(DOWN))
        with pytest.raises(SourceDown):
            run(client(recorder, replace(POLICY, attempts=9)).get("/x"))
        assert len(recorder.time.slept) == 8
        assert all(0 <= pause <= min(BACKOFF_MAX_S, 0.5 * 2**n) for n, pause in enumerate(recorder.time.slept, 1))
        first.append(recorder.time.slept[0])
    assert min(first) < 0.3
    assert max(first) > 0.7


def test_gives_up_after_the_attempts_of_the_policy() -> None:
    recorder = Recorder(answering(DOWN))
    with pytest.raises(SourceDown, match="shop GET /x: HTTP 503"):
        run(client(recorder).get("/x"))
    assert len(recorder.requests) == POLICY.attempts


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_in_seconds_is_obeyed(status: int) -> None:
    recorder = Recorder(answering(httpx.Response(status, headers={"Retry-After": "37"}), OK))
    run(client(recorder).get("/x"))
    assert recorder.time.slept == [37.0]


def test_retry_after_as_a_date_is_held_against_the_replys_own_date() -> None:
    years_off = {"Date": "Tue, 01 Jan 2030 00:00:00 GMT", "Retry-After": "Tue, 01 Jan 2030 00:00:42 GMT"}
    recorder = Recorder(answering(httpx.Response(429, headers=years_off), OK))
    run(client(recorder).get("/x"))
    assert recorder.time.slept == [42.0]


@pytest.mark.parametrize("value", ["", "soon", "-5", "²", "Tue, 99 Foo 2030"])
def test_unreadable_retry_after_is_no_advice(value: str) -> None:
    assert retry_after_s({"retry-after": value}) is None


def test_retry_after_in_the_past_is_now_and_never_longer_than_a_day() -> None:
    assert retry_after_s({"retry-after": "Tue, 01 Jan 2019 00:00:00 GMT"}) == 0
    assert retry_after_s({"retry-after": "9" * 400}) == 86_400


def test_limited_without_advice_waits_at_least_one_turn() -> None:
    recorder = Recorder(answering(httpx.Response(429), OK))
    run(client(recorder, Policy(requests=5, per_seconds=60)).get("/x"))
    assert recorder.time.slept[0] >= 12.0


def test_advice_longer_than_patience_is_reported_and_remembered() -> None:
    recorder = Recorder(answering(httpx.Response(429, headers={"Retry-After": "600"}), OK))
    http = client(recorder)

    async def twice() -> None:
        with pytest.raises(RateLimited) as limited:
            await http.get("/x")
        assert limited.value.wait_s == 600
        recorder.time.now += 100
        with pytest.raises(RateLimited) as still:
            await http.get("/y")
        assert still.value.wait_s == pytest.approx(500)
        recorder.time.now += 500 - LONGEST_WAIT_S
        await http.get("/x")

    run(twice())
    assert len(recorder.requests) == 2
    assert recorder.time.slept == [LONGEST_WAIT_S]


def test_advice_of_the_providers_own_check_is_obeyed() -> None:
    """Such as a reset time in a header of its own."""

    def check(reply: Reply) -> None:
        if reset := reply.headers.get("x-ratelimit-reset"):
            raise RateLimited("too fast", float(reset))

    recorder = Recorder(answering(httpx.Response(200, headers={"X-RateLimit-Reset": "9"}, json={}), OK))
    run(client(recorder, check=check).get("/x"))
    assert recorder.time.slept == [9.0]


def test_retry_after_is_obeyed_where_the_check_names_the_limit_only() -> None:
    def check(reply: Reply) -> None:
        if reply.status == 429:
            raise RateLimited("too fast")

    recorder = Recorder(answering(httpx.Response(429, headers={"Retry-After": "8"}), OK))
    run(client(recorder, check=check).get("/x"))
    assert recorder.time.slept == [8.0]


def test_circuit_opens_tries_once_and_closes() -> None:
    replies = [DOWN, DOWN, DOWN, DOWN, OK, DOWN, OK]
    recorder = Recorder(answering(*replies))
    http = client(recorder, replace(POLICY, attempts=1, breaker_failures=3, breaker_seconds=60))

    async def story() -> None:
        for _ in range(3):
            with pytest.raises(SourceDown, match="503"):
                await http.get("/x")
        with pytest.raises(SourceDown, match="left alone for 60 s more"):
            await http.get("/x")
        assert len(recorder.requests) == 3, "an open circuit asks nothing"
        recorder.time.now += 60
        with pytest.raises(SourceDown, match="503"):
            await http.get("/x")
        with pytest.raises(SourceDown, match="left alone"):
            await http.get("/x")
        recorder.time.now += 60
        await http.get("/x")
        with pytest.raises(SourceDown, match="503"):
            await http.get("/x")
        await http.get("/x")

    run(story())
    assert len(recorder.requests) == 7


def test_an_opening_circuit_ends_the_tries() -> None:
    recorder = Recorder(answering(DOWN))
    with pytest.raises(SourceDown, match="503"):
        run(client(recorder, replace(POLICY, attempts=10, breaker_failures=2)).get("/x"))
    assert len(recorder.requests) == 2


def test_refused_requests_do_not_open_the_circuit() -> None:
    recorder = Recorder(answering(*[httpx.Response(404)] * 9, OK))
    http = client(recorder, replace(POLICY, breaker_failures=2))

    async def ask() -> None:
        for _ in range(9):
            with pytest.raises(Exception, match="404"):
                await http.get("/x")
        await http.get("/x")

    run(ask())
