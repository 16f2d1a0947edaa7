"""An exchange on loopback that answers public candle requests as Binance and Bybit do, and fails as told."""

import json
import threading
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

STEP_MS = 3_600_000
Row = tuple[int, float, float, float, float, float]
Fault = Callable[[BaseHTTPRequestHandler], None]


def answer(status: int, body: str, headers: dict[str, str] | None = None, claimed: int | None = None) -> Fault:
    """A reply to give instead; ``claimed`` is a Content-Length that the body does not keep."""

    def give(handler: BaseHTTPRequestHandler) -> None:
        data = body.encode()
        handler.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | (headers or {})).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(claimed or len(data)))
        handler.end_headers()
        handler.wfile.write(data)
        if claimed:
            handler.close_connection = True

    return give


class FakeExchange:
    """``bars`` maps exchange symbols (BTCUSDT) to (open ms, o, h, l, c, v); ``faults`` are given first."""

    def __init__(self) -> None:
        self.bars: dict[str, list[Row]] = {}
        self.books: dict[str, tuple[list[list[str]], list[list[str]]]] = {}
        """Bids and asks, best first, as [price, size] texts."""
        self.faults: deque[Fault] = deque()
        self.market_faults: deque[Fault] = deque()
        self.requests: list[dict[str, str]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        exchange = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                exchange.reply(self, parts.path, dict(parse_qsl(parts.query)))

            def log_message(self, format: str, *args: object) -> None:
                """Keep the test's output clean."""

        return Handler

    def reply(self, handler: BaseHTTPRequestHandler, path: str, query: dict[str, str]) -> None:
        listing = path.endswith(("/exchangeInfo", "/instruments-info"))
        faults = self.market_faults if listing else self.faults
        if not listing:
            self.requests.append(query)
        if faults:
            faults.popleft()(handler)
            return
        routes: dict[str, Callable[[dict[str, str]], Any]] = {
            "/api/v3/exchangeInfo": self._binance_markets,
            "/api/v3/klines": self._binance_klines,
            "/v5/market/instruments-info": self._bybit_markets,
            "/v5/market/kline": self._bybit_klines,
            "/api/v3/depth": self._binance_depth,
            "/v5/market/orderbook": self._bybit_depth,
        }
        answer(200, json.dumps(routes[path](query)))(handler)

    def _binance_markets(self, _: dict[str, str]) -> Any:
        plain = {"status": "TRADING", "quoteAsset": "USDT", "isSpotTradingAllowed": True, "filters": []}
        plain |= {"baseAssetPrecision": 8, "quotePrecision": 8, "orderTypes": ["MARKET"], "permissions": ["SPOT"]}
        return {"symbols": [plain | {"symbol": name, "baseAsset": name[:-4]} for name in self.bars]}

    def _binance_klines(self, query: dict[str, str]) -> Any:
        start, limit = int(query["startTime"]), int(query["limit"])
        rows = [row for row in self.bars[query["symbol"]] if row[0] >= start][:limit]
        return [
            [row[0], *(str(value) for value in row[1:]), row[0] + STEP_MS - 1, "0", 0, "0", "0", "0"] for row in rows
        ]

    def _binance_depth(self, query: dict[str, str]) -> Any:
        bids, asks = self.books.get(query["symbol"], ([], []))
        return {"lastUpdateId": 7, "bids": bids, "asks": asks}

    def _bybit_depth(self, query: dict[str, str]) -> Any:
        bids, asks = self.books.get(query["symbol"], ([], []))
        result = {"s": query["symbol"], "b": bids, "a": asks, "ts": 1716863719031, "u": 1, "seq": 2, "cts": 3}
        return {"retCode": 0, "retMsg": "OK", "result": result, "time": 1716863719382}

    def _bybit_markets(self, _: dict[str, str]) -> Any:
        filters = {"lotSizeFilter": {"basePrecision": "0.000001"}, "priceFilter": {"tickSize": "0.01"}}
        markets = [
            {"symbol": name, "baseCoin": name[:-4], "quoteCoin": "USDT", "status": "Trading"} | filters
            for name in self.bars
        ]
        return {"retCode": 0, "retMsg": "OK", "result": {"category": "spot", "list": markets}, "time": 0}

    def _bybit_klines(self, query: dict[str, str]) -> Any:
        start, limit = int(query["start"]), int(query["limit"])
        # From start on, at most limit steps wide, newest first.
        end = int(query.get("end", start + STEP_MS * limit - 1))
        rows = [row for row in self.bars[query["symbol"]] if start <= row[0] <= end]
        listed = [[str(value) for value in row] + ["0"] for row in reversed(rows)]
        result = {"category": "spot", "symbol": query["symbol"], "list": listed}
        return {"retCode": 0, "retMsg": "OK", "result": result, "time": 0}
