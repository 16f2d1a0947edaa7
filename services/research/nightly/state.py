"""What nightly research remembers: sums, the forecasts that wait for their outcome, and the day so far. Pure."""

import msgspec

from services.research.nightly.sums import EMPTY, Tally


class Waiting(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A forecast whose outcome is not known yet."""

    number: int
    """Of its bar in the market's sequence."""
    ts: int
    """Epoch seconds of its slice."""
    close: float
    way: int
    """1: it expected a rise, -1: a fall."""
    size: float
    """Of the expected return."""
    cell: int


class AssetState(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """One asset's measurement."""

    since: int
    """Epoch seconds of the open of the first slice that had a bar of it; 0: none has come."""
    horizon: int = 0
    """Bars."""
    measured: str = ""
    of_profile: str = ""
    """What its sums are sums of, and which cells ``profile`` sums over, as :class:`Measure` says it."""
    bars: int = 0
    fresh: int = 0
    """Slices of the day that had a bar of it."""
    waiting: tuple[Waiting, ...] = ()
    cells: dict[int, Tally] = {}
    profile: Tally = EMPTY
    tails: tuple[Tally, ...] = ()
    """For each tried threshold, all forecasts at or above it."""


class ResearchState(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What has been measured so far."""

    timeframe: str = ""
    day_begins: int = 0
    """Epoch seconds of the open of the day's first slice; 0: no slice of it has come."""
    begins: int = 0
    """Epoch seconds of the first slice; 0: none has come."""
    through: int = 0
    """Epoch seconds of the newest slice of the history that it began with; its forecasts are counted already."""
    assets: dict[str, AssetState] = {}
