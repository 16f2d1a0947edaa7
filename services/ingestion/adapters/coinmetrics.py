"""Coin Metrics, community tier: daily network metrics without a key (CC BY-NC 4.0: for non-commercial use).

A row is named by the start of its day. What the community tier does not offer is left out of the reply on request,
for one forbidden metric would otherwise refuse all of them.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from services.ingestion.adapters import utc_now
from services.ingestion.errors import BadKey, BadReply, BadRequest, FeedError, NotEntitled, SymbolNotOffered
from services.ingestion.observations import Observation
from services.ingestion.readings import instant, listed, member, newly_known, number
from services.kernel.http import Http, Policy, Reply

NAME = "coinmetrics"
FAMILY = "crypto"
NEEDS: tuple[str, ...] = ()
GIVES: frozenset[str] = frozenset({"indicators"})
BASE_URL = "https://community-api.coinmetrics.io/v4"
POLICY = Policy(requests=10, per_seconds=6)

PATH = "/timeseries/asset-metrics"
METRICS: tuple[str, ...] = ("AdrActCnt", "TxCnt", "CapMrktCurUSD")
"""The default series; ``AdrActCnt`` is named ``coinmetrics.AdrActCnt``."""
SYMBOLS: Mapping[str, str] = {
    f"{coin}/USDT": coin.lower()
    for coin in ("BTC", "ETH", "SOL", "AVAX", "DOGE", "MATIC", "XRP", "BNB", "DOT", "ADA", "LINK", "ATOM")
}
DAY = timedelta(days=1)
LAG = timedelta(hours=12)
"""How long after a day's end its values are published for sure; a later review in the row counts instead."""
PAGE_ROWS = 10_000
PAGES_MAX = 500
HOSTS = frozenset({"api.coinmetrics.io", "community-api.coinmetrics.io"})
ERRORS: Mapping[str, type[FeedError]] = {
    "unauthorized": BadKey,
    "wrong_credentials": BadKey,
    "forbidden": NotEntitled,
    "bad_parameter": BadRequest,
    "bad_parameters": BadRequest,
}


def connect(
    environment: Mapping[str, str],
    *,
    base_url: str = BASE_URL,
    symbols: Mapping[str, str] | None = None,
    clock: Callable[[], datetime] = utc_now,
    http: Callable[..., Http] = Http,
) -> "CoinMetricsSource":
    """Make the source; ``symbols`` adds or renames assets (``{"LTC/USDT": "ltc"}``)."""
    hosts = HOSTS | {urlsplit(base_url).hostname or ""}
    return CoinMetricsSource(http(NAME, base_url, POLICY, check=check), {**SYMBOLS, **(symbols or {})}, hosts, clock)


def check(reply: Reply) -> None:
    """Raise what Coin Metrics says in ``error``."""
    body = reply.json()
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return
    kind, message = str(error.get("type", "")), str(error.get("message", "no reason given"))
    if kind == "bad_parameter" and "'assets'" in message and "not supported" in message:
        raise SymbolNotOffered(message)
    if kind in ERRORS:
        raise ERRORS[kind](message)
    if reply.status < 400:
        raise BadReply(f"{kind}: {message}")


class CoinMetricsSource:
    """Daily network metrics of the declared coins."""

    def __init__(
        self, http: Http, symbols: Mapping[str, str], hosts: frozenset[str], clock: Callable[[], datetime]
    ) -> None:
        self.name = NAME
        self._http = http
        self._symbols = {theirs: ours for ours, theirs in symbols.items()}
        self._hosts = hosts
        self._clock = clock

    async def observe(self, since: datetime) -> list[Observation]:
        """Values that became available in [since, now]."""
        params: dict[str, str] = {
            "assets": ",".join(self._symbols),
            "metrics": ",".join(METRICS),
            "frequency": "1d",
            # A review may come days after the day; a week before ``since`` covers it.
            "start_time": (since - DAY - LAG - timedelta(days=7)).date().isoformat(),
            "end_time": self._clock().date().isoformat(),
            "page_size": str(PAGE_ROWS),
            # By itself the provider would give the newest page first.
            "paging_from": "start",
            "sort": "time",
            "ignore_forbidden_errors": "true",
            "ignore_unsupported_errors": "true",
        }
        found: list[Observation] = []
        seen: set[str] = set()
        for _ in range(PAGES_MAX):
            body = (await self._http.get(PATH, params)).json()
            found += parse_metrics(body, self._symbols)
            following = body.get("next_page_url")
            if not following:
                return newly_known(found, since, self._clock())
            params = self._next(following)
            if (token := params.get("next_page_token", "")) in seen:
                raise BadReply(f"{NAME}: the same page is named again ({token[:40]})")
            seen.add(token)
        raise BadReply(f"{NAME}: more than {PAGES_MAX} pages")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    def _next(self, url: Any) -> dict[str, str]:
        """The query of the next page, to be asked of our own host; a key that comes along is dropped."""
        parts = urlsplit(str(url))
        if parts.hostname not in self._hosts or not parts.path.endswith(PATH):
            raise BadReply(f"{NAME}: the next page is said to be at {parts.hostname}{parts.path}")
        return {key: value for key, value in parse_qsl(parts.query) if key != "api_key"}


def parse_metrics(body: Any, symbols: Mapping[str, str]) -> Iterator[Observation]:
    """Read rows of ``{asset, time, <metric>: "text", <metric>-status-time}``; a null or absent metric is no value."""
    for row in listed(member(body, "data", NAME), NAME):
        asset = member(row, "asset", NAME)
        if asset not in symbols:
            raise BadReply(f"{NAME}: asset {str(asset)[:20]!r} was not asked for")
        observed_at = instant(member(row, "time", NAME), f"{NAME} time")
        for metric, value in row.items():
            if metric in ("asset", "time") or "-status" in metric or value is None:
                continue
            where = f"{NAME} {asset} {metric}"
            available_at = observed_at + DAY + LAG
            if reviewed := row.get(f"{metric}-status-time"):
                available_at = max(available_at, instant(reviewed, where))
            yield Observation(f"{NAME}.{metric}", symbols[asset], number(value, where), observed_at, available_at)
