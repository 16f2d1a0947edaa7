"""What must hold of the books after every slice, whoever made the orders."""

from collections.abc import Iterable
from decimal import Context, Decimal

from decision_cases import Step

from services.contracts.messages import Fill, PortfolioSettled, SliceClosed, Trade
from services.domain.money import PLACES, ZERO, floor, money
from services.execution.book import Book, imbalance

PARTICIPATION = Decimal("0.10")
EXACT = Context(prec=60)


class Auditor:
    """Keeps its own count of quantities and money beside the ledger and compares after every slice."""

    def __init__(self, starting_cash: Decimal) -> None:
        self.starting_cash = starting_cash
        self.cash = starting_cash
        self.carry = ZERO
        self.paid = ZERO
        """What the fills themselves say of the cash."""
        self.held: dict[str, Decimal] = {}
        self.cost: dict[str, tuple[Decimal, Decimal]] = {}
        """In the account's currency, and in that of the prices."""
        self.ids: set[object] = set()
        self.trades: list[Trade] = []
        self.slices = 0

    def check(self, closed: SliceClosed, book: Book, settled: PortfolioSettled) -> None:
        self.slices += 1
        for split in closed.splits:  # no fill says that a quantity changed, and no money moves
            before = self.held.get(split.symbol, ZERO)
            after = money(before * split.new / split.old)
            self.held[split.symbol] = after if after or not before else PLACES.copy_sign(before)
        for fill in settled.fills:
            self._fill(fill)
        for charge in settled.charges:
            self._new(charge.id)
            assert charge.amount == money(charge.notional * charge.rate)
            self.cash -= charge.amount
            self.carry += charge.amount
        for trade in settled.trades:
            self._new(trade.id)
            self.trades.append(trade)
        self._books(book, settled)
        self._bars(closed, settled)

    def _fill(self, fill: Fill) -> None:
        self._new(fill.id)
        assert fill.quantity > 0
        assert fill.fee >= 0
        before = self.held.get(fill.symbol, ZERO)
        after = before + (fill.quantity if fill.side == "buy" else -fill.quantity)
        assert before * after >= 0, f"{fill} crosses flat from {before}"
        if fill.reason in ("reduce", "exit", "flatten", "max_hold", "stop", "target"):
            assert abs(after) < abs(before)
        self.held[fill.symbol] = after
        assert fill.cash is not None
        self.paid += fill.cash - fill.fee
        self.cash -= fill.fee
        value = money((after - before) * fill.price)
        cost, basis = self.cost.get(fill.symbol, (ZERO, ZERO))
        if abs(after) > abs(before):
            paid = money(EXACT.multiply(value, fill.fx))
            self.cash -= paid
            self.cost[fill.symbol] = (cost + paid, basis + value)
            return
        part = EXACT.divide(fill.quantity, abs(before))
        gone = (cost, basis) if after == 0 else (self._part(cost, fill, before), self._part(basis, fill, before))
        assert abs(gone[0] - cost * part) < Decimal("0.00000002")
        self.cash += gone[0] + money(EXACT.multiply(-value - gone[1], fill.fx))
        self.cost[fill.symbol] = (cost - gone[0], basis - gone[1])

    @staticmethod
    def _part(amount: Decimal, fill: Fill, before: Decimal) -> Decimal:
        return money(EXACT.divide(EXACT.multiply(amount, fill.quantity), abs(before)))

    def _new(self, name: object) -> None:
        assert name not in self.ids, f"{name} was used before"
        self.ids.add(name)

    def _books(self, book: Book, settled: PortfolioSettled) -> None:
        worth = sum((p.market_value for p in settled.positions), ZERO)
        for p in settled.positions:
            cost, basis = self.cost[p.symbol]
            assert p.cost == cost
            result = money(EXACT.multiply(money(EXACT.multiply(p.quantity, p.mark_price)) - basis, p.fx))
            assert p.market_value == cost + result
        assert imbalance(book) == 0
        assert settled.cash == self.cash == book.cash
        assert settled.cash + worth == settled.equity
        ways = settled.starting_cash + settled.realised_pnl + settled.unrealised_pnl - settled.fees - settled.carry
        assert ways == settled.equity
        assert settled.carry == self.carry == book.carry
        assert settled.cash == self.starting_cash + self.paid - self.carry
        assert settled.starting_cash == self.starting_cash
        assert {p.symbol: p.quantity for p in settled.positions} == {s: q for s, q in self.held.items() if q}
        for amount in (settled.cash, settled.equity, settled.realised_pnl, settled.unrealised_pnl, settled.fees):
            assert amount == money(amount), f"{amount} has more than 8 places"
        closed_pnl = sum((t.pnl for t in self.trades), ZERO)
        running = sum((h.realised - h.fees - h.carry for h in book.positions.values()), ZERO)
        assert closed_pnl + running == settled.realised_pnl - settled.fees - settled.carry

    def _bars(self, closed: SliceClosed, settled: PortfolioSettled) -> None:
        bars = {bar.symbol: bar for bar in closed.bars}
        assert set(settled.stale) == {p.symbol for p in settled.positions} - bars.keys()
        taken: dict[str, Decimal] = {}
        for fill in settled.fills:
            bar = bars[fill.symbol]  # nothing fills without a bar
            low, high = money(bar.low), money(bar.high)
            taken[fill.symbol] = taken.get(fill.symbol, ZERO) + fill.quantity
            if fill.liquidity == "maker":
                assert low <= fill.price <= high
                assert fill.slippage == 0
                continue
            costs = fill.slippage / fill.quantity / fill.fx if fill.quantity > Decimal("0.001") else None
            traded = fill.price - (costs or ZERO) if fill.side == "buy" else fill.price + (costs or ZERO)
            if costs is not None:
                assert low - Decimal("0.0001") <= traded <= high + Decimal("0.0001"), "a price the bar never traded"
        for symbol, quantity in taken.items():
            assert quantity <= floor(money(bars[symbol].volume) * PARTICIPATION)


def audit(steps: Iterable[Step], starting_cash: Decimal) -> tuple[Auditor, list[Step]]:
    auditor, kept = Auditor(starting_cash), []
    for step in steps:
        auditor.check(step.closed, step.book, step.portfolio)
        kept.append(step)
    return auditor, kept
