"""ccxt.pro itself against a WebSocket server on this machine: when a bar counts as closed, and what a bad line does."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import fake_stream as frames
import pytest
from fake_exchange import FakeExchange
from fake_stream import FakeStream

from services.domain.candles import epoch
from services.ingestion.adapters.ccxt_stream import TOPICS_A_REQUEST, CcxtStream, connect
from services.ingestion.errors import FeedError, SourceDown, SymbolNotOffered

pytestmark = pytest.mark.anyio

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOW = START + 2 * HOUR + timedelta(seconds=1)
COINS = [f"C{n:02}USDT" for n in range(11)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Line:
    """One exchange's stream with its server; ``heard`` is what was told to have closed."""

    name: str
    server: FakeStream
    stream: CcxtStream
    heard: "asyncio.Queue[tuple[str, int]]"

    async def following(self, *symbols: str) -> "asyncio.Task[None]":
        task = asyncio.ensure_future(self.stream.follow(symbols))
        await self.server.until_subscribed(self.bars("BTCUSDT"), self.tops("BTCUSDT"))
        return task

    def bars(self, market: str) -> str:
        return f"{market.lower()}@kline_1h" if self.name == "binance" else f"kline.60.{market}"

    def tops(self, market: str) -> str:
        return f"{market.lower()}@bookTicker" if self.name == "binance" else f"orderbook.1.{market}"

    def bar(self, hour: int, *, final: bool = False, market: str = "BTCUSDT") -> dict[str, Any]:
        make = frames.binance_bar if self.name == "binance" else frames.bybit_bar
        return make(market, (epoch(START) + hour * 3600) * 1000, final=final)

    def top(self, bid: str, ask: str) -> dict[str, Any]:
        return (frames.binance_top if self.name == "binance" else frames.bybit_top)("BTCUSDT", bid, ask)

    async def closings(self, *pushed: Any) -> list[tuple[str, int]]:
        """Push frames, then one that surely closes a bar of another coin, and return what had closed before that."""
        self.stream.closings.closed.pop("SOL/USDT", None)
        for frame in [*pushed, self.bar(2, final=True, market="SOLUSDT")]:
            await self.server.push(frame)
        found = []
        while (one := await asyncio.wait_for(self.heard.get(), 10))[0] != "SOL/USDT":
            found.append(one)
        return found


