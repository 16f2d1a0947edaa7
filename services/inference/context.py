"""What an asset's features read besides its own candles: other assets' prices, and values that are not prices."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.inference.series import Candles, Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """One series of values: when each could be known (m,), ascending epoch seconds, and what it was (m,)."""

    available: Ints
    value: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """Everything beside the asset's own candles. What is absent makes its features NaN, never the row invalid."""

    leaders: tuple[Candles, ...] = ()
    """The one or two assets that lead the class, never the asset itself, the most important first."""
    values: Mapping[str, Observed] = field(default_factory=dict)
    """By name: ``btc_dominance``, ``usdt_dominance``, ``sentiment``, ``mentions``, ``vix``, and so on."""


NOTHING = Context()
