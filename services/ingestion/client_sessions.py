"""Lets client libraries that are built on requests (praw, tweepy) ask through our own `Http`, from a thread.

So their requests are paced, retried, cut off and scrubbed like everybody else's, and fail with the same typed errors.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from services.kernel.http import STATUS_ERRORS, Http, retry_after_s
from services.kernel.provider_errors import BadReply, BadRequest, RateLimited, SourceDown

LOGIN_BYTES_MAX = 64 * 1024


class SharedSession(requests.Session):
    """A requests session whose GETs go through ``http`` on the loop that `on_this_loop` named.

    Other methods (logins) go over requests, once, and follow no redirect. Raises FeedErrors only. To be used in threads
    other than the loop's.
    """

    def __init__(self, http: Http, timeout_s: float) -> None:
        super().__init__()
        self._http = http
        self._timeout_s = timeout_s
        self._loop: asyncio.AbstractEventLoop | None = None
        # These libraries log headers or bodies when asked to be chatty; a key must not get there.
        for library in ("prawcore", "praw", "tweepy", "urllib3"):
            logging.getLogger(library).setLevel(logging.WARNING)

    def on_this_loop(self) -> None:
        """Say that requests run on the loop of the caller."""
        self._loop = asyncio.get_running_loop()

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        """Answer one request of the library."""
        if str(method).upper() != "GET":
            return self._login(str(method), str(url), **kwargs)
        if self._loop is None:
            raise BadRequest(f"{self._http.name} GET {urlsplit(str(url)).path}: no event loop was named")
        params, headers = kwargs.get("params"), kwargs.get("headers")
        return self._over_http(str(url), dict(params or {}), dict(headers or {}), self._loop)

    def _over_http(
        self, url: str, params: Mapping[str, Any], headers: Mapping[str, str], loop: asyncio.AbstractEventLoop
    ) -> requests.Response:
        named = {"User-Agent": str(self.headers["User-Agent"])} | dict(headers)
        asked = self._http.get(urlsplit(url).path, params, named)
        reply = asyncio.run_coroutine_threadsafe(asked, loop).result()
        response = requests.Response()
        response.status_code, response.url = reply.status, reply.url
        # The body is decoded already.
        response.headers.update({k: v for k, v in reply.headers.items() if k not in {"content-encoding"}})
        response._content = reply.body
        response._content_consumed = True
        return response

    def _login(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        where = f"{self._http.name} {method.upper()} {urlsplit(url).path}"
        try:
            told = {"timeout": self._timeout_s, "allow_redirects": False, "stream": True}
            response = super().request(method, url, **kwargs | told)
            response._content = self._whole(response, where)
            status = response.status_code
            if status < 400:
                response.json()
        except requests.JSONDecodeError:
            # The cause would carry the whole body along, and with it a token.
            raise BadReply(f"{where}: the answer is not JSON") from None
        except (requests.ConnectionError, requests.Timeout) as error:
            raise SourceDown(f"{where}: it cannot be reached ({type(error).__name__})") from None
        except requests.RequestException as error:
            raise BadReply(f"{where}: the answer is garbled ({type(error).__name__})") from None
        if status == 429:
            raise RateLimited(f"{where}: HTTP 429", retry_after_s({k.lower(): v for k, v in response.headers.items()}))
        if status >= 400:
            raise STATUS_ERRORS.get(status, BadRequest if status < 500 else SourceDown)(f"{where}: HTTP {status}")
        return response

    def _whole(self, response: requests.Response, where: str) -> bytes:
        """Read the body within the time-out as a whole; requests' own holds for each piece of it only."""
        until, body = time.monotonic() + self._timeout_s, bytearray()
        with response:
            for piece in response.iter_content(1):
                body += piece
                if time.monotonic() > until:
                    raise SourceDown(f"{where}: no whole answer within {self._timeout_s:g} s")
                if len(body) > LOGIN_BYTES_MAX:
                    raise BadReply(f"{where}: the answer is larger than {LOGIN_BYTES_MAX >> 10} KiB")
        return bytes(body)
