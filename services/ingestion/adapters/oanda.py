"""OANDA v20, practice server: forex candles at the mid price and tradable quotes.

Volume is the number of ticks. There are no candles at weekends. A day begins at 17:00 New York and carries the date on
which it ends, so that the week is Monday to Friday.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from services.domain.candles import SECONDS, Candles, Timeframe, epoch, from_rows, moment
from services.ingestion.adapters import utc_now
from services.ingestion.errors import BadReply, SymbolNotOffered
from services.ingestion.observations import QuoteReading
from services.ingestion.session_bars import Row, row_of, session_date
from services.kernel.http import Http, Param, Policy, Reply

NAME = "oanda"
FAMILY = "forex"
NEEDS: tuple[str, ...] = ("OANDA_TOKEN", "OANDA_ACCOUNT_ID")
GIVES = frozenset({"candles", "quotes"})
BASE_URL = "https://api-fxpractice.oanda.com/v3"
POLICY = Policy(requests=100, per_seconds=1.0)

PAGE_BARS = 5_000
"""Candles of one request; the provider's maximum."""
GRANULARITY: dict[Timeframe, str] = {"1m": "M1", "5m": "M5", "15m": "M15", "1h": "H1", "4h": "H4", "1d": "D"}
EVENING_S = 7 * 3600
"""From 17:00 New York to midnight: what makes a day's begin fall on the date of its end."""


def connect(
    environment: Mapping[str, str],
    *,
    base_url: str = BASE_URL,
    symbols: Mapping[str, str] | None = None,
    clock: Callable[[], datetime] = utc_now,
    http: Callable[..., Http] = Http,
) -> "OandaSource":
    """Make the source from token and account; the base URL is of practice or real, and the token must fit."""
    token, account = (environment[name] for name in NEEDS)
    client = http(NAME, base_url, POLICY, secrets=[token, account], check=check)
    return OandaSource(client, token, account, symbols or {}, clock)


def check(reply: Reply) -> None:
    """Raise what the provider says in its ``errorMessage`` where the status says less."""
    body = reply.json()
    if not isinstance(body, dict):
        raise BadReply(f"a {type(body).__name__} instead of an object")
    said = str(body.get("errorMessage", ""))
    if reply.status == 400 and "'instrument" in said:
        raise SymbolNotOffered(said)


class OandaSource:
    """Candles and quotes of OANDA."""

    name = NAME

    def __init__(
        self,
        http: Http,
        token: str,
        account: str,
        symbols: Mapping[str, str],
        clock: Callable[[], datetime],
        page_bars: int = PAGE_BARS,
    ) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}", "Accept-Datetime-Format": "RFC3339"}
        self._account = account
        self._symbols = symbols
        self._clock = clock
        self._page_bars = page_bars

    async def history(
        self, symbol: str, timeframe: Timeframe, since: datetime, until: datetime
    ) -> AsyncIterator[Candles]:
        """Pages of complete candles with opens in [since, until), walked from the last candle of the page before."""
        # A daily candle begins on the evening before its date.
        cursor, first = since - (timedelta(days=1) if timeframe == "1d" else timedelta()), True
        while cursor < min(until, self._clock()):
            rows, reached_now = await self._page(symbol, timeframe, cursor, until, first)
            fresh = [row for row in rows if first or row[0] > epoch(cursor)]
            if rows and not fresh and rows[0][0] < epoch(cursor):
                raise BadReply(f"{NAME} {symbol} {timeframe}: the page after {cursor.isoformat()} holds older candles")
            page = from_rows(symbol, timeframe, NAME, _dated(fresh, timeframe))
            page = page.between(since, until).closed_by(self._clock())
            if len(page):
                yield page
            if reached_now or not fresh:
                return
            # A page may stop short of its count; only an empty one says that nothing follows.
            cursor, first = moment(fresh[-1][0]), False

    async def latest(self, symbol: str, timeframe: Timeframe, since: datetime) -> Candles:
        """Complete candles with opens at or after ``since``, as many as the first page gives."""
        async for page in self.history(symbol, timeframe, since, self._clock()):
            return page
        return from_rows(symbol, timeframe, NAME, [])

    async def quote(self, symbol: str) -> QuoteReading:
        """The best bid and ask that can be dealt at, sizes in units of the base currency; none while closed."""
        told = self._instrument(symbol)
        path = f"/accounts/{self._account}/pricing"
        body = (await self._http.get(path, {"instruments": told}, self._headers)).json()
        try:
            found = next((price for price in body["prices"] if price["instrument"] == told), None)
            if found is None:
                raise SymbolNotOffered(f"{NAME} {told}: the account has no price of it")
            ts = datetime.fromisoformat(found["time"])
            closed = found.get("tradeable") is False or found.get("status", "tradeable") != "tradeable"
            bid, bid_size = _best([] if closed else found["bids"], max)
            ask, ask_size = _best([] if closed else found["asks"], min)
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise BadReply(f"{NAME} {told}: the price cannot be read: {type(error).__name__} {error}") from error
        return QuoteReading(symbol, ts, bid, ask, bid_size, ask_size)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    def _instrument(self, symbol: str) -> str:
        return self._symbols.get(symbol) or symbol.replace("/", "_")

    def _count(self, timeframe: Timeframe, cursor: datetime, until: datetime) -> int:
        """Candles to ask for: no more than the provider allows, nor than could open before the end."""
        span_s = epoch(min(until, self._clock())) - epoch(cursor)
        return max(1, min(self._page_bars, span_s // SECONDS[timeframe] + 2))

    async def _page(
        self, symbol: str, timeframe: Timeframe, cursor: datetime, until: datetime, include_first: bool
    ) -> tuple[list[Row], bool]:
        """One request by ``from`` and ``count``: the provider refuses a count beside ``to``, and a ``to`` to come."""
        told = self._instrument(symbol)
        daily = timeframe == "1d"
        params: dict[str, Param] = {
            "price": "M",
            "granularity": GRANULARITY[timeframe],
            "from": f"{cursor.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000000000Z",
            "count": self._count(timeframe, cursor, until),
            "includeFirst": include_first,
            "dailyAlignment": 17 if daily else 0,
            "alignmentTimezone": "America/New_York" if daily else "UTC",
        }
        reply = await self._http.get(f"/instruments/{told}/candles", params, self._headers)
        return _rows(reply.json(), told)


def _rows(body: Mapping[str, Any], told: str) -> tuple[list[Row], bool]:
    """Complete candles at the mid price in time order, and whether one that is still forming came with them."""
    try:
        candles = body["candles"]
        rows = [
            row_of(
                int(datetime.fromisoformat(candle["time"]).timestamp()),
                (*(candle["mid"][key] for key in "ohlc"), candle["volume"]),
            )
            for candle in candles
            if candle["complete"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise BadReply(f"{NAME} {told}: a candle cannot be read: {type(error).__name__} {error}") from error
    return sorted(rows), len(rows) < len(candles)


def _dated(rows: list[Row], timeframe: Timeframe) -> list[Row]:
    if timeframe != "1d":
        return rows
    return [row_of(session_date(ts + EVENING_S), values) for ts, *values in rows]


def _best(levels: list[dict[str, Any]], pick: Callable[..., Any]) -> tuple[Decimal | None, float | None]:
    """Price and size of the best level; nobody may be quoting."""
    if not levels:
        return None, None
    price, size = pick((Decimal(str(level["price"])), float(level["liquidity"])) for level in levels)
    return price, size
