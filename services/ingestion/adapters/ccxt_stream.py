"""Unfinished candles and best prices of crypto exchanges as they push them, through ccxt.pro; no key is needed.

The stream stores no candle: it says when one has closed, and REST is asked for it. So a frame that is lost, late,
doubled or unreadable can delay a candle until the next poll, and never change one.
"""

import asyncio
import importlib
import logging
import re
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import ccxt

from services.domain.candles import Timeframe, moment
from services.ingestion.adapters.ccxt_candles import public_spot, redirected, typed
from services.ingestion.closings import Closings
from services.ingestion.errors import BadReply, FeedError, SourceDown, SymbolNotOffered
from services.ingestion.observations import QuoteReading

SILENCE_SECONDS = 120.0
"""Exchanges push a candle once a minute at the least; a connection that is quiet for longer is taken for dead."""

TOPICS_A_REQUEST = {"bybit": 10}
"""Bybit takes at most ten topics of its spot market in one subscription."""
TOPICS = 100

OnClosed = Callable[[str, datetime], None]
"""Called with our symbol and the open of a bar as soon as it is known to be closed."""
Frame = Iterator[tuple[str, int, bool]]
"""The exchange's symbol, the bar's open (ms), and whether the exchange calls it closed."""

_log = logging.getLogger(__name__)


def connect(exchange: str, base_url: str | None = None, timeout_s: float = 15.0) -> Any:
    """Make a ccxt.pro client for public data of ``exchange``; ``base_url`` sends everything to another host.

    Its WebSocket addresses keep the exchange's host as the first part of the path. Raises FeedError for an exchange
    that ccxt cannot stream. To be called where clients are constructed.
    """
    library = importlib.import_module("ccxt.pro")  # slow to load, so only where a stream is wanted
    if exchange not in library.exchanges:
        raise FeedError(f"exchange {exchange!r} cannot be streamed through ccxt")
    client = public_spot(_heard(getattr(library, exchange)), timeout_s)
    if base_url is not None:
        urls = dict(client.urls["api"])
        sockets = _behind(urls.pop("ws"), base_url.rstrip("/"))
        client.urls["api"] = {**redirected(urls, base_url), "ws": sockets}
    return client


def _heard(exchange: Any) -> Any:
    """The exchange's class, made to report each frame of a candle, and to outlive a frame that it cannot read."""

    def handle_ohlcv(self: Any, client: Any, message: Any) -> None:
        exchange.handle_ohlcv(self, client, message)
        self.on_candle(message)

    def client(self: Any, url: Any) -> Any:
        made = exchange.client(self, url)
        if not hasattr(made, "unreadable"):
            made.unreadable = 0
            read = made.handle_text_or_binary_message

            def guarded(data: Any) -> None:
                try:
                    read(data)
                except Exception as error:
                    # ccxt would stop listening, and say so nowhere.
                    made.unreadable += 1
                    if made.unreadable == 1:
                        _log.warning("%s stream: a frame cannot be read (%s)", self.id, type(error).__name__)

            made.handle_text_or_binary_message = guarded
        return made

    return type(exchange.__name__, (exchange,), {"handle_ohlcv": handle_ohlcv, "client": client})


def _behind(urls: Any, base: str) -> Any:
    if isinstance(urls, dict):
        return {key: _behind(value, base) for key, value in urls.items()}
    return re.sub(r"^http", "ws", base) + re.sub(r"^wss?:/", "", urls)


