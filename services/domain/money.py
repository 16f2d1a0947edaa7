"""Exact money: the ledger's decimals, and the one place where floats become decimals."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

PLACES = Decimal("0.00000001")
"""Prices, quantities and amounts have 8 decimal places, as ``numeric(28, 8)`` in SQL."""

RATE_PLACES = Decimal("0.000000000001")
"""Exchange rates have 12 decimal places, as ``numeric(28, 12)`` in SQL."""

ZERO = Decimal("0E-8")

_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_DOWN = Context(prec=60, rounding=ROUND_FLOOR)
_UP = Context(prec=60, rounding=ROUND_CEILING)

# Looked up once: these are called for every price of every bar.
_read, _quantize, _multiply, _divide = _EXACT.create_decimal, _EXACT.quantize, _EXACT.multiply, _EXACT.divide


def money(value: Decimal | float | int | str) -> Decimal:
    """Convert to 8 decimal places, half to even; floats by their shortest exact representation."""
    if type(value) is float:
        return _quantize(_read(repr(value)), PLACES)
    return _quantize(Decimal(value), PLACES)


def times(a: Decimal, b: Decimal) -> Decimal:
    """Multiply, rounded to 8 places half to even."""
    return _quantize(_multiply(a, b), PLACES)


def ratio(a: Decimal, b: Decimal) -> Decimal:
    """Divide, rounded to 8 places half to even; ``b`` must not be zero."""
    return _quantize(_divide(a, b), PLACES)


def floor(value: Decimal, step: Decimal = PLACES) -> Decimal:
    """Round down to a multiple of ``step`` (a power of ten), for quantities that must be affordable."""
    return _DOWN.quantize(_DOWN.quantize(value, step), PLACES)


def share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Return ``amount * part / whole`` in one rounding; all of ``amount`` when ``part`` equals ``whole``."""
    return amount if part == whole else _quantize(_divide(_multiply(amount, part), whole), PLACES)


def exchange_rate(value: Decimal | float | int | str, *, inverse: bool = False) -> Decimal:
    """Convert to a rate of 12 decimal places, half to even; ``inverse`` takes one divided by ``value``."""
    exact = Decimal(repr(value) if type(value) is float else value)
    return _quantize(_divide(Decimal(1), exact) if inverse else exact, RATE_PLACES)


def convert(amount: Decimal, rate: Decimal) -> Decimal:
    """Change an amount into account currency, rounded to 8 places half to even; at par it stays what it is."""
    return amount if rate == 1 else _quantize(_multiply(amount, rate), PLACES)
