"""CoinGecko: the shares of Bitcoin and Tether in the whole market. Their history is not free, so snapshots are stored.

Works without a key at the pace of a shared address; a demo key (``COINGECKO_API_KEY``) makes it steadier.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from services.ingestion.adapters import utc_now
from services.ingestion.errors import BadKey, BadReply, FeedError, NotEntitled, RateLimited
from services.ingestion.observations import DominanceReading
from services.ingestion.readings import member, number, unix
from services.kernel.http import Http, Policy, Reply, retry_after_s

NAME = "coingecko"
FAMILY = "crypto"
NEEDS: tuple[str, ...] = ()
GIVES: frozenset[str] = frozenset({"dominance"})
BASE_URL = "https://api.coingecko.com/api/v3"
# The demo plan's 10,000 calls a month, spread over 31 days.
POLICY = Policy(requests=20, per_seconds=60, per_day=320)

NO_KEY_CODES = frozenset({10002, 10010, 10011})
"""No key, or a key of another plan's host."""
PLAN_CODES = frozenset({10005, 10012})
"""The plan does not cover the endpoint or the time asked for; the latter comes as HTTP 401 with a good key."""


def connect(
    environment: Mapping[str, str],
    *,
    base_url: str = BASE_URL,
    symbols: Mapping[str, str] | None = None,
    clock: Callable[[], datetime] = utc_now,
    http: Callable[..., Http] = Http,
) -> "CoinGeckoSource":
    """Make the source; ``symbols`` changes nothing, for the market as a whole is read."""
    key = environment.get("COINGECKO_API_KEY", "")
    client = http(NAME, base_url, POLICY, secrets=(key,) if key else (), check=check)
    return CoinGeckoSource(client, {"x-cg-demo-api-key": key} if key else {}, clock)


def check(reply: Reply) -> None:
    """Raise what CoinGecko says in the body; the status may be wrapped in ``error`` or stand alone."""
    status = _status(reply.json())
    if status is None:
        return
    code, message = status.get("error_code"), str(status.get("error_message", "no reason given"))
    if code in PLAN_CODES:
        raise NotEntitled(message)
    if code in NO_KEY_CODES:
        raise BadKey(message)
    if code == 429:
        raise RateLimited(message, retry_after_s(reply.headers))
    if reply.status < 400:
        raise FeedError(f"error {code}: {message}")


def _status(body: Any) -> Mapping[str, Any] | None:
    if not isinstance(body, Mapping):
        return None
    outer = body.get("error")
    status = outer.get("status") if isinstance(outer, Mapping) else body.get("status")
    return status if isinstance(status, Mapping) and "error_code" in status else None


class CoinGeckoSource:
    """Snapshots of dominance."""

    def __init__(self, http: Http, headers: Mapping[str, str], clock: Callable[[], datetime]) -> None:
        self.name = NAME
        self._http = http
        self._headers = headers
        self._clock = clock

    async def dominance(self) -> DominanceReading:
        """The shares as of CoinGecko's last update; a coin outside the list of top coins is None."""
        reply = await self._http.get("/global", headers=self._headers)
        return parse_global(reply.json(), self._clock())

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def parse_global(body: Any, now: datetime) -> DominanceReading:
    """Read ``/global``, received at ``now``."""
    data = member(body, "data", NAME)
    ts = unix(member(data, "updated_at", NAME), f"{NAME} updated_at")
    shares, totals = member(data, "market_cap_percentage", NAME), data.get("total_market_cap")
    cap = totals.get("usd") if isinstance(totals, Mapping) else None
    return DominanceReading(
        ts=ts,
        available_at=max(ts, now),
        btc_d=_share(shares, "btc"),
        usdt_d=_share(shares, "usdt"),
        total_market_cap_usd=None if cap is None else number(cap, f"{NAME} total_market_cap.usd"),
    )


def _share(shares: Any, coin: str) -> float | None:
    if not isinstance(shares, Mapping) or not shares:
        raise BadReply(f"{NAME}: market_cap_percentage is empty")
    if shares.get(coin) is None:
        return None
    share = number(shares[coin], f"{NAME} market_cap_percentage.{coin}")
    if not 0 <= share <= 100:
        raise BadReply(f"{NAME} market_cap_percentage.{coin}: {share} is not a share in per cent")
    return share
