"""Exact money: the ledger's decimals, and the one place where floats become decimals."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

PLACES = Decimal("0.00000001")
"""Prices, quantities and amounts have 8 decimal places, as ``numeric(28, 8)`` in SQL."""

ZERO = Decimal("0E-8")

_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_DOWN = Context(prec=60, rounding=ROUND_FLOOR)
_UP = Context(prec=60, rounding=ROUND_CEILING)


def money(value: Decimal | float | int | str) -> Decimal:
    """Convert to 8 decimal places, half to even; floats by their shortest exact representation."""
    if type(value) is float:
        value = repr(value)
    return _EXACT.quantize(Decimal(value), PLACES)


def times(a: Decimal, b: Decimal) -> Decimal:
    """Multiply, rounded to 8 places half to even."""
    return _EXACT.quantize(_EXACT.multiply(a, b), PLACES)


def ratio(a: Decimal, b: Decimal) -> Decimal:
    """Divide, rounded to 8 places half to even; ``b`` must not be zero."""
    return _EXACT.quantize(_EXACT.divide(a, b), PLACES)


def floor(value: Decimal, step: Decimal = PLACES) -> Decimal:
    """Round down to a multiple of ``step`` (a power of ten), for quantities that must be affordable."""
    return _DOWN.quantize(_DOWN.quantize(value, step), PLACES)


def share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Return ``amount * part / whole`` in one rounding; all of ``amount`` when ``part`` equals ``whole``."""
    return amount if part == whole else _EXACT.quantize(_EXACT.divide(_EXACT.multiply(amount, part), whole), PLACES)
