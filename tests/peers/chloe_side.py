"""The rule in Chloe: orders made from the averages, filled and booked by the services' own ``settle``."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.contracts.messages import Bar, Order, OrdersDecided, Side, SliceClosed, decision_id
from services.domain.assets import AssetClass
from services.domain.candles import moment
from services.domain.money import floor, money
from services.execution.book import open_book
from services.execution.brokers.paper import PaperVenue
from services.execution.decide import Settle, settle
from services.execution.settings import PaperSettings

HOUR = timedelta(hours=1)
ROOM = Decimal("1.1")
"""An all-in buy asks for more than there is cash for; the venue cuts it to the cash at the open's price."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The candles by name, the averages' lengths in bars, the fee of a fill as a fraction, and the first cash."""

    data: Mapping[str, NDArray[Any]]
    names: tuple[str, ...]
    fast: int
    slow: int
    fee: float
    cash: float

    @property
    def budget(self) -> float | None:
        """What one entry may cost; None: all the cash there is."""
        return None if len(self.names) == 1 else self.cash / len(self.names) / 2


def run(rule: Rule) -> dict[str, Any]:
    """Run the rule; returns fills by name, the equity at the end, the number of bars, and seconds of processor time."""
    fee_bps = Decimal(repr(rule.fee)) * 10_000
    classes = {"crypto": AssetClass(phase="peers", sources=(), spread_bps=Decimal(0), fee_bps=fee_bps, max_weight=1)}
    settings = PaperSettings(
        starting_cash=money(rule.cash), max_participation=Decimal(1), slippage_bps=Decimal(0), impact_bps=Decimal(0)
    )
    venue = PaperVenue(settings, classes)
    closed = _slices(rule)
    begun = time.process_time()
    wishes = _wishes(rule)
    book = open_book(settings.starting_cash)
    orders: OrdersDecided | None = None
    fills: dict[str, list[list[Any]]] = {name: [] for name in rule.names}
    portfolio = None
    for row, one in enumerate(closed):
        book, portfolio = settle(book, Settle(one, orders), venue)
        for fill in portfolio.fills:
            second = round(fill.filled_at.timestamp())
            fills[fill.symbol].append([second, fill.side, float(fill.price), float(fill.quantity)])
        wanted = wishes.get(row)
        orders = None if wanted is None else _orders(rule, one.ts, wanted, portfolio)
    seconds = time.process_time() - begun
    equity = float(portfolio.equity) if portfolio else rule.cash
    return {"fills": fills, "equity": equity, "bars": len(closed) * len(rule.names), "seconds": seconds}


def _slices(rule: Rule) -> list[SliceClosed]:
    columns = {
        name: [rule.data[f"{name}_{key}"].tolist() for key in ("open", "high", "low", "close", "volume")]
        for name in rule.names
    }
    return [
        SliceClosed(
            ts=moment(opened) + HOUR,
            timeframe="1h",
            bars=tuple(Bar(name, "crypto", *(column[row] for column in columns[name])) for name in rule.names),
        )
        for row, opened in enumerate(rule.data[f"{rule.names[0]}_ts"].tolist())
    ]


def _wishes(rule: Rule) -> dict[int, list[tuple[str, Side, float]]]:
    """Find where the averages cross: by row, what to buy and sell at the next open, and the close."""
    found: dict[int, list[tuple[str, Side, float]]] = {}
    for name in rule.names:
        close = rule.data[f"{name}_close"]
        above = _average(close, rule.fast)[rule.slow - rule.fast :] > _average(close, rule.slow)
        for row in (np.flatnonzero(above[1:] != above[:-1]) + rule.slow).tolist():
            side: Side = "buy" if above[row - rule.slow + 1] else "sell"
            found.setdefault(row, []).append((name, side, float(close[row])))
    return found


def _average(close: NDArray[np.float64], bars: int) -> NDArray[np.float64]:
    return np.asarray(np.lib.stride_tricks.sliding_window_view(close, bars).mean(axis=1))


def _orders(rule: Rule, ts: datetime, wanted: list[tuple[str, Side, float]], portfolio: Any) -> OrdersDecided:
    held = {position.symbol: position.quantity for position in portfolio.positions}
    orders = []
    for name, side, close in wanted:
        price = money(close)
        if side == "sell" and name in held:
            orders.append(_order(ts, name, side, held[name], price))
        elif side == "buy" and name not in held:
            if rule.budget is None:
                quantity = floor(portfolio.cash / price * ROOM)
            else:
                quantity = floor(money(rule.budget) / (price * (1 + Decimal(repr(rule.fee)))))
            orders.append(_order(ts, name, side, quantity, price))
    return OrdersDecided(ts=ts, timeframe="1h", orders=tuple(orders), refused=(), checks=(), halted=None)


def _order(ts: datetime, name: str, side: Side, quantity: Decimal, price: Decimal) -> Order:
    return Order(
        id=decision_id(ts, "peers", name),
        symbol=name,
        asset_class="crypto",
        side=side,
        quantity=quantity,
        reason="entry" if side == "buy" else "exit",
        reduce_only=side == "sell",
        reference_price=price,
        stop_price=None,
        target_price=None,
        expires_at=None,
        bucket=0,
        regime="unclassified",
    )
