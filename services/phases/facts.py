"""What gates and floors are judged by, all of it as of one moment. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from services.phases.record import Record


@dataclass(frozen=True, slots=True)
class Facts:
    """The measured record and the platform's state; what is not named is as if nothing were known of it."""

    record: Record
    active_phases: Collection[str] = ()
    enabled: Collection[str] = ()
    configured: Mapping[str, bool] = field(default_factory=dict)
    """By asset class, whether one of its sources is configured."""
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By asset class, the sources that would do."""
    classes: Mapping[str, str] = field(default_factory=dict)
    """By symbol, its asset class: a flag on a class blocks all of it."""
    tiers: Mapping[str, int | None] = field(default_factory=dict)
    fresh: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """By symbol, the share of each of the newest days' slices that had a bar of it, oldest first."""
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By subject (a symbol, a class, ``all``), the flags that block it and are up."""
    mixes: Mapping[str, Mapping[tuple[str, int], float]] = field(default_factory=dict)
    """By symbol, the shares of regimes and buckets that research expects of its trades."""
    audits: Mapping[str, bool] = field(default_factory=dict)
    """By symbol, whether its newest audit for live, not too old, says ready."""
    equity: Decimal | None = None
    """In the account, account currency."""
