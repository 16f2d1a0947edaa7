"""Alpaca: what it is asked, and what is made of its answers. Bodies are hand-made unless a test says otherwise."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from market_script import Answer, Described, Script, collected, opens, until_error, utc
from prism_mock import Prisms

from services.ingestion.adapters import alpaca
from services.ingestion.adapters.alpaca import AlpacaSource
from services.ingestion.errors import (
    BadKey,
    BadReply,
    BadRequest,
    Blocked,
    FeedError,
    NotEntitled,
    RateLimited,
    SourceDown,
    SymbolNotOffered,
)

pytestmark = pytest.mark.anyio

KEY, SECRET = "planted-key-alpaca", "planted-secret-alpaca"
NOW = "2024-03-08 12:00"
DAY, NEXT_DAY = utc("2024-03-01 00:00"), utc("2024-03-02 00:00")
SIP = "subscription does not permit querying recent SIP data"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def source(script: Script, now: str = NOW, **environment: str) -> AlpacaSource:
    keys = {"ALPACA_API_KEY_ID": KEY, "ALPACA_API_SECRET_KEY": SECRET}
    return alpaca.connect(keys | environment, http=script.http, clock=lambda: utc(now))


def bar(opened: str, price: float = 10.0) -> dict[str, Any]:
    t = opened.replace(" ", "T") + ":00Z"
    return {"t": t, "o": price, "h": price + 2, "l": price - 2, "c": price + 1, "v": 100, "n": 3, "vw": price}


def page(*bars: dict[str, Any], token: str | None = None, symbol: str = "NVDA") -> dict[str, Any]:
    return {"bars": {symbol: list(bars)} if bars else {}, "next_page_token": token}


async def test_asks_for_split_adjusted_days_of_the_iex_feed_with_the_keys_in_headers() -> None:
    script = Script(page(bar("2024-03-01 05:00")))
    pages = await collected(source(script).history("NVDA", "1d", DAY, NEXT_DAY))
    assert opens(pages) == ["03-01 00:00"]
    (request,) = script.requests
    assert (request.url.host, request.url.path) == ("data.alpaca.markets", "/v2/stocks/bars")
    assert (request.headers["APCA-API-KEY-ID"], request.headers["APCA-API-SECRET-KEY"]) == (KEY, SECRET)
    assert script.params(0) == {
        "symbols": "NVDA",
        "timeframe": "1Day",
        "start": "2024-03-01T00:00:00+00:00",
        "end": "2024-03-02T23:59:59.999999+00:00",
        "limit": "10000",
        "adjustment": "split",
        "feed": "iex",
        "sort": "asc",
    }
    assert KEY not in str(request.url)
    assert SECRET not in str(request.url)


async def test_prices_before_splits_and_the_whole_market_can_be_asked_for() -> None:
    script = Script(page())
    consolidated = source(script, ALPACA_DATA_FEED="sip")
    await collected(consolidated.history("NVDA", "1d", DAY, NEXT_DAY, adjusted=False))
    assert (script.params(0)["adjustment"], script.params(0)["feed"]) == ("raw", "sip")


async def test_hours_begin_with_the_session_and_hold_nothing_from_outside_it() -> None:
    bars = [bar("2024-03-01 14:00", 99.0), bar("2024-03-01 14:30", 10.0), bar("2024-03-01 15:00", 20.0)]
    script = Script(page(*bars, bar("2024-03-01 21:00", 99.0)))
    pages = await collected(source(script).history("NVDA", "1h", DAY, NEXT_DAY))
    assert script.params(0)["timeframe"] == "30Min"
    assert opens(pages) == ["03-01 14:30"]
    assert pages[0].values().tolist() == [[10.0, 22.0, 8.0, 21.0, 200.0]]


async def test_bars_still_forming_are_left_out() -> None:
    script = Script(page(bar("2024-03-01 14:30"), bar("2024-03-01 14:31")))
    assert opens([await source(script, "2024-03-01 14:31").latest("NVDA", "1m", DAY)]) == ["03-01 14:30"]


@pytest.mark.parametrize("body", [{"bars": None, "next_page_token": None}, {"bars": {}}, page(), page(symbol="AMD")])
async def test_no_bars_is_an_empty_answer(body: dict[str, Any]) -> None:
    assert await collected(source(Script(body)).history("NVDA", "1d", DAY, NEXT_DAY)) == []


async def test_pages_are_followed_by_token_even_where_one_holds_other_symbols_only() -> None:
    script = Script(
        page(bar("2024-03-01 14:30", 10.0), token="one"),
        page(bar("2024-03-01 14:30", 500.0), token="two", symbol="AMD"),
        page(bar("2024-03-01 15:00", 20.0)),
    )
    pages = await collected(source(script).history("NVDA", "1h", DAY, NEXT_DAY))
    assert [script.params(n).get("page_token") for n in range(3)] == [None, "one", "two"]
    assert [p.values().tolist() for p in pages] == [[[10.0, 22.0, 8.0, 21.0, 200.0]]]


async def test_bars_that_come_again_on_the_next_page_are_not_doubled() -> None:
    first = [bar("2024-03-01 05:00"), bar("2024-03-04 05:00")]
    script = Script(page(*first, token="2"), page(*first, token="3"), page(first[1], bar("2024-03-05 05:00")))
    pages = await collected(source(script).history("NVDA", "1d", DAY, utc("2024-03-06 00:00")))
    assert opens(pages) == ["03-01 00:00", "03-04 00:00", "03-05 00:00"]


async def test_pages_that_go_round_in_a_circle_are_an_error() -> None:
    with pytest.raises(BadReply, match="already read"):
        await collected(source(Script(page(bar("2024-03-01 05:00"), token="2"))).history("NVDA", "1d", DAY, NEXT_DAY))


async def test_a_page_that_cannot_be_had_loses_nothing_once_asked_again() -> None:
    one, two, three = (bar(f"2024-03-0{day} 05:00") for day in (1, 4, 5))
    until = utc("2024-03-06 00:00")
    failing = Script(page(one, two, token="2"), Answer(status=503))
    got = await until_error(source(failing).history("NVDA", "1d", DAY, until), SourceDown)
    assert opens(got) == ["03-01 00:00"]
    got += await collected(source(Script(page(two, three))).history("NVDA", "1d", NEXT_DAY, until))
    assert opens(got) == ["03-01 00:00", "03-04 00:00", "03-05 00:00"]


async def test_a_bar_without_a_price_is_an_error() -> None:
    broken = {key: value for key, value in bar("2024-03-01 05:00").items() if key != "c"}
    with pytest.raises(BadReply, match="'c'"):
        await source(Script(page(broken))).latest("NVDA", "1d", DAY)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer({"message": SIP}, 403), NotEntitled),
        (Answer({"message": "forbidden."}, 403), BadKey),
        (Answer("<html>403 Forbidden</html>", 403), Blocked),
        (Answer({"message": "unauthorized."}, 401), BadKey),
        (Answer({"message": "invalid symbol: N?DA"}, 400), SymbolNotOffered),
        (Answer({"message": "invalid timeframe"}, 400), BadRequest),
        (Answer("upstream connect error", 503), SourceDown),
    ],
)
async def test_errors_are_told_apart(answer: Answer, error: type[FeedError]) -> None:
    with pytest.raises(error) as raised:
        await source(Script(answer)).latest("NVDA", "1d", DAY)
    assert str(raised.value).startswith("alpaca GET /v2/stocks/bars: ")


async def test_waits_until_the_moment_that_the_limit_is_reset() -> None:
    reset = str(int(utc(NOW).timestamp()) + 17)
    busy = Answer({"message": "too many requests."}, 429, {"X-RateLimit-Limit": "200", "X-RateLimit-Reset": reset})
    script = Script(busy, page(bar("2024-03-01 05:00")))
    assert len(await source(script).latest("NVDA", "1d", DAY)) == 1
    assert 17 <= script.seconds < 20


@pytest.mark.parametrize("ahead_s", [-7200, 7200])
async def test_a_skewed_clock_waits_a_minute_at_most(ahead_s: int) -> None:
    reset = str(int(utc(NOW).timestamp()) + ahead_s)
    busy = Answer({"message": "too many requests."}, 429, {"X-RateLimit-Reset": reset})
    script = Script(busy, page(bar("2024-03-01 05:00")))
    assert len(await source(script).latest("NVDA", "1d", DAY)) == 1
    assert script.seconds < 62


async def test_a_limit_without_a_word_on_waiting_is_reported_in_the_end() -> None:
    with pytest.raises(RateLimited):
        await source(Script(Answer("", 429))).latest("NVDA", "1d", DAY)


async def test_quote_of_the_feed_with_nanoseconds_and_one_side_only() -> None:
    quote = {"t": "2024-03-01T15:00:00.286587431Z", "ap": 172.7, "as": 3, "bp": 0, "bs": 0, "c": ["R"], "z": "C"}
    script = Script({"quotes": {"NVDA": quote}})
    found = await source(script).quote("NVDA")
    assert script.requests[0].url.path == "/v2/stocks/quotes/latest"
    assert script.params(0) == {"symbols": "NVDA", "feed": "iex"}
    assert found.ts == utc("2024-03-01 15:00:00.286587")
    assert (found.bid, found.bid_size, found.ask, found.ask_size) == (None, None, Decimal("172.7"), 3.0)


async def test_a_symbol_without_a_quote_is_not_offered() -> None:
    with pytest.raises(SymbolNotOffered, match="NVDA"):
        await source(Script({"quotes": {}})).quote("NVDA")


async def test_reads_the_examples_of_the_providers_own_description(specs_dir: Path) -> None:
    paths = json.loads((specs_dir / "alpaca-market-data.json").read_text())["paths"]

    def example(path: str, name: str) -> Any:
        return paths[path]["get"]["responses"]["200"]["content"]["application/json"]["examples"][name]["value"]

    bars = example("/v2/stocks/bars", "bars") | {"next_page_token": None}
    # The example is of 09:00 UTC, before the session, so that it can only be read as a bar of any day.
    assert await collected(source(Script(bars)).history("AAPL", "1m", utc("2022-01-03 00:00"), DAY)) == []
    assert opens([await source(Script(bars)).latest("AAPL", "1d", utc("2022-01-01 00:00"))]) == ["01-03 00:00"]
    quotes = example("/v2/stocks/quotes/latest", "quotes")
    assert (await source(Script(quotes)).quote("TSLA")).bid == Decimal("911.3")


async def test_requests_pass_the_providers_own_description(prism: Prisms, specs_dir: Path) -> None:
    described = Described()
    mock = prism(specs_dir / "alpaca-market-data.json")
    keys = {"ALPACA_API_KEY_ID": KEY, "ALPACA_API_SECRET_KEY": SECRET}
    asked = alpaca.connect(keys, base_url=mock, http=described.http, clock=lambda: utc(NOW))
    # The mock gives the same page for ever, and AAPL whatever is asked.
    await until_error(asked.history("AAPL", "1d", utc("2022-01-01 00:00"), DAY), BadReply)
    await until_error(asked.history("NVDA", "1h", utc("2022-01-01 00:00"), DAY, adjusted=False), BadReply)
    assert (await asked.quote("TSLA")).ask == Decimal("911.6")
    await asked.close()
    assert described.violations == []
    assert set(described.statuses) == {200}
    assert len(described.requests) == 5
