"""What changes something is sent once: no repetition, and a plain word on whether it may have been obeyed."""

import asyncio
from typing import Any

import httpx
import pytest
from recording import Recorder, answering

from services.kernel.http import Http, Policy, Reply
from services.kernel.provider_errors import (
    BadKey,
    BadReply,
    BadRequest,
    Blocked,
    FeedError,
    OutcomeUnknown,
    RateLimited,
    SourceDown,
    SymbolNotOffered,
)

PATIENT = Policy(requests=1000, per_seconds=1, attempts=5, breaker_failures=2)
KEY = "planted-key-7c11"


def sent(recorder: Recorder, method: str = "POST", path: str = "/orders", **more: Any) -> Reply | FeedError:
    async def run() -> Reply | FeedError:
        http = recorder.http("shop", "https://shop.example/v1", PATIENT, secrets=[KEY], **more)
        try:
            return await http.send(method, path, {"qty": "1.50"}, {"X-Key": KEY})
        except FeedError as error:
            return error
        finally:
            await http.close()

    return asyncio.run(run())


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_sends_json_with_its_headers_once(method: str) -> None:
    recorder = Recorder(answering(httpx.Response(201, json={"id": 7})))
    reply = sent(recorder, method)
    assert isinstance(reply, Reply)
    assert reply.json() == {"id": 7}
    (request,) = recorder.requests
    assert (request.method, request.url.path, request.headers["x-key"]) == (method, "/v1/orders", KEY)
    assert request.content == b'{"qty":"1.50"}'
    assert request.headers["content-type"] == "application/json"


def test_no_content_is_an_answer() -> None:
    reply = sent(Recorder(answering(httpx.Response(204))), "DELETE")
    assert isinstance(reply, Reply)
    assert reply.status == 204


@pytest.mark.parametrize(
    "fault",
    [
        httpx.Response(500),
        httpx.Response(502, html="<html>Bad gateway</html>"),
        httpx.Response(503, headers={"Retry-After": "1"}),
        httpx.Response(504),
        httpx.Response(408),
        httpx.Response(200),
        httpx.Response(200, content=b'{"id": '),
        httpx.Response(200, html="<html>hello</html>"),
        httpx.Response(302, headers={"Location": "https://shop.example/v1/elsewhere"}),
        httpx.ReadTimeout("no reply"),
        httpx.WriteTimeout("half of it left"),
        httpx.ReadError("connection reset"),
        httpx.RemoteProtocolError("server disconnected without sending a response"),
    ],
    ids=lambda fault: f"{type(fault).__name__} {getattr(fault, 'status_code', '')}",
)
def test_no_clear_answer_is_an_unknown_outcome_and_is_not_repeated(fault: httpx.Response | Exception) -> None:
    recorder = Recorder(answering(fault))
    answer = sent(recorder)
    assert type(answer) is OutcomeUnknown
    assert str(answer).startswith("shop POST /orders: ")
    assert len(recorder.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequest),
        (401, BadKey),
        (403, Blocked),
        (404, SymbolNotOffered),
        (409, BadRequest),
        (422, BadRequest),
        (429, RateLimited),
    ],
)
def test_a_refusal_is_definite_and_not_repeated(status: int, kind: type[FeedError]) -> None:
    recorder = Recorder(answering(httpx.Response(status, json={"message": f"no, {KEY}"})))
    answer = sent(recorder)
    assert type(answer) is kind
    assert KEY not in str(answer)
    assert len(recorder.requests) == 1


@pytest.mark.parametrize("fault", [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), httpx.PoolTimeout("x")])
def test_what_never_left_is_known_not_to_have_arrived(fault: Exception) -> None:
    answer = sent(Recorder(answering(fault)))
    assert type(answer) is SourceDown
    assert not answer.sent


def test_nothing_is_sent_while_the_circuit_is_open() -> None:
    async def run() -> list[FeedError]:
        http: Http = recorder.http("shop", "https://shop.example/v1", PATIENT)
        failures = []
        for _ in range(3):
            try:
                await http.send("POST", "/orders")
            except FeedError as error:
                failures.append(error)
        await http.close()
        return failures

    recorder = Recorder(answering(httpx.Response(500)))
    first, second, third = asyncio.run(run())
    assert [type(one) for one in (first, second, third)] == [OutcomeUnknown, OutcomeUnknown, SourceDown]
    assert "left alone" in str(third)
    assert len(recorder.requests) == 2


def test_what_a_provider_says_in_its_own_way_comes_first() -> None:
    def check(reply: Reply) -> None:
        if reply.status == 200 and reply.json().get("error"):
            raise BadRequest(reply.json()["error"])

    answer = sent(Recorder(answering(httpx.Response(200, json={"error": "no such thing"}))), check=check)
    assert type(answer) is BadRequest
    assert str(answer) == "shop POST /orders: no such thing"


def test_a_body_that_the_provider_cannot_have_meant_is_an_unknown_outcome() -> None:
    def check(reply: Reply) -> None:
        raise BadReply("a list instead of an object")

    assert type(sent(Recorder(answering(httpx.Response(200, json=[]))), check=check)) is OutcomeUnknown
