"""skfolio's weights among the wanted assets: what they prefer, when the score stands in, the same every time."""

from typing import Literal

import numpy as np
import pytest

from services.domain.errors import ConfigError
from services.kernel.config import load
from services.signals import optimisers
from services.signals.allocation import Wanted, allocate
from services.signals.settings import AllocationSettings, SignalSettings

Optimiser = Literal["risk_parity", "min_cvar", "hrp"]
METHODS: tuple[Optimiser, ...] = ("risk_parity", "min_cvar", "hrp")
SIGNALS = load(SignalSettings, "signals.yaml")


def daily(days: int = 120) -> dict[str, tuple[float, ...]]:
    rng = np.random.default_rng(7)
    market = rng.normal(0, 0.01, days)
    return {
        "CALM": tuple((market + rng.normal(0, 0.005, days)).tolist()),
        "WILD": tuple((2 * market + rng.normal(0, 0.04, days)).tolist()),
        "ALONE": tuple(rng.normal(0, 0.02, days).tolist()),
    }


def divided(method: Optimiser, returns: dict[str, tuple[float, ...]], *shorts: str) -> tuple[dict[str, float], str]:
    wanted = {
        s: Wanted(1.0, -0.01 if s in shorts else 0.01, 0.02, "crypto", "short" if s in shorts else "long")
        for s in returns
    }
    found = allocate(wanted, None, AllocationSettings(method=method), None, {}, returns, bounds=SIGNALS)
    return found.weights, found.notes["CALM"]


@pytest.mark.parametrize("method", METHODS)
def test_calm_assets_get_more_than_wild_ones_within_the_bounds(method: Optimiser) -> None:
    weights, note = divided(method, daily())
    assert weights["CALM"] == max(weights.values()) <= SIGNALS.max_weight + 1e-9
    assert weights.get("WILD", 0.0) < weights["ALONE"]
    assert sum(weights.values()) <= 1 - SIGNALS.min_cash + 1e-9
    assert note == f"gets {weights['CALM']:.1%} of the portfolio by {method.replace('_', ' ')}"


@pytest.mark.parametrize("method", METHODS)
def test_the_same_returns_give_the_same_weights_to_the_last_bit(method: Optimiser) -> None:
    first = divided(method, daily())
    optimisers._optimised.cache_clear()
    assert divided(method, daily()) == first


@pytest.mark.parametrize("method", METHODS)
def test_with_too_few_common_days_the_score_divides_and_says_so(method: Optimiser) -> None:
    returns = daily()
    weights, note = divided(method, {**returns, "WILD": returns["WILD"][:59]})
    assert weights == pytest.approx(dict.fromkeys(returns, 0.8 / 3))
    name = method.replace("_", " ")
    assert note == f"gets 26.7% of the portfolio by score ({name} needs 60 common days, there are 59)"


@pytest.mark.parametrize("flat", [0.0, float("nan")])
def test_returns_that_no_optimiser_can_weigh_leave_it_to_the_score(flat: float) -> None:
    weights, note = divided("min_cvar", {**daily(), "WILD": (flat,) * 120})
    assert weights == pytest.approx(dict.fromkeys(daily(), 0.8 / 3))
    assert note.endswith("by score (min cvar found no weights for these returns)")


def test_a_short_of_what_moves_along_is_worth_more_than_another_long_of_it() -> None:
    rng = np.random.default_rng(3)
    market = rng.normal(0, 0.02, 120)
    returns = {
        "CALM": tuple(market.tolist()),
        "TWIN": tuple((market + rng.normal(0, 0.004, 120)).tolist()),
        "ALONE": tuple(rng.normal(0, 0.02, 120).tolist()),
    }
    hedged, _ = divided("min_cvar", returns, "TWIN")
    assert hedged["TWIN"] + hedged["CALM"] > 0.65  # they cancel each other: nearly all of the budget


def test_one_asset_alone_needs_no_optimiser() -> None:
    weights, _ = divided("hrp", {"CALM": daily()["CALM"]})
    assert weights == pytest.approx({"CALM": 0.45})


def test_without_the_library_the_configuration_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimisers, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"allocation\.method 'hrp' needs skfolio: install chloe-trading\[optimise\]"):
        AllocationSettings(method="hrp")
    with pytest.raises(ConfigError, match=r"allocation\.method 'hrp' needs skfolio"):
        optimisers.relative_weights("hrp", ("CALM",), frozenset(), daily())
    assert AllocationSettings(method="score").method == "score"
