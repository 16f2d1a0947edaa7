"""A key that is planted into requests and replies comes out nowhere."""

import asyncio
import logging
import traceback

import httpx
import pytest
from recording import Recorder, answering

from services.kernel.http import Policy, Reply
from services.kernel.provider_errors import BadRequest, FeedError

KEY = "s3cret/key+with=signs"
QUOTED = ("s3cret/key%2Bwith%3Dsigns", "s3cret%2Fkey%2Bwith%3Dsigns")
ONCE = Policy(requests=1000, per_seconds=1, attempts=2)

FAILURES = [
    httpx.Response(200, text=f"<html>{KEY}</html>"),
    httpx.Response(401, json={"error": f"key {KEY} is unknown"}),
    httpx.Response(403, text=f"see https://shop.example/?k={QUOTED[0]}"),
    httpx.Response(429, text="x" * 190 + KEY),
    httpx.Response(500, text=f"{QUOTED[1]}"),
    httpx.Response(302, headers={"Location": f"https://elsewhere.example/?{KEY}"}),
    httpx.ConnectError(f"cannot reach https://shop.example/v1/x?k={KEY}"),
    httpx.ReadTimeout(f"https://shop.example/v1/x?k={QUOTED[1]}"),
]


def failed(answer: httpx.Response | Exception, path: str = "/x", check: object = None) -> FeedError:
    recorder = Recorder(answering(answer))
    http = recorder.http("shop", "https://shop.example/v1", ONCE, secrets=[KEY], check=check)
    with pytest.raises(FeedError) as raised:
        asyncio.run(http.get(path, {"k": KEY}, {"Authorization": f"Bearer {KEY}"}))
    return raised.value


def assert_clean(text: str) -> None:
    for spelling in (KEY, *QUOTED, KEY[:10]):
        assert spelling not in text


@pytest.mark.parametrize("answer", FAILURES, ids=str)
def test_no_error_carries_the_key(answer: httpx.Response | Exception, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    error = failed(answer)
    assert_clean(str(error))
    assert_clean("".join(traceback.format_exception(error)))
    assert_clean(caplog.text)
    assert "\n" not in str(error)


def test_key_in_the_path_is_scrubbed_too() -> None:
    assert_clean(str(failed(httpx.Response(404), f"/accounts/{KEY}/x")))


def test_what_the_providers_check_quotes_is_scrubbed() -> None:
    def check(reply: Reply) -> None:
        raise BadRequest(f"it says: your key {KEY}")

    assert str(failed(httpx.Response(200, json={}), check=check)) == "shop GET /x: it says: your key ***"


def test_a_reply_shows_its_address_without_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    recorder = Recorder(answering(httpx.Response(200, json=[])))
    http = recorder.http("shop", "https://shop.example/v1", ONCE, secrets=[KEY])
    reply = asyncio.run(http.get("/x", {"k": KEY, "api_key": "other", "page": 2}))
    assert_clean(reply.url + caplog.text)
    assert "other" not in reply.url
    assert "page=2" in reply.url
