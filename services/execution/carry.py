"""What holding a position costs: funding of perpetuals, borrowing for shorts, financing overnight. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.contracts.books import Charge, ChargeKind
from services.contracts.messages import decision_id
from services.domain.candles import epoch
from services.domain.money import RATE_PLACES, convert, times
from services.execution.book import Book, Holding, apply_charge

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Term:
    """One cost of holding: ``rate`` of the notional at every due moment; negative pays the holder."""

    kind: ChargeKind
    rate: Decimal
    every_hours: int
    at_hour: int
    """UTC hour of one of the due moments; the others follow every ``every_hours``."""

    def moments(self, since: datetime, until: datetime) -> int:
        """Count the due moments in (since, until]."""
        step, begin = self.every_hours * HOUR, self.at_hour * HOUR
        return (epoch(until) - begin) // step - (epoch(since) - begin) // step


@dataclass(frozen=True, slots=True)
class Terms:
    """What a long and a short position cost to hold; None: nothing."""

    long: Term | None = None
    short: Term | None = None


@dataclass(frozen=True, slots=True)
class Carry:
    """The terms by class, and those of single assets, which stand instead of their class's."""

    classes: Mapping[str, Terms]
    assets: Mapping[str, Terms]

    def of(self, held: Holding) -> Term | None:
        """Return what this position costs to hold."""
        terms = self.assets.get(held.symbol) or self.classes.get(held.asset_class)
        if terms is None:
            return None
        return terms.long if held.quantity > 0 else terms.short


NO_CARRY = Carry({}, {})


def charge_all(book: Book, ts: datetime, carry: Carry) -> tuple[Book, tuple[Charge, ...]]:
    """Charge every position that is held at the end of the slice for the moments since it was opened or charged."""
    made: list[Charge] = []
    for held in book.positions.values():
        term = carry.of(held)
        if term is None:
            continue
        since = held.opened_at if book.last_slice is None else max(held.opened_at, book.last_slice)
        count = term.moments(min(since, ts), ts)
        if count > 0:
            made.append(_charge(held, term, count, ts))
    for charge in made:
        book = apply_charge(book, charge)
    return book, tuple(made)


def yearly(rate: Decimal, every_hours: int) -> Decimal:
    """Bring a rate a year (of 365 days) to one due moment."""
    return (rate * every_hours / (365 * 24)).quantize(RATE_PLACES)


def _charge(held: Holding, term: Term, count: int, ts: datetime) -> Charge:
    notional = convert(times(abs(held.quantity), held.mark_price), held.fx)
    rate = (term.rate * count).quantize(RATE_PLACES)
    return Charge(
        id=decision_id(ts, "carry", f"{held.symbol}|{term.kind}"),
        symbol=held.symbol,
        asset_class=held.asset_class,
        kind=term.kind,
        notional=notional,
        rate=rate,
        amount=times(notional, rate),
    )
