"""What a feature is: one line of the table that every module of this package adds to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from services.inference.features.frame import Frame
from services.inference.series import Floats

Source = Literal["own candles", "leader", "dominance", "social", "indicator", "clock"]


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One column: what it is in words, what it reads, how many bars it looks back (its own included), and its unit."""

    name: str
    formula: str
    source: Source
    bars: int
    unit: str
    of: Callable[[Frame], Floats | float]
    """Computes it, (assets, bars) or broadcast to that; NaN where the source knows nothing."""
    seconds: int = 0
    """How long before the close a value may have become known to count: for what is not counted in bars."""
