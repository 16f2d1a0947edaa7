"""What praw posts to log in goes as everything else does: cut off in time, with typed errors, and no key anywhere."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from loopback import Asked, Told, loopback
from recording import Recorder, keys_of

from services.ingestion.adapters import reddit
from services.ingestion.client_sessions import LOGIN_BYTES_MAX, SharedSession
from services.ingestion.errors import BadKey, BadReply, Blocked, FeedError, RateLimited, SourceDown
from services.kernel.http import Http, Policy

NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)
KEYS = keys_of(reddit.NEEDS)
TOKEN = "planted-access-token-4411"


def refusal(url: str, monkeypatch: pytest.MonkeyPatch, timeout_s: float = 15.0) -> FeedError:
    """Log in and ask; return the error that comes of it."""
    monkeypatch.setattr(reddit, "POLICY", Policy(requests=100, per_seconds=60.0, timeout_s=timeout_s))

    async def asking() -> None:
        source = reddit.connect(KEYS, base_url=url, clock=lambda: NOW, http=Recorder().http)
        try:
            await source.mentions(["TSLA"], NOW - timedelta(hours=1))
        finally:
            await source.close()

    with pytest.raises(FeedError) as caught:
        asyncio.run(asking())
    return caught.value


def planted(error: BaseException, log: str) -> list[str]:
    """The keys and tokens that are in an error, in what caused it, or in the log."""
    said = [log]
    cause: BaseException | None = error
    while cause is not None:
        said += [str(cause), repr(cause), repr(vars(cause))]
        cause = cause.__cause__
    return [key for key in (*KEYS.values(), TOKEN) for one in said if key in one]


def always(told: Told) -> Callable[[Asked], Told]:
    return lambda _: told


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (Told({"message": "Unauthorized", "error": 401}, 401), BadKey),
        (Told({"message": "Forbidden"}, 403), Blocked),
        (Told({"message": "Too Many Requests"}, 429), RateLimited),
        (Told(b"<html>down</html>", 503), SourceDown),
        (Told(b"<html>hello</html>"), BadReply),
        (Told(f'{{"access_token": "{TOKEN}", "tok'.encode()), BadReply),
        (Told(b""), BadReply),
        (Told(b" " * (LOGIN_BYTES_MAX + 1)), BadReply),
        (Told(b"", 302, {"Location": "http://127.0.0.1:9/elsewhere"}), BadReply),
        (Told({"error": f"invalid_grant {KEYS['REDDIT_CLIENT_SECRET']}"}), BadKey),
    ],
    ids=["401", "403", "429", "503", "html", "half", "empty", "huge", "redirect", "an echoed key"],
)
def test_a_login_that_fails_is_a_typed_error_without_a_key(
    told: Told, kind: type[FeedError], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with loopback(always(told)) as server:
        error = refusal(server.url, monkeypatch)
    assert type(error) is kind
    assert planted(error, caplog.text) == []
    assert "\n" not in str(error)


def test_a_login_that_is_asked_to_wait_says_for_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    with loopback(always(Told({}, 429, {"Retry-After": "33"}))) as server:
        error = refusal(server.url, monkeypatch)
    assert isinstance(error, RateLimited)
    assert error.wait_s == 33.0


@contextmanager
def dripping(first: bytes, drip: bytes) -> Iterator[str]:
    """A server that begins an answer and then gives a little at a time, for ever, until the asker hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))
    gone = threading.Event()

    def serve() -> None:
        try:
            while not gone.is_set():
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(first)
                    while drip and not gone.wait(0.01):
                        connection.sendall(drip)
                    if not drip:
                        gone.wait()
        except OSError:
            pass  # the asker, or the test, has hung up

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        gone.set()
        listener.close()
        thread.join(5)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n"


@pytest.mark.parametrize(("first", "drip"), [(b"", b""), (HEAD, b""), (HEAD, b" ")], ids=["mute", "stuck", "dripping"])
def test_a_server_that_never_finishes_is_given_up(first: bytes, drip: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with dripping(first, drip) as url:
        error = refusal(url, monkeypatch, timeout_s=0.2)
    assert isinstance(error, SourceDown)


def test_every_post_of_the_session_is_bounded() -> None:
    asked: list[str] = []

    class Watched(SharedSession):
        def send(self, request, **kwargs):  # type: ignore[no-untyped-def]
            asked.append(f"{request.method} {kwargs['timeout']} {kwargs['allow_redirects']} {kwargs['stream']}")
            raise ConnectionError

    session = Watched(Http("reddit", "http://127.0.0.1:9", reddit.POLICY), 15.0)
    with pytest.raises(ConnectionError):
        session.request("post", "http://127.0.0.1:9/api/v1/access_token", data={}, timeout=None)
    session.close()
    assert asked == ["POST 15.0 False True"]
