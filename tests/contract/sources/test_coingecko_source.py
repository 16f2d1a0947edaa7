"""CoinGecko's /global as dominance; the bodies without a source are hand-made."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from recording import Recorder
from scripted import NOW, asked, clock, paths, says

from services.ingestion.adapters.coingecko import connect, parse_global
from services.ingestion.errors import BadKey, BadReply, FeedError, NotEntitled, RateLimited
from services.ingestion.observations import DominanceReading

KEY = "CG-planted-key"
HAND_MADE = {
    "data": {
        "total_market_cap": {"usd": 2.5e12},
        "market_cap_percentage": {"btc": 57.5, "eth": 10.0, "usdt": 6.5},
        "updated_at": 1772638200,
    }
}


def dominance(answers: Recorder, environment: dict[str, str] | None = None) -> DominanceReading:
    source = connect(environment or {}, clock=clock, http=answers.http)
    reading: DominanceReading = asked(source, lambda source: source.dominance())
    return reading


def test_reads_the_shares_and_says_when_they_could_be_known() -> None:
    reading = dominance(Recorder(says(HAND_MADE)))
    assert reading.ts == datetime.fromtimestamp(1772638200, UTC)
    assert (reading.btc_d, reading.usdt_d, reading.total_market_cap_usd) == (57.5, 6.5, 2.5e12)
    assert reading.available_at == max(NOW, reading.ts)


def test_a_fast_clock_there_makes_nothing_known_before_it_happened() -> None:
    ahead = int((NOW + timedelta(minutes=3)).timestamp())
    reading = parse_global({"data": {**HAND_MADE["data"], "updated_at": ahead}}, NOW)
    assert reading.available_at == reading.ts > NOW


def test_a_coin_outside_the_top_list_is_unknown_not_zero() -> None:
    data = {**HAND_MADE["data"], "market_cap_percentage": {"btc": 57.5}}
    assert parse_global({"data": data}, NOW).usdt_d is None


@pytest.mark.parametrize("shares", [{}, [], None, {"btc": 101}, {"btc": -1}, {"btc": "much"}])
def test_refuses_shares_that_cannot_be_true(shares: Any) -> None:
    with pytest.raises(BadReply):
        parse_global({"data": {**HAND_MADE["data"], "market_cap_percentage": shares}}, NOW)


def test_sends_the_key_as_a_header_and_works_without_one() -> None:
    answers = Recorder(says(HAND_MADE))
    dominance(answers, {"COINGECKO_API_KEY": KEY})
    dominance(answers)
    keyed, keyless = answers.requests
    assert keyed.headers["x-cg-demo-api-key"] == KEY
    assert "x-cg-demo-api-key" not in keyless.headers
    assert str(keyed.url) == str(keyless.url) == "https://api.coingecko.com/api/v3/global"


def inner(code: int) -> dict[str, Any]:
    return {"error_code": code, "error_message": f"refused {KEY}"}


@pytest.mark.parametrize("wrap", [lambda s: {"status": s}, lambda s: {"error": {"status": s}}])
@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, 10012, NotEntitled),
        (401, 10005, NotEntitled),
        (401, 10002, BadKey),
        (400, 10010, BadKey),
        (400, 10011, BadKey),
        (429, 429, RateLimited),
        (200, 429, RateLimited),
        (200, 500, FeedError),
    ],
)
def test_tells_the_errors_apart_in_both_shapes(
    wrap: Callable[[Any], Any], status: int, code: int, error: type[FeedError]
) -> None:
    with pytest.raises(error) as raised:
        dominance(Recorder(says(wrap(inner(code)), status)), {"COINGECKO_API_KEY": KEY})
    assert type(raised.value) is error
    assert KEY not in str(raised.value)


def test_waits_as_long_as_it_is_told_when_too_many_ask() -> None:
    answers = Recorder(says({"status": inner(429)}, 429, {"Retry-After": "30"}))
    with pytest.raises(RateLimited) as raised:
        dominance(answers)
    assert raised.value.wait_s == 30.0
    assert min(answers.time.slept) >= 30.0


def test_reads_the_example_of_the_description(specs_dir: Path) -> None:
    spec = json.loads((specs_dir / "coingecko-demo.json").read_text())
    body = spec["paths"]["/global"]["get"]["responses"]["200"]["content"]["application/json"]["example"]
    reading = parse_global(body, NOW)
    assert 50 < (reading.btc_d or 0) < 65
    assert 4 < (reading.usdt_d or 0) < 10
    assert reading.ts.year == 2026


def test_the_description_objects_to_nothing(prism: Callable[[Path], str], specs_dir: Path) -> None:
    recorder = Recorder()
    url = prism(specs_dir / "coingecko-demo.json")
    source = connect({"COINGECKO_API_KEY": KEY}, base_url=url, clock=clock, http=recorder.http)
    asked(source, lambda source: source.dominance())
    assert paths(recorder.requests) == ["/global"]
    recorder.assert_accepted()
