"""OANDA v20 trading: forex on margin, on the practice server unless live is asked for and allowed.

Units are signed: a sale is a negative number. A market order is filled at once and whole or not at all. A client order
id is only kept unique among pending orders, so that a repeated market order would be a second one.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
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
    plain,
    there_already,
    utc_now,
)
from services.kernel.http import Http, Param, Policy, Reply
from services.kernel.provider_errors import BadKey, BadReply, BadRequest, SymbolNotOffered

NAME = "oanda"
NEEDS: tuple[str, ...] = ("OANDA_TOKEN", "OANDA_ACCOUNT_ID")
URLS: Mapping[Environment, str] = {
    "practice": "https://api-fxpractice.oanda.com/v3",
    "live": "https://api-fxtrade.oanda.com/v3",
}
POLICY = Policy(requests=100, per_seconds=1.0, attempts=ATTEMPTS, timeout_s=TIMEOUT_S, breaker_seconds=LEFT_ALONE_S)
"""The broker allows 120 a second and advises 100 on one connection."""

ORDERS_MAX = 500
"""Orders of one answer; the broker's maximum."""
PAGE_SIZE = 1_000
"""Transactions of one page; the broker's maximum."""

STATUS: Mapping[str, BrokerStatus] = {
    "PENDING": "working",
    "TRIGGERED": "working",
    "FILLED": "filled",
    "CANCELLED": "cancelled",
}
MONEY = {"DAILY_FINANCING": "financing", "TRANSFER_FUNDS": "amount", "DIVIDEND_ADJUSTMENT": "dividendAdjustment"}
"""Transactions that move cash without a fill, and the field that says how much."""
NOT_THERE = frozenset({"NO_SUCH_ORDER", "ORDER_DOESNT_EXIST"})


def connect(
    environment: Mapping[str, str],
    *,
    venue: Environment = "practice",
    currency: str = "USD",
    base_url: str | None = None,
    symbols: Mapping[str, str] | None = None,
    http: Callable[..., Http] = Http,
    clock: Callable[[], datetime] = utc_now,
) -> "OandaBroker":
    """Make the broker from token and account; ``currency`` is the account's home currency."""
    token, account = credentials(NAME, environment, NEEDS)
    url = endpoint(NAME, URLS, venue, environment, base_url)
    client = http(NAME, url, POLICY, secrets=[token, account], check=_check)
    return OandaBroker(client, token, account, venue, currency, Names(symbols, "_"))


def _check(reply: Reply) -> None:
    """Raise what the broker says: a refused order is told with its reason and the transaction that refused it."""
    if reply.status < 400:
        return
    body = reply.json()
    if not isinstance(body, dict):
        raise BadReply(f"a {type(body).__name__} instead of an object")
    said = str(body.get("errorMessage", ""))
    refused = body.get("orderRejectTransaction") or body.get("orderCancelRejectTransaction")
    reason = str(refused.get("rejectReason", "")) if isinstance(refused, dict) else ""
    told = {reason, str(body.get("errorCode", ""))}
    text = ": ".join(part for part in (reason, said) if part)
    if "CLIENT_ORDER_ID_ALREADY_EXISTS" in told:
        raise Duplicate(text)
    if NOT_THERE & told:
        raise Absent(text or "no such order")
    if reply.status == 400 and "'instrument" in said:
        raise SymbolNotOffered(said)
    if reason and reply.status < 500:
        raise BadRequest(text)
    if reply.status == 403 and said:
        raise BadKey(said)


