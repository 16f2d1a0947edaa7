"""Ten thousand random days of everything at once: after every slice the books add up to the last decimal place.

Longs and shorts, funding, borrowing and financing, other currencies, splits, gaps, bars without volume, orders of every
type that fill in parts, wait, are replaced, halted or given up. Prices are invented.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from books_rules import Auditor
from decision_cases import order, orders_at, parameters

from services.contracts.messages import Bar, Order, OrdersDecided, PortfolioSettled, SliceClosed, Split, encode
from services.domain.candles import SECONDS, Timeframe
from services.domain.money import money
from services.execution.book import Book, open_book
from services.execution.decide import Settle, settle
from services.phases.record import Record, add_day

CLASSES = {
    "BTC/USDT": "crypto",
    "AVAX/USDT": "crypto",
    "NVDA": "stocks",
    "GME": "meme",
    "UVXY": "leveraged_etfs",
    "USD/TRY": "forex",
    "GBP/JPY": "forex",
}
BEGIN = datetime(2015, 1, 1, tzinfo=UTC)
CASH = Decimal("2500.00000000")
VENUE = parameters().venue
DAYS = {"1d": 220, "4h": 30}
"""Of one account, by the timeframe of its bars; 40 accounts on each make the ten thousand."""


@dataclass
class Account:
    """One account in a market of its own; all chance comes from its seed."""

    seed: int
    timeframe: Timeframe

    def slices(self) -> Iterator[tuple[SliceClosed, OrdersDecided]]:
        """Give slices, each with the orders decided at the one before."""
        chance = random.Random(f"{self.seed}|{self.timeframe}")
        price = {symbol: math.exp(chance.uniform(-1.0, 7.0)) for symbol in CLASSES}
        step = timedelta(seconds=SECONDS[self.timeframe])
        for n in range(DAYS[self.timeframe] * 86400 // SECONDS[self.timeframe]):
            ts = BEGIN + n * step
            some = chance.sample(sorted(CLASSES), chance.choice((0, 1, 1, 2)))
            wanted = tuple(self._order(chance, symbol, price[symbol], ts, n) for symbol in some)
            halted = "by chance" if chance.random() < 0.02 else None
            decided = msgspec.structs.replace(orders_at(ts, *wanted), timeframe=self.timeframe, halted=halted)
            splits = tuple(self._split(chance, price) for _ in range(chance.random() < 0.01))
            bars = tuple(self._bar(chance, symbol, price) for symbol in CLASSES if chance.random() < 0.9)
            yield SliceClosed(ts + step, self.timeframe, bars, splits=splits), decided

    @staticmethod
    def _split(chance: random.Random, price: dict[str, float]) -> Split:
        new, old = chance.choice(((10, 1), (3, 2), (1, 8)))
        price["GME"] *= old / new
        return Split("GME", new, old)

    @staticmethod
    def _bar(chance: random.Random, symbol: str, price: dict[str, float]) -> Bar:
        wild = 0.03 if chance.random() < 0.95 else 0.3
        o = price[symbol] * math.exp(chance.gauss(0.0, wild / 2))
        c = o * math.exp(chance.gauss(0.0, wild))
        high, low = max(o, c) * (1 + chance.random() * wild), min(o, c) * (1 - chance.random() * wild / 2)
        price[symbol] = min(max(c, 0.01), 1e5)
        volume = 0.0 if chance.random() < 0.03 else math.exp(chance.uniform(2.0, 12.0)) / o
        return Bar(symbol, CLASSES[symbol], o, high, low, c, volume)

    @staticmethod
    def _order(chance: random.Random, symbol: str, price: float, ts: datetime, n: int) -> Order:
        def near(width: float) -> Decimal:
            return money(price * (1 + chance.uniform(-width, width)))

        enters = chance.random() < 0.7
        kind = chance.choice(("market", "market", "limit", "stop", "stop_limit"))
        fields: dict[str, Any] = {
            "ts": ts,
            "asset_class": CLASSES[symbol],
            "kind": kind,
            "limit_price": near(0.05) if kind in ("limit", "stop_limit") else None,
            "trigger_price": near(0.05) if kind in ("stop", "stop_limit") else None,
            "trail": Decimal(str(round(chance.uniform(0.01, 0.2), 3))) if chance.random() < 0.3 else None,
            "stop_price": near(0.15) if enters and chance.random() < 0.7 else None,
            "target_price": near(0.15) if enters and chance.random() < 0.7 else None,
            "valid_until": ts + timedelta(days=chance.randint(1, 9)) if chance.random() < 0.7 else None,
        }
        reason = chance.choice(("entry", "increase") if enters else ("reduce", "exit", "flatten"))
        quantity = money(math.exp(chance.uniform(1.0, 9.0)) / price)
        return order(symbol, chance.choice(("buy", "sell")), max(quantity, Decimal("0.00000001")), reason, **fields)


class Orders:
    """Follows every order: one outcome each, which tells its fills, and no fill beyond its limit."""

    def __init__(self) -> None:
        self.open: dict[Any, Order] = {}
        self.filled: dict[Any, Decimal] = {}
        self.kinds: set[tuple[str, str]] = set()
        self.split: set[Any] = set()

    def check(self, closed: SliceClosed, decided: OrdersDecided, settled: PortfolioSettled) -> None:
        self.open |= {one.id: one for one in decided.orders}
        if closed.splits:
            self.split |= {name for name, one in self.open.items() if one.symbol == "GME"}
        for fill in settled.fills:
            if fill.order_id is None or fill.order_id in self.split:
                continue
            one = self.open[fill.order_id]
            self.filled[one.id] = self.filled.get(one.id, Decimal(0)) + fill.quantity
            if one.limit_price is not None:
                assert fill.price <= one.limit_price if one.side == "buy" else fill.price >= one.limit_price
        for outcome in settled.outcomes:
            one = self.open.pop(outcome.order_id)
            self.kinds.add((one.kind, outcome.status))
            if one.id not in self.split:
                assert outcome.filled_quantity == self.filled.pop(one.id, Decimal(0))
                assert (outcome.status == "filled") == (outcome.filled_quantity == one.quantity)
        assert set(self.open) == set(settled.working)
        assert settled.working_symbols == tuple(self.open[name].symbol for name in settled.working)


def lived(account: Account) -> tuple[Auditor, Orders, set[str]]:
    """Audit one account's whole life; returns also every kind of thing that happened to its positions."""
    book, auditor, orders, seen = open_book(CASH), Auditor(CASH), Orders(), set[str]()
    for closed, decided in account.slices():
        book, settled = settle(book, Settle(closed, decided), VENUE)
        auditor.check(closed, book, settled)
        orders.check(closed, decided, settled)
        seen |= {fill.reason for fill in settled.fills} | {fill.liquidity for fill in settled.fills}
        seen |= {charge.kind for charge in settled.charges} | {trade.side for trade in settled.trades}
        seen |= {outcome.detail.split(":")[0] for outcome in settled.outcomes}
        seen |= {"foreign" for one in settled.positions if one.fx != 1} | {"stale fx" for _ in settled.stale_fx}
    return auditor, orders, seen


