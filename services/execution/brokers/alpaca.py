"""Alpaca trading: US shares and funds, long and short, on the paper account unless live is asked for and allowed.

Orders are for the day: one that comes while the exchange is closed waits for its next opening. A stop on a fraction of
a share ends with the day as well (the broker keeps only whole shares beyond it) and is then reported as expired.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

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
    Rejected,
)
from services.execution.brokers.wire import (
    ATTEMPTS,
    LEFT_ALONE_S,
    PAGES_MAX,
    TIMEOUT_S,
    Absent,
    Duplicate,
    Names,
    Said,
    changing,
    client_id,
    credentials,
    endpoint,
    listed,
    plain,
    there_already,
    utc_now,
)
from services.kernel.http import Http, Param, Policy, Reply, retry_after_s
from services.kernel.provider_errors import BadKey, BadReply, BadRequest, RateLimited, SymbolNotOffered

NAME = "alpaca"
NEEDS: tuple[str, ...] = ("ALPACA_API_KEY_ID", "ALPACA_API_SECRET_KEY")
URLS: Mapping[Environment, str] = {
    "paper": "https://paper-api.alpaca.markets",
    "live": "https://api.alpaca.markets",
}
POLICY = Policy(requests=200, per_seconds=60.0, attempts=ATTEMPTS, timeout_s=TIMEOUT_S, breaker_seconds=LEFT_ALONE_S)
"""200 requests a minute and account, as the broker states."""

ORDERS_MAX = 500
"""Orders of one answer; the broker's maximum."""
PAGE_SIZE = 100
"""Activities of one page; the broker's maximum."""
CENT = Decimal("0.01")
"""The price step of shares above one dollar (SEC rule 612)."""
FRACTION = Decimal("0.00000001")
"""The broker takes nine decimal places of a share; our ledger keeps eight."""
FRACTION_MIN_USD = Decimal(1)
"""The smallest order for a fraction of a share, in dollars."""
KNOWN_MAX = 10_000
"""Orders whose client id is remembered, so that executions need not ask for it."""

WORKING = """new partially_filled done_for_day pending_cancel pending_replace accepted pending_new accepted_for_bidding
stopped suspended calculated held"""
STATUS: Mapping[str, BrokerStatus] = {
    **dict.fromkeys(WORKING.split(), "working"),
    "filled": "filled",
    "canceled": "cancelled",
    "replaced": "cancelled",
    "expired": "expired",
    "rejected": "rejected",
}


def connect(
    environment: Mapping[str, str],
    *,
    venue: Environment = "paper",
    currency: str = "USD",
    base_url: str | None = None,
    symbols: Mapping[str, str] | None = None,
    http: Callable[..., Http] = Http,
    clock: Callable[[], datetime] = utc_now,
) -> "AlpacaBroker":
    """Make the broker from its key id and secret; ``symbols`` maps ours to the broker's where they differ (SLV)."""
    key, secret = credentials(NAME, environment, NEEDS)
    url = endpoint(NAME, URLS, venue, environment, base_url)

    def check(reply: Reply) -> None:
        _check(reply, clock())

    client = http(NAME, url, POLICY, secrets=[key, secret], check=check)
    headers = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}
    return AlpacaBroker(client, headers, venue, currency, Names(symbols, "/"))


def _check(reply: Reply, now: datetime) -> None:
    """Raise what the broker says in its ``message``: 403 is a bad key, but also too little money for an order."""
    if reply.status == 429:
        raise RateLimited("HTTP 429", _wait_s(reply, now))
    if reply.status < 400:
        return
    body = reply.json()
    said = str(body.get("message", "")) if isinstance(body, dict) else ""
    if "client_order_id must be unique" in said:
        raise Duplicate(said)
    if reply.status == 404 and "not found" in said:
        raise Absent(said)
    if reply.status == 403 and said:
        raise (BadKey if "forbidden" in said.lower() else BadRequest)(said)


