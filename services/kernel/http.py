"""The one way to ask a provider over HTTP: paced, retried with jitter, cut off while it is down, and with no key in any
message. Every failure is one of :mod:`services.kernel.provider_errors`, as one line ``<name> GET <path>: <reason>``.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import msgspec

from services.kernel.http_limits import DAY_S, Breaker, RateWindow
from services.kernel.logging import scrub
from services.kernel.metrics import PROVIDER_ERRORS, PROVIDER_REQUESTS
from services.kernel.provider_errors import (
    RETRYABLE,
    BadKey,
    BadReply,
    BadRequest,
    Blocked,
    BudgetSpent,
    FeedError,
    NotEntitled,
    OutcomeUnknown,
    RateLimited,
    SourceDown,
    SymbolNotOffered,
)

BACKOFF_S, BACKOFF_MAX_S = 0.5, 20.0
LONGEST_WAIT_S = 120.0
"""A provider that asks for more patience than this is reported at once; nobody sleeps on it."""
BODY_BYTES_MAX = 64 * 1024 * 1024
SAME_HOST_REDIRECTS = 3
NO_CONTENT = 204

Param = str | int | float | bool | Sequence[str] | None

STATUS_ERRORS: Mapping[int, type[FeedError]] = {
    401: BadKey,
    402: NotEntitled,
    403: Blocked,
    404: SymbolNotOffered,
    408: SourceDown,
    429: RateLimited,
    451: Blocked,
}


@dataclass(frozen=True, slots=True)
class Policy:
    """How a provider wants to be asked, and how long we keep trying."""

    requests: int
    per_seconds: float
    per_day: int | None = None
    attempts: int = 4
    timeout_s: float = 15.0
    breaker_failures: int = 5
    breaker_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. Header names are lower-case; ``url`` is scrubbed of keys."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    def json(self) -> Any:
        """The body as JSON. Raises BadReply if it is none; the body is not quoted, for it may echo a key."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            kind = self.headers.get("content-type", "no content type")
        raise BadReply(f"{self.url}: HTTP {self.status} is not JSON ({kind}, {len(self.body)} bytes)")


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: httpx.URL
    headers: Mapping[str, str]
    body: Any = None


Check = Callable[[Reply], None]
"""Raises a typed FeedError for what this provider says in its own way, HTTP 200 with an error inside included."""