def test_ten_thousand_random_days_add_up_to_the_last_place_after_every_slice() -> None:
    days, slices, seen, kinds = 0, 0, set[str](), set[tuple[str, str]]()
    for timeframe, length in DAYS.items():
        for seed in range(40):
            auditor, orders, happened = lived(Account(seed, timeframe))  # type: ignore[arg-type]
            days, slices = days + length, slices + auditor.slices
            seen |= happened
            kinds |= orders.kinds
    assert (days, slices) == (10_000, 16_000)
    every_kind = {"market", "limit", "stop", "stop_limit"}
    assert kinds == {(kind, end) for kind in every_kind for end in ("filled", "partly_filled", "cancelled")}
    assert seen >= {"entry", "increase", "reduce", "exit", "flatten", "stop", "target", "maker", "taker"}
    assert seen >= {"long", "short", "funding", "borrow", "financing", "foreign", "stale fx", "split 10"}
    assert seen >= {
        "cut by the participation cap",
        "cut to the cash there is",
        "cut to the size of the position",
        "its price was not reached",
        "no bar to fill in",
        "no volume in the bar",
        "replaced by a newer order",
        "the position was closed before the order reached the market",
        "the position was closed before the rest of the order was filled",
        "trading is halted",
    }


def test_the_record_that_gates_are_judged_by_adds_up_to_the_same_equity() -> None:
    for seed in range(4):
        book, record = open_book(CASH), Record()
        for n, (closed, decided) in enumerate(Account(seed, "1d").slices()):
            book, settled = settle(book, Settle(closed, decided), VENUE)
            record = add_day(record, f"{n:03}", [settled])
            assert sum(one.worth for one in record.symbols.values()) == settled.equity - CASH


def test_the_same_days_give_the_same_bytes_though_the_books_are_put_down_and_taken_up_after_every_slice() -> None:
    for timeframe in DAYS:
        whole, restarted = open_book(CASH), open_book(CASH)
        for closed, decided in Account(7, timeframe).slices():  # type: ignore[arg-type]
            whole, told = settle(whole, Settle(closed, decided), VENUE)
            again = msgspec.json.decode(encode(restarted), type=Book)
            restarted, retold = settle(again, Settle(closed, decided), VENUE)
            assert encode(retold) == encode(told)
        assert encode(restarted) == encode(whole)
