"""Every candle source behaves alike: Binance and Bybit through ccxt on loopback, and recorded files."""

import inspect
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from fake_exchange import FakeExchange, Row

from services.domain.candles import Candles, epoch, from_rows
from services.ingestion.adapters import CandleSource
from services.ingestion.adapters.ccxt_candles import CcxtCandles, Patience, connect
from services.ingestion.adapters.replay_files import ReplayFiles
from services.ingestion.errors import SymbolNotOffered
from services.ingestion.files import CandleFile

pytestmark = pytest.mark.anyio

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOW = START + 25 * HOUR + timedelta(minutes=30)
"""The bar that opened at hour 25 is still forming."""


def bars(hours: list[int]) -> list[Row]:
    start = epoch(START) * 1000
    return [(start + hour * 3_600_000, 100.0 + hour, 110.0 + hour, 90.0 + hour, 105.0 + hour, 7.5) for hour in hours]


@dataclass
class Case:
    source: CandleSource
    exchange: FakeExchange


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def exchange() -> Iterator[FakeExchange]:
    fake = FakeExchange()
    yield fake
    fake.close()


@pytest.fixture(params=["binance", "bybit", "files"])
async def case(request: pytest.FixtureRequest, exchange: FakeExchange, anyio_backend: str) -> AsyncIterator[Case]:
    recorded = bars([*range(6), *range(20, 26)])
    exchange.bars["BTCUSDT"] = recorded
    source: CandleSource
    if request.param == "files":
        rows = [(ms // 1000, *values) for ms, *values in recorded]
        batch = from_rows("BTC/USDT", "1h", "files", rows)  # type: ignore[arg-type]
        series = CandleFile("BTC/USDT", "crypto", batch, [], 0, ("BTC-USDT_1h.parquet",))
        source = ReplayFiles([series], clock=lambda: NOW, page_bars=4)
    else:
        client = connect(request.param, exchange.url)
        client.enableRateLimit = False
        source = CcxtCandles(client, clock=lambda: NOW, patience=Patience(2, 0, 0, 0), page_bars=4)
    yield Case(source, exchange)
    await source.close()
    await source.close()


async def collect(pages: AsyncIterator[Candles]) -> list[Candles]:
    return [page async for page in pages]


def opens(page: Candles) -> list[int]:
    return [(int(ts) - epoch(START)) // 3600 for ts in page.ts]


async def test_history_gives_every_closed_bar_once_in_order(case: Case) -> None:
    pages = await collect(case.source.history("BTC/USDT", "1h", START, NOW + 9 * HOUR))
    assert [hour for page in pages for hour in opens(page)] == [*range(6), *range(20, 25)]
    assert max(len(page) for page in pages) <= 4
    assert pages[0].values()[0].tolist() == [100.0, 110.0, 90.0, 105.0, 7.5]
    assert {(page.symbol, page.timeframe, page.source) for page in pages} == {("BTC/USDT", "1h", case.source.name)}


async def test_history_is_half_open(case: Case) -> None:
    pages = await collect(case.source.history("BTC/USDT", "1h", START + 2 * HOUR, START + 4 * HOUR))
    assert [hour for page in pages for hour in opens(page)] == [2, 3]


async def test_history_of_a_time_without_bars_is_empty(case: Case) -> None:
    assert await collect(case.source.history("BTC/USDT", "1h", START + 8 * HOUR, START + 15 * HOUR)) == []


async def test_latest_leaves_out_the_bar_that_is_forming(case: Case) -> None:
    assert opens(await case.source.latest("BTC/USDT", "1h", START + 23 * HOUR)) == [23, 24]
    assert opens(await case.source.latest("BTC/USDT", "1h", START + 25 * HOUR)) == []


async def test_unknown_symbol_is_named(case: Case) -> None:
    with pytest.raises(SymbolNotOffered, match="PEPE/USDT"):
        await case.source.latest("PEPE/USDT", "1h", START)


def test_all_sources_have_the_signatures_of_the_protocol() -> None:
    for method in ("history", "latest", "close"):
        wanted = inspect.signature(getattr(CandleSource, method))
        for source in (CcxtCandles, ReplayFiles):
            assert inspect.signature(getattr(source, method)) == wanted


@pytest.mark.parametrize("exchange_name", ["binance", "bybit"])
async def test_the_top_of_the_order_book_is_a_quote(exchange_name: str) -> None:
    exchange = FakeExchange()
    exchange.bars["BTCUSDT"] = []
    exchange.books["BTCUSDT"] = ([["65485.47", "1.5"], ["65485.00", "9"]], [["65557.70", "0.25"]])
    source = CcxtCandles(connect(exchange_name, exchange.url))
    try:
        quote = await source.quote("BTC/USDT")
        exchange.books["BTCUSDT"] = ([], [["65557.70", "0.25"]])
        one_sided = await source.quote("BTC/USDT")
    finally:
        await source.close()
        exchange.close()
    assert (str(quote.bid), str(quote.ask)) == ("65485.47", "65557.7")
    assert (quote.bid_size, quote.ask_size) == (1.5, 0.25)
    assert (one_sided.bid, str(one_sided.ask)) == (None, "65557.7")
