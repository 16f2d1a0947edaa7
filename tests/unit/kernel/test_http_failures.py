"""What a failed request becomes: one typed error with one clean line. Broken bodies come from a real server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import httpx
import pytest
from recording import Recorder, answering

from services.kernel import http as http_module
from services.kernel.http import Http, Policy, Reply
from services.kernel.provider_errors import (
    BadKey,
    BadReply,
    BadRequest,
    Blocked,
    FeedError,
    NotEntitled,
    RateLimited,
    SourceDown,
    SymbolNotOffered,
)

ONCE = Policy(requests=1000, per_seconds=1, attempts=1)


def get(recorder: Recorder, path: str = "/x", policy: Policy = ONCE, **more: Any) -> Reply:
    params: Mapping[str, Any] | None = more.pop("params", None)
    return asyncio.run(recorder.http("shop", "https://shop.example/v1", policy, **more).get(path, params))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequest),
        (401, BadKey),
        (402, NotEntitled),
        (403, Blocked),
        (404, SymbolNotOffered),
        (408, SourceDown),
        (410, BadRequest),
        (422, BadRequest),
        (429, RateLimited),
        (451, Blocked),
        (500, SourceDown),
        (503, SourceDown),
        (304, BadReply),
    ],
)
def test_status_becomes_typed_error(status: int, kind: type[FeedError]) -> None:
    recorder = Recorder(answering(httpx.Response(status, text="because\nof  this")))
    with pytest.raises(FeedError) as failed:
        get(recorder)
    assert type(failed.value) is kind
    assert str(failed.value) == f"shop GET /x: HTTP {status} because of this"


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_refusals_are_not_asked_again(status: int) -> None:
    recorder = Recorder(answering(httpx.Response(status)))
    with pytest.raises(FeedError):
        get(recorder, policy=replace(ONCE, attempts=5))
    assert len(recorder.requests) == 1


def test_web_page_is_named_and_not_quoted() -> None:
    with pytest.raises(SourceDown, match=r"HTTP 502 \(a web page\)$"):
        get(Recorder(answering(httpx.Response(502, html="<html><body>Bad gateway</body></html>"))))


@pytest.mark.parametrize("body", [b"", b"<html>hello</html>", b'{"half": ', b"\xff\xfe", b'{"a": NaN}'])
def test_success_that_is_no_json_is_a_bad_reply(body: bytes) -> None:
    with pytest.raises(BadReply, match="is not JSON"):
        get(Recorder(answering(httpx.Response(200, content=body))))


@pytest.mark.parametrize("body", [b"[]", b"{}", b"12.5", b"null"])
def test_empty_and_bare_json_is_an_answer(body: bytes) -> None:
    assert get(Recorder(answering(httpx.Response(200, content=body)))).body == body


def test_large_integers_stay_exact() -> None:
    reply = get(Recorder(answering(httpx.Response(200, content=b'{"t": 1517562000016036581}'))))
    assert reply.json() == {"t": 1517562000016036581}


def test_check_speaks_before_the_status() -> None:
    def check(reply: Reply) -> None:
        if b"not registered" in reply.body:
            raise BadKey("the key is not registered")

    with pytest.raises(BadKey, match=r"^shop GET /x: the key is not registered$"):
        get(Recorder(answering(httpx.Response(400, text="not registered"))), check=check)


def test_check_finds_an_error_inside_http_200() -> None:
    def check(reply: Reply) -> None:
        if reply.json().get("status") == "0":
            raise RateLimited("max rate")

    recorder = Recorder(answering(httpx.Response(200, json={"status": "0"}), httpx.Response(200, json={"ok": 1})))
    assert get(recorder, check=check, policy=replace(ONCE, attempts=2)).json() == {"ok": 1}


def test_status_wins_where_the_check_can_not_read_the_page() -> None:
    def check(reply: Reply) -> None:
        reply.json()

    with pytest.raises(Blocked):
        get(Recorder(answering(httpx.Response(403, html="<html>"))), check=check)


def test_query_of_path_and_parameters_go_together() -> None:
    recorder = Recorder(answering(httpx.Response(200, json={})))
    get(recorder, "/x?cursor=a%2Fb", params={"limit": 5, "no": None, "flag": True, "id": ["a", "b"]})
    assert str(recorder.requests[0].url) == "https://shop.example/v1/x?cursor=a%2Fb&limit=5&flag=true&id=a&id=b"


def test_refuses_a_path_that_could_lead_elsewhere() -> None:
    recorder = Recorder(answering(httpx.Response(200, json={})))
    for path in ("https://elsewhere.example/x", "@elsewhere.example/x", ".elsewhere.example/x"):
        with pytest.raises(BadRequest, match="starts with a slash"):
            get(recorder, path)
    assert recorder.requests == []


@pytest.mark.parametrize("target", ["https://elsewhere.example/x", "http://shop.example/x", "//elsewhere.example/x"])
def test_does_not_follow_to_another_host(target: str) -> None:
    recorder = Recorder(answering(httpx.Response(302, headers={"Location": target})))
    with pytest.raises(BadReply, match="redirects to another host"):
        get(recorder)
    assert [request.url.host for request in recorder.requests] == ["shop.example"]


def test_follows_on_the_same_host_but_not_for_ever() -> None:
    moved = httpx.Response(301, headers={"Location": "/v1/new?page=2"})
    recorder = Recorder(answering(moved, httpx.Response(200, json={})))
    get(recorder)
    assert str(recorder.requests[1].url) == "https://shop.example/v1/new?page=2"
    with pytest.raises(BadReply, match="more than 3 times"):
        get(Recorder(answering(moved)))


def test_refuses_a_body_beyond_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "BODY_BYTES_MAX", 1 << 20)
    with pytest.raises(BadReply, match="larger than 1 MiB"):
        get(Recorder(answering(httpx.Response(200, content=b"[" + b" " * (1 << 20) + b"]"))))


@asynccontextmanager
async def serving(answer: Callable[[asyncio.StreamWriter], None]) -> AsyncIterator[str]:
    """A server that answers every connection with raw bytes; it hangs up only if ``answer`` says so."""

    left: list[asyncio.Future[None]] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left.append(done := asyncio.get_running_loop().create_future())
        with suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            answer(writer)
            await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        done.set_result(None)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            await asyncio.gather(*left)


async def asked(answer: Callable[[asyncio.StreamWriter], None], timeout_s: float = 5.0) -> Reply:
    async with serving(answer) as base_url:
        http = Http("shop", base_url, replace(ONCE, timeout_s=timeout_s))
        try:
            return await http.get("/x")
        finally:
            await http.close()


def test_body_that_breaks_off_is_a_bad_reply() -> None:
    def half(writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"bars": [1, 2')
        writer.close()

    with pytest.raises(BadReply, match="breaks off"):
        asyncio.run(asked(half))


def test_body_that_is_not_what_its_encoding_says_is_a_bad_reply() -> None:
    def garbled(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope")

    with pytest.raises(BadReply, match="garbled"):
        asyncio.run(asked(garbled))


def test_server_that_never_answers_is_down() -> None:
    with pytest.raises(SourceDown, match=r"no answer within 0\.05 s"):
        asyncio.run(asked(lambda _: None, timeout_s=0.05))


def test_server_that_drips_does_not_hold_us_longer_than_the_time_out() -> None:
    """Each byte resets a time-out of single reads; ours is for the whole answer."""

    def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")

        def one() -> None:
            if not writer.is_closing():
                writer.write(b" ")
                asyncio.get_running_loop().call_later(0.01, one)

        one()

    with pytest.raises(SourceDown, match="no answer within"):
        asyncio.run(asked(drip, timeout_s=0.2))


def test_nobody_listening_is_down() -> None:
    async def ask() -> None:
        async with serving(lambda _: None) as base_url:
            pass
        http = Http("shop", base_url, ONCE)
        try:
            await http.get("/x")
        finally:
            await http.close()

    with pytest.raises(SourceDown, match="cannot be reached"):
        asyncio.run(ask())
