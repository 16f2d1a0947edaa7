"""Round to the steps that a broker takes. Pure."""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal

from services.domain.money import ZERO

_CONTEXT = Context(prec=60, rounding=ROUND_DOWN)
_NEAREST = Context(prec=60, rounding=ROUND_HALF_EVEN)


def floor_to(quantity: Decimal, step: Decimal) -> Decimal:
    """Round toward zero to a multiple of ``step`` (any positive number), in the ledger's 8 places."""
    steps = _CONTEXT.divide_int(quantity, step)
    return _CONTEXT.quantize(_CONTEXT.multiply(steps, step), ZERO)


def nearest(price: Decimal, step: Decimal) -> Decimal:
    """Round a price to the nearest multiple of ``step``, half to even, in the ledger's 8 places."""
    steps = _NEAREST.quantize(_NEAREST.divide(price, step), Decimal(1))
    return _NEAREST.quantize(_NEAREST.multiply(steps, step), ZERO)
