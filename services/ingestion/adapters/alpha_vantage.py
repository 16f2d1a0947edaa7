"""Alpha Vantage: US stocks and ETFs and the earnings calendar, 25 requests a day on the free plan.

Every answer is HTTP 200, errors included. Daily prices come as traded; they are adjusted here by the provider's own
list of splits. Days further back than 100 sessions, and minutes, need a premium plan: NotEntitled.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.domain.candles import Candles, Timeframe
from services.ingestion.adapters import utc_now
from services.ingestion.alpha_vantage_earnings import parse_earnings
from services.ingestion.errors import (
    BadKey,
    BadReply,
    BudgetSpent,
    FeedError,
    NotEntitled,
    RateLimited,
    SymbolNotOffered,
)
from services.ingestion.observations import CalendarEvent
from services.ingestion.session_bars import BASE_MINUTES, PagedRows, Row, row_of, session_bars
from services.kernel.http import Http, Param, Policy, Reply

NAME = "alpha_vantage"
FAMILY = "stocks"
NEEDS: tuple[str, ...] = ("ALPHA_VANTAGE_API_KEY",)
GIVES = frozenset({"candles", "calendar"})
BASE_URL = "https://www.alphavantage.co"
POLICY = Policy(requests=1, per_seconds=1.5, per_day=14, attempts=2)
"""The key's 25 requests a day are shared: ``alpha_vantage_fx`` has 10, the earnings calendar takes one."""

COMPACT_DAYS = 138
"""Calendar days back that the 100 newest sessions cover at least."""
ONE_DAY = timedelta(days=1)
OLD_ZONE_NAMES = {"US/Eastern": "America/New_York"}
"""Names that a system's time zone data may no longer have."""


def connect(
    environment: Mapping[str, str],
    *,
    base_url: str = BASE_URL,
    symbols: Mapping[str, str] | None = None,
    clock: Callable[[], datetime] = utc_now,
    http: Callable[..., Http] = Http,
) -> "AlphaVantageSource":
    """Make the source from its key; ``symbols`` names ours that differ."""
    key = environment["ALPHA_VANTAGE_API_KEY"]
    client = http(NAME, base_url, POLICY, secrets=[key], check=lambda reply: check(reply, clock()))
    return AlphaVantageSource(client, key, symbols or {}, clock)


def check(reply: Reply, now: datetime) -> None:
    """Raise the error that an answer of HTTP 200 carries, told apart by its words; JSON even in place of CSV."""
    if reply.body.startswith(b"symbol,"):
        return
    body = reply.json()
    if not isinstance(body, dict):
        raise BadReply(f"a {type(body).__name__} instead of an object")
    for key in ("Error Message", "Information", "Note"):
        if key in body:
            raise _said(key, str(body[key]), now)
    if not body:
        raise BadReply("an empty object")


def _said(key: str, text: str, now: datetime) -> FeedError:
    low = text.lower()
    # The message about a burst also names the daily limit and the premium plans, so it has to be recognised first.
    if "1 request per second" in low or "spreading out" in low:
        return RateLimited(text, 1.5)
    if "requests per day" in low:
        midnight = datetime(now.year, now.month, now.day, tzinfo=UTC) + ONE_DAY
        return BudgetSpent(text, (midnight - now).total_seconds())
    if key == "Note":
        return RateLimited(text, 60.0)
    if "premium" in low and "rate limit" not in low:
        return NotEntitled(text)
    if "apikey" in low or "api key" in low:
        return BadKey(text)
    return SymbolNotOffered(text) if key == "Error Message" else BadReply(text)