class CcxtStream:
    """One exchange's stream. ``aliases`` maps our symbols to the exchange's where they differ."""

    def __init__(
        self,
        client: Any,
        timeframe: Timeframe,
        on_closed: OnClosed,
        aliases: Mapping[str, str] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        silence_s: float = SILENCE_SECONDS,
    ) -> None:
        self.name: str = client.id
        self.closings = Closings(timeframe)
        self._client = client
        self._client.on_candle = self._candle
        self._timeframe = timeframe
        self._on_closed = on_closed
        self._aliases = dict(aliases or {})
        self._clock = clock
        self._silence_s = silence_s
        self._ours: dict[str, str] = {}
        self._given: dict[str, Any] = {}

    async def follow(self, symbols: Sequence[str]) -> None:
        """Listen until the connection fails; always ends by raising a FeedError. Unknown symbols are left out."""
        try:
            await self._client.load_markets()
            told = {self._aliases.get(symbol, symbol): symbol for symbol in symbols}
            self._ours = {name: symbol for name, symbol in told.items() if name in self._client.markets}
            if not self._ours:
                raise SymbolNotOffered(f"{self.name} stream: none of {', '.join(symbols)[:80]} is offered")
            await self._listen(list(self._ours))
        except ccxt.BaseError as error:
            raise typed(error, f"{self.name} stream") from error
        except FeedError:
            raise
        except Exception as error:
            # Whatever ccxt trips over: the polls go on, and must not end with the stream.
            raise BadReply(f"{self.name} stream: not market data: {type(error).__name__} {error}"[:200]) from error

    def quotes(self) -> list[QuoteReading]:
        """The newest best bid and ask of each symbol that spoke since the last call; nonsense is left out."""
        found = []
        for name, symbol in self._ours.items():
            ticker = self._client.bidsasks.get(name)
            if ticker is None or ticker is self._given.get(name):
                continue
            self._given[name] = ticker
            with suppress(TypeError, ValueError, KeyError, ArithmeticError):
                found += self._quote(symbol, ticker)
        return found

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _listen(self, names: list[str]) -> None:
        size = TOPICS_A_REQUEST.get(self.name, TOPICS)
        parts = [names[n : n + size] for n in range(0, len(names), size)]
        jobs = [self._again(lambda p=part: self._bars(p)) for part in parts]  # type: ignore[misc]
        jobs += [self._again(lambda p=part: self._client.watch_bids_asks(p)) for part in parts]  # type: ignore[misc]
        tasks = [asyncio.ensure_future(job) for job in jobs]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _again(self, watch: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Wait for one message after the other. ccxt subscribes at the first call and raises when the line is cut."""
        while True:
            try:
                await asyncio.wait_for(watch(), self._silence_s)
            except TimeoutError:
                raise SourceDown(f"{self.name} stream: nothing came for {self._silence_s:g} s") from None

    async def _bars(self, names: list[str]) -> None:
        await self._client.watch_ohlcv_for_symbols([[name, self._timeframe] for name in names])

    def _candle(self, message: Any) -> None:
        """Take one frame as it came; ccxt itself forgets whether the exchange called the bar closed."""
        now = self._clock().timestamp()
        for market_id, opened_ms, final in READERS.get(self.name, lambda _: iter(()))(message):
            symbol = self._ours.get(self._client.safe_symbol(market_id, None, None, "spot"))
            if symbol is None or opened_ms % 1000:
                continue
            closed = self.closings.hear(symbol, opened_ms // 1000, final=final, now=now)
            if closed is not None:
                self._on_closed(symbol, moment(closed))

    def _quote(self, symbol: str, ticker: Mapping[str, Any]) -> list[QuoteReading]:
        bid, ask = Decimal(str(ticker["bid"])), Decimal(str(ticker["ask"]))
        if not (bid.is_finite() and ask.is_finite() and 0 < bid <= ask):
            return []
        now, stamp = self._clock(), ticker.get("timestamp")
        ts = now if stamp is None else min(now, datetime.fromtimestamp(stamp / 1000, UTC))
        return [QuoteReading(symbol, ts, bid, ask, ticker.get("bidVolume"), ticker.get("askVolume"))]


def _binance(message: Any) -> Frame:
    bar = message["k"]
    yield str(bar["s"]), int(bar["t"]), bar["x"] is True


def _bybit(message: Any) -> Frame:
    market_id = str(message["topic"]).rpartition(".")[2]
    for bar in message["data"]:
        yield market_id, int(bar["start"]), bar["confirm"] is True


READERS: Mapping[str, Callable[[Any], Frame]] = {"binance": _binance, "bybit": _bybit}
"""How each exchange writes a candle's frame; a new exchange is one reader."""
