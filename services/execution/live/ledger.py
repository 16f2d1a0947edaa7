"""The live account's books: every execution once, in the order of its time, on the same ledger as paper. Pure.

What is held, and what cash there should be, follows from the stored fills and charges alone. A report that comes late
is sorted in by building the books anew, so they never depend on the order in which replies arrived.
"""

from collections.abc import Iterable
from decimal import Decimal
from uuid import uuid5

from services.contracts.books import PAR
from services.contracts.messages import CHLOE_NAMESPACE, Fill, FillReason, Side
from services.domain.money import ZERO, convert, exchange_rate, money, times
from services.execution.book import Book, apply_fill, open_book
from services.execution.live.state import Account, StoredCharge, StoredFill

CLOSED: dict[Side, Side] = {"buy": "sell", "sell": "buy"}


class LiveLedger:
    """One account's executions and charges; grows by whatever is new, whatever is known changes nothing."""

    def __init__(self, account: Account, classes: dict[str, str]) -> None:
        self.account = account
        self.classes = classes
        """Asset class by symbol."""
        self.fills: dict[str, StoredFill] = {}
        self.charges: dict[str, StoredCharge] = {}
        self.book: Book = open_book(account.opening_cash)
        self.told = ZERO
        """Profit as the broker booked it, less fees: what changes a margin account's cash."""
        self._last: tuple[object, str] | None = None

    def held(self, symbol: str) -> Decimal:
        """Signed quantity of an asset."""
        holding = self.book.positions.get(symbol)
        return ZERO if holding is None else holding.quantity

    def positions(self) -> dict[str, Decimal]:
        """Signed quantities of all that is held."""
        return {symbol: holding.quantity for symbol, holding in self.book.positions.items()}

    def expected_cash(self) -> Decimal:
        """What the broker's balance should be."""
        charged = sum((c.charge.amount for c in self.charges.values()), ZERO)
        if self.account.basis == "margin":
            return self.account.opening_cash + self.told + charged
        return self.book.cash + charged

    def enter(self, fills: Iterable[StoredFill]) -> None:
        """Enter executions that are not known yet; those of others are remembered only."""
        new = [f for f in fills if f.fill.id not in self.fills]
        self.fills |= {f.fill.id: f for f in new}
        ours = sorted((f for f in new if f.order_id is not None), key=_key)
        if not ours:
            return
        if self._last is not None and _key(ours[0]) < self._last:
            self.book, self.told = open_book(self.account.opening_cash), ZERO
            ours = sorted((f for f in self.fills.values() if f.order_id is not None), key=_key)
        for one in ours:
            self._book(one)
        self._last = _key(ours[-1])

    def charge(self, charges: Iterable[StoredCharge]) -> None:
        """Enter movements of cash that are not known yet."""
        for one in charges:
            self.charges.setdefault(one.charge.id, one)

    def _book(self, stored: StoredFill) -> None:
        fill = stored.fill
        before = self.book.realised_pnl
        price = money(fill.price)
        self._apply(stored, "", fill.side, fill.quantity, price, fill.fee)
        if fill.withheld:  # as if the units that the broker kept were sold to pay it
            self._apply(
                stored, "fee", CLOSED[fill.side], fill.withheld, price, convert(times(fill.withheld, price), fill.rate)
            )
        realised = self.book.realised_pnl - before if fill.realised is None else fill.realised
        self.told += realised - fill.fee

    def _apply(
        self, stored: StoredFill, part: str, side: Side, quantity: Decimal, price: Decimal, fee: Decimal
    ) -> None:
        """Apply one execution; one that turns the position is entered as the closing and the opening part of it."""
        symbol = stored.fill.symbol
        held = self.held(symbol)
        closing = min(abs(held), quantity) if (held > 0) != (side == "buy") and held else ZERO
        if ZERO < closing < quantity:
            part_fee = times(fee, closing / quantity)
            self._one(stored, f"{part}close", side, closing, price, part_fee)
            self._one(stored, f"{part}open", side, quantity - closing, price, fee - part_fee)
        else:
            self._one(stored, part, side, quantity, price, fee)

    def _one(self, stored: StoredFill, part: str, side: Side, quantity: Decimal, price: Decimal, fee: Decimal) -> None:
        fill = stored.fill
        reason: FillReason = "entry" if (self.held(fill.symbol) >= 0) == (side == "buy") else "exit"
        entry = Fill(
            id=uuid5(CHLOE_NAMESPACE, f"live|{self.account.id}|fill|{fill.id}|{part}"),
            order_id=stored.order_id,
            symbol=fill.symbol,
            asset_class=self.classes.get(fill.symbol, "unknown"),
            side=side,
            quantity=money(quantity),
            price=price,
            fee=money(fee),
            slippage=ZERO,
            reason=reason,
            filled_at=fill.at,
            fx=PAR if fill.rate == 1 else exchange_rate(fill.rate),
        )
        self.book, _ = apply_fill(self.book, entry, None)


def _key(stored: StoredFill) -> tuple[object, str]:
    return stored.fill.at, stored.fill.id
