"""Public candles and order-book tops of crypto exchanges through ccxt; no key is needed. No open bar is given."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import ccxt.async_support as ccxt
import stamina

from services.domain.candles import SECONDS, Candles, Timeframe, epoch, from_rows
from services.ingestion.errors import (
    RETRYABLE,
    BadReply,
    Blocked,
    FeedError,
    RateLimited,
    SourceDown,
    SymbolNotOffered,
)
from services.ingestion.observations import QuoteReading

PAGE_BARS = 1000
"""Both Binance and Bybit give at most 1000 bars a request."""

BOOK_DEPTH = 5
"""Levels of the order book to ask for; both exchanges accept it, and only the first is used."""

Rows = list[tuple[int, float, float, float, float, float]]


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long (seconds) to wait for a source before giving up until the next poll."""

    attempts: int = 5
    wait_initial_s: float = 0.5
    wait_max_s: float = 10.0
    jitter_s: float = 0.5


def connect(exchange: str, base_url: str | None = None, timeout_s: float = 15.0) -> Any:
    """Make a ccxt client for public data of ``exchange``; ``base_url`` sends every request to another host.

    Raises FeedError for an exchange that ccxt does not know. To be called where clients are constructed.
    """
    if exchange not in ccxt.exchanges:
        raise FeedError(f"exchange {exchange!r} is unknown to ccxt")
    client = public_spot(getattr(ccxt, exchange), timeout_s)
    if base_url is not None:
        client.urls["api"] = redirected(client.urls["api"], base_url)
    return client


def public_spot(exchange: Any, timeout_s: float) -> Any:
    """Make a client of a ccxt class for public data of spot markets, strict about what it reads."""
    client = _strict(exchange)({"enableRateLimit": True, "timeout": int(timeout_s * 1000)})
    # Spot markets are all we need: fewer requests at start, none that wants a key.
    client.has["fetchCurrencies"] = False
    client.options["fetchMarkets"] = {"types": ["spot"]}
    return client


def _strict(exchange: Any) -> Any:
    """The exchange's class, made to complain where ccxt would read an unreadable reply as 'no candles'."""

    def handle_errors(self: Any, code: int, reason: str, url: str, *args: Any) -> Any:
        method, _, body, response = args[:4]
        if code < 400 and not isinstance(response, list | dict):
            raise ccxt.BadResponse(f"{self.id} {method} {url} {code} {reason}: not JSON: {body[:80]}")
        return exchange.handle_errors(self, code, reason, url, *args)

    def parse_ohlcv(self: Any, ohlcv: Any, market: Any = None) -> Any:
        row = exchange.parse_ohlcv(self, ohlcv, market)
        if len(row) < 6 or any(not isinstance(value, int | float) for value in row[:6]):
            raise ccxt.BadResponse(f"{self.id}: not a candle: {str(ohlcv)[:80]}")
        return row

    return type(exchange.__name__, (exchange,), {"handle_errors": handle_errors, "parse_ohlcv": parse_ohlcv})


def redirected(urls: Any, base_url: str) -> Any:
    """The same addresses at another host."""
    if isinstance(urls, dict):
        return {key: redirected(value, base_url) for key, value in urls.items()}
    return base_url.rstrip("/") + re.sub(r"^https?://[^/]+", "", urls)