class AlpacaBroker:
    """One account at Alpaca."""

    name = NAME
    unique_ids = True

    def __init__(
        self, http: Http, headers: Mapping[str, str], environment: Environment, currency: str, names: Names
    ) -> None:
        self.environment: Environment = environment
        self._http = http
        self._headers = headers
        self._currency = currency
        self._names = names
        self._client_ids: dict[str, UUID | None] = {}

    async def submit(self, request: LiveOrder) -> Ack:
        """Send an order once; one that is there already under its client id is acknowledged."""
        told = self._names.told(request.symbol)
        whole = request.quantity == request.quantity.to_integral_value()
        body = {
            "symbol": told,
            "qty": plain(request.quantity),
            "side": request.side,
            "type": request.kind,
            "time_in_force": "gtc" if "/" in told or (request.kind == "stop" and whole) else "day",
            "client_order_id": str(request.id),
        }
        if request.stop_price is not None:
            body["stop_price"] = plain(request.stop_price)
        with changing():
            try:
                reply = await self._http.send("POST", "/v2/orders", body, self._headers)
            except Duplicate:
                return await there_already(request, self.order(request.id))
            order = self._order(Said(f"{NAME} POST /v2/orders", reply.json()))
            if order.client_id != request.id:
                raise BadReply(f"{NAME} POST /v2/orders: the answer is about another order")
        if order.status == "rejected":
            raise Rejected(order.detail or "rejected without a reason")
        return Ack(request.id, order.broker_id)

    async def cancel(self, client_id: UUID) -> None:
        """Ask to cancel once; the broker cancels by its own id, which is asked for first."""
        with changing():
            order = await self.order(client_id)
            if order is None or order.status != "working":
                return
            try:
                await self._http.send("DELETE", f"/v2/orders/{quote(order.broker_id)}", None, self._headers)
            except Absent:
                return
            except BadRequest:
                # 422: it is no longer to be cancelled; that it is done must be read off the order, not believed.
                after = await self.order(client_id)
                if after is not None and after.status == "working":
                    raise

    async def order(self, client_id: UUID) -> BrokerOrder | None:
        """Return an order by its client id."""
        try:
            body = await self._get("/v2/orders:by_client_order_id", {"client_order_id": str(client_id)})
        except Absent:
            return None
        found = self._order(Said(f"{NAME} GET /v2/orders:by_client_order_id", body))
        if found.client_id != client_id:
            raise BadReply(f"{NAME} GET /v2/orders:by_client_order_id: the answer is about another order")
        return found

    async def open_orders(self) -> list[BrokerOrder]:
        """Return all orders that are not final."""
        params: dict[str, Param] = {"status": "open", "limit": ORDERS_MAX, "direction": "asc", "nested": False}
        orders = listed(f"{NAME} GET /v2/orders", await self._get("/v2/orders", params))
        if len(orders) >= ORDERS_MAX:
            raise BadReply(f"{NAME} GET /v2/orders: {ORDERS_MAX} open orders or more; not all can be read")
        return [found for one in orders if (found := self._order(one)).status == "working"]

    async def fills(self, since: datetime) -> list[BrokerFill]:
        """Return all executions at or after ``since``, oldest first. Shares cost no fee here; others are charges."""
        found = [
            BrokerFill(
                id=one.text("id"),
                client_id=await self._client_id_of(one.text("order_id")),
                symbol=self._names.ours(one.text("symbol")),
                side=one.side("side"),
                quantity=abs(one.number("qty")),
                price=one.number("price"),
                fee=Decimal(0),
                at=one.moment("transaction_time"),
            )
            async for one in self._activities("/v2/account/activities/FILL", {}, since - timedelta(seconds=1))
        ]
        return sorted((fill for fill in found if fill.at >= since), key=lambda fill: (fill.at, fill.id))

    async def charges(self, since: datetime) -> list[BrokerCharge]:
        """Return fees, interest, dividends and transfers; one with a date only counts from its midnight on."""
        day = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        found = []
        params: dict[str, Param] = {"category": "non_trade_activity"}
        async for one in self._activities("/v2/account/activities", params, day - timedelta(days=1)):
            name, kind, amount = one.text("id"), one.text("activity_type"), one.number("net_amount", Decimal(0))
            if not amount or one.text("status", "executed") == "canceled":
                continue
            timed = one.has("created_at")
            at = one.moment("created_at") if timed else _midnight(one)
            if at < (since if timed else day):
                continue
            symbol = self._names.ours(one.text("symbol")) if one.has("symbol") else None
            found.append(BrokerCharge(name, kind.lower(), amount, at, symbol))
        return sorted(found, key=lambda charge: (charge.at, charge.id))

    async def positions(self) -> list[BrokerPosition]:
        """Return all positions; shorts are negative."""
        found = []
        for one in listed(f"{NAME} GET /v2/positions", await self._get("/v2/positions")):
            held = abs(one.number("qty"))
            quantity = -held if one.text("side") == "short" else held
            found.append(BrokerPosition(self._names.ours(one.text("symbol")), quantity))
        return [position for position in found if position.quantity]

    async def cash(self) -> BrokerCash:
        """Return the cash; new orders may use no more than that, however much the broker would lend."""
        account = Said(f"{NAME} GET /v2/account", await self._get("/v2/account"))
        cash = account.number("cash")
        available = max(min(cash, account.number("buying_power", cash)), Decimal(0))
        return BrokerCash(account.text("currency", self._currency), cash, available, "cash")

    async def instrument(self, symbol: str) -> Instrument:
        """Return the rules of a share or fund."""
        told = self._names.told(symbol)
        where = f"{NAME} GET /v2/assets/{told}"
        try:
            asset = Said(where, await self._get(f"/v2/assets/{quote(told, safe='')}"))
        except Absent:
            raise SymbolNotOffered(f"{where}: the broker does not offer {symbol}") from None
        if asset.text("symbol") != told:
            raise BadReply(f"{where}: the answer is about another asset")
        fractional = asset.body.get("fractionable") is True
        step = FRACTION if fractional else Decimal(1)
        return Instrument(
            symbol=symbol,
            price_step=asset.number("price_increment", CENT),
            quantity_step=asset.number("min_trade_increment", step),
            min_quantity=asset.number("min_order_size", step),
            min_notional=FRACTION_MIN_USD if fractional else Decimal(0),
            shortable=asset.body.get("shortable") is True and asset.text("borrow_status", "") != "hard_to_borrow",
            tradable=asset.body.get("tradable") is True and asset.text("status") == "active",
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _get(self, path: str, params: Mapping[str, Param] | None = None) -> Any:
        return (await self._http.get(path, params, self._headers)).json()

    def _order(self, one: Said) -> BrokerOrder:
        if (status := STATUS.get(one.text("status"))) is None:
            raise one.unreadable("status")
        broker_id, ours = one.text("id"), client_id(one.text("client_order_id", ""))
        self._remember(broker_id, ours)
        filled = one.number("filled_qty", Decimal(0))
        return BrokerOrder(
            client_id=ours,
            broker_id=broker_id,
            symbol=self._names.ours(one.text("symbol")),
            side=one.side("side"),
            kind=one.text("type"),
            # An order by amount of money, which is never ours, has no quantity before it is filled.
            quantity=one.number("qty", filled),
            filled=filled,
            status=status,
            stop_price=one.number("stop_price") if one.has("stop_price") else None,
            detail="" if status in ("working", "filled") else one.text("status"),
        )

    async def _client_id_of(self, broker_id: str) -> UUID | None:
        """The client id of an execution's order, which the broker names by its own id only."""
        if broker_id not in self._client_ids:
            path = f"/v2/orders/{quote(broker_id)}"
            try:
                self._order(Said(f"{NAME} GET {path}", await self._get(path)))
            except Absent:
                self._remember(broker_id, None)
        return self._client_ids.get(broker_id)

    def _remember(self, broker_id: str, ours: UUID | None) -> None:
        if len(self._client_ids) >= KNOWN_MAX:
            self._client_ids.clear()
        self._client_ids[broker_id] = ours

    async def _activities(self, path: str, params: Mapping[str, Param], after: datetime) -> AsyncIterator[Said]:
        token: str | None = None
        begin = after.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        for _ in range(PAGES_MAX):
            asked: dict[str, Param] = {**params, "after": begin, "direction": "asc", "page_size": PAGE_SIZE}
            page = listed(f"{NAME} GET {path}", await self._get(path, {**asked, "page_token": token}))
            for one in page:
                yield one
            if len(page) < PAGE_SIZE:
                return
            token = page[-1].text("id")
        raise BadReply(f"{NAME} GET {path}: more than {PAGES_MAX} pages")


def _midnight(one: Said) -> datetime:
    """The begin of the day of an activity that has a date only; some come with a time all the same."""
    try:
        return datetime.fromisoformat(one.text("date")[:10]).replace(tzinfo=UTC)
    except ValueError:
        raise one.unreadable("date") from None


def _wait_s(reply: Reply, now: datetime) -> float | None:
    """Seconds to wait: ``Retry-After``, else until the moment of ``X-RateLimit-Reset``, a minute at most."""
    told_s, reset = retry_after_s(reply.headers), reply.headers.get("x-ratelimit-reset", "")
    if told_s is not None:
        return told_s
    return min(max(int(reset) - now.timestamp(), 0.0), 60.0) if reset.isdigit() else None
