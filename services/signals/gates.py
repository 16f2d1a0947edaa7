"""What the strategy profile lets through: regime, confidence bucket, side. Pure.

Gates are asked about entries only; leaving a position is never gated.
"""

from services.domain.assets import Asset
from services.domain.regimes import UNCLASSIFIED
from services.signals.entry import Entry, short_name
from services.signals.settings import Parts


def outside_profile(symbol: str, asset: Asset, regime: str, bucket: int, parts: Parts) -> str | None:
    """Say what keeps the moment out of the profile's cells; None where it is in one, or the asset has no profile.

    Without the part ``regimes`` the buckets of all its regimes count; without ``buckets`` all buckets of its regimes.
    """
    profile = asset.profile
    if profile is None:
        return None
    name = short_name(symbol, asset)
    if parts.regimes and regime not in profile.cells:
        known = "regime is not known yet" if regime == UNCLASSIFIED else f"regime is {regime}"
        return f"{known}; {name}'s profile trades {_words(tuple(profile.cells))}"
    if not parts.buckets:
        return None
    if parts.regimes:
        allowed: tuple[int, ...] = profile.cells[regime]  # type: ignore[index]
        where = f" in {regime}"
    else:
        cells = profile.cells.values()
        allowed = () if not all(cells) else tuple(sorted({one for cell in cells for one in cell}))
        where = ""
    if not allowed or bucket in allowed:
        return None
    return f"confidence bucket is {bucket}; {name}'s profile trades {_words(allowed)}{where}"


def profile_gate(entry: Entry, parts: Parts) -> str | None:
    """Keep entries to the regimes and buckets of the asset's profile."""
    f = entry.forecast
    return outside_profile(f.symbol, entry.asset, entry.reading.regime, f.bucket, parts)


def side_gate(entry: Entry) -> str | None:
    """Keep entries to the side that the profile's cells are for."""
    profile, side = entry.asset.profile, "long" if entry.long else "short"
    if profile is None or profile.sides is None or side in profile.sides:
        return None
    return f"{entry.name}'s profile trades {_words(profile.sides)} only"


def _words(names: tuple[object, ...]) -> str:
    *first, last = (str(name) for name in names)
    return f"{', '.join(first)} and {last}" if first else last
