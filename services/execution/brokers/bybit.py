"""Bybit through ccxt: spot or USDT perpetuals of a sub-account, on the testnet unless live is asked for and allowed.

ccxt signs, paces and sends; the replies are read as they come, for in ccxt's own shapes numbers are floats. The account
must be a unified one in one-way mode, and fees must not be paid in the exchange's own token. An order is acknowledged
before it is matched: what becomes of it is told by :meth:`BybitBroker.order`.
"""

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, get_args
from uuid import UUID

from services.execution.brokers.bybit_calls import Calls
from services.execution.brokers.protocol import (
    Ack,
    BrokerCash,
    BrokerCharge,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    BrokerStatus,
    Environment,
    Instrument,
    LiveOrder,
)
from services.execution.brokers.wire import (
    PAGES_MAX,
    Absent,
    Duplicate,
    Names,
    Said,
    changing,
    client_id,
    credentials,
    endpoint,
    plain,
    there_already,
    utc_now,
)
from services.kernel.errors import StartRefused
from services.kernel.provider_errors import BadReply, SymbolNotOffered

NAME = "bybit"
NEEDS: tuple[str, ...] = ("BYBIT_API_KEY", "BYBIT_API_SECRET")
URLS: Mapping[Environment, str] = {"testnet": "https://api-testnet.bybit.com", "live": "https://api.bybit.com"}

Category = Literal["spot", "linear"]

WINDOW = timedelta(days=7)
"""The longest stretch of time that one question may cover."""
QUOTES = ("USDT", "USDC")
"""Coins that end the exchange's names of pairs."""
COIN = {"USD": "USDT"}
"""The coin that stands for the ledger's currency."""
WORKING = ("Created", "New", "PartiallyFilled", "Untriggered", "Triggered", "Active", "PendingCancel")
STATUS: Mapping[str, BrokerStatus] = {
    **dict.fromkeys(WORKING, "working"),
    "Filled": "filled",
    "Cancelled": "cancelled",
    "PartiallyFilledCanceled": "cancelled",
    "Deactivated": "cancelled",
    "Rejected": "rejected",
    "Expired": "expired",
}
LOOKUPS: tuple[tuple[str, dict[str, int]], ...] = (
    ("v5/order/realtime", {"openOnly": 0}),
    ("v5/order/realtime", {"openOnly": 1}),
    ("v5/order/history", {}),
)
"""Where an order may be: among the open ones, the last 500 that are done, or in the history of the last week."""
EXECUTIONS = frozenset({"Trade", "AdlTrade", "BustTrade", "Delivery", "Settle", "BlockTrade", "MovePosition"})
"""Entries of the execution list that change a position; funding is a charge."""


def connect(
    environment: Mapping[str, str],
    *,
    venue: Environment = "testnet",
    currency: str = "USD",
    base_url: str | None = None,
    symbols: Mapping[str, str] | None = None,
    category: Category = "spot",
    http: Callable[..., Calls] = Calls,
    clock: Callable[[], datetime] = utc_now,
) -> "BybitBroker":
    """Make the broker from key and secret of the (sub-)account; ``category`` linear trades USDT perpetuals."""
    if category not in get_args(Category):
        raise StartRefused(f"broker {NAME}: category {category!r} does not exist; choose one of spot, linear")
    key, secret = credentials(NAME, environment, NEEDS)
    endpoint(NAME, URLS, venue, environment, base_url)
    # ccxt writes headers, the key among them, to its log at the level of debugging.
    logging.getLogger("ccxt").setLevel(logging.WARNING)
    calls = http(key, secret, testnet=venue == "testnet", base_url=base_url)
    return BybitBroker(calls, venue, currency, category, Names(symbols, "/"), clock)


