"""Alpha Vantage for stocks and for forex: what it is asked, and what is made of its answers, errors in HTTP 200 among
them. Bodies are hand-made unless a test says otherwise; the messages are worded as the provider words them.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from market_script import Answer, Script, collected, opens, until_error, utc

from services.ingestion.adapters import alpha_vantage, alpha_vantage_fx
from services.ingestion.adapters.alpha_vantage import AlphaVantageSource
from services.ingestion.adapters.alpha_vantage_fx import AlphaVantageFxSource
from services.ingestion.errors import (
    BadKey,
    BadReply,
    BadRequest,
    BudgetSpent,
    FeedError,
    NotEntitled,
    RateLimited,
    SourceDown,
    SymbolNotOffered,
)
from services.ingestion.settings import DataSources
from services.kernel.config import load

pytestmark = pytest.mark.anyio

KEY = "PLANTEDKEYAV"
NOW = "2024-06-14 12:00"
SINCE, UNTIL = utc("2024-06-03 00:00"), utc("2024-06-15 00:00")
NO_SPLITS: dict[str, Any] = {"symbol": "NVDA", "data": []}
SPLITS = {"symbol": "NVDA", "data": [{"effective_date": "2024-06-10", "split_factor": "10.0000"}]}

BURST = (
    "Thank you for using Alpha Vantage! Please consider spreading out your free API requests more sparingly (1 request "
    "per second). You may subscribe to any of the premium plans to lift the free key rate limit (25 requests per day)."
)
DAILY = (
    f"We have detected your API key as {KEY} and our standard API rate limit is 25 requests per day. Please subscribe "
    "to any of the premium plans to instantly remove all daily rate limits."
)
PREMIUM = (
    "Thank you for using Alpha Vantage! This is a premium endpoint. You may subscribe to any of the premium plans."
)
FULL_SIZE = "The outputsize=full parameter value is a premium feature for this endpoint. Subscribe to a premium plan."
PER_MINUTE = "Our standard API call frequency is 5 calls per minute and 500 calls per day. Visit our premium page."
BAD_CALL = "Invalid API call. Please retry or visit the documentation for TIME_SERIES_DAILY."
BAD_KEY = "the parameter apikey is invalid or missing. Please claim your free API key."


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def source(script: Script, now: str = NOW) -> AlphaVantageSource:
    return alpha_vantage.connect({"ALPHA_VANTAGE_API_KEY": KEY}, http=script.http, clock=lambda: utc(now))


def forex(script: Script, now: str = NOW) -> AlphaVantageFxSource:
    return alpha_vantage_fx.connect({"ALPHA_VANTAGE_API_KEY": KEY}, http=script.http, clock=lambda: utc(now))


def bar(price: float, volume: str | None = "100") -> dict[str, str]:
    values = {"1. open": price, "2. high": price + 2, "3. low": price - 2, "4. close": price + 1}
    return {key: f"{value:.4f}" for key, value in values.items()} | ({"5. volume": volume} if volume else {})


def days(zone: str = "US/Eastern", **bars: dict[str, str]) -> dict[str, Any]:
    stamped = {f"2024-{key[1:3]}-{key[3:]}": one for key, one in bars.items()}
    return {"Meta Data": {"5. Time Zone": zone}, "Time Series (Daily)": stamped}


def minutes(**bars: dict[str, str]) -> dict[str, Any]:
    stamped = {f"2024-{key[1:3]}-{key[3:5]} {key[5:7]}:{key[7:]}:00": one for key, one in bars.items()}
    return {"Meta Data": {"6. Time Zone": "US/Eastern"}, "Time Series (30min)": stamped}


async def test_asks_for_compact_days_as_json() -> None:
    script = Script(days(d0614=bar(9.0), d0613=bar(10.0), d0612=bar(11.0)), NO_SPLITS)
    pages = await collected(source(script).history("NVDA", "1d", SINCE, UNTIL))
    assert opens(pages) == ["06-12 00:00", "06-13 00:00"], "the day that is still going on is left out"
    assert pages[0].values()[1].tolist() == [10.0, 12.0, 8.0, 11.0, 100.0]
    assert str(script.requests[0].url).startswith("https://www.alphavantage.co/query?")
    common = {"symbol": "NVDA", "datatype": "json", "apikey": KEY}
    assert script.params(0) == common | {"function": "TIME_SERIES_DAILY", "outputsize": "compact"}
    assert script.params(1) == common | {"function": "SPLITS"}


@pytest.mark.parametrize(("since", "size"), [("2024-02-01 00:00", "compact"), ("2024-01-20 00:00", "full")])
async def test_asks_for_all_days_only_beyond_a_hundred_sessions(since: str, size: str) -> None:
    script = Script(days(d0613=bar(10.0)), NO_SPLITS)
    await collected(source(script).history("NVDA", "1d", utc(since), UNTIL))
    assert script.params(0)["outputsize"] == size


async def test_prices_before_a_split_are_made_comparable_and_stay_raw_where_wanted() -> None:
    body = days(d0607=bar(1200.0), d0610=bar(120.0))
    (adjusted,) = await collected(source(Script(body, SPLITS)).history("NVDA", "1d", SINCE, UNTIL))
    assert adjusted.values().tolist() == [[120.0, 120.2, 119.8, 120.1, 1000.0], [120.0, 122.0, 118.0, 121.0, 100.0]]
    script = Script(body)
    (raw,) = await collected(source(script).history("NVDA", "1d", SINCE, UNTIL, adjusted=False))
    assert raw.open.tolist() == [1200.0, 120.0]
    assert len(script.requests) == 1


async def test_a_split_to_come_changes_nothing_yet() -> None:
    before = source(Script(days(d0606=bar(1200.0)), SPLITS), "2024-06-07 12:00")
    assert (await before.latest("NVDA", "1d", SINCE)).open.tolist() == [1200.0]


async def test_splits_are_asked_once_a_day() -> None:
    body = days(d0613=bar(10.0))
    script = Script(body, NO_SPLITS, body)
    asked = source(script)
    for _ in range(2):
        assert len(await asked.latest("NVDA", "1d", SINCE)) == 1
    assert [script.params(n)["function"] for n in range(3)] == ["TIME_SERIES_DAILY", "SPLITS", "TIME_SERIES_DAILY"]


async def test_unreadable_splits_are_an_error_and_not_no_splits() -> None:
    with pytest.raises(BadReply, match="splits cannot be read"):
        await source(Script(days(d0613=bar(10.0)), {"symbol": "NVDA"})).latest("NVDA", "1d", SINCE)


@pytest.mark.parametrize(("date", "opened"), [("0308", "03-08 14:30"), ("0311", "03-11 13:30")])
async def test_new_york_times_become_utc_on_both_sides_of_summer_time(date: str, opened: str) -> None:
    script = Script(minutes(**{f"d{date}0930": bar(10.0), f"d{date}1000": bar(20.0)}))
    got = await collected(source(script).history("NVDA", "1h", utc("2024-03-01 00:00"), utc("2024-03-31 00:00")))
    assert opens(got) == [opened]
    assert got[0].values().tolist() == [[10.0, 22.0, 8.0, 21.0, 200.0]]


async def test_minutes_come_by_month_each_asked_once() -> None:
    script = Script(minutes(d04300930=bar(10.0)), minutes(d05010930=bar(11.0)), minutes(d06030930=bar(12.0)))
    got = await collected(source(script).history("NVDA", "15m", utc("2024-04-29 00:00"), utc("2024-06-04 00:00")))
    assert opens(got) == ["04-30 13:30", "05-01 13:30", "06-03 13:30"]
    assert [script.params(n)["month"] for n in range(len(script.requests))] == ["2024-04", "2024-05", "2024-06"]
    first = script.params(0)
    assert (first["function"], first["interval"], first["adjusted"]) == ("TIME_SERIES_INTRADAY", "15min", "true")
    assert (first["extended_hours"], first["outputsize"]) == ("false", "full")


async def test_a_month_that_comes_again_is_not_doubled() -> None:
    april = minutes(d04300930=bar(10.0))
    script = Script(april, april)
    got = await collected(source(script).history("NVDA", "15m", utc("2024-04-29 00:00"), utc("2024-05-03 00:00")))
    assert opens(got) == ["04-30 13:30"]


async def test_a_month_that_cannot_be_had_loses_nothing_once_asked_again() -> None:
    since, until = utc("2024-04-29 00:00"), utc("2024-05-03 00:00")
    april, may = minutes(d04290930=bar(9.0), d04300930=bar(10.0)), minutes(d05010930=bar(11.0))
    failing = source(Script(april, Answer("", 503)))
    got = await until_error(failing.history("NVDA", "15m", since, until), SourceDown)
    assert opens(got) == ["04-29 13:30"]
    got += await collected(source(Script(april, may)).history("NVDA", "15m", utc("2024-04-30 00:00"), until))
    assert opens(got) == ["04-29 13:30", "04-30 13:30", "05-01 13:30"]


async def test_latest_hours_leave_out_a_bar_whose_beginning_did_not_come() -> None:
    script = Script(minutes(d06131000=bar(20.0), d06131030=bar(30.0), d06131100=bar(40.0)))
    found = await source(script).latest("NVDA", "1h", SINCE)
    assert opens([found]) == ["06-13 14:30"]
    assert found.values().tolist() == [[30.0, 42.0, 28.0, 41.0, 200.0]]
    assert "month" not in script.params(0)


@pytest.mark.parametrize(
    ("key", "text", "error"),
    [
        ("Information", BURST, RateLimited),
        ("Information", DAILY, BudgetSpent),
        ("Information", PREMIUM, NotEntitled),
        ("Information", FULL_SIZE, NotEntitled),
        ("Note", PER_MINUTE, RateLimited),
        ("Error Message", BAD_KEY, BadKey),
        ("Error Message", BAD_CALL, SymbolNotOffered),
        ("Information", "The server is tired.", BadReply),
    ],
)
async def test_errors_inside_http_200_are_told_apart_by_their_words(
    key: str, text: str, error: type[FeedError]
) -> None:
    for asked in (source, forex):
        script = Script({key: text})
        with pytest.raises(error) as raised:
            await asked(script).latest("GBP/JPY", "1d", SINCE)
        assert type(raised.value) is error
        assert KEY not in str(raised.value)
        assert len(script.requests) == (2 if error in (RateLimited, BadReply) else 1)


async def test_a_burst_is_waited_out() -> None:
    script = Script({"Information": BURST}, days(d0613=bar(10.0)), NO_SPLITS)
    assert len(await source(script).latest("NVDA", "1d", SINCE)) == 1
    assert script.seconds >= 1.5


async def test_once_the_day_is_spent_nothing_is_asked_until_the_next() -> None:
    script = Script({"Information": DAILY})
    asked = source(script, "2024-06-14 18:00")
    for _ in range(2):
        with pytest.raises(BudgetSpent) as raised:
            await asked.latest("NVDA", "1d", SINCE)
        assert raised.value.until_s == pytest.approx(6 * 3600)
    assert len(script.requests) == 1


@pytest.mark.parametrize("body", [{}, {"Meta Data": {}}, {"Meta Data": {}, "Time Series (Daily)": {"2024-06-13": {}}}])
async def test_an_answer_without_readable_bars_is_an_error(body: dict[str, Any]) -> None:
    with pytest.raises(BadReply):
        await source(Script(body)).latest("NVDA", "1d", SINCE)


async def test_an_unknown_time_zone_is_an_error() -> None:
    with pytest.raises(BadReply, match="Mars/Olympus"):
        await source(Script(days("Mars/Olympus", d0613=bar(10.0)))).latest("NVDA", "1d", SINCE)


async def test_both_files_together_stay_within_the_keys_day() -> None:
    calendar = 1
    assert (alpha_vantage.POLICY.per_day or 0) + (alpha_vantage_fx.POLICY.per_day or 0) + calendar == 25
    declared = load(DataSources, "data_sources.yaml").sources["alpha_vantage"]
    assert declared.every_seconds >= 86_400, "the calendar is asked once a day"


def rates(name: str, **bars: dict[str, str]) -> dict[str, Any]:
    stamped = {key.replace("_", "-"): one for key, one in bars.items()}
    return {"Meta Data": {"6. Time Zone": "UTC"}, f"Time Series FX ({name})": stamped}


async def test_forex_days_have_their_date_and_no_volume() -> None:
    body = rates("Daily") | {"Time Series FX (Daily)": {"2024-06-14": bar(9, None), "2024-06-13": bar(190, None)}}
    script = Script(body)
    got = await collected(forex(script).history("GBP/JPY", "1d", SINCE, UNTIL))
    assert opens(got) == ["06-13 00:00"]
    assert got[0].values().tolist() == [[190.0, 192.0, 188.0, 191.0, 0.0]]
    assert script.params(0) == {
        "function": "FX_DAILY",
        "from_symbol": "GBP",
        "to_symbol": "JPY",
        "outputsize": "compact",
        "datatype": "json",
        "apikey": KEY,
    }


@pytest.mark.parametrize(("since", "size"), [("2024-06-12 00:00", "compact"), ("2024-06-01 00:00", "full")])
async def test_forex_hours_are_in_utc(since: str, size: str) -> None:
    body = rates("60min") | {"Time Series FX (60min)": {"2024-06-14 10:00:00": bar(190, None)}}
    script = Script(body)
    assert opens([await forex(script).latest("GBP/JPY", "1h", utc(since))]) == ["06-14 10:00"]
    asked = script.params(0)
    assert (asked["function"], asked["interval"], asked["outputsize"]) == ("FX_INTRADAY", "60min", size)


async def test_four_hours_of_forex_are_not_offered() -> None:
    with pytest.raises(BadRequest, match="no 4h bars"):
        await forex(Script({})).latest("GBP/JPY", "4h", SINCE)


async def test_a_stock_is_no_currency_pair() -> None:
    with pytest.raises(SymbolNotOffered, match="not a pair"):
        await forex(Script({})).quote("NVDA")


RATE = {"5. Exchange Rate": "190.01", "6. Last Refreshed": "2024-06-14 11:59:01", "7. Time Zone": "UTC"}


@pytest.mark.parametrize(
    ("sides", "bid", "ask"),
    [
        ({"8. Bid Price": "190.00", "9. Ask Price": "190.02"}, Decimal("190.00"), Decimal("190.02")),
        ({"8. Bid Price": "-", "9. Ask Price": "0.000"}, None, None),
        ({}, None, None),
    ],
)
async def test_rate_with_and_without_bid_and_ask(
    sides: dict[str, str], bid: Decimal | None, ask: Decimal | None
) -> None:
    script = Script({"Realtime Currency Exchange Rate": RATE | sides})
    quote = await forex(script).quote("GBP/JPY")
    assert (quote.ts, quote.bid, quote.ask) == (utc("2024-06-14 11:59:01"), bid, ask)
    asked = script.params(0)
    assert (asked["function"], asked["from_currency"], asked["to_currency"]) == ("CURRENCY_EXCHANGE_RATE", "GBP", "JPY")


async def test_reads_recorded_minutes(specs_dir: Path) -> None:
    recorded = json.loads((specs_dir / "recorded" / "alphavantage" / "mock_time_series").read_text())
    asked = source(Script(recorded), "2017-12-19 12:00")
    found = await asked.latest("MSFT", "1m", utc("2017-12-18 00:00"))
    assert len(found) == len(recorded["Time Series (1min)"])
    assert opens([found])[-1] == "12-18 19:56", "14:56 New York in winter"
    assert found.values()[-1].tolist() == [86.49, 86.5, 86.475, 86.5, 10494.0]


async def test_reads_a_recorded_rate_without_bid_and_ask(specs_dir: Path) -> None:
    recorded = json.loads((specs_dir / "recorded" / "alphavantage" / "mock_foreign_exchange").read_text())
    quote = await forex(Script(recorded)).quote("BTC/CNY")
    assert (quote.ts, quote.bid, quote.ask) == (utc("2017-12-20 19:23:21"), None, None)
