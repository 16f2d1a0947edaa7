"""The three brokers as the same tests see them: healthy answers, made by hand after their documents, and all calls."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import ModuleType
from typing import Any
from uuid import UUID

from broker_wire import Asked, Respond, Told

from services.execution.brokers import alpaca, bybit, oanda
from services.execution.brokers.protocol import Broker, LiveOrder

MODULES: Mapping[str, ModuleType] = {"alpaca": alpaca, "bybit": bybit, "oanda": oanda}
ID = UUID("6a1f0b52-8d0e-5c57-9f7b-0c8f3a3f9d21")
NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)
SINCE = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
MS = int(SINCE.timestamp() * 1000) + 60_000
SYMBOL = {"alpaca": "NVDA", "bybit": "BTC/USDT", "oanda": "GBP/JPY"}
QUANTITY = {"alpaca": Decimal("1.5"), "bybit": Decimal("0.025"), "oanda": Decimal(1200)}


def order(name: str, **more: Any) -> LiveOrder:
    """What is submitted."""
    wanted: dict[str, Any] = {
        "id": ID,
        "symbol": SYMBOL[name],
        "side": "buy",
        "kind": "market",
        "quantity": QUANTITY[name],
    }
    return LiveOrder(**(wanted | more))


def alpaca_order(**more: Any) -> dict[str, Any]:
    """An order as Alpaca shows it."""
    shown = {"id": "904837e3-3b76-47ec-b432-046db621571b", "client_order_id": str(ID), "symbol": "NVDA", "qty": "1.5"}
    return shown | {"side": "buy", "type": "market", "filled_qty": "0", "status": "new", "stop_price": None} | more


def oanda_order(**more: Any) -> dict[str, Any]:
    """An order as OANDA shows it."""
    shown = {"id": "2304", "instrument": "GBP_JPY", "units": "1200", "type": "MARKET", "state": "PENDING"}
    return shown | {"clientExtensions": {"id": str(ID)}} | more


def bybit_order(**more: Any) -> dict[str, Any]:
    """An order as Bybit shows it."""
    shown = {"orderId": "1523347543495541248", "orderLinkId": str(ID), "symbol": "BTCUSDT", "side": "Buy"}
    shown |= {"orderType": "Market", "qty": "0.025", "cumExecQty": "0", "orderStatus": "New", "triggerPrice": ""}
    return shown | {"stopOrderType": "", "rejectReason": "EC_NoError", "cancelType": "UNKNOWN"} | more


def bybit_says(result: Any, code: int = 0, message: str = "OK", status: int = 200) -> Told:
    """Bybit's envelope."""
    return Told({"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": MS}, status)


def oanda_fill(**more: Any) -> dict[str, Any]:
    """An execution as OANDA shows it."""
    shown = {"type": "ORDER_FILL", "id": "2305", "orderID": "2304", "clientOrderID": str(ID), "instrument": "GBP_JPY"}
    shown |= {"units": "1200", "price": "190.123", "pl": "-3.2500", "commission": "0.0000", "financing": "0.0000"}
    shown |= {"gainQuoteHomeConversionFactor": "0.00660", "lossQuoteHomeConversionFactor": "0.00667"}
    return shown | {"time": "2026-03-04T09:31:00.593753865Z"} | more


def bybit_fill(**more: Any) -> dict[str, Any]:
    """An execution as Bybit shows it."""
    shown = {"symbol": "BTCUSDT", "orderLinkId": str(ID), "orderId": "1523347543495541248", "side": "Buy"}
    shown |= {"execId": "2100000000007764263", "execPrice": "65123.4", "execQty": "0.025", "execType": "Trade"}
    return shown | {"execFee": "0.000025", "feeCurrency": "BTC", "execTime": str(MS), "isMaker": False} | more


def _alpaca(asked: Asked) -> Any:
    fill = {"id": "20260304093100000::a", "activity_type": "FILL", "symbol": "NVDA", "side": "buy", "qty": "1.5"}
    fill |= {"price": "174.78", "transaction_time": "2026-03-04T09:31:00.98Z", "order_id": alpaca_order()["id"]}
    fee = {"id": "20260304::b", "activity_type": "FEE", "net_amount": "-0.02", "created_at": "2026-03-04T09:31:00Z"}
    answers = {
        "/v2/orders": alpaca_order() if asked.changes else [alpaca_order()],
        "/v2/orders:by_client_order_id": alpaca_order(),
        f"/v2/orders/{alpaca_order()['id']}": b"" if asked.changes else alpaca_order(),
        "/v2/account/activities/FILL": [fill],
        "/v2/account/activities": [fee | {"date": "2026-03-04"}],
        "/v2/positions": [{"symbol": "NVDA", "qty": "1.5", "side": "long"}],
        "/v2/account": {"currency": "USD", "cash": "1000.50", "buying_power": "4002.00"},
        "/v2/assets/NVDA": {"symbol": "NVDA", "status": "active", "tradable": True, "fractionable": True}
        | {"shortable": True, "borrow_status": "easy_to_borrow"},
    }
    return answers[asked.path]


