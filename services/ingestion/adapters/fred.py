"""FRED: macroeconomic series with their vintages, and the release calendar.

Every revision is kept: ``realtime_start`` is the day on which FRED first had a value. The day is one of US Central time
and has no hour, so a value counts as available when that day ends.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from services.ingestion.adapters import utc_now
from services.ingestion.errors import BadKey, BadReply, BadRequest, FeedError, RateLimited, SymbolNotOffered
from services.ingestion.observations import CalendarEvent, Observation
from services.ingestion.readings import day, listed, member, newly_known, number, text, whole
from services.kernel.http import Http, Param, Policy, Reply, retry_after_s

NAME = "fred"
FAMILY = "macro"
NEEDS: tuple[str, ...] = ("FRED_API_KEY",)
GIVES: frozenset[str] = frozenset({"indicators", "calendar"})
BASE_URL = "https://api.stlouisfed.org"
POLICY = Policy(requests=100, per_seconds=60, timeout_s=30)

SERIES: Mapping[str, str | None] = {
    "DGS2": None,
    "DGS10": None,
    "T10Y2Y": None,
    "DFII10": None,
    "DFF": None,
    "VIXCLS": None,
    "VXVCLS": None,
    "DTWEXBGS": None,
    "CPIAUCSL": None,
    "UNRATE": None,
    "PAYEMS": None,
    "GDP": None,
    "DCOILWTICO": "WTI",
    "DHHNGSP": "NATGAS",
}
"""The default series and whose symbol they belong to (None: the market's); ``DGS10`` is named ``fred.DGS10``."""

CENTRAL, EASTERN = ZoneInfo("America/Chicago"), ZoneInfo("America/New_York")
BEGINNING, END_OF_TIME = date(1776, 7, 4), "9999-12-31"
VINTAGE_YEARS = 5
"""One request spans at most so many years of vintages: FRED limits their number, and a daily series has 250 a year."""
ROWS_PAGE, DATES_PAGE = 100_000, 1000


@dataclass(frozen=True, slots=True)
class Release:
    """A release worth knowing of: its usual hour in New York and how much it moves prices."""

    hour: time
    importance: Literal["low", "medium", "high"]


RELEASES: Mapping[int, Release] = {
    10: Release(time(8, 30), "high"),  # Consumer Price Index
    50: Release(time(8, 30), "high"),  # Employment Situation
    53: Release(time(8, 30), "high"),  # Gross Domestic Product
    54: Release(time(8, 30), "high"),  # Personal Income and Outlays
    46: Release(time(8, 30), "medium"),  # Producer Price Index
    9: Release(time(8, 30), "medium"),  # Advance Monthly Sales for Retail and Food Services
    13: Release(time(9, 15), "medium"),  # Industrial Production and Capacity Utilization
    27: Release(time(8, 30), "low"),  # New Residential Construction
    91: Release(time(10, 0), "medium"),  # Surveys of Consumers
    180: Release(time(8, 30), "low"),  # Unemployment Insurance Weekly Claims
    192: Release(time(10, 0), "medium"),  # Job Openings and Labor Turnover
}
"""What the calendar gives of FRED's 300 releases. "FOMC Press Release" (101) is dated every day, so it says nothing."""


def connect(
    environment: Mapping[str, str],
    *,
    base_url: str = BASE_URL,
    symbols: Mapping[str, str] | None = None,
    clock: Callable[[], datetime] = utc_now,
    http: Callable[..., Http] = Http,
) -> "FredSource":
    """Make the source; ``symbols`` changes nothing, for series are declared with the symbol that they inform."""
    key = environment["FRED_API_KEY"]
    return FredSource(http(NAME, base_url, POLICY, secrets=(key,), check=check), key, clock)


def check(reply: Reply) -> None:
    """Raise what FRED says in ``error_message``; a bad key is HTTP 400, and so is an unknown series."""
    body = reply.json()
    if not isinstance(body, Mapping) or "error_code" not in body:
        return
    code, message = body["error_code"], str(body.get("error_message", "no reason given"))
    if code == 429:
        raise RateLimited(message, retry_after_s(reply.headers))
    if code in (400, 404) or reply.status < 400:
        raise _refusal(message)(message)


def _refusal(message: str) -> type[FeedError]:
    if "api_key" in message:
        return BadKey
    return SymbolNotOffered if "does not exist" in message else BadRequest


class FredSource:
    """Series with every revision, and release dates."""

    def __init__(self, http: Http, key: str, clock: Callable[[], datetime]) -> None:
        self.name = NAME
        self._http = http
        self._key = key
        self._clock = clock

    async def observe(self, since: datetime) -> list[Observation]:
        """Values and revisions that became available in [since, now]."""
        found: list[Observation] = []
        # A value counts from the end of its day: what counts from ``since`` on was released the day before.
        first = max(since.astimezone(CENTRAL).date() - timedelta(days=1), BEGINNING)
        for after, last in spans(first, self._clock().astimezone(CENTRAL).date()):
            for series, symbol in SERIES.items():
                rows = await self._vintages(series, after, last)
                found += parse_observations(rows, series, symbol, after)
        return newly_known(found, since, self._clock())

    async def events(self, since: datetime, until: datetime) -> list[CalendarEvent]:
        """The declared releases scheduled in [since, until)."""
        params: dict[str, str] = {
            "realtime_start": since.astimezone(EASTERN).date().isoformat(),
            "realtime_end": END_OF_TIME,
            "order_by": "release_date",
            "sort_order": "asc",
            # Without it, dates to come are left out.
            "include_release_dates_with_no_data": "true",
        }
        rows = await self._rows("/fred/releases/dates", "release_dates", params, DATES_PAGE, _release_key)
        events = parse_releases(rows, self._clock())
        return [event for event in events if since <= event.scheduled_at < until]

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _vintages(self, series: str, after: date, last: date | None) -> list[dict[str, Any]]:
        params: dict[str, str] = {
            "series_id": series,
            "realtime_start": after.isoformat(),
            "realtime_end": last.isoformat() if last else END_OF_TIME,
        }
        return await self._rows("/fred/series/observations", "observations", params, ROWS_PAGE, _vintage_key)

    async def _rows(
        self, path: str, under: str, params: Mapping[str, str], page_rows: int, key: Callable[[dict[str, Any]], str]
    ) -> list[dict[str, Any]]:
        """All pages of a list. Raises BadReply if a page is missing or comes twice."""
        where = f"{NAME} {params.get('series_id', under)}"
        rows: dict[str, dict[str, Any]] = {}
        count, offset = 1, 0
        while offset < count:
            asked: dict[str, Param] = {"api_key": self._key, "file_type": "json", "limit": page_rows, "offset": offset}
            body = (await self._http.get(path, {**params, **asked})).json()
            count = whole(member(body, "count", where), f"{where} count")
            page = {key(row): row for row in listed(member(body, under, where), where)}
            if count and not page.keys() - rows.keys():
                raise BadReply(f"{where}: {len(rows)} of {count} rows came, then a page without new ones")
            rows.update(page)
            offset += page_rows
        if len(rows) != count:
            raise BadReply(f"{where}: {len(rows)} rows came, {count} were promised")
        return list(rows.values())


def _vintage_key(row: dict[str, Any]) -> str:
    return f"{row.get('date')} {row.get('realtime_start')}"


def _release_key(row: dict[str, Any]) -> str:
    return f"{row.get('release_id')} {row.get('date')}"


def spans(first: date, today: date) -> Iterator[tuple[date, date | None]]:
    """Pieces of the time of vintages (after, last], of a few years each; the newest has no end.

    The first piece begins a day early, for FRED writes what is older than the asked start with that start.
    """
    after = max(first - timedelta(days=1), BEGINNING)
    step = timedelta(days=365 * VINTAGE_YEARS)
    while after + step < today:
        yield after, after + step
        after += step
    yield after, None


def parse_observations(
    rows: list[dict[str, Any]], series: str, symbol: str | None, after: date
) -> Iterator[Observation]:
    """Read rows first published later than ``after``; "." is a value that is missing."""
    name = f"{NAME}.{series}"
    for row in rows:
        released = day(member(row, "realtime_start", name), f"{name} realtime_start").date()
        value = member(row, "value", name)
        if value == "." or (released <= after and after != BEGINNING):
            continue
        observed_at = day(member(row, "date", name), f"{name} date")
        yield Observation(name, symbol, number(value, name), observed_at, end_of_day(released))


def parse_releases(rows: list[dict[str, Any]], now: datetime) -> Iterator[CalendarEvent]:
    """Read release dates as received at ``now``; one that is past counts as known from the end of its day."""
    where = f"{NAME} release_dates"
    for row in rows:
        release_id = whole(member(row, "release_id", where), f"{where} release_id")
        release = RELEASES.get(release_id)
        if release is None:
            continue
        on = day(member(row, "date", where), f"{where} date").date()
        yield CalendarEvent(
            event_id=f"{NAME}.{release_id}.{on.isoformat()}",
            name=text(member(row, "release_name", where), where),
            symbol=None,
            scheduled_at=datetime.combine(on, release.hour, EASTERN).astimezone(UTC),
            available_at=min(now, end_of_day(on)),
            importance=release.importance,
        )


def end_of_day(on: date) -> datetime:
    """The end of a day at the Federal Reserve Bank of St. Louis, in UTC."""
    return datetime.combine(on + timedelta(days=1), time(), CENTRAL).astimezone(UTC)
