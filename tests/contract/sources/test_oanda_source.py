"""OANDA: what it is asked, and what is made of its answers. Bodies are hand-made unless a test says otherwise."""

from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from market_script import Answer, Described, Script, collected, opens, until_error, utc
from oandapyV20.endpoints.responses.instruments import responses as instruments  # type: ignore[import-untyped]
from oandapyV20.endpoints.responses.pricing import responses as pricing  # type: ignore[import-untyped]
from prism_mock import Prisms

from services.domain.calendars import expected_opens
from services.domain.candles import find_gaps
from services.ingestion.adapters import oanda
from services.ingestion.adapters.oanda import OandaSource
from services.ingestion.errors import BadKey, BadReply, BadRequest, FeedError, SourceDown, SymbolNotOffered
from services.kernel.http import Http, Policy

pytestmark = pytest.mark.anyio

TOKEN, ACCOUNT = "planted-token-oanda", "101-004-1234567-001"
NOW = "2024-03-15 12:00"
FRIDAY = utc("2024-03-01 00:00")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def source(script: Script, now: str = NOW) -> OandaSource:
    keys = {"OANDA_TOKEN": TOKEN, "OANDA_ACCOUNT_ID": ACCOUNT}
    return oanda.connect(keys, http=script.http, clock=lambda: utc(now))


def candle(opened: str, price: float = 190.0, complete: bool = True) -> dict[str, Any]:
    mid = {"o": f"{price}", "h": f"{price + 2}", "l": f"{price - 2}", "c": f"{price + 1}"}
    return {"time": opened.replace(" ", "T") + ":00.000000000Z", "volume": 7, "complete": complete, "mid": mid}


def page(*candles: dict[str, Any]) -> dict[str, Any]:
    return {"instrument": "GBP_JPY", "granularity": "H1", "candles": list(candles)}