def _oanda(asked: Asked) -> Any:
    path = asked.path.removeprefix("/v3").split("/", 3)[3]
    ranges = "https://elsewhere.example/v3/accounts/x/transactions/idrange?from=2304&to=2306"
    financing = {"type": "DAILY_FINANCING", "id": "2306", "time": "2026-03-04T09:32:00Z", "financing": "-0.41"}
    created = {"id": "2304", "type": "MARKET_ORDER"}
    filled = {"orderCreateTransaction": created, "orderFillTransaction": oanda_fill()}
    rules = {"name": "GBP_JPY", "displayPrecision": 3, "tradeUnitsPrecision": 0, "minimumTradeSize": "1"}
    position = {"instrument": "GBP_JPY", "long": {"units": "1200"}, "short": {"units": "0"}}
    answers = {
        "orders": filled if asked.changes else {"orders": [oanda_order()]},
        f"orders/@{ID}": {"order": oanda_order()},
        f"orders/@{ID}/cancel": {"orderCancelTransaction": {"id": "2307", "reason": "CLIENT_REQUEST"}},
        "pendingOrders": {"orders": [oanda_order(type="STOP", price="190.500")]},
        "transactions": {"count": 3, "pages": [ranges]},
        "transactions/idrange": {"transactions": [created | {"time": SINCE.isoformat()}, oanda_fill(), financing]},
        "openPositions": {"positions": [position]},
        "summary": {"account": {"currency": "USD", "balance": "1000.5000", "marginAvailable": "900.1"}},
        "instruments": {"instruments": [rules]},
    }
    return answers[path]


def _bybit(asked: Asked) -> Any:
    lots = {"basePrecision": "0.000001", "minOrderQty": "0.000011", "minOrderAmt": "5"}
    rules = {"symbol": "BTCUSDT", "status": "Trading", "lotSizeFilter": lots, "priceFilter": {"tickSize": "0.1"}}
    coins = [{"coin": "USDT", "walletBalance": "1000.5", "locked": "100"}, {"coin": "BTC", "walletBalance": "0.025"}]
    fee = {"id": "592324_1", "type": "INTEREST", "change": "-0.12", "transactionTime": str(MS), "symbol": ""}
    answers: dict[str, Any] = {
        "order/create": {"orderId": bybit_order()["orderId"], "orderLinkId": str(ID)},
        "order/cancel": {"orderId": bybit_order()["orderId"], "orderLinkId": str(ID)},
        "order/realtime": {"list": [bybit_order()], "nextPageCursor": ""},
        "order/history": {"list": [], "nextPageCursor": ""},
        "execution/list": {"list": [bybit_fill()], "nextPageCursor": ""},
        "account/transaction-log": {"list": [fee], "nextPageCursor": ""},
        "account/wallet-balance": {"list": [{"accountType": "UNIFIED", "coin": coins}]},
        "market/instruments-info": {"category": "spot", "list": [rules]},
    }
    return bybit_says(answers[asked.path.removeprefix("/v5/")])


def healthy(name: str) -> Respond:
    """What the broker answers when all is well."""
    answer = {"alpaca": _alpaca, "bybit": _bybit, "oanda": _oanda}[name]

    def respond(asked: Asked) -> Told:
        body = answer(asked)
        if isinstance(body, Told):
            return body
        return Told(status=204) if body == b"" else Told(body, 201 if asked.method == "POST" else 200)

    return respond


Ask = Callable[[Broker], Awaitable[Any]]


def changes(name: str) -> dict[str, Ask]:
    """What asks for something to be done."""
    return {"submit": lambda b: b.submit(order(name)), "cancel": lambda b: b.cancel(ID)}


def questions(name: str) -> dict[str, Ask]:
    """What only asks."""
    return {
        "order": lambda b: b.order(ID),
        "open_orders": lambda b: b.open_orders(),
        "fills": lambda b: b.fills(SINCE),
        "charges": lambda b: b.charges(SINCE),
        "positions": lambda b: b.positions(),
        "cash": lambda b: b.cash(),
        "instrument": lambda b: b.instrument(SYMBOL[name]),
    }
