"""What an exchange does on a bad day: each fault becomes an error that says what can be done."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from fake_exchange import FakeExchange, answer

from services.domain.candles import epoch
from services.ingestion.adapters.ccxt_candles import CcxtCandles, Patience, connect
from services.ingestion.errors import BadReply, Blocked, FeedError, RateLimited, SourceDown, SymbolNotOffered

pytestmark = pytest.mark.anyio

START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = START + timedelta(hours=10)
HTML = "<html><body>Just a moment...</body></html>"
TOO_MANY = answer(429, '{"code":-1003,"msg":"Too many requests"}', {"Retry-After": "0"})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def exchange() -> Iterator[FakeExchange]:
    fake = FakeExchange()
    yield fake
    fake.close()


@pytest.fixture
async def source(exchange: FakeExchange, anyio_backend: str) -> AsyncIterator[CcxtCandles]:
    start = epoch(START) * 1000
    for name in ("BTCUSDT", "POLUSDT"):
        exchange.bars[name] = [(start + hour * 3_600_000, 1.0, 2.0, 0.5, 1.5, 10.0) for hour in range(10)]
    client = connect("binance", exchange.url)
    client.enableRateLimit = False
    opened = CcxtCandles(client, {"MATIC/USDT": "POL/USDT"}, lambda: NOW, Patience(3, 0, 0, 0))
    yield opened
    await opened.close()


async def test_answers_429_by_asking_again(source: CcxtCandles, exchange: FakeExchange) -> None:
    exchange.faults.extend([TOO_MANY, TOO_MANY])
    assert len(await source.latest("BTC/USDT", "1h", START)) == 10
    assert len(exchange.requests) == 3


async def test_gives_up_on_a_rate_limit_with_the_advised_wait(source: CcxtCandles, exchange: FakeExchange) -> None:
    exchange.faults.extend([answer(429, "{}", {"Retry-After": "7"})] * 3)
    with pytest.raises(RateLimited, match="429") as caught:
        await source.latest("BTC/USDT", "1h", START)
    assert caught.value.wait_s == 7.0


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_server_errors_are_retried_then_named(source: CcxtCandles, exchange: FakeExchange, status: int) -> None:
    exchange.faults.extend([answer(status, HTML)] * 3)
    with pytest.raises(SourceDown, match="BTC/USDT 1h"):
        await source.latest("BTC/USDT", "1h", START)
    assert len(exchange.requests) == 3
    assert len(await source.latest("BTC/USDT", "1h", START)) == 10


@pytest.mark.parametrize(
    "fault",
    [
        answer(200, HTML, {"Content-Type": "text/html"}),
        answer(200, '[[1704067200000,"1.0","2.0","0.5","1'),
        answer(200, '[[1704067200000,"1.0","2.0"]]'),
        answer(200, '[["soon","1","2","0.5","1","1"]]'),
        answer(200, '[[1704067200123,"1","2","0.5","1","1"]]'),
        answer(200, '{"unexpected": true}'),
    ],
    ids=["html", "half-a-body", "short-row", "text-time", "broken-second", "object"],
)
async def test_replies_that_are_no_candles_are_never_believed(
    source: CcxtCandles, exchange: FakeExchange, fault: object
) -> None:
    exchange.faults.extend([fault] * 3)  # type: ignore[list-item]
    with pytest.raises(BadReply):
        await source.latest("BTC/USDT", "1h", START)
    assert len(await source.latest("BTC/USDT", "1h", START)) == 10


async def test_connection_cut_inside_the_body_is_retried(source: CcxtCandles, exchange: FakeExchange) -> None:
    exchange.faults.append(answer(200, "[[1704067200000", claimed=5000))
    assert len(await source.latest("BTC/USDT", "1h", START)) == 10


@pytest.mark.parametrize("status", [403, 451])
async def test_blocked_address_is_said_at_once(source: CcxtCandles, exchange: FakeExchange, status: int) -> None:
    exchange.faults.append(answer(status, '{"code":0,"msg":"Service unavailable from a restricted location"}'))
    with pytest.raises(Blocked, match=str(status)):
        await source.latest("BTC/USDT", "1h", START)
    assert len(exchange.requests) == 1


async def test_blocked_without_a_json_body_is_said_at_once(source: CcxtCandles, exchange: FakeExchange) -> None:
    exchange.faults.append(answer(451, HTML))
    with pytest.raises(Blocked, match="451"):
        await source.latest("BTC/USDT", "1h", START)


async def test_delisted_symbol_is_not_retried(source: CcxtCandles, exchange: FakeExchange) -> None:
    exchange.faults.append(answer(400, '{"code":-1121,"msg":"Invalid symbol."}'))
    with pytest.raises(SymbolNotOffered):
        await source.latest("BTC/USDT", "1h", START)
    assert len(exchange.requests) == 1


@pytest.mark.parametrize("fault", [answer(200, HTML), answer(200, "{}"), answer(503, HTML), TOO_MANY])
async def test_recovers_when_the_market_list_failed(source: CcxtCandles, exchange: FakeExchange, fault: object) -> None:
    exchange.market_faults.extend([fault] * 2)  # type: ignore[list-item]
    assert len(await source.latest("BTC/USDT", "1h", START)) == 10


async def test_alias_is_asked_and_our_symbol_is_given(source: CcxtCandles, exchange: FakeExchange) -> None:
    page = await source.latest("MATIC/USDT", "1h", START)
    assert page.symbol == "MATIC/USDT"
    assert exchange.requests[-1]["symbol"] == "POLUSDT"


async def test_server_that_is_not_there_is_down(exchange: FakeExchange) -> None:
    client = connect("binance", exchange.url)
    exchange.server.server_close()
    source = CcxtCandles(client, patience=Patience(1, 0, 0, 0))
    with pytest.raises(SourceDown):
        await source.latest("BTC/USDT", "1h", START)
    await source.close()


def test_unknown_exchange_is_refused() -> None:
    with pytest.raises(FeedError, match="mtgox2"):
        connect("mtgox2")
