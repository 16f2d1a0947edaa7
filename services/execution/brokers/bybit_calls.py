"""Bybit's own endpoints through ccxt; each failure becomes one of :mod:`services.kernel.provider_errors`."""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import ccxt.async_support as ccxt

from services.execution.brokers.wire import ATTEMPTS, TIMEOUT_S, Absent, Duplicate, Said
from services.kernel.http import STATUS_ERRORS, retry_after_s
from services.kernel.logging import scrub
from services.kernel.metrics import PROVIDER_ERRORS, PROVIDER_REQUESTS
from services.kernel.provider_errors import (
    RETRYABLE,
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

NAME = "bybit"
BACKOFF_S, BACKOFF_MAX_S = 0.5, 10.0

CODES: Mapping[type[FeedError], tuple[int, ...]] = {
    Duplicate: (110072, 170141),
    # Of orders that are done, some say that they are not there, some that they are done.
    Absent: (110001, 110008, 110010, 170139, 170142, 170143, 170213),
    RateLimited: (10006, 10018, 10429, 170005),
    BadKey: (10003, 10004, 33004),
    # 10002 is a clock that is off by more than the receive window: nothing is carried out until somebody mends it.
    Blocked: (10002, 10008, 10009, 10010, 10024, 10027),
    NotEntitled: (10005, 10020, 10028, 10029),
    SymbolNotOffered: (170121,),
    # The exchange does not know itself whether it was carried out; 10014: it has just been asked the same.
    SourceDown: (10000, 10007, 10014, 10016, 170001, 170007, 170032, 170146, 170147, 170149),
}
KINDS = {code: kind for kind, codes in CODES.items() for code in codes}


class Calls:
    """One signed client. Questions are repeated while that may help; what changes something is sent once."""

    def __init__(
        self,
        key: str,
        secret: str,
        *,
        testnet: bool,
        base_url: str | None = None,
        timeout_s: float = TIMEOUT_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._secrets = (secret, key)
        self._sleep = sleep
        self._exchange: Any = _typed(ccxt.bybit)(
            {"apiKey": key, "secret": secret, "enableRateLimit": True, "timeout": int(timeout_s * 1000)}
        )
        self._exchange.options["maxRetriesOnFailure"] = 0
        if testnet:
            self._exchange.set_sandbox_mode(True)
        if base_url is not None:
            addresses = self._exchange.urls["api"]
            self._exchange.urls["api"] = {name: base_url.rstrip("/") for name in addresses}

    async def ask(self, path: str, asked: Mapping[str, Any], *, private: bool = True) -> Said:
        """Return the ``result`` of a question."""
        for attempt in range(1, ATTEMPTS + 1):
            outcome = await self._call("private" if private else "public", "GET", path, asked)
            if isinstance(outcome, Said):
                return outcome
            if not isinstance(outcome, RETRYABLE) or attempt == ATTEMPTS:
                raise outcome
            told_s = outcome.wait_s if isinstance(outcome, RateLimited) else None
            drawn_s = random.uniform(0, min(BACKOFF_MAX_S, BACKOFF_S * 2**attempt))
            await self._sleep(max(min(told_s or 0.0, BACKOFF_MAX_S), drawn_s))
        raise BadRequest(f"{NAME} GET {path}: no attempt is allowed")

    async def send(self, path: str, body: Mapping[str, Any]) -> Said:
        """Send once what changes something; SourceDown and BadReply mean that it may have been carried out."""
        outcome = await self._call("private", "POST", path, body)
        if isinstance(outcome, Said):
            return outcome
        raise outcome

    async def close(self) -> None:
        """Close the connections; calling it twice does no harm."""
        await self._exchange.close()

    async def _call(self, access: str, method: str, path: str, asked: Mapping[str, Any]) -> Said | FeedError:
        """One request; a failure is given back, so that no cause with the key in it hangs on it."""
        where = f"{NAME} {method} {path}"
        words = [access, method, *re.split(r"[/-]", path)]
        call = getattr(self._exchange, words[0] + "".join(word.capitalize() for word in words[1:]))
        PROVIDER_REQUESTS.labels(NAME).inc()
        try:
            self._refuse_redirects()
            reply = await call(dict(asked))
            return Said(where, reply.get("result") if isinstance(reply, dict) else reply)
        except FeedError as error:
            failure = error
        except ccxt.RequestTimeout:
            failure = SourceDown(f"no answer within {TIMEOUT_S:g} s")
        except (ccxt.NetworkError, aiohttp.ClientConnectionError, OSError) as error:
            failure = SourceDown(f"it cannot be reached ({type(error.__cause__ or error).__name__})")
        except (ccxt.BaseError, aiohttp.ClientError, TypeError, ValueError, KeyError, AttributeError) as error:
            # ccxt reads a body that is no JSON as text, and trips over it in many ways.
            failure = BadReply(f"the answer is garbled ({type(error.__cause__ or error).__name__})")
        PROVIDER_ERRORS.labels(NAME, type(failure).__name__).inc()
        text = self._clean(" ".join(str(failure).split()))
        failure.args = (text if text.startswith(where) else f"{where}: {text}", *failure.args[1:])
        return failure

    def _refuse_redirects(self) -> None:
        """Following a redirect would hand key and signature to a stranger, and might send an order twice."""
        if not self._exchange.session:
            self._exchange.open()
            trace = aiohttp.TraceConfig()
            trace.on_request_redirect.append(_redirected)
            trace.freeze()
            self._exchange.session.trace_configs.append(trace)

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return scrub(text)


async def _redirected(*_: Any) -> None:
    raise BadReply("it redirects, which is not followed")


def _typed(exchange: Any) -> Any:
    """The exchange's class, made to judge each reply in our terms before ccxt does."""

    def handle_errors(
        _: Any, code: int, reason: str, url: str, method: str, headers: Any, body: str, *rest: Any
    ) -> None:
        judge(code, {name.lower(): value for name, value in dict(headers).items()}, body, rest[0])

    return type(exchange.__name__, (exchange,), {"handle_errors": handle_errors})


def judge(status: int, headers: Mapping[str, str], body: str, reply: Any) -> None:
    """Raise what a reply says: by the exchange's own code first, then by the status."""
    if isinstance(reply, dict) and type(reply.get("retCode")) is int:
        code = reply["retCode"]
        if code == 0 and status < 400:
            return
        said = f"{code} {reply.get('retMsg', '')}"[:200]
        kind = KINDS.get(code)
        if code == 10001 and "symbol" in said.lower():
            kind = SymbolNotOffered
        if kind is None and status < 400:
            kind = BadRequest
    else:
        if status < 400:
            raise BadReply("the answer is not what the exchange sends")
        kind, said = None, f"HTTP {status} {'' if body.lstrip().startswith('<') else body[:200]}".strip()
    if kind is None:
        kind = STATUS_ERRORS.get(status, BadRequest if status < 500 else SourceDown)
    if kind is RateLimited or (status == 403 and "too frequent" in body):
        raise RateLimited(said, retry_after_s(headers))
    raise kind(said)
