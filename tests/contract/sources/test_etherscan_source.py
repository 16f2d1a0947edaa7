"""Etherscan's gas oracle and supply, and the errors that it sends with HTTP 200.

Bodies are recorded ones where ``specs_dir`` is used; the others are hand-made after the provider's documentation.
"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from recording import Recorder
from scripted import NOW, asked, clock, query, says

from services.ingestion.adapters.etherscan import check, connect, parse_gas, parse_supply
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
from services.kernel.http import Reply

KEY = "PLANTEDETHERSCANKEY"
GAS = {"LastBlock": "1", "SafeGasPrice": "5", "ProposeGasPrice": "6", "FastGasPrice": "7.5"}
SUPPLY = {
    "EthSupply": "1" + "0" * 26,
    "Eth2Staking": "1" + "0" * 18,
    "BurntFees": "0",
    "WithdrawnTotal": "5" + "0" * 17,
}


def envelope(result: Any, status: str = "1", message: str = "OK") -> dict[str, Any]:
    return {"status": status, "message": message, "result": result}


def sound(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json=envelope(GAS if query(request)["action"] == "gasoracle" else SUPPLY))


def observe(answers: Recorder) -> list[Observation]:
    source = connect({"ETHERSCAN_API_KEY": KEY}, clock=clock, http=answers.http)
    return asked(source, lambda source: source.observe(NOW - timedelta(hours=1)))


def test_gives_the_values_of_this_moment_for_ether() -> None:
    answers = Recorder(sound)
    found = {one.name: one for one in observe(answers)}
    assert found["etherscan.gas_fast_gwei"].value == 7.5
    assert found["etherscan.supply_eth"].value == 1e8
    assert found["etherscan.withdrawn_eth"].value == 0.5
    assert {one.symbol for one in found.values()} == {"ETH/USDT"}
    assert {(one.observed_at, one.available_at) for one in found.values()} == {(NOW, NOW)}
    assert [(r.url.path, query(r)["module"], query(r)["chainid"]) for r in answers.requests] == [
        ("/v2/api", "gastracker", "1"),
        ("/v2/api", "stats", "1"),
    ]


def test_gives_nothing_for_a_time_that_is_still_to_come() -> None:
    answers = Recorder(sound)
    source = connect({"ETHERSCAN_API_KEY": KEY}, clock=clock, http=answers.http)
    assert asked(source, lambda source: source.observe(NOW + timedelta(hours=1))) == []
    assert answers.requests == []


@pytest.mark.parametrize(
    ("result", "error"),
    [
        ("Max rate limit reached, please use API Key for higher rate limit", RateLimited),
        ("Max calls per sec rate limit reached (3/sec)", RateLimited),
        ("Max daily rate limit reached. 100000 of 100000 day/limit", BudgetSpent),
        ("Too many invalid api key attempts, please try again later", RateLimited),
        ("Invalid API Key", BadKey),
        ("Missing/Invalid API Key", BadKey),
        ("Missing or unsupported chainid parameter (required for v2 api)", BadRequest),
        ("Sorry, it looks like you are trying to access an API Pro endpoint.", NotEntitled),
        ("Free API access is not supported for this chain. Please upgrade your api plan", NotEntitled),
        ("Query Timeout occured. Please select a smaller result dataset", SourceDown),
        ("Error! Missing Or invalid Action name", BadRequest),
    ],
)
def test_tells_apart_the_errors_that_come_with_http_200(result: str, error: type[FeedError]) -> None:
    answers = Recorder(says(envelope(f"{result} {KEY}", "0", "NOTOK")))
    with pytest.raises(error) as raised:
        observe(answers)
    assert type(raised.value) is error
    assert KEY not in str(raised.value)
    # A wrong key is not tried again: five of them within 30 seconds throttle the whole address.
    assert len(answers.requests) == (4 if error in (RateLimited, SourceDown) else 1)


def test_no_transactions_found_is_an_empty_answer_not_an_error() -> None:
    body = json.dumps(envelope([], "0", "No transactions found")).encode()
    check(Reply(200, {}, body, "x"))


def test_recovers_when_the_limit_passes() -> None:
    limited = [True, True]

    def respond(request: httpx.Request) -> httpx.Response:
        if limited:
            limited.pop()
            return httpx.Response(200, json=envelope("Max rate limit reached", "0", "NOTOK"))
        return sound(request)

    assert len({one.name for one in observe(Recorder(respond))}) == 7


def test_older_replies_without_base_fee_are_read_and_a_missing_price_is_refused() -> None:
    names = {one.name for one in parse_gas(envelope(GAS), NOW)}
    assert "etherscan.base_fee_gwei" not in names
    with pytest.raises(BadReply, match="FastGasPrice"):
        list(parse_gas(envelope({k: v for k, v in GAS.items() if k != "FastGasPrice"}), NOW))


@pytest.mark.parametrize("wrong", ["1.5", "", None, "0x10", 1.0, "NaN"])
def test_refuses_wei_that_is_not_a_whole_number(wrong: Any) -> None:
    with pytest.raises(BadReply, match="EthSupply"):
        list(parse_supply(envelope({**SUPPLY, "EthSupply": wrong}), NOW))


@pytest.mark.parametrize("result", ["122373866217800000000000000", None, [], 5])
def test_refuses_a_result_of_another_shape(result: Any) -> None:
    with pytest.raises(BadReply):
        list(parse_supply(envelope(result), NOW))


def test_reads_recorded_replies(specs_dir: Path) -> None:
    folder = specs_dir / "recorded" / "etherscan"
    gas = {one.name: one.value for one in parse_gas(json.loads(next(folder.glob("gasoracle*")).read_text()), NOW)}
    assert gas["etherscan.gas_gwei"] == 0.496840168
    assert gas["etherscan.base_fee_gwei"] == 0.496839934
    assert gas["etherscan.gas_used_ratio"] == 0.40594255555555
    supply = {one.name: one.value for one in parse_supply(json.loads((folder / "ethsupply2.json").read_text()), NOW)}
    assert supply["etherscan.supply_eth"] == 122373866.2178
    assert supply["etherscan.burnt_eth"] == pytest.approx(4610942.856337430575)


@pytest.mark.parametrize(("name", "error"), [("error_key.json", BadKey), ("error_rate.json", RateLimited)])
def test_reads_recorded_errors(specs_dir: Path, name: str, error: type[FeedError]) -> None:
    with pytest.raises(error):
        check(Reply(200, {}, (specs_dir / "recorded" / "etherscan" / name).read_bytes(), "x"))
