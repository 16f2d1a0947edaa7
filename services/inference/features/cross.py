"""The asset beside the assets that lead its class. A bar of a leader is the one that opens at the same time."""

from collections.abc import Callable

import numpy as np

from services.inference import rolling
from services.inference.features.frame import Frame, Leader
from services.inference.features.spec import FeatureSpec
from services.inference.rolling import log_ratio, ratio
from services.inference.series import Floats

PREFIXES = ("leader", "second")
SAID = ("the first leader's", "the second leader's")


def _beside(place: int, name: str, formula: str, bars: int, unit: str, of: Callable[[Leader], Floats]) -> FeatureSpec:
    def of_frame(frame: Frame) -> Floats | float:
        leader = frame.leaders[place]
        return np.nan if leader is None else of(leader)

    return FeatureSpec(f"{PREFIXES[place]}_{name}", formula.format(SAID[place]), "leader", bars, unit, of_frame)


def _return(place: int, bars: int) -> FeatureSpec:
    formula = "{} step" if bars == 1 else f"sum of {{}} steps over {bars} bars"
    return _beside(place, f"return_{bars}", formula, bars + 1, "log return", lambda one: one.steps.of(bars))


def _beta_of(one: Leader, bars: int) -> Floats:
    return ratio(one.covariance(bars), rolling.variance(one.steps.mean(bars), one.squares.mean(bars)))


def _beta(place: int, bars: int) -> FeatureSpec:
    formula = f"covariance of the asset's steps and {{}} / variance of the latter over {bars} bars; 0 when flat"
    return _beside(place, f"beta_{bars}", formula, bars + 1, "ratio", lambda one: _beta_of(one, bars))


def _correlation(place: int, bars: int) -> FeatureSpec:
    def of(one: Leader) -> Floats:
        own = rolling.variance(one.own.steps.mean(bars), one.own.squares.mean(bars))
        theirs = rolling.variance(one.steps.mean(bars), one.squares.mean(bars))
        return np.minimum(np.maximum(ratio(one.covariance(bars), np.sqrt(own * theirs)), -1.0), 1.0)

    formula = f"Pearson's correlation of the asset's steps and {{}} over {bars} bars; 0 when flat"
    return _beside(place, f"correlation_{bars}", formula, bars + 1, "share", of)


def _relative(place: int, bars: int) -> FeatureSpec:
    return _beside(
        place,
        f"relative_{bars}",
        f"the asset's log return over {bars} bars less {{}}",
        bars + 1,
        "log return",
        lambda one: one.own.back(bars) - one.steps.of(bars),
    )


FEATURES: tuple[FeatureSpec, ...] = (
    *(_return(0, bars) for bars in (1, 3, 6, 12, 24)),
    *(_beta(0, bars) for bars in (72, 168)),
    *(_correlation(0, bars) for bars in (24, 72, 168)),
    _beside(
        0,
        "residual_24",
        "the asset's log return over 24 bars less {} times the beta of 168 bars",
        169,
        "log return",
        lambda one: one.own.back(24) - _beta_of(one, 168) * one.steps.of(24),
    ),
    *(_relative(0, bars) for bars in (24, 168)),
    _beside(
        0,
        "volatility_ratio_24",
        "ln(the asset's volatility_24 / {}); 0 when either is flat",
        25,
        "log ratio",
        lambda one: log_ratio(one.own.volatility(24), np.sqrt(one.squares.mean(24))),
    ),
    *(_return(1, bars) for bars in (1, 24)),
    _correlation(1, 72),
)
