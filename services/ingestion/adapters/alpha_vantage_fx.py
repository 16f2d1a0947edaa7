"""Alpha Vantage for forex: days on the free plan, minutes on a premium one, and the current rate.

There is no volume. The rate carries bid and ask in newer replies only.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from services.domain.candles import SECONDS, Candles, Timeframe, from_rows
from services.ingestion.adapters import alpha_vantage, utc_now
from services.ingestion.errors import BadReply, BadRequest, SymbolNotOffered
from services.ingestion.observations import QuoteReading
from services.ingestion.session_bars import Row, row_of
from services.kernel.http import Http, Param, Policy

NAME = "alpha_vantage_fx"
FAMILY = "forex"
NEEDS: tuple[str, ...] = ("ALPHA_VANTAGE_API_KEY",)
GIVES = frozenset({"candles", "quotes"})
BASE_URL = alpha_vantage.BASE_URL
POLICY = Policy(requests=1, per_seconds=1.5, per_day=10, attempts=2)
"""The key's 25 requests a day are shared with ``alpha_vantage``, which has the other 15."""

INTERVAL: dict[Timeframe, str] = {"1m": "1min", "5m": "5min", "15m": "15min", "1h": "60min"}
POINTS = 100
"""What a compact answer holds."""


def connect(
    environment: Mapping[str, str],
    *,
    base_url: str = BASE_URL,
    symbols: Mapping[str, str] | None = None,
    clock: Callable[[], datetime] = utc_now,
    http: Callable[..., Http] = Http,
) -> "AlphaVantageFxSource":
    """Make the source from its key; ``symbols`` maps ours to ``FROM/TO`` where they differ."""
    key = environment["ALPHA_VANTAGE_API_KEY"]
    client = http(NAME, base_url, POLICY, secrets=[key], check=lambda reply: alpha_vantage.check(reply, clock()))
    return AlphaVantageFxSource(client, key, symbols or {}, clock)


class AlphaVantageFxSource:
    """Candles and the current rate of currency pairs from Alpha Vantage."""

    name = NAME

    def __init__(self, http: Http, key: str, symbols: Mapping[str, str], clock: Callable[[], datetime]) -> None:
        self._http = http
        self._key = key
        self._symbols = symbols
        self._clock = clock

    async def history(
        self, symbol: str, timeframe: Timeframe, since: datetime, until: datetime
    ) -> AsyncIterator[Candles]:
        """Closed bars with opens in [since, until) as one page; minutes reach back as far as they are kept."""
        now = self._clock()
        if since >= min(until, now):
            return
        rows = await (self._days(symbol, since) if timeframe == "1d" else self._minutes(symbol, timeframe, since))
        page = from_rows(symbol, timeframe, NAME, rows).between(since, until).closed_by(now)
        if len(page):
            yield page

    async def latest(self, symbol: str, timeframe: Timeframe, since: datetime) -> Candles:
        """Closed bars with opens at or after ``since``: one request."""
        async for page in self.history(symbol, timeframe, since, self._clock()):
            return page
        return from_rows(symbol, timeframe, NAME, [])

    async def quote(self, symbol: str) -> QuoteReading:
        """The current bid and ask; None where the reply gives the rate only."""
        base, quoted = self._currencies(symbol)
        body = await self._ask({"function": "CURRENCY_EXCHANGE_RATE", "from_currency": base, "to_currency": quoted})
        found = body.get("Realtime Currency Exchange Rate")
        if not isinstance(found, dict) or not found:
            raise SymbolNotOffered(f"{NAME} {symbol}: the answer has no exchange rate")
        try:
            zone = ZoneInfo(found["7. Time Zone"])
            ts = datetime.fromisoformat(found["6. Last Refreshed"]).replace(tzinfo=zone).astimezone(UTC)
        except (KeyError, TypeError, ValueError) as error:
            raise BadReply(f"{NAME} {symbol}: the rate has no time: {type(error).__name__} {error}") from error
        return QuoteReading(symbol, ts, _price(found.get("8. Bid Price")), _price(found.get("9. Ask Price")))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    def _currencies(self, symbol: str) -> tuple[str, str]:
        base, slash, quoted = self._symbols.get(symbol, symbol).partition("/")
        if not slash:
            raise SymbolNotOffered(f"{NAME} {symbol}: not a pair of currencies such as GBP/JPY")
        return base, quoted

    async def _days(self, symbol: str, since: datetime) -> list[Row]:
        back = self._clock() - since
        body = await self._pair(symbol, "FX_DAILY", back < timedelta(days=alpha_vantage.COMPACT_DAYS), None)
        rows = alpha_vantage.series(body, f"{NAME} {symbol}")
        return [row_of(ts - ts % SECONDS["1d"], values) for ts, *values in rows]

    async def _minutes(self, symbol: str, timeframe: Timeframe, since: datetime) -> list[Row]:
        if timeframe not in INTERVAL:
            raise BadRequest(f"{NAME} {symbol}: no {timeframe} bars, only {', '.join(INTERVAL)} and 1d")
        bars_back = (self._clock() - since) / timedelta(seconds=SECONDS[timeframe])
        body = await self._pair(symbol, "FX_INTRADAY", bars_back < POINTS - 1, INTERVAL[timeframe])
        return alpha_vantage.series(body, f"{NAME} {symbol}")

    async def _pair(self, symbol: str, function: str, compact: bool, interval: str | None) -> dict[str, Any]:
        base, quoted = self._currencies(symbol)
        return await self._ask(
            {
                "function": function,
                "from_symbol": base,
                "to_symbol": quoted,
                "interval": interval,
                "outputsize": "compact" if compact else "full",
            }
        )

    async def _ask(self, params: Mapping[str, Param]) -> dict[str, Any]:
        reply = await self._http.get("/query", {**params, "datatype": "json", "apikey": self._key})
        body: dict[str, Any] = reply.json()
        return body


def _price(text: str | None) -> Decimal | None:
    """A price as delivered; a side that nobody quotes is missing, a dash or zero."""
    try:
        return Decimal(text or "0") or None
    except InvalidOperation:
        return None