class AlphaVantageSource:
    """Candles of the New York session from Alpha Vantage."""

    name = NAME

    def __init__(self, http: Http, key: str, symbols: Mapping[str, str], clock: Callable[[], datetime]) -> None:
        self._http = http
        self._key = key
        self._symbols = symbols
        self._clock = clock
        self._splits: dict[str, tuple[date, dict[date, float]]] = {}

    async def history(
        self, symbol: str, timeframe: Timeframe, since: datetime, until: datetime, *, adjusted: bool = True
    ) -> AsyncIterator[Candles]:
        """Closed bars with opens in [since, until): one page of days, or one page a month of minutes.

        Days are adjusted for splits, minutes for splits and dividends; ``adjusted`` False gives prices as traded.
        """
        told = self._symbols.get(symbol, symbol)
        now = self._clock()
        end = min(until, now)
        if since >= end:
            return
        if timeframe == "1d":
            page = session_bars(symbol, timeframe, NAME, await self._days(told, since, adjusted))
            if len(page := page.between(since, until).closed_by(now)):
                yield page
            return
        paged = PagedRows()
        months = _months(since, end)
        for month in months:
            rows = paged.add(await self._minutes(told, timeframe, month, adjusted))
            rows += paged.rest() if month == months[-1] else []
            page = session_bars(symbol, timeframe, NAME, rows).between(since, until).closed_by(now)
            if len(page):
                yield page

    async def latest(self, symbol: str, timeframe: Timeframe, since: datetime, *, adjusted: bool = True) -> Candles:
        """Closed bars with opens at or after ``since``; minutes as far back as the 100 newest reach."""
        told, now = self._symbols.get(symbol, symbol), self._clock()
        if timeframe == "1d":
            rows = await self._days(told, since, adjusted)
        else:
            rows = await self._minutes(told, timeframe, None, adjusted)
            # The oldest row may lie inside a bar whose beginning did not come with it.
            since = max(since, datetime.fromtimestamp(rows[0][0], UTC)) if rows else since
        bars = session_bars(symbol, timeframe, NAME, rows)
        return bars.between(since, now).closed_by(now)

    async def events(self, since: datetime, until: datetime) -> list[CalendarEvent]:
        """The earnings that all companies are expected to report in [since, until); their symbols are ours."""
        params: dict[str, Param] = {"function": "EARNINGS_CALENDAR", "horizon": "3month", "apikey": self._key}
        reply = await self._http.get("/query", params, text=True)
        ours = {theirs: symbol for symbol, theirs in self._symbols.items()}
        found = parse_earnings(reply.body, ours, self._clock())
        return [event for event in found if since <= event.scheduled_at < until]

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _days(self, told: str, since: datetime, adjusted: bool) -> list[Row]:
        compact = self._clock() - since < timedelta(days=COMPACT_DAYS)
        size = "compact" if compact else "full"
        body = await self._ask({"function": "TIME_SERIES_DAILY", "symbol": told, "outputsize": size})
        rows = series(body, f"{NAME} {told}")
        return split_adjusted(rows, await self._splits_of(told)) if adjusted else rows

    async def _minutes(self, told: str, timeframe: Timeframe, month: str | None, adjusted: bool) -> list[Row]:
        params: dict[str, Param] = {
            "function": "TIME_SERIES_INTRADAY",
            "symbol": told,
            "interval": f"{BASE_MINUTES[timeframe]}min",
            "adjusted": adjusted,
            "extended_hours": False,
            "month": month,
            "outputsize": "compact" if month is None else "full",
        }
        return series(await self._ask(params), f"{NAME} {told}")

    async def _splits_of(self, told: str) -> dict[date, float]:
        """Factors by the first day that trades at the new price; asked once a day, since requests are few."""
        today = self._clock().date()
        known_on, splits = self._splits.get(told, (None, {}))
        if known_on != today:
            body = await self._ask({"function": "SPLITS", "symbol": told})
            try:
                splits = {date.fromisoformat(row["effective_date"]): float(row["split_factor"]) for row in body["data"]}
            except (KeyError, TypeError, ValueError) as error:
                raise BadReply(f"{NAME} {told}: the splits cannot be read: {type(error).__name__} {error}") from error
            # Announced splits that are still to come change no price yet.
            splits = {effective: factor for effective, factor in splits.items() if effective <= today}
            self._splits[told] = (today, splits)
        return splits

    async def _ask(self, params: Mapping[str, Param]) -> dict[str, Any]:
        reply = await self._http.get("/query", {**params, "datatype": "json", "apikey": self._key})
        body: dict[str, Any] = reply.json()
        return body


def series(body: Mapping[str, Any], where: str) -> list[Row]:
    """Read the one time series of an answer, oldest first; a series without volume (forex) has 0.

    Days stand at noon UTC of their date, which is that date in New York too. Minutes are read as bar opens.
    """
    name = next((key for key in body if key.startswith("Time Series")), None)
    if name is None or not isinstance(body[name], dict):
        raise BadReply(f"{where}: the answer has no time series, only {', '.join(body)[:100]}")
    zone = _zone(body.get("Meta Data") or {}, where)
    try:
        return sorted(_row(stamp, bar, zone) for stamp, bar in body[name].items())
    except (KeyError, TypeError, ValueError) as error:
        raise BadReply(f"{where}: a bar cannot be read: {type(error).__name__} {error}") from error


def _row(stamp: str, bar: Mapping[str, str], zone: ZoneInfo) -> Row:
    naive = datetime.fromisoformat(stamp)
    opened = naive.replace(tzinfo=zone) if " " in stamp else naive.replace(hour=12, tzinfo=UTC)
    prices = (bar[key] for key in ("1. open", "2. high", "3. low", "4. close"))
    return row_of(int(opened.timestamp()), (*prices, bar.get("5. volume", 0)))


def _zone(meta: Mapping[str, str], where: str) -> ZoneInfo:
    name = next((value for key, value in meta.items() if key.endswith("Time Zone")), "")
    try:
        return ZoneInfo(OLD_ZONE_NAMES.get(name, name))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BadReply(f"{where}: the time zone {name!r} is unknown") from error


def split_adjusted(rows: list[Row], splits: Mapping[date, float]) -> list[Row]:
    """Divide the prices before each split by its factor, and multiply the volumes."""
    adjusted: list[Row] = []
    for ts, o, h, low, c, volume in rows:
        day, factor = datetime.fromtimestamp(ts, UTC).date(), 1.0
        for effective, one in splits.items():
            factor *= one if day < effective else 1.0
        adjusted.append((ts, o / factor, h / factor, low / factor, c / factor, volume * factor))
    return adjusted


def _months(since: datetime, end: datetime) -> list[str]:
    """The months YYYY-MM that [since, end) touches."""
    month, months = since.astimezone(UTC).replace(day=1), []
    while month.date() <= end.astimezone(UTC).date():
        months.append(f"{month:%Y-%m}")
        month = (month + timedelta(days=32)).replace(day=1)
    return months