@pytest.fixture(params=["binance", "bybit"])
async def line(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Line]:
    exchange = FakeExchange()
    exchange.bars = {name: [] for name in ("BTCUSDT", "ETHUSDT", "SOLUSDT", "POLUSDT", *COINS)}
    server = FakeStream(exchange)
    await server.start()
    client = connect(request.param, server.url)
    client.enableRateLimit = False
    heard: asyncio.Queue[tuple[str, int]] = asyncio.Queue()

    def closed(symbol: str, opened: datetime) -> None:
        heard.put_nowait((symbol, (opened - START) // HOUR))

    stream = CcxtStream(client, "1h", closed, {"MATIC/USDT": "POL/USDT"}, lambda: NOW)
    yield Line(request.param, server, stream, heard)
    await stream.close()
    await server.stop()
    exchange.close()


async def ended(task: "asyncio.Task[None]") -> FeedError:
    with pytest.raises(FeedError) as caught:
        await asyncio.wait_for(task, 10)
    return caught.value


async def cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_bar_closes_when_the_exchange_says_so_and_not_before(line: Line) -> None:
    task = await line.following("BTC/USDT", "SOL/USDT")
    assert await line.closings(line.bar(1)) == []
    assert await line.closings(line.bar(1, final=True)) == [("BTC/USDT", 1)]
    await cancelled(task)


async def test_a_bar_closes_when_a_newer_one_has_begun(line: Line) -> None:
    task = await line.following("BTC/USDT", "SOL/USDT")
    assert await line.closings(line.bar(0), line.bar(1)) == [("BTC/USDT", 0)]
    await cancelled(task)


async def test_what_comes_twice_or_late_or_out_of_order_is_told_once(line: Line) -> None:
    task = await line.following("BTC/USDT", "SOL/USDT")
    done = line.bar(1, final=True)
    assert await line.closings(line.bar(1), done, done, line.bar(2), done, line.bar(0, final=True), line.bar(2)) == [
        ("BTC/USDT", 1)
    ]
    await cancelled(task)


async def test_our_names_stand_for_the_exchanges_and_an_unknown_one_is_left_out(line: Line) -> None:
    task = await line.following("BTC/USDT", "MATIC/USDT", "GONE/USDT", "SOL/USDT")
    assert await line.closings(line.bar(1, final=True, market="POLUSDT")) == [("MATIC/USDT", 1)]
    assert not [topic for topic in line.server.topics if "gone" in topic.lower()]
    await cancelled(task)


@pytest.mark.parametrize(
    "garbage",
    ["{", "half a fr", '{"e": "kline"}', '{"topic": "kline.60.BTCUSDT", "data": [{}]}', "[]", "null", "[1, 2]", '""'],
)
async def test_a_frame_that_cannot_be_read_is_passed_over_and_the_next_is_read(line: Line, garbage: str) -> None:
    task = await line.following("BTC/USDT", "SOL/USDT")
    assert await line.closings(garbage, line.bar(1, final=True)) == [("BTC/USDT", 1)]
    assert not task.done()
    await cancelled(task)


async def test_an_open_that_is_on_no_bar_or_in_the_future_says_nothing(line: Line) -> None:
    task = await line.following("BTC/USDT", "SOL/USDT")
    crooked = line.bar(0, final=True)
    inner = crooked["k"] if line.name == "binance" else crooked["data"][0]
    inner["t" if line.name == "binance" else "start"] += 1000
    assert await line.closings(line.bar(9000, final=True), crooked, line.bar(1, final=True)) == [("BTC/USDT", 1)]
    await cancelled(task)


async def test_a_server_that_closes_midway_ends_it_and_it_can_be_followed_again(line: Line) -> None:
    task = await line.following("BTC/USDT", "SOL/USDT")
    assert await line.closings(line.bar(1)) == []
    await line.server.cut()
    assert isinstance(await ended(task), SourceDown)
    again = await line.following("BTC/USDT", "SOL/USDT")
    assert await line.closings(line.bar(1, final=True)) == [("BTC/USDT", 1)]
    await cancelled(again)


async def test_a_server_that_refuses_is_down(line: Line) -> None:
    line.server.refusing = True
    assert isinstance(await ended(asyncio.ensure_future(line.stream.follow(["BTC/USDT"]))), SourceDown)


async def test_silence_ends_it(line: Line) -> None:
    line.stream._silence_s = 0.05
    task = asyncio.ensure_future(line.stream.follow(["BTC/USDT"]))
    error = await ended(task)
    assert isinstance(error, SourceDown)
    assert "nothing came" in str(error)


@pytest.mark.parametrize(
    "trips", [RuntimeError("no loop"), OSError("no route"), KeyError("k"), asyncio.InvalidStateError()]
)
async def test_whatever_ccxt_trips_over_is_a_feed_error(
    line: Line, trips: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tripping(*_: Any) -> None:
        raise trips

    monkeypatch.setattr(line.stream._client, "watch_bids_asks", tripping)
    assert isinstance(await ended(asyncio.ensure_future(line.stream.follow(["BTC/USDT"]))), FeedError)


async def test_an_exchange_that_offers_none_of_them_says_so(line: Line) -> None:
    assert isinstance(await ended(asyncio.ensure_future(line.stream.follow(["GONE/USDT"]))), SymbolNotOffered)


async def test_no_subscription_names_more_topics_than_the_exchange_takes(line: Line) -> None:
    task = await line.following("BTC/USDT", *(f"{coin[:-4]}/USDT" for coin in COINS))
    await line.server.until_subscribed(*(line.bars(coin) for coin in COINS), *(line.tops(coin) for coin in COINS))
    assert max(line.server.requests) <= TOPICS_A_REQUEST.get(line.name, 200)
    assert sum(line.server.requests) == 2 * (len(COINS) + 1)
    await cancelled(task)


async def test_a_quote_is_given_once_and_nonsense_never(line: Line) -> None:
    task = await line.following("BTC/USDT", "SOL/USDT")
    await line.closings(line.top("99.5", "100.5"))
    (quote,) = line.stream.quotes()
    assert (quote.symbol, quote.bid, quote.ask) == ("BTC/USDT", Decimal("99.5"), Decimal("100.5"))
    assert (quote.bid_size, quote.ask_size) == (1.5, 2.5)
    assert quote.ts == (NOW if line.name == "binance" else START)
    assert line.stream.quotes() == []
    for bid, ask in (("101", "100"), ("0", "100"), ("nan", "100"), ("99", "")):
        await line.closings(line.top(bid, ask))
        assert line.stream.quotes() == [], (bid, ask)
    await cancelled(task)


def test_an_exchange_that_ccxt_cannot_stream_is_refused() -> None:
    with pytest.raises(FeedError, match="cannot be streamed"):
        connect("nowhere")
