"""EIA v2: spot prices of oil and gas and the weekly stocks. Numbers come as text, and each reply repeats the key.

EIA names the period of a value, never when it was published, and keeps no earlier versions: each series declares after
how long its value is out for sure. FRED has the spot prices with their true release dates.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.ingestion.adapters import utc_now
from services.ingestion.errors import BadKey, BadReply, BadRequest, RateLimited, SymbolNotOffered
from services.ingestion.observations import Observation
from services.ingestion.readings import day, listed, member, newly_known, number, whole
from services.kernel.http import Http, Policy, Reply, retry_after_s

NAME = "eia"
FAMILY = "macro"
NEEDS: tuple[str, ...] = ("EIA_API_KEY",)
GIVES: frozenset[str] = frozenset({"indicators"})
BASE_URL = "https://api.eia.gov/v2"
POLICY = Policy(requests=4, per_seconds=1)

PAGE_ROWS = 5000
SUSPENDED_S = 60.0
"""How long to wait after a 403 that is not about the key: EIA suspends a hasty key for seconds to minutes."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series: its route, its id there (a v1 id such as PET.RWTC.D would give nothing), its frequency, whose
    symbol it belongs to, and how long after the start of its period it is published for sure."""

    route: str
    id: str
    frequency: str
    symbol: str
    known_after: timedelta


SERIES: tuple[Series, ...] = (
    # Spot prices of a week appear on the Wednesday after it, a day later after holidays.
    Series("petroleum/pri/spt", "RWTC", "daily", "WTI", timedelta(days=10)),
    Series("petroleum/pri/spt", "RBRTE", "daily", "WTI", timedelta(days=10)),
    Series("natural-gas/pri/fut", "RNGWHHD", "daily", "NATGAS", timedelta(days=10)),
    # A week is named by its Friday; crude stocks follow on Wednesday or Thursday, gas storage on Thursday or Friday.
    Series("petroleum/stoc/wstk", "WCESTUS1", "weekly", "WTI", timedelta(days=7)),
    Series("natural-gas/stor/wkly", "NW2_EPG0_SWO_R48_BCF", "weekly", "NATGAS", timedelta(days=8)),
)
"""The default series; ``RWTC`` is named ``eia.RWTC``."""


def connect(
    environment: Mapping[str, str],
    *,
    base_url: str = BASE_URL,
    symbols: Mapping[str, str] | None = None,
    clock: Callable[[], datetime] = utc_now,
    http: Callable[..., Http] = Http,
) -> "EiaSource":
    """Make the source; ``symbols`` changes nothing, for series are declared with the symbol that they inform."""
    key = environment["EIA_API_KEY"]
    return EiaSource(http(NAME, base_url, POLICY, secrets=(key,), check=check), key, clock)


def check(reply: Reply) -> None:
    """Raise what EIA says in ``error``, which is an object or a text."""
    body = reply.json()
    error = body.get("error") if isinstance(body, Mapping) else None
    code, message = "", str(error or "")
    if isinstance(error, Mapping):
        code, message = str(error.get("code", "")), str(error.get("message", "no reason given"))
    if code.startswith("API_KEY"):
        raise BadKey(f"{code}: {message}")
    if code == "OVER_RATE_LIMIT" or reply.status == 403:
        raise RateLimited(message or "the key is suspended for a while", retry_after_s(reply.headers) or SUSPENDED_S)
    if error is not None and reply.status < 500:
        raise (SymbolNotOffered if 404 in (reply.status, body.get("code")) else BadRequest)(message)


class EiaSource:
    """Spot prices and stocks."""

    def __init__(self, http: Http, key: str, clock: Callable[[], datetime]) -> None:
        self.name = NAME
        self._http = http
        self._key = key
        self._clock = clock

    async def observe(self, since: datetime) -> list[Observation]:
        """Values whose publication falls in [since, now]."""
        found = [one for series in SERIES for one in await self._series(series, since)]
        return newly_known(found, since, self._clock())

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _series(self, series: Series, since: datetime) -> list[Observation]:
        """All pages of a series. Raises BadReply if a page is missing or comes twice: each row has its own period."""
        where = f"{NAME} {series.id}"
        rows: dict[str, dict[str, Any]] = {}
        total, asked = 1, 0
        while asked < total:
            reply = await self._http.get(f"/{series.route}/data/", self._params(series, since, asked))
            response = member(reply.json(), "response", where)
            total = whole(member(response, "total", where), f"{where} total")
            page = {str(member(row, "period", where)): row for row in listed(member(response, "data", where), where)}
            if total and not page.keys() - rows.keys():
                raise BadReply(f"{where}: {len(rows)} of {total} rows came, then a page without new ones")
            rows.update(page)
            asked += PAGE_ROWS
        if len(rows) != total:
            raise BadReply(f"{where}: {len(rows)} rows came, {total} were promised")
        return list(parse_rows(list(rows.values()), series))

    def _params(self, series: Series, since: datetime, offset: int) -> dict[str, str | int]:
        return {
            "api_key": self._key,
            "frequency": series.frequency,
            "data[0]": "value",
            "facets[series][]": series.id,
            # The bound is compared as text, so it is written like the periods of daily and weekly series.
            "start": (since - series.known_after).date().isoformat(),
            # Rows of one period come in any order; one series a request and this order make pages stable.
            "sort[0][column]": "period",
            "sort[0][direction]": "asc",
            "offset": offset,
            "length": PAGE_ROWS,
        }


def parse_rows(rows: list[dict[str, Any]], series: Series) -> Iterator[Observation]:
    """Read rows of ``{period, series, value}``; a null value is a day without a price."""
    where = f"{NAME}.{series.id}"
    for row in rows:
        if member(row, "series", where) != series.id:
            raise BadReply(f"{where}: a row of another series came: {str(row['series'])[:20]!r}")
        observed_at = day(member(row, "period", where), f"{where} period")
        value = member(row, "value", where)
        if value is not None:
            yield Observation(where, series.symbol, number(value, where), observed_at, observed_at + series.known_after)
