"""Etherscan V2: gas prices and the supply of ether, as snapshots of the moment (history is a paid plan's).

Etherscan says almost everything with HTTP 200; the envelope's ``status`` and ``result`` tell what happened.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.ingestion.adapters import utc_now
from services.ingestion.errors import (
    BadKey,
    BadReply,
    BadRequest,
    BudgetSpent,
    FeedError,
    NotEntitled,
    RateLimited,
    SourceDown,
)
from services.ingestion.observations import Observation
from services.ingestion.readings import member, number, whole
from services.kernel.http import Http, Param, Policy, Reply, retry_after_s

NAME = "etherscan"
FAMILY = "crypto"
NEEDS: tuple[str, ...] = ("ETHERSCAN_API_KEY",)
GIVES: frozenset[str] = frozenset({"indicators"})
BASE_URL = "https://api.etherscan.io"
POLICY = Policy(requests=3, per_seconds=1, per_day=100_000)

PATH = "/v2/api"
SYMBOL = "ETH/USDT"
ETHEREUM = 1
WEI = Decimal(10) ** 18
GAS: Mapping[str, str] = {
    "SafeGasPrice": "gas_safe_gwei",
    "ProposeGasPrice": "gas_gwei",
    "FastGasPrice": "gas_fast_gwei",
    "suggestBaseFee": "base_fee_gwei",
}
"""The default series of the gas oracle, by our names; older replies have no base fee."""
SUPPLY: Mapping[str, str] = {
    "EthSupply": "supply_eth",
    "Eth2Staking": "staking_rewards_eth",
    "BurntFees": "burnt_eth",
    "WithdrawnTotal": "withdrawn_eth",
}
"""The default series of the supply, in ether."""


def connect(
    environment: Mapping[str, str],
    *,
    base_url: str = BASE_URL,
    symbols: Mapping[str, str] | None = None,
    clock: Callable[[], datetime] = utc_now,
    http: Callable[..., Http] = Http,
) -> "EtherscanSource":
    """Make the source; ``symbols`` changes nothing, for all series are ether's."""
    key = environment["ETHERSCAN_API_KEY"]
    return EtherscanSource(http(NAME, base_url, POLICY, secrets=(key,), check=check), key, clock)


def check(reply: Reply) -> None:
    """Raise what the envelope says; an answer without rows has status 0 too, and is none of it."""
    body = reply.json()
    if reply.status >= 400 or not isinstance(body, Mapping) or str(body.get("status", "1")) == "1":
        return
    message, result = str(body.get("message", "")), body.get("result")
    if "no transactions found" in message.lower() or (isinstance(result, list) and not result):
        return
    raise _typed(result if isinstance(result, str) and result else message, reply)


def _typed(reason: str, reply: Reply) -> FeedError:
    said = reason.lower()
    if "daily" in said and "limit" in said:
        return BudgetSpent(reason)
    if "rate limit" in said:
        return RateLimited(reason, retry_after_s(reply.headers))
    if "too many invalid api key" in said:
        return RateLimited(reason, 30.0)
    if "api key" in said:
        return BadKey(reason)
    if "pro endpoint" in said or "api pro" in said or "upgrade your" in said:
        return NotEntitled(reason)
    if "timeout" in said or "busy" in said:
        return SourceDown(reason)
    return BadRequest(reason)


class EtherscanSource:
    """Snapshots of Ethereum's gas market and supply."""

    def __init__(self, http: Http, key: str, clock: Callable[[], datetime]) -> None:
        self.name = NAME
        self._http = http
        self._key = key
        self._clock = clock

    async def observe(self, since: datetime) -> list[Observation]:
        """The values of this moment; none if ``since`` is still to come."""
        if self._clock() < since:
            return []
        gas = await self._ask("gastracker", "gasoracle")
        found = list(parse_gas(gas, self._clock()))
        supply = await self._ask("stats", "ethsupply2")
        return [*found, *parse_supply(supply, self._clock())]

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _ask(self, module: str, action: str) -> Any:
        params: dict[str, Param] = {"chainid": ETHEREUM, "module": module, "action": action, "apikey": self._key}
        return (await self._http.get(PATH, params)).json()


def parse_gas(body: Any, now: datetime) -> Iterator[Observation]:
    """Read the gas oracle as received at ``now``: gwei, and the share of the last blocks' gas that was used."""
    result = _result(body, "gasoracle")
    for key, ours in GAS.items():
        if key in result:
            yield Observation(f"{NAME}.{ours}", SYMBOL, number(result[key], f"{NAME} {key}"), now, now)
        elif key != "suggestBaseFee":
            raise BadReply(f"{NAME} gasoracle: no {key!r} in the reply")
    if result.get("gasUsedRatio"):
        ratios = [number(part, f"{NAME} gasUsedRatio") for part in str(result["gasUsedRatio"]).split(",")]
        yield Observation(f"{NAME}.gas_used_ratio", SYMBOL, sum(ratios) / len(ratios), now, now)


def parse_supply(body: Any, now: datetime) -> Iterator[Observation]:
    """Read the supply as received at ``now``: wei with up to 27 digits, given as ether."""
    result = _result(body, "ethsupply2")
    for key, ours in SUPPLY.items():
        wei = whole(member(result, key, f"{NAME} ethsupply2"), f"{NAME} {key}")
        yield Observation(f"{NAME}.{ours}", SYMBOL, float(Decimal(wei) / WEI), now, now)


def _result(body: Any, action: str) -> Mapping[str, Any]:
    result = member(body, "result", f"{NAME} {action}")
    if not isinstance(result, Mapping):
        raise BadReply(f"{NAME} {action}: the result is {type(result).__name__}, not an object")
    return result
