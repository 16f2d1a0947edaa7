"""Unusual Whales (no free tier): options-flow alerts, large dark-pool prints by the hour, short interest, calendars."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from services.ingestion.adapters import utc_now
from services.ingestion.errors import BadReply, BadRequest, BudgetSpent, NotEntitled, RateLimited
from services.ingestion.observations import CalendarEvent, Observation, OptionsAlert
from services.ingestion.readings import instant, listed, member, newly_known
from services.ingestion.unusual_whales_replies import (
    DELIVERY,
    PRINTS_LAG,
    alert_key,
    parse_alert,
    parse_earnings,
    parse_economic,
    parse_prints,
    parse_shorts,
    print_key,
)
from services.kernel.http import Http, Policy, Reply, retry_after_s

NAME = "unusual_whales"
FAMILY = "stocks"
NEEDS: tuple[str, ...] = ("UNUSUAL_WHALES_TOKEN",)
GIVES: frozenset[str] = frozenset({"options_flow", "indicators", "calendar"})
BASE_URL = "https://api.unusualwhales.com"
# The provider's own client keeps to 120 a minute.
POLICY = Policy(requests=100, per_seconds=60)

SYMBOLS: tuple[str, ...] = ("NVDA", "TSLA", "AMD", "GME", "AMC", "OPEN", "RGTI", "QUBT", "DNUT")
"""The default symbols of alerts, of earnings, and of the series ``unusual_whales.dark_pool_usd``, ``.short_float`` (the
share of the float that is sold short) and ``.days_to_cover``."""
PRINT_USD_MIN = 100_000
ALERTS_PAGE, PRINTS_PAGE = 200, 500
PAGES_MAX = 200
NEW_YORK = ZoneInfo("America/New_York")
CLIENT_ID = "100001"


def connect(
    environment: Mapping[str, str],
    *,
    base_url: str = BASE_URL,
    symbols: Mapping[str, str] | None = None,
    clock: Callable[[], datetime] = utc_now,
    http: Callable[..., Http] = Http,
) -> "UnusualWhalesSource":
    """Make the source; ``symbols`` adds or renames tickers."""
    token = environment["UNUSUAL_WHALES_TOKEN"]
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "UW-CLIENT-API-ID": CLIENT_ID}
    client = http(NAME, base_url, POLICY, secrets=(token,), check=check)
    return UnusualWhalesSource(client, headers, {**{one: one for one in SYMBOLS}, **(symbols or {})}, clock)


def check(reply: Reply) -> None:
    """Raise what the provider says in ``msg`` or ``error``, and whether a 429 is the minute's or the day's."""
    if reply.status == 429:
        used, allowed = (_count(reply, f"x-uw-{name}") for name in ("daily-req-count", "token-req-limit"))
        if used is not None and allowed and used >= allowed:
            raise BudgetSpent(f"all {allowed:.0f} requests of the day are used")
        reset_ms = _count(reply, "x-uw-req-per-minute-reset")
        wait_s = retry_after_s(reply.headers)
        raise RateLimited("HTTP 429", reset_ms / 1000 if wait_s is None and reset_ms is not None else wait_s)
    body = reply.json()
    if not isinstance(body, Mapping):
        return
    error = body.get("error")
    said = str(error.get("message", error)) if isinstance(error, Mapping) else str(error or body.get("msg") or "")
    if said and reply.status == 422:
        raise BadRequest(said)
    if said and reply.status == 403:
        raise NotEntitled(said)
    if error and reply.status < 400:
        raise BadReply(said)


def _count(reply: Reply, header: str) -> float | None:
    value = reply.headers.get(header, "")
    return float(value) if value.replace(".", "", 1).isdigit() else None


class UnusualWhalesSource:
    """Options flow, dark-pool prints and calendars of the declared symbols."""

    def __init__(
        self, http: Http, headers: Mapping[str, str], symbols: Mapping[str, str], clock: Callable[[], datetime]
    ) -> None:
        self.name = NAME
        self._http = http
        self._headers = headers
        self._symbols = {theirs: ours for ours, theirs in symbols.items()}
        self._clock = clock

    async def alerts(self, since: datetime) -> list[OptionsAlert]:
        """Alerts that became available in [since, now], oldest first, each once."""
        params: dict[str, str | int] = {
            "ticker_symbol": ",".join(self._symbols),
            "newer_than": _ms(since - DELIVERY),
            "limit": ALERTS_PAGE,
        }
        rows = await self._back_in_time(
            "/api/option-trades/flow-alerts", params, ALERTS_PAGE, "created_at", alert_key, timedelta(milliseconds=1)
        )
        now = self._clock()
        found = [parse_alert(row, self._symbols) for row in rows]
        known = [alert for alert in found if since <= alert.available_at <= now]
        return sorted(known, key=lambda alert: (alert.ts, alert.contract, alert.rule))

    async def observe(self, since: datetime) -> list[Observation]:
        """Dollars in large dark-pool prints by whole hours and short interest, as available in [since, now]."""
        first = (since - PRINTS_LAG - timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
        found: list[Observation] = []
        for ticker, symbol in self._symbols.items():
            for on in trading_days(first, self._clock()):
                params: dict[str, str | int] = {
                    "date": on.isoformat(),
                    "newer_than": _ms(first),
                    "min_premium": PRINT_USD_MIN,
                    "limit": PRINTS_PAGE,
                    "order_by": "executed_at",
                    "order": "desc",
                }
                # Times of prints are whole seconds: the next page begins with the second that the last one ended in.
                path = f"/api/darkpool/{quote(ticker, safe='')}"
                rows = await self._back_in_time(
                    path, params, PRINTS_PAGE, "executed_at", print_key, timedelta(seconds=1)
                )
                found += parse_prints(rows, ticker, symbol)
            found += await self._shorts(ticker, symbol)
        return newly_known(found, since, self._clock())

    async def events(self, since: datetime, until: datetime) -> list[CalendarEvent]:
        """Economic events of this and the next week and the earnings of the symbols, scheduled in [since, until)."""
        where = f"{NAME} economic calendar"
        found = list(parse_economic(await self._data("/api/market/economic-calendar", {}, where), self._clock()))
        for ticker, symbol in self._symbols.items():
            rows = await self._data(f"/api/earnings/{quote(ticker, safe='')}", {}, f"{NAME} earnings {ticker}")
            found += parse_earnings(rows, symbol, self._clock())
        unique = {event.event_id: event for event in found if since <= event.scheduled_at < until}
        return sorted(unique.values(), key=lambda event: (event.scheduled_at, event.event_id))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _shorts(self, ticker: str, symbol: str) -> list[Observation]:
        reply = await self._http.get(f"/api/shorts/{quote(ticker, safe='')}/interest-float/v2", None, self._headers)
        body = member(reply.json(), "data", f"{NAME} shorts {ticker}")
        return list(parse_shorts(body if isinstance(body, list) else [body], ticker, symbol))

    async def _data(self, path: str, params: Mapping[str, str | int], where: str) -> list[dict[str, Any]]:
        reply = await self._http.get(path, params, self._headers)
        return listed(member(reply.json(), "data", where), where)

    async def _back_in_time(
        self,
        path: str,
        params: Mapping[str, str | int],
        page_rows: int,
        time_field: str,
        key: Callable[[Mapping[str, Any]], tuple[str, ...]],
        overlap: timedelta,
    ) -> list[dict[str, Any]]:
        """All rows, newest first, page by page; pages overlap, so that rows of one moment are not cut apart.

        Raises BadReply if a full page brings nothing new, for then rows would be missing.
        """
        where = f"{NAME} {path}"
        rows: dict[tuple[str, ...], dict[str, Any]] = {}
        asked = dict(params)
        for _ in range(PAGES_MAX):
            page = await self._data(path, asked, where)
            fresh = {key(row): row for row in page if key(row) not in rows}
            rows.update(fresh)
            if len(page) < page_rows:
                return list(rows.values())
            if not fresh:
                raise BadReply(f"{where}: the same {page_rows} rows came again; older ones cannot be reached")
            oldest = min(instant(member(row, time_field, where), f"{where} {time_field}") for row in page)
            asked["older_than"] = _ms(oldest + overlap)
        raise BadReply(f"{where}: more than {PAGES_MAX} pages")


def trading_days(since: datetime, until: datetime) -> Iterator[date]:
    """The weekdays in New York that [since, until] touches."""
    on, last = since.astimezone(NEW_YORK).date(), until.astimezone(NEW_YORK).date()
    while on <= last:
        if on.weekday() < 5:
            yield on
        on += timedelta(days=1)


def _ms(moment: datetime) -> str:
    """Unix milliseconds, rounded down."""
    return str(int(moment.astimezone(UTC).timestamp() * 1000))