class Server:
    """Answers as OANDA does: ``count`` candles from ``from`` on, without the first if so asked, and no ``to``."""

    def __init__(self, *times: datetime, page_bars: int = 5000) -> None:
        self._times = sorted(times)
        self._page_bars = page_bars
        self.queries: list[dict[str, str]] = []

    def http(self, name: str, base_url: str, policy: Policy, **more: Any) -> Http:
        """What ``connect`` takes as ``http``."""
        return Http(
            name, base_url, policy, client=httpx.AsyncClient(transport=httpx.MockTransport(self._answer)), **more
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        query = dict(request.url.params)
        self.queries.append(query)
        count, since = int(query["count"]), datetime.fromisoformat(query["from"])
        if count > 5000:
            return httpx.Response(400, json={"errorMessage": "Maximum value for 'count' exceeded"})
        later = [t for t in self._times if t > since or (t == since and query["includeFirst"] == "true")]
        found = later[: min(count, self._page_bars)]
        return httpx.Response(200, json=page(*(candle(f"{t:%Y-%m-%d %H:%M}") for t in found)))

    def source(self, now: str = NOW) -> OandaSource:
        keys = {"OANDA_TOKEN": TOKEN, "OANDA_ACCOUNT_ID": ACCOUNT}
        return oanda.connect(keys, http=self.http, clock=lambda: utc(now))


def hours(since: str, count: int) -> list[datetime]:
    return [utc(since) + timedelta(hours=n) for n in range(count)]


async def test_asks_for_complete_mid_candles_by_from_and_count_only() -> None:
    script = Script(page(candle("2024-03-01 00:00"), candle("2024-03-01 01:00", complete=False)))
    found = await source(script, "2024-03-01 01:30").latest("GBP/JPY", "1h", FRIDAY)
    assert opens([found]) == ["03-01 00:00"]
    assert found.values().tolist() == [[190.0, 192.0, 188.0, 191.0, 7.0]]
    (request,) = script.requests
    assert str(request.url).startswith("https://api-fxpractice.oanda.com/v3/instruments/GBP_JPY/candles?")
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.headers["Accept-Datetime-Format"] == "RFC3339"
    assert script.params(0) == {
        "price": "M",
        "granularity": "H1",
        "from": "2024-03-01T00:00:00.000000000Z",
        "count": "3",
        "includeFirst": "true",
        "dailyAlignment": "0",
        "alignmentTimezone": "UTC",
    }


async def test_a_long_history_is_walked_from_its_last_candle_without_losing_or_doubling_one() -> None:
    server = Server(*hours("2023-01-01 00:00", 10_500))
    until = utc("2023-01-01 00:00") + timedelta(hours=10_400)
    pages = await collected(server.source().history("GBP/JPY", "1h", utc("2023-01-01 00:00"), until))
    times = [int(t) for p in pages for t in p.ts]
    assert times == [int(t.timestamp()) for t in hours("2023-01-01 00:00", 10_400)]
    assert [query["includeFirst"] for query in server.queries] == ["true", "false", "false"]
    assert all("to" not in query and int(query["count"]) <= 5000 for query in server.queries)


async def test_a_page_that_stops_short_of_its_count_is_not_the_end() -> None:
    server = Server(*hours("2024-03-04 00:00", 10), page_bars=4)
    pages = await collected(server.source().history("GBP/JPY", "1h", utc("2024-03-04 00:00"), utc("2024-03-04 10:00")))
    assert [len(p) for p in pages] == [4, 4, 2]


async def test_a_weekend_is_no_end_and_no_gap() -> None:
    server = Server(*hours("2024-03-01 00:00", 22), *hours("2024-03-03 22:00", 6), page_bars=22)
    since, until = FRIDAY, utc("2024-03-04 04:00")
    pages = await collected(server.source().history("GBP/JPY", "1h", since, until))
    assert opens(pages)[21:24] == ["03-01 21:00", "03-03 22:00", "03-03 23:00"]

    times = np.array([t for p in pages for t in p.ts], dtype=np.int64)
    assert find_gaps(times, "1h", partial(expected_opens, "forex", "1h"), since, until) == []


async def test_a_repeated_page_is_an_error_and_doubles_nothing() -> None:
    first = page(candle("2024-03-01 00:00"), candle("2024-03-01 01:00"))
    got = await until_error(source(Script(first)).history("GBP/JPY", "1h", FRIDAY, utc("2024-03-02 00:00")), BadReply)
    assert opens(got) == ["03-01 00:00", "03-01 01:00"]


async def test_a_server_that_ignores_include_first_doubles_nothing() -> None:
    script = Script(page(candle("2024-03-01 00:00")), page(candle("2024-03-01 00:00")))
    got = await collected(source(script).history("GBP/JPY", "1h", FRIDAY, utc("2024-03-02 00:00")))
    assert opens(got) == ["03-01 00:00"]


async def test_a_page_that_cannot_be_had_loses_nothing_once_asked_again() -> None:
    until = utc("2024-03-01 04:00")
    failing = Script(page(candle("2024-03-01 00:00"), candle("2024-03-01 01:00")), Answer("", 503))
    got = await until_error(source(failing).history("GBP/JPY", "1h", FRIDAY, until), SourceDown)
    got += await collected(
        Server(*hours("2024-03-01 00:00", 9)).source().history("GBP/JPY", "1h", utc("2024-03-01 02:00"), until)
    )
    assert opens(got) == [f"03-01 0{hour}:00" for hour in range(4)]


@pytest.mark.parametrize(
    ("opened", "date"),
    [("2024-03-03 22:00", "03-04 00:00"), ("2024-03-07 22:00", "03-08 00:00"), ("2024-03-10 21:00", "03-11 00:00")],
)
async def test_a_day_begins_at_17_new_york_and_carries_the_date_of_its_end(opened: str, date: str) -> None:
    script = Script(page(candle(opened)), page())
    got = await collected(source(script).history("GBP/JPY", "1d", FRIDAY, utc("2024-03-12 00:00")))
    assert opens(got) == [date]
    asked = script.params(0)
    assert (asked["granularity"], asked["dailyAlignment"], asked["alignmentTimezone"]) == (
        "D",
        "17",
        "America/New_York",
    )
    assert asked["from"].startswith("2024-02-29T00:00:00")


async def test_the_future_is_not_asked_for() -> None:
    script = Script(page())
    assert await collected(source(script).history("GBP/JPY", "1h", utc(NOW), utc("2024-04-01 00:00"))) == []
    assert script.requests == []


@pytest.mark.parametrize(
    "broken", [{"mid": {}}, {"time": "yesterday"}, {"mid": {"o": "x", "h": "1", "l": "1", "c": "1"}}]
)
async def test_a_candle_that_cannot_be_read_is_an_error(broken: dict[str, Any]) -> None:
    with pytest.raises(BadReply, match="a candle cannot be read"):
        await source(Script(page(candle("2024-03-01 00:00") | broken))).latest("GBP/JPY", "1h", FRIDAY)


@pytest.mark.parametrize(
    ("status", "said", "error"),
    [
        (401, "Insufficient authorization to perform request.", BadKey),
        (400, "Maximum value for 'count' exceeded", BadRequest),
        (400, "Invalid value specified for 'instrument'", SymbolNotOffered),
        (400, "Invalid value specified for 'to'. Time is in the future", BadRequest),
        (404, "The instrument specified is invalid", SymbolNotOffered),
    ],
)
async def test_errors_are_told_apart(status: int, said: str, error: type[FeedError]) -> None:
    script = Script(Answer({"errorMessage": said}, status, {"RequestID": "42"}))
    with pytest.raises(error, match=said) as raised:
        await source(script).latest("GBP/JPY", "1h", FRIDAY)
    assert type(raised.value) is error
    assert len(script.requests) == 1


async def test_neither_token_nor_account_shows_in_an_error() -> None:
    script = Script(Answer({"errorMessage": f"account {ACCOUNT} and {TOKEN} do not fit"}, 401))
    with pytest.raises(BadKey) as raised:
        await source(script).quote("GBP/JPY")
    assert f"/accounts/{ACCOUNT}/pricing" in str(script.requests[0].url)
    assert ACCOUNT not in str(raised.value)
    assert TOKEN not in str(raised.value)


def price(**more: Any) -> dict[str, Any]:
    bids = [{"price": "190.001", "liquidity": 1000000}, {"price": "190.000", "liquidity": 2000000}]
    asks = [{"price": "190.012", "liquidity": 2000000}, {"price": "190.010", "liquidity": 500000}]
    found = {"instrument": "GBP_JPY", "time": "2024-03-01T15:00:00.123456789Z", "bids": bids, "asks": asks}
    return {"prices": [found | more]}


async def test_quote_is_the_best_level_of_each_side() -> None:
    script = Script(price(tradeable=True, status="tradeable"))
    quote = await source(script).quote("GBP/JPY")
    assert script.params(0) == {"instruments": "GBP_JPY"}
    assert quote.ts == utc("2024-03-01 15:00:00.123456")
    assert (quote.bid, quote.ask) == (Decimal("190.001"), Decimal("190.010"))
    assert (quote.bid_size, quote.ask_size) == (1000000.0, 500000.0)


@pytest.mark.parametrize("closed", [{"bids": [], "asks": []}, {"tradeable": False}, {"status": "non-tradeable"}])
async def test_a_closed_market_quotes_neither_side(closed: dict[str, Any]) -> None:
    quote = await source(Script(price(**closed))).quote("GBP/JPY")
    assert (quote.bid, quote.ask) == (None, None)


async def test_an_instrument_without_a_price_is_not_offered() -> None:
    with pytest.raises(SymbolNotOffered, match="GBP_JPY"):
        await source(Script({"prices": []})).quote("GBP/JPY")


async def test_reads_recorded_candles_of_the_practice_server() -> None:
    recorded = instruments["_v3_instruments_instrument_candles"]["response"]
    script = Script(recorded, page())
    germany = oanda.connect(
        {"OANDA_TOKEN": TOKEN, "OANDA_ACCOUNT_ID": ACCOUNT},
        symbols={"DAX": "DE30_EUR"},
        http=script.http,
        clock=lambda: utc(NOW),
    )
    since, until = utc("2016-10-17 19:35"), utc("2016-10-17 20:00")
    pages = await collected(germany.history("DAX", "5m", since, until))
    assert opens(pages) == ["10-17 19:35", "10-17 19:40", "10-17 19:45", "10-17 19:50", "10-17 19:55"]
    assert pages[0].values()[0].tolist() == [10503.8, 10508.0, 10503.8, 10506.0, 132.0]
    assert script.requests[0].url.path == "/v3/instruments/DE30_EUR/candles"


async def test_reads_recorded_prices_of_the_practice_server() -> None:
    recorded = pricing["_v3_accounts_accountID_pricing"]["response"]
    quote = await source(Script(recorded)).quote("EUR/USD")
    assert quote.ts == utc("2016-10-05 05:28:16.729643")
    assert (quote.bid, quote.ask) == (Decimal("1.12157"), Decimal("1.12170"))


async def test_requests_pass_the_providers_own_description(prism: Prisms, specs_dir: Path) -> None:
    described = Described()
    keys = {"OANDA_TOKEN": TOKEN, "OANDA_ACCOUNT_ID": ACCOUNT}
    mock = prism(specs_dir / "oanda-v20.json")
    asked = oanda.connect(keys, base_url=mock, http=described.http, clock=lambda: utc(NOW))
    # The description has no examples, so that the mock's bodies are words where numbers belong.
    for timeframe in ("1h", "1d"):
        with suppress(BadReply):
            await asked.latest("GBP/JPY", timeframe, FRIDAY)
    with suppress(BadReply, SymbolNotOffered):
        await asked.quote("GBP/JPY")
    await asked.close()
    assert described.violations == []
    assert set(described.statuses) == {200}
    assert len(described.requests) >= 3
