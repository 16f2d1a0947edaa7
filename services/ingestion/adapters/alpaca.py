"""Alpaca market data v2: US stocks and ETFs, from the IEX exchange on the free plan.

IEX volume is a fraction of the consolidated volume; ``ALPACA_DATA_FEED=sip`` asks for all exchanges where the plan
covers it. Prices are adjusted for splits unless asked otherwise.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from services.domain.candles import SECONDS, Candles, Timeframe, from_rows
from services.ingestion.adapters import utc_now
from services.ingestion.errors import BadKey, BadReply, NotEntitled, RateLimited, SymbolNotOffered
from services.ingestion.observations import QuoteReading
from services.ingestion.session_bars import BASE_MINUTES, PagedRows, Row, row_of, session_bars
from services.kernel.http import Http, Param, Policy, Reply, retry_after_s

NAME = "alpaca"
FAMILY = "stocks"
NEEDS: tuple[str, ...] = ("ALPACA_API_KEY_ID", "ALPACA_API_SECRET_KEY")
GIVES = frozenset({"candles", "quotes"})
BASE_URL = "https://data.alpaca.markets"
POLICY = Policy(requests=200, per_seconds=60.0)

PAGE_LIMIT = 10_000
"""Bars of one page, over all symbols of the request; the provider's maximum."""


def connect(
    environment: Mapping[str, str],
    *,
    base_url: str = BASE_URL,
    symbols: Mapping[str, str] | None = None,
    clock: Callable[[], datetime] = utc_now,
    http: Callable[..., Http] = Http,
) -> "AlpacaSource":
    """Make the source from its key id and secret; ``symbols`` names ours that differ."""
    key, secret = (environment[name] for name in NEEDS)

    def check(reply: Reply) -> None:
        _check(reply, clock())

    client = http(NAME, base_url, POLICY, secrets=[key, secret], check=check)
    headers = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}
    return AlpacaSource(client, headers, environment.get("ALPACA_DATA_FEED", "iex"), symbols or {}, clock)


def _check(reply: Reply, now: datetime) -> None:
    """Raise what the provider says in its ``message``: 403 is both a bad key and a plan that does not cover it."""
    if reply.status == 429:
        raise RateLimited(f"HTTP 429, {reply.headers.get('x-ratelimit-limit', '?')} a minute", _wait_s(reply, now))
    body = reply.json()
    if not isinstance(body, dict):
        raise BadReply(f"a {type(body).__name__} instead of an object")
    said = str(body.get("message", ""))
    if reply.status == 403 and ("subscription" in said or "not permit" in said):
        raise NotEntitled(said)
    if reply.status == 403 and said:
        raise BadKey(said)
    if reply.status in (400, 422) and "invalid symbol" in said:
        raise SymbolNotOffered(said)


class AlpacaSource:
    """Candles of the New York session and latest quotes of Alpaca."""

    name = NAME

    def __init__(
        self,
        http: Http,
        headers: Mapping[str, str],
        feed: str,
        symbols: Mapping[str, str],
        clock: Callable[[], datetime],
    ) -> None:
        self._http = http
        self._headers = headers
        self._feed = feed
        self._symbols = symbols
        self._clock = clock

    async def history(
        self, symbol: str, timeframe: Timeframe, since: datetime, until: datetime, *, adjusted: bool = True
    ) -> AsyncIterator[Candles]:
        """Pages of closed bars with opens in [since, until); ``adjusted`` False gives prices before splits."""
        told = self._symbols.get(symbol, symbol)
        # A bar that opens before the end is only whole with what came after it.
        end = min(until + timedelta(seconds=SECONDS[timeframe]), self._clock())
        if since >= min(until, end):
            return
        paged = PagedRows()
        token: str | None = None
        visited: set[str] = set()
        while True:
            body = await self._bars_page(told, timeframe, since, end, adjusted, token)
            rows, token = _rows(body, told), body.get("next_page_token") or None
            complete = paged.add(rows) + ([] if token else paged.rest())
            bars = session_bars(symbol, timeframe, NAME, complete).between(since, until).closed_by(self._clock())
            if len(bars):
                yield bars
            if token is None:
                return
            if token in visited:
                raise BadReply(f"{NAME} {told}: the page after this one is one that was already read")
            visited.add(token)

    async def latest(self, symbol: str, timeframe: Timeframe, since: datetime, *, adjusted: bool = True) -> Candles:
        """Closed bars with opens at or after ``since``, as many as the first page with any gives."""
        async for page in self.history(symbol, timeframe, since, self._clock(), adjusted=adjusted):
            return page
        return from_rows(symbol, timeframe, NAME, [])

    async def quote(self, symbol: str) -> QuoteReading:
        """The latest best bid and ask, sizes in shares; a side at price zero is not quoted."""
        told = self._symbols.get(symbol, symbol)
        params = {"symbols": told, "feed": self._feed}
        reply = await self._http.get("/v2/stocks/quotes/latest", params, self._headers)
        quotes = reply.json().get("quotes")
        if not isinstance(quotes, dict):
            raise BadReply(f"{NAME} {told}: the answer has no quotes")
        if not isinstance(found := quotes.get(told), dict):
            raise SymbolNotOffered(f"{NAME} {told}: no quote on the feed {self._feed}")
        try:
            ts = datetime.fromisoformat(found["t"])
            bid, ask = (Decimal(str(found[key])) or None for key in ("bp", "ap"))
            bid_size, ask_size = (float(found[key]) for key in ("bs", "as"))
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise BadReply(f"{NAME} {told}: the quote cannot be read: {type(error).__name__} {error}") from error
        return QuoteReading(symbol, ts, bid, ask, bid_size if bid else None, ask_size if ask else None)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _bars_page(
        self, told: str, timeframe: Timeframe, since: datetime, end: datetime, adjusted: bool, token: str | None
    ) -> dict[str, Any]:
        minutes = BASE_MINUTES[timeframe]
        params: dict[str, Param] = {
            "symbols": told,
            "timeframe": "1Day" if minutes is None else f"{minutes}Min",
            "start": since.isoformat(),
            # Both bounds are included.
            "end": (end - timedelta(microseconds=1)).isoformat(),
            "limit": PAGE_LIMIT,
            "adjustment": "split" if adjusted else "raw",
            "feed": self._feed,
            "sort": "asc",
            "page_token": token,
        }
        body: dict[str, Any] = (await self._http.get("/v2/stocks/bars", params, self._headers)).json()
        return body


def _rows(body: Mapping[str, Any], told: str) -> list[Row]:
    """The symbol's bars on a page; a page may hold other symbols only, or none."""
    try:
        # Both the symbols and a symbol's bars may be null.
        found = (body["bars"] or {}).get(told) or []
        return [
            row_of(int(datetime.fromisoformat(bar["t"]).timestamp()), (bar[key] for key in "ohlcv")) for bar in found
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadReply(f"{NAME} {told}: a bar cannot be read: {type(error).__name__} {error}") from error


def _wait_s(reply: Reply, now: datetime) -> float | None:
    """Seconds to wait: ``Retry-After``, else until the moment of ``X-RateLimit-Reset``; a skewed clock waits 60 s."""
    told_s, reset = retry_after_s(reply.headers), reply.headers.get("x-ratelimit-reset", "")
    if told_s is not None:
        return told_s
    return min(max(int(reset) - now.timestamp(), 0.0), 60.0) if reset.isdigit() else None
