"""State the books and the waiting orders on the terms after a split. Pure.

Nothing is traded: cash, cost, fees and results stay. Quantities and prices are rounded to 8 places half to even, each
once, so what is held is worth what it was but for half of the last place; the ledger's identities do not depend on it.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from services.contracts.messages import Order, OrdersDecided, Split
from services.domain.money import PLACES, share
from services.execution.book import Book, Holding

NOTE = "split "


def restate(book: Book, decided: OrdersDecided | None, splits: Sequence[Split]) -> tuple[Book, OrdersDecided | None]:
    """Return the books and the orders of the slice before on the terms after ``splits``, taken one after the other."""
    for split in splits:
        book = _book(book, split)
        if decided is not None:
            orders = tuple(_order(one, split) if one.symbol == split.symbol else one for one in decided.orders)
            decided = msgspec.structs.replace(decided, orders=orders)
    return book, decided


def splits_of(order: Order) -> tuple[str, ...]:
    """Return what splits have done to an order since it was decided, in words."""
    return tuple(note for note in order.notes if note.startswith(NOTE))


def _book(book: Book, split: Split) -> Book:
    positions, working = dict(book.positions), dict(book.working)
    if split.symbol in positions:
        positions[split.symbol] = _holding(positions[split.symbol], split)
    if split.symbol in working:
        waiting = working[split.symbol]
        order = _order(waiting.order, split)
        filled = min(_units(waiting.filled, split), order.quantity)
        working[split.symbol] = msgspec.structs.replace(waiting, order=order, filled=filled)
    return msgspec.structs.replace(book, positions=positions, working=working)


def _holding(held: Holding, split: Split) -> Holding:
    quantity, left = _units(held.quantity, split), _units(held.left_quantity, split)
    return msgspec.structs.replace(
        held,
        quantity=quantity,
        mark_price=_price(held.mark_price, split),
        stop_price=_level(held.stop_price, split),
        target_price=_level(held.target_price, split),
        peak_quantity=max(_units(held.peak_quantity, split), abs(quantity)),
        entered_quantity=abs(quantity) + left,  # what was entered is what was left and what is held, exactly
        left_quantity=left,
    )


def _order(order: Order, split: Split) -> Order:
    quantity = _units(order.quantity, split)
    return msgspec.structs.replace(
        order,
        quantity=quantity,
        reference_price=_price(order.reference_price, split),
        stop_price=_level(order.stop_price, split),
        target_price=_level(order.target_price, split),
        limit_price=_level(order.limit_price, split),
        trigger_price=_level(order.trigger_price, split),
        notes=(*order.notes, f"{NOTE}{split.new}:{split.old}: {quantity:f} for {order.quantity:f}"),
    )


def _units(quantity: Decimal, split: Split) -> Decimal:
    """Scale a quantity; one that is not zero keeps at least the last place, so that no position vanishes unsold."""
    scaled = share(quantity, Decimal(split.new), Decimal(split.old))
    return scaled if scaled or not quantity else PLACES.copy_sign(quantity)


def _price(price: Decimal, split: Split) -> Decimal:
    return share(price, Decimal(split.old), Decimal(split.new))


def _level(price: Decimal | None, split: Split) -> Decimal | None:
    return None if price is None else _price(price, split)
