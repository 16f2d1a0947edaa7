"""An exchange's WebSocket on loopback that speaks as Binance and Bybit describe theirs; every frame is hand-made."""

import asyncio
import json
from typing import Any

from aiohttp import ClientSession, WSMsgType, web
from fake_exchange import FakeExchange


class FakeStream:
    """Serves markets and sockets at ``url``, and candles as ``exchange`` has them. A push goes to all."""

    def __init__(self, exchange: FakeExchange) -> None:
        self.exchange = exchange
        self.topics: list[str] = []
        """All that was subscribed to, in order."""
        self.requests: list[int] = []
        """How many topics each subscription named."""
        self.sockets: list[web.WebSocketResponse] = []
        self.refusing = False
        self.refused = asyncio.Event()
        self.subscribed = asyncio.Condition()
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        for path in ("/api/v3/{what}", "/v5/market/{what}"):
            app.router.add_get(path, self._rest)
        app.router.add_get("/{host:stream[^/]*}/{path:.*}", self._socket)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]

    async def stop(self) -> None:
        await self.cut()
        if self._runner is not None:
            await self._runner.cleanup()

    async def until_subscribed(self, *topics: str) -> None:
        """Wait until all of these have been asked for and a socket is open."""
        async with self.subscribed:
            await asyncio.wait_for(
                self.subscribed.wait_for(lambda: bool(self.sockets) and set(topics) <= set(self.topics)), 10
            )

    async def push(self, frame: Any) -> None:
        """Send a frame to every socket; text goes as it is."""
        for socket in self.sockets:
            await socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))

    async def cut(self) -> None:
        """Close all sockets from this side and forget what was subscribed to."""
        sockets, self.sockets, self.topics = self.sockets, [], []
        for socket in sockets:
            await socket.close()

    async def _rest(self, request: web.Request) -> web.Response:
        """Give on what the exchange beside it answers."""
        async with ClientSession() as session, session.get(f"{self.exchange.url}{request.path_qs}") as answer:
            return web.Response(body=await answer.read(), status=answer.status, content_type="application/json")

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if self.refusing:
            self.refused.set()
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                await self._asked(socket, json.loads(message.data))
        return socket

    async def _asked(self, socket: web.WebSocketResponse, asked: dict[str, Any]) -> None:
        if asked.get("method") == "SUBSCRIBE":
            new, reply = asked["params"], {"result": None, "id": asked["id"]}
        elif asked.get("op") == "subscribe":
            new = asked["args"]
            reply = {"success": True, "ret_msg": "", "op": "subscribe", "conn_id": "c", "req_id": asked["req_id"]}
        else:
            return
        await socket.send_json(reply)
        async with self.subscribed:
            self.topics += new
            self.requests.append(len(new))
            self.subscribed.notify_all()


def binance_bar(market: str, opened_ms: int, *, final: bool, close: str = "105.0") -> dict[str, Any]:
    """A frame of <market>@kline_1h."""
    bar = {"t": opened_ms, "T": opened_ms + 3_599_999, "s": market, "i": "1h", "f": 1, "L": 2, "o": "100.0", "c": close}
    bar |= {"h": "110.0", "l": "90.0", "v": "7.5", "n": 2, "x": final, "q": "1", "V": "1", "Q": "1", "B": "0"}
    return {"e": "kline", "E": opened_ms + 1, "s": market, "k": bar}


def binance_top(market: str, bid: str, ask: str) -> dict[str, Any]:
    """A frame of <market>@bookTicker, which has no time and no event name."""
    return {"u": 400900217, "s": market, "b": bid, "B": "1.5", "a": ask, "A": "2.5"}


def bybit_bar(market: str, opened_ms: int, *, final: bool, close: str = "105.0") -> dict[str, Any]:
    """A frame of kline.60.<market>."""
    bar = {"start": opened_ms, "end": opened_ms + 3_599_999, "interval": "60", "open": "100.0", "close": close}
    bar |= {"high": "110.0", "low": "90.0", "volume": "7.5", "turnover": "1", "confirm": final, "timestamp": opened_ms}
    return {"topic": f"kline.60.{market}", "data": [bar], "ts": opened_ms, "type": "snapshot"}


def bybit_top(market: str, bid: str, ask: str) -> dict[str, Any]:
    """A frame of orderbook.1.<market>."""
    book = {"s": market, "b": [[bid, "1.5"]], "a": [[ask, "2.5"]], "u": 1, "seq": 2}
    return {"topic": f"orderbook.1.{market}", "type": "snapshot", "ts": 1704067200000, "data": book, "cts": 1}
