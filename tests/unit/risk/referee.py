"""A second opinion on what risk decided, computed from the books and the configuration alone, with other arithmetic.

It shares no code with ``services.risk``: a limit that both forget would be forgotten here on purpose only.
"""

import math
from collections import Counter
from datetime import timedelta
from fractions import Fraction
from typing import Any

from services.contracts.messages import Order, OrdersDecided, PortfolioSettled, Position, Target
from services.risk.state import RiskEvent, RiskParams

SLACK = Fraction(1, 10**5)
"""Rounding to the ledger's 8 places, of amounts that are divided and multiplied again."""


def exact(value: Any) -> Fraction:
    return Fraction(repr(value)) if isinstance(value, float) else Fraction(value)


class Referee:
    """Watches one run of slices from its beginning."""

    def __init__(self, params: RiskParams, enabled: tuple[str, ...], classes: tuple[str, ...]) -> None:
        self.params, self.enabled, self.classes = params, set(enabled), set(classes)
        self.person = self.file = self.flatten = False
        self.observed: set[str] = set()
        self.winding: set[str] = set()
        self.promoted: set[str] = set()
        self.flags: set[tuple[str, str]] = set()
        self.day = ""
        self.spent: Counter[str] = Counter()
        self.entries: Counter[str] = Counter()
        self.waiting: dict[Any, tuple[str, str, Fraction, Fraction, bool]] = {}
        self.stopped: dict[str, Any] = {}
        self.seen: Counter[str] = Counter()

    def watch(self, event: RiskEvent, said: OrdersDecided) -> None:
        """Check a slice; raises AssertionError."""
        self._before(event)
        books = event.portfolio
        held = {p.symbol: p for p in books.positions}
        assert len({o.symbol for o in said.orders}) == len(said.orders)
        names = [o.id for o in said.orders] + [r.id for r in said.refused]
        assert len(names) == len(set(names))
        if self.person or self.file:
            assert said.halted is not None
        for order in said.orders:
            assert order.quantity > 0
            if order.reduce_only:
                self._reduction(order, held[order.symbol])
        self._entries(event, said, held)
        self._nothing_kept_in(event, said, held)
        self.seen.update(one.check for one in said.refused)
        self.seen["refused"] += len(said.refused)
        self.seen["reductions"] += sum(o.reduce_only for o in said.orders)
        self.seen["entries"] += sum(not o.reduce_only for o in said.orders)

    def _before(self, event: RiskEvent) -> None:
        for word in event.evaluations:
            self.enabled, self.classes = set(word.enabled), set(word.classes)
            self.observed, self.winding = set(word.observed), set(word.winding)
            self.promoted = {cell.symbol for cell in word.cells}
        for command in event.commands:
            flag = (str(command.subject), command.note.split(":")[0])
            if command.name == "block":
                self.flags.add(flag)
            elif command.name == "unblock":
                self.flags.discard(flag)
            elif command.by == "file switch":
                self.file = command.name == "halt"
            elif command.name in ("halt", "flatten"):
                self.person = True
            elif command.name == "resume":
                self.person = False
        day = (event.portfolio.ts - timedelta(microseconds=1)).date().isoformat()
        if day != self.day:
            self.day = day
            self.spent.clear()
            self.entries.clear()
        working = set(event.portfolio.working)
        self.waiting = {name: one for name, one in self.waiting.items() if name in working}
        self.stopped.update({f.symbol: event.portfolio.ts for f in event.portfolio.fills if f.reason == "stop"})

    def _reduction(self, order: Order, position: Position) -> None:
        assert order.side == ("sell" if position.quantity > 0 else "buy")
        assert order.quantity <= abs(position.quantity)
        assert order.checks == ()

    def _entries(self, event: RiskEvent, said: OrdersDecided, held: dict[str, Position]) -> None:
        made = [o for o in said.orders if not o.reduce_only]
        if not made:
            return
        assert said.halted is None
        books, limits = event.portfolio, self.params.settings
        equity = exact(books.equity)
        cash, heat, exposure, by_class = self._used(books.positions, exact(books.cash))
        open_now = len({one[0] for one in self.waiting.values()} | set(books.working_symbols))
        for count, order in enumerate(made):
            fitting = [t for t in event.targets.targets if self._fits(t, order, books.ts)]
            assert fitting, order
            price, rate = exact(order.reference_price), self._rate(order.symbol, books)
            notional = exact(order.quantity) * price * rate
            self._allowed(event, order, held.get(order.symbol))
            stops = [order.stop_price, held[order.symbol].stop_price if order.symbol in held else None]
            distance = max(self._loss(order, exact(s)) / price for s in stops if s is not None)
            assert notional >= exact(limits.min_order_notional) - price * rate * Fraction(1, 10**8) - SLACK
            before = exposure.get(order.symbol, Fraction(0))
            self._volatility(fitting, before, notional)
            exposure[order.symbol] = before + notional
            by_class[order.asset_class] = by_class.get(order.asset_class, Fraction(0)) + notional
            heat += notional * distance
            cash -= notional if order.side == "buy" else 0
            self._within(order, notional, equity, cash, heat, exposure, by_class, event.targets.clusters)
            self.spent[order.symbol] += notional  # type: ignore[assignment]
            self.entries[order.symbol] += 1
            asset = self.params.assets[order.symbol]
            of_day = asset.notional_per_day
            assert of_day is None or self.spent[order.symbol] <= exact(of_day) * self._own(order) + SLACK
            assert self.entries[order.symbol] <= limits.max_entries_per_asset
            assert count < limits.max_entries_per_slice
            assert open_now + count < limits.max_open_orders
            self.waiting[order.id] = (
                order.symbol, order.asset_class, notional, notional * distance, order.side == "buy"
            )  # fmt: skip
        assert sum(self.entries.values()) <= limits.max_entries_per_day

    def _rate(self, symbol: str, books: PortfolioSettled) -> Fraction:
        """Account currency for one unit of what the symbol is quoted in."""
        return exact({one.currency: one.rate for one in books.rates}.get(symbol.rpartition("/")[2], 1))

    def _used(self, positions: tuple[Position, ...], cash: Fraction) -> Any:
        heat = Fraction(0)
        exposure: dict[str, Fraction] = {}
        by_class: dict[str, Fraction] = {}
        for p in positions:
            value = abs(exact(p.market_value))
            exposure[p.symbol] = exposure.get(p.symbol, Fraction(0)) + value
            by_class[p.asset_class] = by_class.get(p.asset_class, Fraction(0)) + value
            gap = value
            if p.stop_price is not None:
                gap = (exact(p.mark_price) - exact(p.stop_price)) * exact(p.quantity) * exact(p.fx)
            heat += max(gap, Fraction(0))
        for symbol, asset_class, notional, loss, long in self.waiting.values():
            exposure[symbol] = exposure.get(symbol, Fraction(0)) + notional
            by_class[asset_class] = by_class.get(asset_class, Fraction(0)) + notional
            heat += loss
            cash -= notional if long else 0
        return cash, heat, exposure, by_class

    def _allowed(self, event: RiskEvent, order: Order, position: Position | None) -> None:
        asset, books, symbol = self.params.assets[order.symbol], event.portfolio, order.symbol
        assert symbol in self.enabled
        assert order.asset_class == asset.asset_class
        assert asset.asset_class in self.classes
        assert asset.role != "research_only" or symbol in self.promoted
        assert not {subject for subject, _ in self.flags} & {symbol, asset.asset_class, "all"}
        assert symbol not in self.params.restricted
        assert ("long" if order.side == "buy" else "short") in asset.sides
        assert symbol not in books.stale
        assert symbol not in {one.symbol for one in books.suspect}
        assert symbol not in {one[0] for one in self.waiting.values()}
        assert symbol not in books.working_symbols
        rest = self.params.settings.cooldown_bars * timedelta(hours=1)
        assert symbol not in self.stopped or self.stopped[symbol] + rest <= books.ts
        if position is not None:
            assert (position.quantity > 0) == (order.side == "buy"), "an entry never turns a position around"
            off = abs(exact(order.reference_price) / exact(position.mark_price) - 1)
            assert off <= exact(self.params.settings.price_collar)
        assert order.stop_price is not None
        assert order.target_price is not None
        loss = self._loss(order, exact(order.stop_price)) / exact(order.reference_price)
        assert 0 < loss <= exact(asset.stop_loss) + Fraction(1, 100)  # 8 places are coarse at 0.000001
        assert self._loss(order, exact(order.target_price)) < 0

    def _loss(self, order: Order, price: Fraction) -> Fraction:
        gap = exact(order.reference_price) - price
        return max(gap, Fraction(-(10**30))) if order.side == "buy" else -gap

    def _fits(self, t: Target, order: Order, ts: Any) -> bool:
        """Whether the order is what this target wants, and the target is one that may be followed."""
        sign = 1 if order.side == "buy" else -1
        if t.symbol != order.symbol or t.weight is None or not 0 < t.weight * sign <= 2:
            return False
        if t.asset_class != order.asset_class or t.action != ("BUY" if sign > 0 else "SELL"):
            return False
        if not all(v is None or (math.isfinite(v) and v >= 0) for v in (t.volatility, t.usual_volatility)):
            return False
        if t.trained_at is not None and not timedelta(0) <= ts - t.trained_at <= timedelta(days=100):
            return False
        return math.isfinite(t.close) and abs(exact(t.close) - exact(order.reference_price)) <= SLACK

    def _volatility(self, fitting: list[Target], before: Fraction, notional: Fraction) -> None:
        """The wanted position shrinks by usual / current volatility, at most to a quarter."""
        fractions = []
        for t in fitting:
            assert t.weight is not None
            if t.volatility is None or t.usual_volatility is None or t.volatility <= t.usual_volatility:
                return
            fractions.append((max(t.usual_volatility / t.volatility, 0.25), abs(t.weight)))
        largest = max(share for share, _ in fractions)
        asked = before + notional / Fraction(repr(largest))
        assert notional <= asked

    def _within(
        self, order: Order, notional: Fraction, equity: Fraction, cash: Fraction, heat: Fraction,
        exposure: dict[str, Fraction], by_class: dict[str, Fraction], clusters: tuple[tuple[str, ...], ...],
    ) -> None:  # fmt: skip
        limits, asset = self.params.settings, self.params.assets[order.symbol]
        slack = SLACK + exact(order.reference_price) * Fraction(1, 10**7)
        assert notional <= exact(limits.max_order_notional) + slack
        assert order.quantity <= limits.max_order_quantity
        assert (
            asset.notional_per_trade is None or notional <= exact(asset.notional_per_trade) * self._own(order) + slack
        )
        assert cash >= -slack
        assert heat <= equity * exact(limits.max_heat) + slack
        assert sum(exposure.values()) <= equity * exact(limits.max_leverage) + slack
        if asset.max_position is not None:
            largest = exact(asset.max_position) * exact(asset.risk_multiplier) * self._own(order)
            assert exposure[order.symbol] <= equity * largest + slack
        share = exact(self.params.class_weights[asset.asset_class])
        if len(self.classes) > 1:
            share = min(share, exact(limits.max_class_weight))
        if share < 1:
            assert by_class[asset.asset_class] <= equity * share + slack
        for cluster in clusters:
            if order.symbol in cluster:
                together = sum(exposure.get(symbol, Fraction(0)) for symbol in set(cluster))
                assert together <= equity * exact(limits.max_correlated) + slack

    def _own(self, order: Order) -> Fraction:
        """The share of its own limits that an observed asset has."""
        whole = order.symbol not in self.observed or self.params.assets[order.symbol].role == "observation"
        return Fraction(1) if whole else Fraction(1, 2)

    def _nothing_kept_in(self, event: RiskEvent, said: OrdersDecided, held: dict[str, Position]) -> None:
        """Whatever is to be left is left, and whatever is to be smaller is not refused."""
        made = {o.symbol: o for o in said.orders}
        for symbol, p in held.items():
            expired = p.expires_at is not None and p.expires_at <= event.portfolio.ts
            weights = [t.weight for t in event.targets.targets if t.symbol == symbol and t.weight is not None]
            away = [w for w in weights if w == 0 or (math.isfinite(w) and (w > 0) != (p.quantity > 0))]
            sound = p.quantity.is_finite() and p.quantity != 0
            if expired or away or (symbol in self.winding and sound):
                assert made[symbol].reduce_only
                assert made[symbol].quantity == abs(p.quantity)
        if event.portfolio.equity.is_finite() and event.portfolio.cash.is_finite():
            self._shrunk(event, made, held)

    def _shrunk(self, event: RiskEvent, made: dict[str, Order], held: dict[str, Position]) -> None:
        equity = max(exact(event.portfolio.equity), Fraction(0))
        settings = self.params.settings
        for t in event.targets.targets:
            p = held.get(t.symbol)
            if p is None or t.weight is None or not math.isfinite(t.weight):
                continue
            wanted, has = equity * abs(exact(t.weight)), abs(exact(p.market_value))
            much = has - wanted >= exact(settings.min_order_notional)
            if much and has - wanted > wanted * exact(settings.rebalance_band):
                assert made[t.symbol].reduce_only
                left = (abs(exact(p.quantity)) - exact(made[t.symbol].quantity)) * exact(p.mark_price) * exact(p.fx)
                assert left <= wanted + SLACK + exact(p.mark_price) * Fraction(1, 10**7)
