"""DefiLlama's sums over chains and stablecoins; bodies are hand-made after the description's types."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from recording import Recorder
from scripted import NOW, asked, clock, paths, says

from services.ingestion.adapters.defillama import SYMBOLS, connect, parse_stablecoins, parse_tvl
from services.ingestion.errors import BadReply, Blocked, SymbolNotOffered
from services.ingestion.observations import Observation

MIDNIGHT = int(datetime(2026, 3, 4, tzinfo=UTC).timestamp())
DAY_S = 86_400
TVL: list[dict[str, Any]] = [
    {"date": MIDNIGHT - 2 * DAY_S, "tvl": 10},
    {"date": MIDNIGHT - DAY_S, "tvl": 11.5},
    {"date": MIDNIGHT + 55_000, "tvl": 12},
]
COINS = [{"date": str(MIDNIGHT - 2 * DAY_S), "totalCirculating": {"peggedUSD": 3.1e11, "peggedEUR": 5e8}}]


def sound(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json=COINS if "stablecoin" in request.url.path else TVL)


def observe(answers: Recorder, since: datetime = NOW - timedelta(days=1, hours=14)) -> list[Observation]:
    return asked(connect({}, clock=clock, http=answers.http), lambda source: source.observe(since))


def test_asks_each_path_on_its_own_host() -> None:
    answers = Recorder(sound)
    observe(answers)
    asked_for = [(request.url.host, request.url.path) for request in answers.requests]
    assert asked_for[0] == ("api.llama.fi", "/v2/historicalChainTvl")
    assert ("api.llama.fi", "/v2/historicalChainTvl/Ethereum") in asked_for
    assert asked_for[-1] == ("stablecoins.llama.fi", "/stablecoincharts/all")
    assert len(asked_for) == len(SYMBOLS) + 2


def test_another_base_url_stands_for_all_hosts() -> None:
    answers = Recorder(sound)
    source = connect({}, base_url="http://127.0.0.1:9", clock=clock, http=answers.http)
    asked(source, lambda source: source.observe(NOW))
    assert {request.url.host for request in answers.requests} == {"127.0.0.1"}


def test_a_day_is_known_only_after_its_end_and_the_running_one_is_left_out() -> None:
    found = [one for one in observe(Recorder(sound)) if one.symbol == "ETH/USDT"]
    assert [(one.value, one.available_at) for one in found] == [
        (10.0, datetime(2026, 3, 3, 3, tzinfo=UTC)),
        (11.5, datetime(2026, 3, 4, 3, tzinfo=UTC)),
    ]
    assert all(one.available_at >= one.observed_at + timedelta(days=1) for one in found)


def test_the_market_as_a_whole_has_no_symbol() -> None:
    found = observe(Recorder(sound))
    assert {one.name for one in found if one.symbol is None} == {"defillama.tvl_usd", "defillama.stablecoins_usd"}
    assert [one.value for one in found if one.name == "defillama.stablecoins_usd"] == [3.1e11]


def test_a_chain_that_it_does_not_know_is_named_by_its_path() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404, text="Chain not found") if request.url.path.endswith("BSC") else sound(request)

    with pytest.raises(SymbolNotOffered, match="historicalChainTvl/BSC"):
        observe(Recorder(respond))


def test_an_object_where_a_list_should_be_is_an_error_with_http_200() -> None:
    with pytest.raises(BadReply, match="Protocol not found"):
        observe(Recorder(says({"message": "Protocol not found"})))


def test_a_page_of_the_shield_before_it_is_a_block() -> None:
    with pytest.raises(Blocked, match="a web page"):
        observe(Recorder(says(b"<html>Attention Required! | Cloudflare</html>", 403)))


@pytest.mark.parametrize(
    "body", [[{"tvl": 1}], [{"date": 1}], [{"date": "x", "tvl": 1}], [{"date": 1, "tvl": None}], [1]]
)
def test_refuses_rows_that_are_none(body: Any) -> None:
    with pytest.raises(BadReply):
        list(parse_tvl(body, None))


@pytest.mark.parametrize("circulating", [None, {}, {"peggedUSD": "x"}, []])
def test_refuses_stablecoins_without_dollars(circulating: Any) -> None:
    with pytest.raises(BadReply):
        list(parse_stablecoins([{"date": 1, "totalCirculating": circulating}]))


def test_a_day_that_comes_twice_counts_once_and_two_values_of_it_are_refused() -> None:
    twice = Recorder(lambda r: httpx.Response(200, json=COINS if "stablecoin" in r.url.path else TVL + TVL))
    assert observe(twice) == observe(Recorder(sound))
    other = [*TVL, {**TVL[1], "tvl": 99}]
    with pytest.raises(BadReply, match="two values"):
        observe(Recorder(lambda r: httpx.Response(200, json=COINS if "stablecoin" in r.url.path else other)))


def test_the_description_objects_to_nothing_and_its_examples_are_read(
    prism: Callable[[Path], str], specs_dir: Path
) -> None:
    recorder = Recorder()
    source = connect({}, base_url=prism(specs_dir / "defillama-free.json"), clock=clock, http=recorder.http)
    found = asked(source, lambda source: source.observe(datetime(2021, 1, 1, tzinfo=UTC)))
    assert len(paths(recorder.requests)) == len(SYMBOLS) + 2
    recorder.assert_accepted()
    assert {one.observed_at for one in found} == {datetime(2021, 1, 1, tzinfo=UTC)}
    assert [one.value for one in found if one.name == "defillama.stablecoins_usd"] == [45e9]
