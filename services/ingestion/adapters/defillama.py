"""DefiLlama (free): value locked per chain and the dollars in stablecoins, daily. Its paths live on several hosts."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from services.ingestion.adapters import utc_now
from services.ingestion.errors import BadReply
from services.ingestion.observations import Observation
from services.ingestion.readings import listed, member, newly_known, number, unix
from services.kernel.http import Http, Policy, Reply

NAME = "defillama"
FAMILY = "crypto"
NEEDS: tuple[str, ...] = ()
GIVES: frozenset[str] = frozenset({"indicators"})
BASE_URL = "https://api.llama.fi"
STABLECOINS_URL = "https://stablecoins.llama.fi"
# No limit is published; replies of some paths are megabytes.
POLICY = Policy(requests=200, per_seconds=60, timeout_s=60)

SYMBOLS: Mapping[str, str] = {
    "BTC/USDT": "Bitcoin",
    "ETH/USDT": "Ethereum",
    "SOL/USDT": "Solana",
    "BNB/USDT": "BSC",
    "AVAX/USDT": "Avalanche",
    "MATIC/USDT": "Polygon",
    "ADA/USDT": "Cardano",
}
"""The default chains of ``defillama.tvl_usd``; the sum of all chains has no symbol."""
DAY = timedelta(days=1)
LAG = timedelta(hours=3)
"""How long after a day's end its value is taken to be settled."""


def connect(
    environment: Mapping[str, str],
    *,
    base_url: str = BASE_URL,
    symbols: Mapping[str, str] | None = None,
    clock: Callable[[], datetime] = utc_now,
    http: Callable[..., Http] = Http,
) -> "DefiLlamaSource":
    """Make the source; ``symbols`` adds or renames chains. Another ``base_url`` stands for all hosts."""
    stablecoins_url = STABLECOINS_URL if base_url == BASE_URL else base_url
    return DefiLlamaSource(
        http(NAME, base_url, POLICY, check=check),
        http(NAME, stablecoins_url, POLICY, check=check),
        {**SYMBOLS, **(symbols or {})},
        clock,
    )


def check(reply: Reply) -> None:
    """Refuse an object where all our paths give lists, whatever the status says."""
    body = reply.json()
    if reply.status < 400 and isinstance(body, Mapping):
        said = body.get("message") or body.get("error") or "no reason given"
        raise BadReply(f"expected a list, got an object: {str(said)[:120]}")


class DefiLlamaSource:
    """Daily sums over chains and stablecoins, in USD."""

    def __init__(
        self, main: Http, stablecoins: Http, symbols: Mapping[str, str], clock: Callable[[], datetime]
    ) -> None:
        self.name = NAME
        self._main = main
        self._stablecoins = stablecoins
        self._symbols = symbols
        self._clock = clock

    async def observe(self, since: datetime) -> list[Observation]:
        """Values of days that were settled in [since, now]."""
        found = list(parse_tvl((await self._main.get("/v2/historicalChainTvl")).json(), None))
        for symbol, chain in self._symbols.items():
            reply = await self._main.get(f"/v2/historicalChainTvl/{quote(chain, safe='')}")
            found += parse_tvl(reply.json(), symbol)
        found += parse_stablecoins((await self._stablecoins.get("/stablecoincharts/all")).json())
        return newly_known(found, since, self._clock())

    async def close(self) -> None:
        """Close the connections."""
        await self._main.close()
        await self._stablecoins.close()


def parse_tvl(body: Any, symbol: str | None) -> Iterator[Observation]:
    """Read ``[{date, tvl}]``: USD at the start of the day named, without liquid staking and double counts."""
    name = f"{NAME}.tvl_usd"
    for row in listed(body, name):
        yield _observation(name, symbol, member(row, "date", name), member(row, "tvl", name))


def parse_stablecoins(body: Any) -> Iterator[Observation]:
    """Read ``[{date, totalCirculating: {peggedUSD}}]``; the date may be text."""
    name = f"{NAME}.stablecoins_usd"
    for row in listed(body, name):
        circulating = member(row, "totalCirculating", name)
        yield _observation(name, None, member(row, "date", name), member(circulating, "peggedUSD", name))


def _observation(name: str, symbol: str | None, date: Any, value: Any) -> Observation:
    observed_at = unix(date, f"{name} date")
    return Observation(name, symbol, number(value, name), observed_at, observed_at + DAY + LAG)
