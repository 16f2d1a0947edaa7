"""What research measured by a day's end: edges by regime and confidence bucket, tiers, expected mixes."""

from services.contracts.shape import Message, Struct


class EdgeMeasured(Struct, frozen=True, omit_defaults=True):
    """One cell: what following the forecasts in a regime and bucket paid after costs, out of sample. Basis points."""

    symbol: str
    regime: str
    bucket: int
    n: int
    """Forecasts, overlapping ones counted each."""
    edge_bps: float
    low_bps: float | None = None
    """With ``high_bps`` the 95 % interval of the mean, from blocks longer than the horizon."""
    high_bps: float | None = None
    q_value: float | None = None
    """False discovery rate at which it would still be called an edge, all assets' cells together."""


class MixShare(Struct, frozen=True):
    """The share of an asset's forecasts, within its profile, that fell into a regime and bucket."""

    regime: str
    bucket: int
    share: float


class AssetResearch(Struct, frozen=True, omit_defaults=True):
    """One asset's measurement so far."""

    symbol: str
    slices: int
    """Slices of the day."""
    fresh: int
    """Those of them that had a new bar of the asset."""
    n: int = 0
    """Forecasts that the edge rests on."""
    edge_bps: float | None = None
    """Mean over the cells of its profile (all cells where it has none), with its 95 % interval."""
    low_bps: float | None = None
    high_bps: float | None = None
    tier: int | None = None
    """The tier that the measurement speaks for; None: too little is known to say."""
    tier_why: str = ""
    threshold: float | None = None
    """Expected return above which forecasts paid their costs; None: none did, or too little is known."""
    cells: tuple[EdgeMeasured, ...] = ()
    """Only those that stay an edge at a false discovery rate of 5 %."""
    mix: tuple[MixShare, ...] = ()
    """Expected regimes and buckets of its trades; empty while too little is known."""


class ResearchMade(Message, frozen=True, omit_defaults=True):
    """Research's nightly word; ``ts`` is the slice that ended the day."""

    assets: tuple[AssetResearch, ...]
    """In order of symbol."""
