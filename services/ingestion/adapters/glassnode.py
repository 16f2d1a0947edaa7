"""Glassnode: daily on-chain metrics (a paid plan). A point is named by the start of its day; the running day is left
out, for its value still moves.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from services.ingestion.adapters import utc_now
from services.ingestion.errors import NotEntitled
from services.ingestion.observations import Observation
from services.ingestion.readings import listed, member, newly_known, number, unix
from services.kernel.http import Http, Policy, Reply

NAME = "glassnode"
FAMILY = "crypto"
NEEDS: tuple[str, ...] = ("GLASSNODE_API_KEY",)
GIVES: frozenset[str] = frozenset({"indicators"})
BASE_URL = "https://api.glassnode.com"
POLICY = Policy(requests=500, per_seconds=60)

METRICS: tuple[str, ...] = (
    "addresses/active_count",
    "indicators/sopr",
    "market/mvrv",
    "market/marketcap_usd",
    "transactions/transfers_volume_exchanges_net",
)
"""The default series, by their paths; ``addresses/active_count`` is named ``glassnode.addresses.active_count``."""
SYMBOLS: Mapping[str, str] = {"BTC/USDT": "BTC", "ETH/USDT": "ETH"}
INTERVAL = timedelta(hours=24)
LAG = timedelta(hours=12)
"""How long after a day's end its value is taken to be final; Glassnode speaks of several hours."""

log = structlog.get_logger(__name__)


def connect(
    environment: Mapping[str, str],
    *,
    base_url: str = BASE_URL,
    symbols: Mapping[str, str] | None = None,
    clock: Callable[[], datetime] = utc_now,
    http: Callable[..., Http] = Http,
) -> "GlassnodeSource":
    """Make the source; ``symbols`` adds or renames assets (``{"LTC/USDT": "LTC"}``)."""
    key = environment["GLASSNODE_API_KEY"]
    client = http(NAME, base_url, POLICY, secrets=(key,), check=check)
    return GlassnodeSource(client, {"X-Api-Key": key}, {**SYMBOLS, **(symbols or {})}, clock)


def check(reply: Reply) -> None:
    """Tell a plan that lacks the metric (403 with JSON) from a refused address (403 with a web page)."""
    if reply.status == 403:
        reply.json()
        raise NotEntitled("the plan does not cover this metric")


class GlassnodeSource:
    """Daily metrics of the declared assets. What the plan refuses is asked once and kept in ``refused``."""

    def __init__(
        self, http: Http, headers: Mapping[str, str], symbols: Mapping[str, str], clock: Callable[[], datetime]
    ) -> None:
        self.name = NAME
        self.refused: set[tuple[str, str]] = set()
        self._http = http
        self._headers = headers
        self._symbols = symbols
        self._clock = clock

    async def observe(self, since: datetime) -> list[Observation]:
        """Values that became final in [since, now]. Raises NotEntitled if the plan covers none of the metrics."""
        wanted = [(symbol, metric) for symbol in self._symbols for metric in METRICS]
        found: list[Observation] = []
        for symbol, metric in wanted:
            if (symbol, metric) in self.refused:
                continue
            try:
                found += await self._points(symbol, metric, since)
            except NotEntitled as error:
                self.refused.add((symbol, metric))
                log.warning("metric refused", source=NAME, symbol=symbol, metric=metric, reason=str(error))
        if self.refused.issuperset(wanted):
            raise NotEntitled(f"{NAME}: the plan covers none of {', '.join(METRICS)}")
        return newly_known(found, since, self._clock())

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _points(self, symbol: str, metric: str, since: datetime) -> list[Observation]:
        params: dict[str, str | int] = {
            "a": self._symbols[symbol],
            "i": "24h",
            "s": max(0, int((since - INTERVAL - LAG).timestamp())),
            "u": max(0, int(self._clock().timestamp())),
            "f": "JSON",
            "timestamp_format": "unix",
        }
        reply = await self._http.get(f"/v1/metrics/{metric}", params, self._headers)
        return list(parse_points(reply.json(), symbol, metric))


def parse_points(body: Any, symbol: str, metric: str) -> Iterator[Observation]:
    """Read points with one value (``v``) or several (``o``); a null is a day without a value."""
    name = f"{NAME}.{metric.replace('/', '.')}"
    for row in listed(body, name):
        observed_at = unix(member(row, "t", name), f"{name} t")
        parts = row["o"] if isinstance(row.get("o"), Mapping) else {"": member(row, "v", name)}
        for part, value in parts.items():
            if value is None:
                continue
            full = f"{name}.{part}" if part else name
            yield Observation(full, symbol, number(value, full), observed_at, observed_at + INTERVAL + LAG)