class BybitBroker:
    """One account at Bybit, one category of it."""

    name = NAME
    unique_ids = True

    def __init__(
        self,
        calls: Calls,
        environment: Environment,
        currency: str,
        category: Category,
        names: Names,
        clock: Callable[[], datetime],
    ) -> None:
        self.environment: Environment = environment
        self._calls = calls
        self._currency = currency
        self._coin = COIN.get(currency, currency)
        self._category = category
        self._names = names
        self._clock = clock

    async def submit(self, request: LiveOrder) -> Ack:
        """Send an order once; one that is there already under its client id is acknowledged."""
        body: dict[str, Any] = {
            "category": self._category,
            "symbol": self._told(request.symbol),
            "side": request.side.capitalize(),
            "orderType": "Market",
            "qty": plain(request.quantity),
            "orderLinkId": str(request.id),
        }
        if self._category == "spot":
            # Otherwise the quantity of a purchase would be an amount of money.
            body |= {"marketUnit": "baseCoin", "isLeverage": 0}
        else:
            body |= {"positionIdx": 0, "reduceOnly": request.reduce_only}
        if request.stop_price is not None:
            body["triggerPrice"] = plain(request.stop_price)
            body |= {"orderFilter": "StopOrder"} if self._category == "spot" else {"triggerBy": "LastPrice"}
            if self._category == "linear":
                body["triggerDirection"] = 1 if request.side == "buy" else 2
        with changing():
            try:
                result = await self._calls.send("v5/order/create", body)
            except Duplicate:
                return await there_already(request, self.order(request.id))
            if result.text("orderLinkId") != str(request.id):
                raise BadReply(f"{result.where}: the answer is about another order")
            return Ack(request.id, result.text("orderId"))

    async def cancel(self, client_id: UUID) -> None:
        """Ask to cancel once; the exchange wants the symbol too, which is asked for first."""
        with changing():
            order = await self._find(client_id)
            if order is None or STATUS.get(order.text("orderStatus")) != "working":
                return
            body = {"category": self._category, "symbol": order.text("symbol"), "orderLinkId": str(client_id)}
            if self._category == "spot" and order.has("stopOrderType") and order.text("orderStatus") == "Untriggered":
                body["orderFilter"] = "StopOrder"
            try:
                await self._calls.send("v5/order/cancel", body)
            except Absent:
                return

    async def order(self, client_id: UUID) -> BrokerOrder | None:
        """Return an order, wherever it is kept by now."""
        found = await self._find(client_id)
        return None if found is None else self._order(found)

    async def open_orders(self) -> list[BrokerOrder]:
        """Return all orders of the category that are not final."""
        asked: dict[str, Any] = {"category": self._category, "openOnly": 0, "limit": 50}
        if self._category == "linear":
            asked["settleCoin"] = self._coin
        orders = [self._order(one) async for one in self._pages("v5/order/realtime", asked)]
        return [one for one in orders if one.status == "working"]

    async def fills(self, since: datetime) -> list[BrokerFill]:
        """Return all executions of the category at or after ``since``, oldest first."""
        asked = {"category": self._category, "limit": 100}
        entries = [one async for one in self._since("v5/execution/list", asked, since)]
        found = [self._fill(one) for one in entries if one.text("execType") in EXECUTIONS]
        return sorted((fill for fill in found if fill.at >= since), key=lambda fill: (fill.at, fill.id))

    async def charges(self, since: datetime) -> list[BrokerCharge]:
        """Return what the account's log says of its coin besides trades: funding, interest, transfers."""
        asked = {"accountType": "UNIFIED", "currency": self._coin, "limit": 50}
        found = []
        async for one in self._since("v5/account/transaction-log", asked, since):
            kind, amount = one.text("type"), one.number("change", Decimal(0))
            at = one.milliseconds("transactionTime")
            if kind != "TRADE" and amount and at >= since:
                symbol = self._ours(one.text("symbol")) if one.has("symbol") else None
                found.append(BrokerCharge(one.text("id"), kind.lower(), amount, at, symbol))
        return sorted(found, key=lambda charge: (charge.at, charge.id))

    async def positions(self) -> list[BrokerPosition]:
        """Return the perpetuals held, or for spot all coins but the account's own."""
        found = []
        if self._category == "spot":
            for coin in await self._coins():
                if (name := coin.text("coin")) != self._coin:
                    symbol = self._names.ours(f"{name}/{self._coin}")
                    found.append(BrokerPosition(symbol, coin.number("walletBalance", Decimal(0))))
        else:
            asked = {"category": self._category, "settleCoin": self._coin, "limit": 200}
            async for one in self._pages("v5/position/list", asked):
                size = one.number("size", Decimal(0))
                # A position that is flat has no side.
                signed = -size if size and one.side("side") == "sell" else size
                found.append(BrokerPosition(self._ours(one.text("symbol")), signed))
        return [position for position in found if position.quantity]

    async def cash(self) -> BrokerCash:
        """Return the balance of the account's coin, told as the ledger's currency."""
        coin = next((one for one in await self._coins() if one.text("coin") == self._coin), None)
        basis: Literal["cash", "margin"] = "cash" if self._category == "spot" else "margin"
        if coin is None:
            return BrokerCash(self._currency, Decimal(0), Decimal(0), basis)
        nothing, balance = Decimal(0), coin.number("walletBalance")
        bound = sum((coin.number(key, nothing) for key in ("locked", "totalPositionIM", "totalOrderIM")), nothing)
        lost = min(coin.number("unrealisedPnl", nothing), nothing)
        return BrokerCash(self._currency, balance, max(balance - bound + lost, nothing), basis)

    async def instrument(self, symbol: str) -> Instrument:
        """Return the rules of a pair or perpetual."""
        told = self._told(symbol)
        asked = {"category": self._category, "symbol": told}
        listed = (await self._calls.ask("v5/market/instruments-info", asked, private=False)).parts("list")
        rules = next((one for one in listed if one.body.get("symbol") == told), None)
        if rules is None:
            raise SymbolNotOffered(f"{NAME} GET v5/market/instruments-info: {symbol} is not offered")
        lots, spot = rules.part("lotSizeFilter"), self._category == "spot"
        return Instrument(
            symbol=symbol,
            price_step=rules.part("priceFilter").number("tickSize"),
            quantity_step=lots.number("basePrecision" if spot else "qtyStep"),
            min_quantity=lots.number("minOrderQty"),
            min_notional=lots.number("minOrderAmt" if spot else "minNotionalValue", Decimal(0)),
            shortable=not spot,
            tradable=rules.text("status") == "Trading",
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()

    def _told(self, symbol: str) -> str:
        return self._names.told(symbol).replace("/", "")

    def _ours(self, told: str) -> str:
        for quote in QUOTES:
            if told.endswith(quote) and told != quote:
                return self._names.ours(f"{told.removesuffix(quote)}/{quote}")
        return told

    async def _find(self, client_id: UUID) -> Said | None:
        asked = {"category": self._category, "orderLinkId": str(client_id)}
        for path, which in LOOKUPS:
            try:
                found = (await self._calls.ask(path, {**asked, **which})).parts("list")
            except Absent:
                continue
            if any(one.text("orderLinkId", "") != str(client_id) for one in found):
                raise BadReply(f"{NAME} GET {path}: the answer is about another order")
            if found:
                return found[0]
        return None

    def _order(self, one: Said) -> BrokerOrder:
        if (status := STATUS.get(one.text("orderStatus"))) is None:
            raise one.unreadable("orderStatus")
        trigger = one.number("triggerPrice", Decimal(0))
        final = status not in ("working", "filled")
        why = [one.text(key, "") for key in ("rejectReason", "cancelType")] if final else []
        return BrokerOrder(
            client_id=client_id(one.text("orderLinkId", "")),
            broker_id=one.text("orderId"),
            symbol=self._ours(one.text("symbol")),
            side=one.side("side"),
            kind="stop" if trigger and one.text("orderType") == "Market" else one.text("orderType").lower(),
            quantity=one.number("qty"),
            filled=one.number("cumExecQty", Decimal(0)),
            status=status,
            stop_price=trigger or None,
            detail=" ".join(word for word in why if word not in ("", "EC_NoError", "UNKNOWN")),
        )

    def _fill(self, one: Said) -> BrokerFill:
        symbol, side = self._ours(one.text("symbol")), one.side("side")
        fee, quantity, price = one.number("execFee", Decimal(0)), one.number("execQty"), one.number("execPrice")
        base, _, quote = self._names.told(symbol).partition("/")
        bought = self._category == "spot" and side == "buy"
        paid_in = one.text("feeCurrency", base if bought else quote)
        if fee and quote and paid_in not in (base, quote):
            raise BadReply(f"{one.where}: a fee was paid in {paid_in}; switch that off, its worth is not known here")
        withheld = fee if quote and paid_in == base else Decimal(0)
        return BrokerFill(
            id=one.text("execId"),
            client_id=client_id(one.text("orderLinkId", "")),
            symbol=symbol,
            side=side,
            quantity=quantity,
            price=price,
            fee=fee - withheld,
            at=one.milliseconds("execTime"),
            withheld=withheld,
        )

    async def _coins(self) -> list[Said]:
        accounts = (await self._calls.ask("v5/account/wallet-balance", {"accountType": "UNIFIED"})).parts("list")
        if len(accounts) != 1:
            raise BadReply(f"{NAME} GET v5/account/wallet-balance: {len(accounts)} unified accounts instead of one")
        return accounts[0].parts("coin")

    async def _since(self, path: str, asked: Mapping[str, Any], since: datetime) -> AsyncIterator[Said]:
        """Entries of a log from ``since`` until now, a week at a time."""
        begin, now = since.astimezone(UTC), self._clock()
        while begin <= now:
            end = min(begin + WINDOW - timedelta(milliseconds=1), now + timedelta(seconds=1))
            stretch = {"startTime": int(begin.timestamp() * 1000), "endTime": int(end.timestamp() * 1000)}
            async for one in self._pages(path, {**asked, **stretch}):
                yield one
            begin += WINDOW - timedelta(milliseconds=1)

    async def _pages(self, path: str, asked: Mapping[str, Any]) -> AsyncIterator[Said]:
        cursor = ""
        for _ in range(PAGES_MAX):
            result = await self._calls.ask(path, {**asked, "cursor": cursor} if cursor else asked)
            page = result.parts("list")
            for one in page:
                yield one
            cursor = result.text("nextPageCursor", "")
            if not cursor or not page:
                return
        raise BadReply(f"{NAME} GET {path}: more than {PAGES_MAX} pages")
