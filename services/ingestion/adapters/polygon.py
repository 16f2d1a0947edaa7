"""Polygon.io, now Massive: US stocks and ETFs, forex (``C:GBPJPY``) and crypto (``X:BTCUSD``) in pages of bars.

The free plan allows 5 requests a minute and gives end-of-day data of about two years.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from services.domain.candles import SECONDS, Candles, Timeframe, epoch, from_rows
from services.ingestion.adapters import utc_now
from services.ingestion.errors import BadKey, BadReply, NotEntitled, SymbolNotOffered
from services.ingestion.observations import QuoteReading
from services.ingestion.session_bars import BASE_MINUTES, PagedRows, Row, row_of, session_bars
from services.kernel.http import Http, Policy, Reply

NAME = "polygon"
FAMILY = "stocks"
NEEDS: tuple[str, ...] = ("POLYGON_API_KEY",)
GIVES = frozenset({"candles", "quotes"})
BASE_URL = "https://api.massive.com"
POLICY = Policy(requests=5, per_seconds=60.0)

HOSTS = frozenset({"api.massive.com", "api.polygon.io"})
"""Hosts that a ``next_url`` may name; the request goes to our own base URL all the same."""
PAGE_LIMIT = 50_000
"""Base bars (minutes or days) that one page may cover; the provider's maximum."""
DELAY = timedelta(minutes=15)
"""How old the newest trades of the delayed plans are; a bar that closed later is not whole yet."""
SHARES_PER_LOT = 100
ROUND_THE_CLOCK: dict[Timeframe, tuple[int, str]] = {
    "1m": (1, "minute"),
    "5m": (5, "minute"),
    "15m": (15, "minute"),
    "1h": (1, "hour"),
    "4h": (4, "hour"),
    "1d": (1, "day"),
}


def connect(
    environment: Mapping[str, str],
    *,
    base_url: str = BASE_URL,
    symbols: Mapping[str, str] | None = None,
    clock: Callable[[], datetime] = utc_now,
    http: Callable[..., Http] = Http,
) -> "PolygonSource":
    """Make the source from its key; ``symbols`` names ours that are not a US ticker or a forex pair."""
    key = environment["POLYGON_API_KEY"]
    hosts = HOSTS | {urlsplit(base_url).netloc}
    return PolygonSource(http(NAME, base_url, POLICY, secrets=[key], check=check), key, hosts, symbols or {}, clock)


def check(reply: Reply) -> None:
    """Raise what the provider says in its body: ``error`` or ``message``, and a status other than the good ones."""
    body = reply.json()
    if not isinstance(body, dict):
        raise BadReply(f"a {type(body).__name__} instead of an object")
    status, said = str(body.get("status", "")), str(body.get("message") or body.get("error") or "")
    if status == "NOT_AUTHORIZED" or (reply.status == 403 and "not entitled" in said.lower()):
        raise NotEntitled(said or status)
    if "unknown api key" in said.lower():
        raise BadKey(said)
    # DELAYED is the success of the delayed plans, "success" that of the currency quotes.
    if reply.status == 200 and status not in ("OK", "DELAYED", "success"):
        raise BadReply(f"status {status!r} {said}".strip())


