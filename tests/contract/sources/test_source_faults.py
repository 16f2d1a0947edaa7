"""Every adapter against a provider that refuses, fails, hurries us or talks nonsense; and with keys planted everywhere.

Errors that a provider words in its own way (HTTP 200 with an error inside among them) and pages that repeat or are
missing are in the adapters' own tests, for their replies differ.
"""

import asyncio
import json
import logging
import traceback
from typing import Any

import httpx
import pytest
from asking import LOGS_IN, ask, planted, questions
from recording import Recorder, answering

from services.ingestion.adapters import adapters
from services.ingestion.errors import (
    BadKey,
    BadReply,
    Blocked,
    FeedError,
    NotEntitled,
    RateLimited,
    SourceDown,
    SymbolNotOffered,
)

ASKS_ON = frozenset({"reddit"})
"""Sources that read on where one part refuses: a subreddit gone private must not silence the others."""

QUESTIONS = [(name, question) for name in adapters() for question in questions(adapters()[name])]
EVERY = pytest.mark.parametrize(("name", "question"), QUESTIONS)

PAGE = b"<!DOCTYPE html><html><body>Something happened</body></html>"
STATUS: list[tuple[int, set[type[FeedError]]]] = [
    (401, {BadKey}),
    (403, {Blocked, BadKey, NotEntitled}),
    (404, {SymbolNotOffered}),
    (429, {RateLimited}),
    (451, {Blocked}),
    (500, {SourceDown}),
    (503, {SourceDown}),
]
PASSING: dict[str, httpx.Response | Exception] = {
    "429": httpx.Response(429, content=PAGE),
    "500": httpx.Response(500, content=PAGE),
    "time-out": httpx.ReadTimeout("no reply"),
    "connection lost": httpx.ConnectError("all attempts failed"),
    "body breaks off": httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
    "half a body": httpx.Response(200, content=b'{"data": [{"t": 17'),
    "a web page": httpx.Response(200, content=PAGE, headers={"content-type": "text/html"}),
    "nothing": httpx.Response(200),
}
LASTING = {"time-out": SourceDown, "connection lost": SourceDown, "500": SourceDown, "429": RateLimited}
NONSENSE: list[Any] = [
    [],
    {},
    None,
    7,
    "text",
    [1],
    [None],
    [{}],
    [[]],
    {"data": None},
    {"data": []},
    {"data": {}},
    {"data": [1]},
    {"data": [{}]},
    {"data": [None], "meta": None},
    {"response": {"total": "1", "data": [{}]}},
    {"response": {"total": "1", "data": []}},
    {"observations": [{}], "count": 1, "offset": 0, "limit": 1},
    {"status": "OK", "results": [{}], "resultsCount": 1},
    {"status": "OK", "results": 5},
    {"status": "1", "message": "OK", "result": []},
    {"status": "1", "message": "OK", "result": {}},
    {"bars": {"NVDA": [{"t": "nonsense"}]}, "quotes": {"NVDA": {}}},
    {"bars": [], "quotes": []},
    {"candles": [{}], "prices": [{}]},
    {"candles": 5, "prices": 5},
    {"Global Quote": {}, "Time Series (Daily)": {"yesterday": {}}},
]


def outcome(name: str, question: str, *replies: httpx.Response | Exception) -> tuple[Any, Recorder]:
    recorder = Recorder(answering(*replies))
    return asyncio.run(ask(adapters()[name], question, recorder)), recorder


def kind(answer: Any) -> str:
    return type(answer).__name__


@EVERY
@pytest.mark.parametrize(("status", "kinds"), STATUS, ids=lambda value: str(value) if isinstance(value, int) else "")
def test_refusal_becomes_its_error(name: str, question: str, status: int, kinds: set[type[FeedError]]) -> None:
    answer, recorder = outcome(name, question, httpx.Response(status, content=PAGE))
    assert type(answer) in kinds
    assert str(answer).startswith(f"{name} ")
    assert "\n" not in str(answer)
    worth_it = bool(kinds & {RateLimited, SourceDown})
    if name not in ASKS_ON:
        assert len(recorder.requests) == (adapters()[name].POLICY.attempts if worth_it else 1)