class CcxtCandles:
    """A `CandleSource` over one ccxt client. ``aliases`` maps our symbols to the exchange's where they differ."""

    def __init__(
        self,
        client: Any,
        aliases: Mapping[str, str] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        patience: Patience | None = None,
        page_bars: int = PAGE_BARS,
    ) -> None:
        self.name: str = client.id
        self._client = client
        self._aliases = dict(aliases or {})
        self._clock = clock
        self._patience = patience or Patience()
        self._page_bars = page_bars

    async def history(
        self, symbol: str, timeframe: Timeframe, since: datetime, until: datetime
    ) -> AsyncIterator[Candles]:
        """Pages of closed bars with opens in [since, until)."""
        step = timedelta(seconds=SECONDS[timeframe])
        cursor, end = since, min(until, self._clock())
        while cursor < end:
            page = await self._page(symbol, timeframe, cursor)
            if len(page) == 0:
                # An exchange may answer a long outage with nothing; what comes after it is still wanted.
                cursor += step * self._page_bars
                continue
            wanted = page.between(cursor, until).closed_by(self._clock())
            if len(wanted):
                yield wanted
            after = datetime.fromtimestamp(int(page.ts.max()), UTC) + step
            if after <= cursor:
                raise BadReply(f"{self.name}: {symbol} {timeframe} from {cursor.isoformat()} came with older bars only")
            cursor = after

    async def latest(self, symbol: str, timeframe: Timeframe, since: datetime) -> Candles:
        """Closed bars with opens at or after ``since``: one request."""
        page = await self._page(symbol, timeframe, since)
        return page.take(page.ts >= epoch(since)).closed_by(self._clock())

    async def quote(self, symbol: str) -> QuoteReading:
        """The top of the order book; a side without an order is None."""
        told = self._aliases.get(symbol, symbol)
        where = f"{self.name} {told} order book"
        book = await self._ask(where, lambda: self._client.fetch_order_book(told, BOOK_DEPTH))
        try:
            (bid, bid_size), (ask, ask_size) = _top(book["bids"]), _top(book["asks"])
        except (TypeError, ValueError, KeyError, ArithmeticError) as error:
            raise BadReply(f"{where}: the reply is no order book: {_brief(error)}") from error
        stamp = book.get("timestamp")
        ts = self._clock() if stamp is None else datetime.fromtimestamp(stamp / 1000, UTC)
        return QuoteReading(symbol, ts, bid, ask, bid_size, ask_size)

    async def close(self) -> None:
        """Close the client's connections."""
        await self._client.close()

    async def _page(self, symbol: str, timeframe: Timeframe, since: datetime) -> Candles:
        """One request, asked again as patience allows while the source is busy, down or answers nonsense."""
        told = self._aliases.get(symbol, symbol)
        p = self._patience
        async for attempt in stamina.retry_context(
            on=self._worth_waiting,
            attempts=p.attempts,
            timeout=None,
            wait_initial=p.wait_initial_s,
            wait_max=p.wait_max_s,
            wait_jitter=p.jitter_s,
        ):
            with attempt:
                rows = await self._fetch(told, timeframe, epoch(since) * 1000)
        return from_rows(symbol, timeframe, self.name, rows)

    def _worth_waiting(self, error: Exception) -> bool | float:
        if isinstance(error, RateLimited) and error.wait_s is not None:
            return min(error.wait_s, self._patience.wait_max_s)
        return isinstance(error, RETRYABLE)

    async def _load_markets(self, where: str) -> None:
        await self._client.load_markets()
        if not self._client.symbols:
            # ccxt remembers an empty answer for ever, and would then deny every symbol.
            self._client.markets, self._client.markets_loading = None, None
            raise BadReply(f"{where}: the exchange listed no markets")

    async def _fetch(self, told: str, timeframe: Timeframe, since_ms: int) -> Rows:
        where = f"{self.name} {told} {timeframe}"
        ask = self._client.fetch_ohlcv
        return _rows(await self._ask(where, lambda: ask(told, timeframe, since_ms, self._page_bars)), where)

    async def _ask(self, where: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """Make one call to ccxt and translate what goes wrong."""
        try:
            await self._load_markets(where)
            return await call()
        except ccxt.BaseError as error:
            raise typed(error, where, self._client.last_response_headers) from error
        except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
            # ccxt reads a body that is no JSON as text, and trips over it in many ways.
            raise BadReply(f"{where}: the reply is not market data: {_brief(error)}") from error


def typed(error: Exception, where: str, headers: Mapping[str, str] | None = None) -> FeedError:
    """Translate a ccxt error into what can be done about it."""
    text = f"{where}: {_brief(error)}"
    status = re.search(r"\b(?:GET \S+ |^\w+ )(\d{3})\b", str(error))
    code = status[1] if status else ""
    if isinstance(error, ccxt.RateLimitExceeded | ccxt.DDoSProtection) or "too frequent" in str(error):
        return RateLimited(text, _retry_after(headers))
    if code in ("403", "451"):
        return Blocked(f"{text} (the exchange refuses this address or country)")
    if isinstance(error, ccxt.BadSymbol):
        return SymbolNotOffered(text)
    # A connection that ends inside the body reaches ccxt's most general error.
    if isinstance(error, ccxt.NetworkError) or isinstance(error.__cause__, aiohttp.ClientError):
        return SourceDown(text)
    return BadReply(text) if isinstance(error, ccxt.BadResponse) else FeedError(text)


def _retry_after(headers: Mapping[str, str] | None) -> float | None:
    value = next((v for k, v in (headers or {}).items() if k.lower() == "retry-after"), "")
    return float(value) if re.fullmatch(r"\d+(\.\d+)?", value) else None


def _rows(reply: Any, where: str) -> Rows:
    """ccxt's [ms, open, high, low, close, volume] as seconds and floats, ascending."""
    rows: Rows = []
    for ms, o, h, low, c, volume in (row[:6] for row in reply):
        if ms % 1000:
            raise BadReply(f"{where}: a candle opens at {ms} ms, not on a whole second")
        rows.append((int(ms) // 1000, float(o), float(h), float(low), float(c), float(volume)))
    return sorted(rows)


def _top(side: list[list[float]]) -> tuple[Decimal | None, float | None]:
    return (Decimal(str(side[0][0])), float(side[0][1])) if side else (None, None)


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
