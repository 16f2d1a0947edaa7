"""Polygon: what it is asked, and what is made of its answers. Bodies are hand-made unless a test says otherwise."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from market_script import Answer, Described, Script, collected, opens, until_error, utc
from prism_mock import Prisms

from services.domain.candles import epoch
from services.ingestion.adapters import polygon
from services.ingestion.adapters.polygon import PolygonSource
from services.ingestion.errors import (
    BadKey,
    BadReply,
    FeedError,
    NotEntitled,
    RateLimited,
    SourceDown,
    SymbolNotOffered,
)

pytestmark = pytest.mark.anyio

KEY = "planted-key-polygon"
NOW = utc("2024-03-08 12:00")
DAY, NEXT_DAY = utc("2024-03-01 00:00"), utc("2024-03-02 00:00")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def source(script: Script, now: str = "2024-03-08 12:00") -> PolygonSource:
    return polygon.connect({"POLYGON_API_KEY": KEY}, http=script.http, clock=lambda: utc(now))


def bar(opened: str, price: float = 10.0, volume: float = 100.0) -> dict[str, Any]:
    t = epoch(utc(opened)) * 1000
    return {"t": t, "o": price, "h": price + 2, "l": price - 2, "c": price + 1, "v": volume, "vw": price, "n": 3}


def page(*bars: dict[str, Any], next_url: str | None = None, status: str = "OK") -> dict[str, Any]:
    body: dict[str, Any] = {"status": status, "ticker": "NVDA", "adjusted": True, "request_id": "r"}
    body |= {"queryCount": len(bars), "resultsCount": len(bars)}
    # The provider leaves both fields out where they would be empty.
    return body | ({"results": list(bars)} if bars else {}) | ({"next_url": next_url} if next_url else {})


async def test_asks_for_adjusted_days_by_date() -> None:
    script = Script(page(bar("2024-03-01 05:00")))
    await collected(source(script).history("NVDA", "1d", DAY, utc("2024-03-04 00:00")))
    (request,) = script.requests
    assert request.url.host == "api.massive.com"
    assert request.url.path == "/v2/aggs/ticker/NVDA/range/1/day/2024-03-01/2024-03-04"
    assert script.params(0) == {"adjusted": "true", "sort": "asc", "limit": "50000", "apiKey": KEY}


async def test_asks_for_prices_before_splits_where_wanted() -> None:
    script = Script(page())
    await collected(source(script).history("NVDA", "1d", DAY, NEXT_DAY, adjusted=False))
    assert script.params(0)["adjusted"] == "false"


@pytest.mark.parametrize(("opened", "date"), [("2024-03-08 05:00", "03-08 00:00"), ("2024-03-11 04:00", "03-11 00:00")])
async def test_a_day_that_begins_at_new_york_midnight_gets_its_date(opened: str, date: str) -> None:
    pages = await collected(
        source(Script(page(bar(opened))), "2024-03-13 12:00").history("NVDA", "1d", DAY, utc("2024-03-12 00:00"))
    )
    assert opens(pages) == [date]


async def test_hours_begin_with_the_session_and_hold_nothing_from_outside_it() -> None:
    bars = [bar("2024-03-01 14:00", 99.0), bar("2024-03-01 14:30", 10.0), bar("2024-03-01 15:00", 20.0)]
    bars += [bar("2024-03-01 20:30", 30.0), bar("2024-03-01 21:00", 99.0)]
    script = Script(page(*bars))
    pages = await collected(source(script).history("NVDA", "1h", DAY, NEXT_DAY))
    assert "/range/30/minute/" in script.requests[0].url.path
    assert opens(pages) == ["03-01 14:30", "03-01 20:30"]
    assert pages[0].values()[0].tolist() == [10.0, 22.0, 8.0, 21.0, 200.0]
    assert pages[0].values()[1].tolist() == [30.0, 32.0, 28.0, 31.0, 100.0]


async def test_a_bar_that_opens_before_the_end_is_whole() -> None:
    script = Script(page(bar("2024-03-01 14:30", 10.0), bar("2024-03-01 15:00", 20.0)))
    pages = await collected(source(script).history("NVDA", "1h", DAY, utc("2024-03-01 15:00")))
    assert script.requests[0].url.path.endswith(f"/{epoch(utc('2024-03-01 16:00')) * 1000 - 1}")
    assert pages[0].values()[0].tolist() == [10.0, 22.0, 8.0, 21.0, 200.0]


async def test_bars_still_forming_are_left_out() -> None:
    bars = [bar("2024-03-01 14:30"), bar("2024-03-01 15:00"), bar("2024-03-01 15:30")]
    found = await source(Script(page(*bars)), "2024-03-01 15:45").latest("NVDA", "1h", DAY)
    assert opens([found]) == ["03-01 14:30"]


async def test_delayed_data_is_a_success_that_ends_fifteen_minutes_ago() -> None:
    bars = [bar("2024-03-01 14:30"), bar("2024-03-01 15:00")]
    body = page(*bars, status="DELAYED")
    assert len(await source(Script(body), "2024-03-01 15:44").latest("NVDA", "1h", DAY)) == 0
    assert opens([await source(Script(body), "2024-03-01 15:45").latest("NVDA", "1h", DAY)]) == ["03-01 14:30"]


async def test_an_answer_without_results_is_an_empty_one() -> None:
    assert await collected(source(Script(page())).history("NVDA", "1d", DAY, NEXT_DAY)) == []
    assert len(await source(Script(page())).latest("NVDA", "1d", DAY)) == 0


async def test_the_future_is_not_asked_for() -> None:
    script = Script(page())
    assert await collected(source(script).history("NVDA", "1d", NOW, utc("2024-04-01 00:00"))) == []
    assert script.requests == []


async def test_follows_next_url_on_its_own_base_with_the_key_added_again() -> None:
    following = "https://api.polygon.io/v2/aggs/ticker/NVDA/range/1/day/9/2024-03-08?cursor=bGlt%3D&apiKey=stranger"
    script = Script(page(bar("2024-03-01 05:00"), next_url=following), page(bar("2024-03-04 05:00")))
    pages = await collected(source(script).history("NVDA", "1d", DAY, utc("2024-03-05 00:00")))
    assert opens(pages) == ["03-01 00:00", "03-04 00:00"]
    second = script.requests[1].url
    assert (second.host, second.path) == ("api.massive.com", "/v2/aggs/ticker/NVDA/range/1/day/9/2024-03-08")
    assert script.params(1) == {"cursor": "bGlt=", "apiKey": KEY}


@pytest.mark.parametrize("host", ["evil.example", "api.massive.com.evil.example", "api.massive.com@evil.example", ""])
async def test_a_next_url_on_another_host_is_refused(host: str) -> None:
    script = Script(page(bar("2024-03-01 05:00"), next_url=f"https://{host}/v2/aggs?cursor=1"))
    with pytest.raises(BadReply, match="not one of its own"):
        await collected(source(script).history("NVDA", "1d", DAY, utc("2024-03-05 00:00")))
    assert len(script.requests) == 1


async def test_a_page_may_end_inside_a_bar() -> None:
    following = "https://api.massive.com/v2/aggs?cursor=2"
    script = Script(page(bar("2024-03-01 14:30", 10.0), next_url=following), page(bar("2024-03-01 15:00", 20.0)))
    pages = await collected(source(script).history("NVDA", "1h", DAY, NEXT_DAY))
    assert [p.values().tolist() for p in pages] == [[[10.0, 22.0, 8.0, 21.0, 200.0]]]


async def test_bars_that_come_again_on_the_next_page_are_not_doubled() -> None:
    first = [bar("2024-03-01 05:00"), bar("2024-03-04 05:00")]
    script = Script(
        page(*first, next_url="https://api.massive.com/x?cursor=2"),
        page(*first, next_url="https://api.massive.com/x?cursor=3"),
        page(first[1], bar("2024-03-05 05:00")),
    )
    pages = await collected(source(script).history("NVDA", "1d", DAY, utc("2024-03-06 00:00")))
    assert opens(pages) == ["03-01 00:00", "03-04 00:00", "03-05 00:00"]


async def test_pages_that_go_round_in_a_circle_are_an_error() -> None:
    script = Script(page(bar("2024-03-01 05:00"), next_url="https://api.massive.com/x?cursor=2"))
    with pytest.raises(BadReply, match="already read"):
        await collected(source(script).history("NVDA", "1d", DAY, NEXT_DAY))


async def test_a_page_that_cannot_be_had_loses_nothing_once_asked_again() -> None:
    one, two = bar("2024-03-01 05:00"), bar("2024-03-04 05:00")
    following = "https://api.massive.com/x?cursor=2"
    failing = Script(page(one, two, next_url=following), Answer(status=503))
    got = await until_error(source(failing).history("NVDA", "1d", DAY, utc("2024-03-06 00:00")), SourceDown)
    assert opens(got) == ["03-01 00:00"]
    again = Script(page(two, bar("2024-03-05 05:00")))
    got += await collected(source(again).history("NVDA", "1d", NEXT_DAY, utc("2024-03-06 00:00")))
    assert opens(got) == ["03-01 00:00", "03-04 00:00", "03-05 00:00"]


async def test_fewer_bars_than_announced_are_an_error() -> None:
    script = Script(page(bar("2024-03-01 05:00")) | {"resultsCount": 2})
    with pytest.raises(BadReply, match="1 bars came where 2 were announced"):
        await source(script).latest("NVDA", "1d", DAY)


async def test_a_bar_without_a_price_is_an_error() -> None:
    broken = {key: value for key, value in bar("2024-03-01 05:00").items() if key != "c"}
    with pytest.raises(BadReply, match="'c'"):
        await source(Script(page(broken))).latest("NVDA", "1d", DAY)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (403, {"status": "NOT_AUTHORIZED", "message": "You are not entitled to this data."}, NotEntitled),
        (403, {"status": "ERROR", "error": "You are not entitled to this data."}, NotEntitled),
        (401, {"status": "ERROR", "error": "Unknown API Key"}, BadKey),
        (429, {"status": "ERROR", "error": "You've exceeded the maximum requests per minute"}, RateLimited),
        (404, {"status": "NOT_FOUND", "message": "Data not found."}, SymbolNotOffered),
        (200, {"status": "ERROR", "error": "something broke"}, BadReply),
    ],
)
async def test_errors_are_told_apart(status: int, body: dict[str, str], error: type[FeedError]) -> None:
    script = Script(Answer(body | {"request_id": KEY}, status))
    with pytest.raises(error) as raised:
        await source(script).latest("NVDA", "1d", DAY)
    assert KEY not in str(raised.value)
    assert str(raised.value).startswith("polygon GET /v2/aggs/ticker/NVDA/")


async def test_forex_bars_keep_the_full_hour() -> None:
    script = Script(page(bar("2024-03-01 03:00", 190.0)))
    pages = await collected(source(script).history("GBP/JPY", "1h", DAY, NEXT_DAY))
    assert "/C:GBPJPY/range/1/hour/" in script.requests[0].url.path
    assert opens(pages) == ["03-01 03:00"]


async def test_nanoseconds_of_a_quote_are_not_rounded() -> None:
    results = {"T": "AAPL", "P": 127.98, "S": 7, "p": 127.96, "s": 1, "t": 1617827221349730999}
    script = Script({"status": "OK", "request_id": "r", "results": results})
    quote = await source(script).quote("AAPL")
    assert script.requests[0].url.path == "/v2/last/nbbo/AAPL"
    assert quote.ts == utc("2021-04-07 20:27:01.349730")
    assert (quote.bid, quote.ask) == (Decimal("127.96"), Decimal("127.98"))
    assert (quote.bid_size, quote.ask_size) == (100.0, 700.0)


async def test_a_side_at_price_zero_is_not_quoted() -> None:
    results = {"T": "AAPL", "P": 127.98, "S": 7, "p": 0, "s": 0, "t": 1617827221349730999}
    quote = await source(Script({"status": "OK", "results": results})).quote("AAPL")
    assert (quote.bid, quote.bid_size, quote.ask) == (None, None, Decimal("127.98"))


async def test_forex_quotes_come_by_currencies() -> None:
    last = {"ask": 0.73124, "bid": 0.73122, "exchange": 48, "timestamp": 1605557756000}
    script = Script({"status": "success", "symbol": "AUD/USD", "last": last, "request_id": "r"})
    quote = await source(script).quote("AUD/USD")
    assert script.requests[0].url.path == "/v1/last_quote/currencies/AUD/USD"
    assert (quote.ts, quote.bid, quote.ask) == (utc("2020-11-16 20:15:56"), Decimal("0.73122"), Decimal("0.73124"))


async def test_crypto_has_no_quotes_here() -> None:
    mapped = polygon.connect(
        {"POLYGON_API_KEY": KEY}, http=Script({}).http, symbols={"BTC/USDT": "X:BTCUSD"}, clock=lambda: NOW
    )
    with pytest.raises(SymbolNotOffered):
        await mapped.quote("BTC/USDT")


async def test_reads_the_examples_of_the_providers_own_description(specs_dir: Path) -> None:
    paths = json.loads((specs_dir / "polygon-rest.json").read_text())["paths"]

    def example(path: str) -> Any:
        return paths[path]["get"]["responses"]["200"]["content"]["application/json"]["example"]

    bars = example("/v2/aggs/ticker/{stocksTicker}/range/{multiplier}/{timespan}/{from}/{to}")
    script = Script(bars, {key: value for key, value in bars.items() if key != "next_url"})
    pages = await collected(source(script).history("AAPL", "1d", utc("2020-01-01 00:00"), utc("2020-02-01 00:00")))
    assert opens(pages) == ["01-02 00:00", "01-03 00:00"]
    assert pages[0].values()[0].tolist() == [74.06, 75.15, 73.7975, 75.0875, 135647456.0]
    assert (await source(Script(example("/v2/last/nbbo/{stocksTicker}"))).quote("AAPL")).ask == Decimal("127.98")
    fx = await source(Script(example("/v1/last_quote/currencies/{from}/{to}"))).quote("AUD/USD")
    assert fx.bid == Decimal("0.73122")


async def test_requests_pass_the_providers_own_description(prism: Prisms, specs_dir: Path) -> None:
    described = Described()
    mock = prism(specs_dir / "polygon-rest.json")
    asked = polygon.connect({"POLYGON_API_KEY": KEY}, base_url=mock, http=described.http, clock=lambda: NOW)
    since, until = utc("2020-01-01 00:00"), utc("2020-02-01 00:00")
    # The mock gives the same page for ever.
    got = await until_error(asked.history("AAPL", "1d", since, until), BadReply)
    assert opens(got) == ["01-02 00:00"]
    await until_error(asked.history("AAPL", "1h", since, until), BadReply)
    await until_error(asked.history("GBP/JPY", "1h", since, until), BadReply)
    assert (await asked.quote("AAPL")).bid == Decimal("127.96")
    assert (await asked.quote("AUD/USD")).bid == Decimal("0.73122")
    await asked.close()
    assert described.violations == []
    assert set(described.statuses) == {200}
    assert len(described.requests) == 8