@EVERY
@pytest.mark.parametrize("fault", list(PASSING))
def test_fault_that_passes_is_waited_out(name: str, question: str, fault: str) -> None:
    """What comes after it decides, as if it had not been."""
    after = httpx.Response(404, content=PAGE)
    plain, before = outcome(name, question, after)
    times = min(2, adapters()[name].POLICY.attempts - 1)
    answer, recorder = outcome(name, question, *[PASSING[fault]] * times, after)
    assert kind(answer) == kind(plain) == "SymbolNotOffered"
    assert len(recorder.requests) == len(before.requests) + times
    assert times >= 1
    assert {r.url.raw_path for r in recorder.requests} == {r.url.raw_path for r in before.requests}


@EVERY
@pytest.mark.parametrize("fault", list(PASSING))
def test_fault_that_lasts_becomes_its_error(name: str, question: str, fault: str) -> None:
    answer, recorder = outcome(name, question, PASSING[fault])
    assert type(answer) is LASTING.get(fault, BadReply)
    assert len(recorder.requests) == adapters()[name].POLICY.attempts


@EVERY
@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "77"},
        # The provider's clock is years off ours; the difference of its own two dates is what it means.
        {"Date": "Tue, 01 Jan 2030 00:00:00 GMT", "Retry-After": "Tue, 01 Jan 2030 00:01:17 GMT"},
        {"Date": "Tue, 01 Jan 2019 00:00:00 GMT", "Retry-After": "Tue, 01 Jan 2019 00:01:17 GMT"},
    ],
    ids=["seconds", "a clock ahead", "a clock behind"],
)
def test_retry_after_is_obeyed(name: str, question: str, headers: dict[str, str]) -> None:
    busy = httpx.Response(429, headers=headers, content=PAGE)
    answer, recorder = outcome(name, question, busy, httpx.Response(404, content=PAGE))
    assert kind(answer) == "SymbolNotOffered"
    assert 77.0 in recorder.time.slept


@EVERY
@pytest.mark.parametrize("body", NONSENSE, ids=lambda body: json.dumps(body)[:40])
def test_nonsense_is_an_error_or_nothing_but_never_a_row(name: str, question: str, body: Any) -> None:
    answer, _ = outcome(name, question, httpx.Response(200, json=body))
    # "Nobody wrote about it" is a reading of nothing.
    assert isinstance(answer, FeedError) or [row for row in answer if getattr(row, "mentions", 1)] == []


@EVERY
def test_planted_keys_come_out_nowhere(
    name: str, question: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    module = adapters()[name]
    keys = planted(module).values()
    said = " ".join(keys)
    body = {"error": said, "message": f"your key {said}", "request": {"api_key": said}, "data": [], "Note": said}
    told = json.dumps(body)
    replies = [httpx.Response(status, content=told) for status in (200, 400, 401, 403, 404, 422, 429, 500)]
    replies += [httpx.Response(status, content=PAGE + said.encode()) for status in (200, 403, 500)]
    replies += [httpx.Response(302, headers={"Location": f"https://elsewhere.example/?k={said}"})]
    broken = [httpx.ConnectError(f"{said} refused"), httpx.RemoteProtocolError(said)]
    failures: list[httpx.Response | Exception] = [*replies, *broken]
    sent = ""
    for reply in failures:
        answer, recorder = outcome(name, question, reply)
        shown = repr(answer)
        if isinstance(answer, FeedError):
            shown += "".join(traceback.format_exception(answer))
        shown += caplog.text + "".join(capfd.readouterr())
        assert not [key for key in keys if key in shown]
        sent += "".join(f"{request.url} {request.headers.multi_items()}" for request in recorder.requests)
    if keys and name not in LOGS_IN:
        assert [key for key in keys if key in sent], "the keys were not even used"