class PolygonSource:
    """Candles and quotes of Polygon. Stock bars are those of the New York session, adjusted for splits."""

    name = NAME

    def __init__(
        self,
        http: Http,
        key: str,
        hosts: frozenset[str],
        symbols: Mapping[str, str],
        clock: Callable[[], datetime],
    ) -> None:
        self._http = http
        self._key = key
        self._hosts = hosts
        self._symbols = symbols
        self._clock = clock

    async def history(
        self, symbol: str, timeframe: Timeframe, since: datetime, until: datetime, *, adjusted: bool = True
    ) -> AsyncIterator[Candles]:
        """Pages of closed bars with opens in [since, until); ``adjusted`` False gives stock prices before splits."""
        ticker = self._ticker(symbol)
        # A bar that opens before the end is only whole with what came after it.
        end = min(until + timedelta(seconds=SECONDS[timeframe]), self._clock())
        if since >= min(until, end):
            return
        path = _aggregates_path(ticker, timeframe, since, end)
        params: dict[str, str | int] = {"adjusted": str(adjusted).lower(), "sort": "asc", "limit": PAGE_LIMIT}
        paged, visited = PagedRows(), {path}
        while True:
            body = (await self._http.get(path, {**params, "apiKey": self._key})).json()
            rows = _rows(body, f"{NAME} {ticker}")
            following = body.get("next_url")
            complete = paged.add(rows) + ([] if following else paged.rest())
            now = self._clock() - (DELAY if body["status"] == "DELAYED" else timedelta())
            bars = _bars(symbol, ticker, timeframe, complete).between(since, until).closed_by(now)
            if len(bars):
                yield bars
            if not following:
                return
            if following in visited:
                raise BadReply(f"{NAME} {ticker}: the page after this one is one that was already read")
            visited.add(following)
            path, params = self._next_page(following)

    async def latest(self, symbol: str, timeframe: Timeframe, since: datetime, *, adjusted: bool = True) -> Candles:
        """Closed bars with opens at or after ``since``, as many as the first page gives."""
        async for page in self.history(symbol, timeframe, since, self._clock(), adjusted=adjusted):
            return page
        return from_rows(symbol, timeframe, NAME, [])

    async def quote(self, symbol: str) -> QuoteReading:
        """The last best bid and ask; sizes of stocks in shares. Raises SymbolNotOffered for crypto."""
        ticker = self._ticker(symbol)
        if ticker.startswith("X:"):
            raise SymbolNotOffered(f"{NAME} {ticker}: there are no crypto quotes")
        if ticker.startswith("C:"):
            path = f"/v1/last_quote/currencies/{ticker[2:5]}/{ticker[5:]}"
            last = _object(await self._http.get(path, {"apiKey": self._key}), "last")
            ts = _moment(_field(last, "timestamp"), 1_000)
            return QuoteReading(symbol, ts, _price(last.get("bid")), _price(last.get("ask")))
        found = _object(await self._http.get(f"/v2/last/nbbo/{ticker}", {"apiKey": self._key}), "results")
        bid, ask = _price(found.get("p")), _price(found.get("P"))
        bid_size, ask_size = (float(found.get(key) or 0) * SHARES_PER_LOT for key in ("s", "S"))
        ts = _moment(_field(found, "t"), 1_000_000_000)
        return QuoteReading(symbol, ts, bid, ask, bid_size if bid else None, ask_size if ask else None)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    def _ticker(self, symbol: str) -> str:
        if symbol in self._symbols:
            return self._symbols[symbol]
        return f"C:{symbol.replace('/', '')}" if "/" in symbol else symbol

    def _next_page(self, next_url: str) -> tuple[str, dict[str, str | int]]:
        """Path and query of the page that follows; only these are believed, and the key is added again."""
        parts = urlsplit(next_url)
        if parts.netloc not in self._hosts:
            raise BadReply(f"{NAME}: next_url names the host {parts.netloc!r}, not one of its own")
        query: dict[str, str | int] = dict(parse_qsl(parts.query))
        query.pop("apiKey", None)
        return parts.path, query


def _aggregates_path(ticker: str, timeframe: Timeframe, since: datetime, end: datetime) -> str:
    minutes = BASE_MINUTES[timeframe]
    if ":" in ticker:
        multiplier, timespan = ROUND_THE_CLOCK[timeframe]
    else:
        multiplier, timespan = (1, "day") if minutes is None else (minutes, "minute")
    # Both bounds are included.
    first, last = str(epoch(since) * 1000), str(epoch(end) * 1000 - 1)
    if timespan == "day":
        first, last = (t.astimezone(UTC).date().isoformat() for t in (since, end - timedelta(microseconds=1)))
    return f"/v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{first}/{last}"


def _bars(symbol: str, ticker: str, timeframe: Timeframe, rows: list[Row]) -> Candles:
    if ":" in ticker:
        return from_rows(symbol, timeframe, NAME, rows)
    return session_bars(symbol, timeframe, NAME, rows)


def _rows(body: dict[str, Any], where: str) -> list[Row]:
    """The bars of a page; ``results`` is left out where there are none."""
    try:
        rows = [row_of(int(bar["t"]) // 1000, (bar[key] for key in "ohlcv")) for bar in body.get("results") or []]
    except (KeyError, TypeError, ValueError) as error:
        raise BadReply(f"{where}: a bar cannot be read: {type(error).__name__} {error}") from error
    announced = body.get("resultsCount")
    if isinstance(announced, int) and len(rows) < announced:
        raise BadReply(f"{where}: {len(rows)} bars came where {announced} were announced")
    return rows


def _object(reply: Reply, key: str) -> dict[str, Any]:
    found = reply.json().get(key)
    if not isinstance(found, dict):
        raise SymbolNotOffered(f"{NAME}: {reply.url} has no {key}")
    return found


def _field(found: Mapping[str, Any], key: str) -> int:
    value = found.get(key)
    if not isinstance(value, int):
        raise BadReply(f"{NAME}: a quote's {key} is {value!r}, not a whole number")
    return value


def _moment(ticks: int, per_second: int) -> datetime:
    """A moment from whole ticks; a float could not hold nanoseconds."""
    seconds, part = divmod(ticks, per_second)
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=part * 1_000_000 // per_second)


def _price(value: Any) -> Decimal | None:
    """A price as delivered; zero is a side that nobody quotes."""
    return Decimal(str(value)) if value else None
