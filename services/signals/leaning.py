"""Which way a forecast leans: its threshold, its strength, and what paper explores below the threshold. Pure.

The threshold of an asset is the declared one (BTC 0.30 %, ETH 0.60 %, SOL 0.75 %); else it follows the asset's own
volatility: ``threshold_in_uncertainties`` times the forecast's uncertainty, which is the standard deviation of the
return over the horizon.
"""

from dataclasses import dataclass

from services.contracts.messages import Action, ConfidenceLevel, Forecast, Strength
from services.domain.assets import Asset
from services.signals.gates import outside_profile
from services.signals.settings import SignalSettings

EXPLORES = "explores on paper"
"""How the reason of such a signal begins."""


@dataclass(frozen=True, slots=True)
class Leaning:
    """What a forecast says by itself, before anything is asked of the market or of the asset's rules."""

    action: Action
    threshold: float
    reasons: tuple[str, ...]
    explores: bool = False
    """Below the threshold: on paper only, at the smallest weight, and never a reason to leave a position."""
    strong: bool = False

    @property
    def strength(self) -> Strength:
        """The action, STRONG where it is."""
        if self.action == "HOLD" or not self.strong:
            return self.action
        return "STRONG_BUY" if self.action == "BUY" else "STRONG_SELL"

    @property
    def held_back(self) -> tuple[str, ...]:
        """The reasons, where nothing comes of them."""
        return tuple(reason.replace(EXPLORES, "would else explore on paper", 1) for reason in self.reasons)


def threshold_of(f: Forecast, asset: Asset, settings: SignalSettings) -> float:
    """Return the log return from which on a forecast is a signal."""
    return asset.threshold if asset.threshold is not None else settings.threshold_in_uncertainties * f.uncertainty


def lean(f: Forecast, asset: Asset, regime: str, settings: SignalSettings) -> Leaning:
    """Compare a forecast with its threshold and its confidence with the least that is asked."""
    threshold = threshold_of(f, asset, settings)
    least = settings.min_confidence if asset.profile is None else asset.profile.min_confidence
    if f.confidence < least:
        return Leaning("HOLD", threshold, (f"confidence {f.confidence:.2f} is below {least:.2f}",))
    expected = f"{f.expected_return:+.3%} in {f.horizon_hours} h"
    size = abs(f.expected_return)
    if size >= threshold:
        strong = f.confidence >= settings.high_confidence and size >= settings.strong_in_thresholds * threshold
        if f.expected_return >= threshold:
            return Leaning("BUY", threshold, (f"expects {expected}, at least {threshold:.3%}",), strong=strong)
        return Leaning("SELL", threshold, (f"expects {expected}, at most -{threshold:.3%}",), strong=strong)
    within = f"expects {expected}, within ±{threshold:.3%}"
    if settings.paper_exploration is None or f.expected_return == 0.0:
        return Leaning("HOLD", threshold, (within,))
    why, why_not = _explores(f, asset, regime, settings, settings.paper_exploration.min_confidence)
    if why is None:
        return Leaning("HOLD", threshold, (within,) if why_not is None else (why_not, within))
    text = f"{EXPLORES}: expects {expected}, below {threshold:.3%}, but {why}"
    return Leaning("BUY" if f.expected_return > 0.0 else "SELL", threshold, (text,), explores=True)


def level_of(confidence: float, settings: SignalSettings) -> ConfidenceLevel:
    """Name a confidence."""
    if confidence >= settings.high_confidence:
        return "HIGH"
    return "MEDIUM" if confidence >= settings.medium_confidence else "LOW"


def _explores(
    f: Forecast, asset: Asset, regime: str, settings: SignalSettings, min_confidence: float
) -> tuple[str | None, str | None]:
    """Say why a forecast below its threshold is tried out on paper, or why it is not, where there is more to say.

    An asset whose profile names buckets is tried out in its own cells, whatever its expectation's size; another one by
    its most confident forecasts.
    """
    if asset.profile is not None and asset.profile.names_buckets:
        refusal = outside_profile(f.symbol, asset, regime, f.bucket, settings.parts)
        return (f"{regime} and bucket {f.bucket} are its profile's", None) if refusal is None else (None, refusal)
    own = None if asset.profile is None else asset.profile.explore_confidence
    least = min_confidence if own is None else own
    if f.confidence >= least:
        return f"confidence {f.confidence:.2f} is at least {least:.2f}", None
    return None, None