class Http:
    """Asks one provider. Raises FeedErrors only; what is worth asking again has been asked again before.

    ``before`` is called each time that a request is about to leave, repeated ones included; a FeedError of it ends the
    asking.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        policy: Policy,
        *,
        secrets: Sequence[str] = (),
        check: Check | None = None,
        before: Callable[[], None] | None = None,
        client: httpx.AsyncClient | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.policy = policy
        self._base_url = base_url.rstrip("/")
        self._secrets = _spellings(secrets)
        self._check = check
        self._before = before
        self._client = client or httpx.AsyncClient()
        self._sleep = sleep
        self._monotonic = monotonic
        self._windows = [RateWindow(policy.requests, policy.per_seconds, monotonic)]
        self._day = RateWindow(policy.per_day, DAY_S, monotonic) if policy.per_day else None
        self._breaker = Breaker(policy.breaker_failures, policy.breaker_seconds, monotonic)
        self._turn = asyncio.Lock()
        self._quiet_until = self._spent_until = float("-inf")
        # httpx writes whole URLs, keys included, to its log; what is worth saying is in our errors and metrics.
        for library in ("httpx", "httpcore"):
            logging.getLogger(library).setLevel(logging.WARNING)

    async def get(
        self,
        path: str,
        params: Mapping[str, Param] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        text: bool = False,
    ) -> Reply:
        """Ask for ``path`` (it starts with a slash and may carry a query; None parameters are left out).

        The answer must be JSON unless ``text`` is asked for, whose reader must then tell an error page from it.
        """
        where, url = self._where("GET", path, params)
        for attempt in range(1, self.policy.attempts + 1):
            outcome = await self._attempt(where, _Request("GET", url, headers or {}), text)
            if isinstance(outcome, Reply):
                return outcome
            pause = self._pause_s(outcome, attempt)
            if pause is None or attempt == self.policy.attempts:
                raise outcome
            await self._sleep(pause)
        raise BadRequest(f"{where}: the policy allows no attempt")

    async def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Ask once, and never again, for something to be changed (POST, PUT, DELETE); ``body`` is sent as JSON.

        Raises OutcomeUnknown where the request left and no clear answer came; SourceDown where it never arrived.
        """
        where, url = self._where(method, path, None)
        outcome = await self._attempt(where, _Request(method, url, headers or {}, body), text=False)
        if isinstance(outcome, Reply):
            return outcome
        if isinstance(outcome, BadReply) or (isinstance(outcome, SourceDown) and outcome.sent):
            raise OutcomeUnknown(str(outcome))
        raise outcome

    async def close(self) -> None:
        """Close the connections; calling it twice does no harm."""
        await self._client.aclose()

    def _where(self, method: str, path: str, params: Mapping[str, Param] | None) -> tuple[str, httpx.URL]:
        """What messages begin with, and the address."""
        where = self._clean(f"{self.name} {method} {path.partition('?')[0]}")
        if not path.startswith("/"):
            raise BadRequest(f"{where}: a path starts with a slash")
        given = {key: value for key, value in (params or {}).items() if value is not None}
        return where, httpx.URL(self._base_url + path).copy_merge_params(given)

    async def _attempt(self, where: str, request: _Request, text: bool) -> Reply | FeedError:
        """One request when its turn has come; its failure is counted and given back."""
        await self._wait_for_turn(where)
        if self._before is not None:
            self._before()
        outcome = await self._ask(where, request, text)
        if isinstance(outcome, FeedError):
            PROVIDER_ERRORS.labels(self.name, type(outcome).__name__).inc()
        return outcome

    async def _wait_for_turn(self, where: str) -> None:
        """Wait until the provider may be asked and count the request. Raises where waiting is hopeless or too long."""
        async with self._turn:
            if (spent_s := self._spent_until - self._monotonic()) > 0:
                raise BudgetSpent(f"{where}: the provider said that the budget is used up", spent_s)
            if self._day and (day_s := self._day.wait_s()) > 0:
                raise BudgetSpent(f"{where}: the {self.policy.per_day} requests of a day are used up", day_s)
            while True:
                if (open_s := self._breaker.open_s()) > 0:
                    raise SourceDown(f"{where}: it failed repeatedly and is left alone for {open_s:.0f} s more")
                quiet_s = self._quiet_until - self._monotonic()
                if quiet_s > LONGEST_WAIT_S:
                    raise RateLimited(f"{where}: it wants to be left alone for {quiet_s:.0f} s more", quiet_s)
                wait_s = max(quiet_s, *(window.wait_s() for window in self._windows))
                if wait_s <= 0:
                    break
                await self._sleep(wait_s)
            for window in (*self._windows, *([self._day] if self._day else [])):
                window.take()
        PROVIDER_REQUESTS.labels(self.name).inc()

    async def _ask(self, where: str, request: _Request, text: bool) -> Reply | FeedError:
        """A failure is given back rather than raised, so that no cause with the key in it hangs on it."""
        try:
            reply = await self._fetch(request)
            self._judge(reply, text)
        except FeedError as error:
            failure = error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            failure = SourceDown(f"it cannot be reached ({type(error).__name__}: {error})")
            failure.sent = False
        except (TimeoutError, httpx.TimeoutException):
            failure = SourceDown(f"no answer within {self.policy.timeout_s:g} s")
        except (httpx.RemoteProtocolError, httpx.DecodingError) as error:
            failure = BadReply(f"the answer breaks off or is garbled ({type(error).__name__})")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            failure = SourceDown(f"it cannot be reached ({type(error).__name__}: {error})")
        else:
            self._breaker.succeeded()
            return reply
        return self._noted(failure, where)

    async def _fetch(self, request: _Request) -> Reply:
        url = request.url
        async with asyncio.timeout(self.policy.timeout_s):
            for _ in range(SAME_HOST_REDIRECTS + 1):
                async with self._client.stream(
                    request.method,
                    url,
                    headers=dict(request.headers),
                    json=request.body,
                    timeout=self.policy.timeout_s,
                    follow_redirects=False,
                ) as response:
                    if not response.has_redirect_location:
                        return await self._read(response)
                    target = url.join(response.headers["location"])
                if (target.scheme, target.host, target.port) != (url.scheme, url.host, url.port):
                    # Following would hand the key to a stranger.
                    raise BadReply(f"it redirects to another host ({target.scheme}://{target.host})")
                if request.method != "GET":
                    raise BadReply("it redirects what shall be sent once")
                url = target
        raise BadReply(f"it redirects more than {SAME_HOST_REDIRECTS} times")

    async def _read(self, response: httpx.Response) -> Reply:
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > BODY_BYTES_MAX:
                raise BadReply(f"the answer is larger than {BODY_BYTES_MAX >> 20} MiB")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status_code, headers, bytes(body), self._clean(str(response.url)))

    def _judge(self, reply: Reply, text: bool) -> None:
        """Raise what is wrong with a reply: first as the provider says it, then by its status."""
        if self._check:
            try:
                self._check(reply)
            except RateLimited as limited:
                if limited.wait_s is None:
                    limited.wait_s = retry_after_s(reply.headers)
                raise
            except BadReply:
                # Errors often come as HTML; then the status says more than "not JSON".
                if reply.status < 400:
                    raise
        if 200 <= reply.status < 300:
            if not text and reply.status != NO_CONTENT:
                reply.json()
            return
        said = f"HTTP {reply.status} {self._excerpt(reply)}".strip()
        if reply.status < 400:
            raise BadReply(said)
        kind = STATUS_ERRORS.get(reply.status, BadRequest if reply.status < 500 else SourceDown)
        wait_s = retry_after_s(reply.headers)
        if kind is RateLimited:
            raise RateLimited(said, wait_s)
        if kind is SourceDown and wait_s is not None:
            self._quiet_until = self._monotonic() + wait_s
        raise kind(said)

    def _noted(self, failure: FeedError, where: str) -> FeedError:
        """Remember what a failure says about the next requests; give it back with a clean message."""
        now = self._monotonic()
        if isinstance(failure, RateLimited) and failure.wait_s is not None:
            self._quiet_until = max(self._quiet_until, now + failure.wait_s)
        if isinstance(failure, BudgetSpent) and failure.until_s is not None:
            self._spent_until = now + failure.until_s
        if isinstance(failure, SourceDown):
            self._breaker.failed()
        elif not isinstance(failure, BadReply):
            self._breaker.succeeded()
        text = self._clean(" ".join(str(failure).split()))
        failure.args = (text if text.startswith(where) else f"{where}: {text}", *failure.args[1:])
        return failure

    def _pause_s(self, failure: FeedError, attempt: int) -> float | None:
        """Seconds until the next attempt, drawn with full jitter; None if there shall be none."""
        if not isinstance(failure, RETRYABLE) or self._breaker.open_s() > 0:
            return None
        told_s = self._quiet_until - self._monotonic()
        if told_s > LONGEST_WAIT_S:
            return None
        if isinstance(failure, RateLimited) and failure.wait_s is None:
            told_s = self.policy.per_seconds / self.policy.requests
        drawn_s = random.uniform(0, min(BACKOFF_MAX_S, BACKOFF_S * 2**attempt))
        return max(told_s, drawn_s)

    def _excerpt(self, reply: Reply) -> str:
        """What an error page says, in one short line; markup says nothing to a reader of logs."""
        text = self._clean(" ".join(reply.body[:4000].decode(errors="replace").split()))
        return "(a web page)" if text.startswith("<") else text[:200]

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return scrub(text)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that ``Retry-After`` asks for (at most a day), given as a number or a date; None if it is unreadable.

    A date is held against the reply's own ``Date``, so that neither clock needs to be right.
    """
    value = headers.get("retry-after", "").strip()
    try:
        if value.replace(".", "", 1).isdigit():
            return min(float(value), DAY_S)
        return max(0.0, (_http_date(value) - _http_date(headers.get("date", ""), datetime.now(UTC))).total_seconds())
    except ValueError:
        return None


def _http_date(value: str, otherwise: datetime | None = None) -> datetime:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        if otherwise is None:
            raise
        return otherwise
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _spellings(secrets: Sequence[str]) -> list[str]:
    """Each secret as it is and as URLs write it, longest first; three letters or fewer would star out plain words."""
    spelled = {form(secret) for secret in secrets if len(secret) > 3 for form in (str, quote, quote_plus)}
    return sorted(spelled, key=len, reverse=True)
