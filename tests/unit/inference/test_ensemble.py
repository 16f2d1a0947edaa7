import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.inference import ensemble
from services.inference.ensemble import Past, equal, fit
from services.inference.settings import EnsembleSettings

HORIZON = 12
ASKED = EnsembleSettings(
    interval=0.8, history_days=180, min_days=30, prior_slope=0.5, prior_spread=0.25, equal_share=0.5
)


def past(skill: float, n: int = 12_000, seed: int = 1, wide: float = 1.0) -> Past:
    """Synthetic forecasts: ``good`` knows a share of what comes, ``noise`` nothing; the market's deviation is 2 %."""
    chance = np.random.default_rng(seed)
    walk = np.full(n, 0.02)
    known = chance.normal(0.0, 1.0, n)
    came = walk * (skill * known + math.sqrt(1.0 - skill**2) * chance.normal(0.0, 1.0, n))
    told = {"good": walk * skill * known, "noise": walk * 0.2 * chance.normal(0.0, 1.0, n)}
    return Past(told, dict.fromkeys(told, walk * wide), walk, came)


def test_a_wilder_market_widens_the_interval_and_changes_nothing_else() -> None:
    names = ("good", "noise")
    calm = fit(past(0.2), names, HORIZON, ASKED)
    wild = past(0.2, seed=3, wide=0.5)  # the models' uncertainty is half of what it should be
    after = ensemble.with_interval(calm, wild, ASKED)
    assert after.high == pytest.approx(2.0 * calm.high, rel=0.1)
    assert after.low == pytest.approx(2.0 * calm.low, rel=0.1)
    assert (after.weights, after.slope, after.base, after.tilt) == (calm.weights, calm.slope, calm.base, calm.tilt)


def test_weights_sum_to_one_and_prefer_what_has_erred_less() -> None:
    blend = fit(past(0.3), ("good", "noise"), HORIZON, ASKED)
    assert math.fsum(blend.weights.values()) == pytest.approx(1.0)
    assert blend.weights["good"] > 0.7
    assert blend.weights["noise"] >= ASKED.equal_share / 2


def test_noise_is_scaled_down_and_knowledge_kept() -> None:
    useless = fit(past(0.0), ("noise",), HORIZON, ASKED)
    useful = fit(past(0.4), ("good", "noise"), HORIZON, ASKED)
    assert ensemble.LEAST_SLOPE <= useless.slope < 0.25
    assert useful.slope > 0.8


def test_little_evidence_leaves_the_prior() -> None:
    few = fit(past(0.4, n=120), ("good", "noise"), HORIZON, ASKED)
    assert few.slope == pytest.approx(ASKED.prior_slope, abs=0.12)
    assert few.weights["good"] == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("wide", [0.5, 1.0, 2.0])
def test_the_interval_covers_its_share_however_wrong_the_models_uncertainty(wide: float) -> None:
    names = ("good", "noise")
    blend, later = fit(past(0.2, wide=wide), names, HORIZON, ASKED), past(0.2, seed=2, wide=wide)
    pooled = np.sum([blend.weights[name] * later.expected[name] for name in names], axis=0)
    spread = np.sqrt(
        np.sum(
            [
                blend.weights[name] * (later.uncertainty[name] ** 2 + (later.expected[name] - pooled) ** 2)
                for name in names
            ],
            axis=0,
        )
    )
    low, high = blend.slope * pooled + blend.low * spread, blend.slope * pooled + blend.high * spread
    assert np.mean((later.realised >= low) & (later.realised <= high)) == pytest.approx(0.8, abs=0.02)


def test_p_up_is_calibrated_where_there_is_knowledge_and_even_where_there_is_none() -> None:
    blend, later = fit(past(0.4), ("good",), HORIZON, ASKED), past(0.4, seed=3)
    score = blend.slope * later.expected["good"] / later.uncertainty["good"]
    said = np.array([blend.p_up(one) for one in score.tolist()])
    for low, high in ((0.0, 0.45), (0.45, 0.55), (0.55, 1.0)):
        there = (said >= low) & (said < high)
        assert np.mean(later.realised[there] > 0.0) == pytest.approx(float(said[there].mean()), abs=0.04)
    blind = fit(past(0.0), ("noise",), HORIZON, ASKED)
    assert blind.p_up(blind.slope * 0.2 * 3.0) == pytest.approx(0.5, abs=0.06)


def test_a_model_without_a_past_keeps_an_even_share() -> None:
    blend = fit(past(0.1), ("good", "noise", "new"), HORIZON, ASKED)
    assert blend.weights["new"] >= ASKED.equal_share / 3


def test_rows_without_one_model_are_pooled_from_the_others() -> None:
    whole = past(0.3)
    holes = whole.expected["noise"].copy()
    holes[::2] = np.nan
    blend = fit(
        Past({**whole.expected, "noise": holes}, whole.uncertainty, whole.walk, whole.realised),
        ("good", "noise"),
        HORIZON,
        ASKED,
    )
    assert all(math.isfinite(value) for value in (blend.slope, blend.low, blend.high))


def test_before_any_evidence_all_count_alike_and_p_up_is_unknown() -> None:
    blend = equal(("a", "b", "c", "d"), ASKED)
    assert set(blend.weights.values()) == {0.25}
    assert blend.high == pytest.approx(1.2815515655446004)
    assert blend.low == -blend.high
    assert blend.p_up(1.0) is None


@given(seed=st.integers(0, 50))
def test_dump_and_load_give_the_same_blend(seed: int) -> None:
    blend = fit(past(0.1, n=600, seed=seed), ("good", "noise"), HORIZON, ASKED)
    assert ensemble.load(blend.dump()) == blend
    assert ensemble.load(blend.dump()).dump() == blend.dump()