class OandaBroker:
    """One account at OANDA."""

    name = NAME
    unique_ids = False

    def __init__(
        self, http: Http, token: str, account: str, environment: Environment, currency: str, names: Names
    ) -> None:
        self.environment: Environment = environment
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}", "Accept-Datetime-Format": "RFC3339"}
        self._account = f"/accounts/{quote(account)}"
        self._currency = currency
        self._names = names

    async def submit(self, request: LiveOrder) -> Ack:
        """Send an order once. One that is cancelled at once (no margin, closed market) is rejected with that reason."""
        units = request.quantity if request.side == "buy" else -request.quantity
        order: dict[str, Any] = {
            "type": request.kind.upper(),
            "instrument": self._names.told(request.symbol),
            "units": plain(units),
            "timeInForce": "FOK" if request.kind == "market" else "GTC",
            # What it would be by default depends on whether the account may hold both sides at once.
            "positionFill": "REDUCE_ONLY" if request.reduce_only else "REDUCE_FIRST",
            "clientExtensions": {"id": str(request.id)},
        }
        if request.stop_price is not None:
            order["price"] = plain(request.stop_price)
        with changing():
            try:
                reply = await self._http.send("POST", f"{self._account}/orders", {"order": order}, self._headers)
            except Duplicate:
                return await there_already(request, self.order(request.id))
            said = Said(f"{NAME} POST orders", reply.json())
            created = said.part("orderCreateTransaction").text("id")
            if said.has("orderCancelTransaction") and not said.has("orderFillTransaction"):
                raise BadRequest(f"cancelled at once: {said.part('orderCancelTransaction').text('reason')}")
        return Ack(request.id, created)

    async def cancel(self, client_id: UUID) -> None:
        """Ask to cancel once; the broker knows only pending orders here."""
        with changing():
            try:
                await self._http.send("PUT", f"{self._account}/orders/@{client_id}/cancel", None, self._headers)
            except Absent:
                return

    async def order(self, client_id: UUID) -> BrokerOrder | None:
        """Return an order by its client id, looked for among the last orders too: the id may name pending ones only."""
        try:
            body = await self._get(f"/orders/@{client_id}")
        except Absent:
            body = await self._get("/orders", {"state": "ALL", "count": ORDERS_MAX})
            orders = [self._order(one) for one in Said(f"{NAME} GET orders", body).parts("orders")]
            return next((one for one in orders if one.client_id == client_id), None)
        found = self._order(Said(f"{NAME} GET order", body).part("order"))
        if found.client_id != client_id:
            raise BadReply(f"{NAME} GET order: the answer is about another order")
        return found

    async def open_orders(self) -> list[BrokerOrder]:
        """Return all pending orders."""
        body = await self._get("/pendingOrders")
        orders = [self._order(one) for one in Said(f"{NAME} GET pendingOrders", body).parts("orders")]
        return [one for one in orders if one.status == "working"]

    async def fills(self, since: datetime) -> list[BrokerFill]:
        """Return all executions at or after ``since``, oldest first."""
        found = [self._fill(one) for one in await self._transactions(since, "ORDER_FILL")]
        return sorted(found, key=lambda fill: fill.at)

    async def charges(self, since: datetime) -> list[BrokerCharge]:
        """Return financing, transfers and dividend adjustments; financing booked with a fill counts here as well."""
        found = []
        for one in await self._transactions(since):
            kind, at, name = one.text("type"), one.moment("time"), one.text("id")
            symbol = self._names.ours(one.text("instrument")) if one.has("instrument") else None
            if kind == "ORDER_FILL" and (financing := one.number("financing", Decimal(0))):
                found.append(BrokerCharge(f"{name}-financing", "financing", financing, at, symbol))
            elif kind in MONEY and (amount := one.number(MONEY[kind])):
                found.append(BrokerCharge(name, kind.lower(), amount, at, symbol))
        return sorted(found, key=lambda charge: charge.at)

    async def positions(self) -> list[BrokerPosition]:
        """Return all positions, long and short of an instrument added up."""
        found = []
        for one in Said(f"{NAME} GET openPositions", await self._get("/openPositions")).parts("positions"):
            units = one.part("long").number("units") + one.part("short").number("units")
            found.append(BrokerPosition(self._names.ours(one.text("instrument")), units))
        return [position for position in found if position.quantity]

    async def cash(self) -> BrokerCash:
        """Return the balance: realised profits, fees and charges only."""
        account = Said(f"{NAME} GET summary", await self._get("/summary")).part("account")
        available = max(account.number("marginAvailable"), Decimal(0))
        return BrokerCash(account.text("currency"), account.number("balance"), available, "margin")

    async def instrument(self, symbol: str) -> Instrument:
        """Return the rules of an instrument."""
        told = self._names.told(symbol)
        body = await self._get("/instruments", {"instruments": told})
        listed = Said(f"{NAME} GET instruments", body).parts("instruments")
        rules = next((one for one in listed if one.body.get("name") == told), None)
        if rules is None:
            raise SymbolNotOffered(f"{NAME} GET instruments: the account does not offer {symbol}")
        return Instrument(
            symbol=symbol,
            price_step=Decimal(1).scaleb(-_places(rules, "displayPrecision")),
            quantity_step=Decimal(1).scaleb(-_places(rules, "tradeUnitsPrecision")),
            min_quantity=rules.number("minimumTradeSize"),
            min_notional=Decimal(0),
            shortable=True,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _get(self, path: str, params: Mapping[str, Param] | None = None) -> Any:
        return (await self._http.get(self._account + path, params, self._headers)).json()

    def _order(self, one: Said) -> BrokerOrder:
        if (status := STATUS.get(one.text("state"))) is None:
            raise one.unreadable("state")
        # Orders that belong to a trade have neither instrument nor units of their own.
        attached = not one.has("instrument")
        units = Decimal(0) if attached else one.number("units")
        ours = one.part("clientExtensions").text("id", "") if one.has("clientExtensions") else ""
        return BrokerOrder(
            client_id=client_id(ours),
            broker_id=one.text("id"),
            symbol=f"trade {one.text('tradeID')}" if attached else self._names.ours(one.text("instrument")),
            side="sell" if units < 0 else "buy",
            kind=one.text("type").lower(),
            quantity=abs(units),
            filled=abs(units) if status == "filled" else Decimal(0),
            status=status,
            stop_price=one.number("price") if one.text("type") == "STOP" else None,
            detail="" if status in ("working", "filled") else one.text("state"),
        )

    def _fill(self, one: Said) -> BrokerFill:
        units, realised = one.number("units"), one.number("pl", Decimal(0))
        return BrokerFill(
            id=one.text("id"),
            client_id=client_id(one.text("clientOrderID", "")),
            symbol=self._names.ours(one.text("instrument")),
            side="sell" if units < 0 else "buy",
            quantity=abs(units),
            price=one.number("price") if one.has("price") else one.number("fullVWAP"),
            fee=one.number("commission", Decimal(0)) + one.number("guaranteedExecutionFee", Decimal(0)),
            at=one.moment("time"),
            rate=self._rate(one, "gain" if realised >= 0 else "loss"),
            realised=realised,
        )

    def _rate(self, one: Said, sign: str) -> Decimal:
        """Home currency per unit of quote currency, as the broker converted with it; two spellings are in use."""
        if one.has(f"{sign}QuoteHomeConversionFactor"):
            return one.number(f"{sign}QuoteHomeConversionFactor")
        if one.has("homeConversionFactors"):
            return one.part("homeConversionFactors").part(f"{sign}QuoteHome").number("factor")
        if one.text("instrument").rpartition("_")[2] == self._currency:
            return Decimal(1)
        raise one.unreadable(f"{sign}QuoteHomeConversionFactor")

    async def _transactions(self, since: datetime, kind: str | None = None) -> list[Said]:
        """All transactions at or after ``since``: the broker names ranges of ids, which are then read one by one."""
        begin = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
        where = f"{NAME} GET transactions"
        body = await self._get("/transactions", {"from": begin, "pageSize": PAGE_SIZE, "type": kind})
        said = Said(where, body)
        pages = [] if said.body.get("count") == 0 else said.body.get("pages")
        if not isinstance(pages, list) or len(pages) > PAGES_MAX:
            raise said.unreadable("pages")
        found: list[Said] = []
        for page in pages:
            first, last = _id_range(where, page)
            part = await self._get("/transactions/idrange", {"from": first, "to": last, "type": kind})
            found += Said(f"{where}/idrange", part).parts("transactions")
        return [one for one in found if one.moment("time") >= since and (kind is None or one.text("type") == kind)]


def _id_range(where: str, page: Any) -> tuple[str, str]:
    """The ids that a page's address names; the address itself is not followed, for it names a host."""
    query = parse_qs(urlsplit(page).query) if isinstance(page, str) else {}
    first, last = (query.get(key, [""])[0] for key in ("from", "to"))
    if not (first.isdecimal() and last.isdecimal()):
        raise BadReply(f"{where}: a page of 'pages' names no range of ids")
    return first, last


def _places(rules: Said, key: str) -> int:
    """A number of decimal places."""
    value = rules.body.get(key)
    if type(value) is not int or not 0 <= value <= 8:
        raise rules.unreadable(key)
    return value
