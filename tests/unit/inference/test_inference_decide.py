import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.messages import ForecastPart
from services.inference import ensemble
from services.inference.decide import Params, Parts, ScoreHistory, combine, decide, percentile, rebuild, remember
from services.inference.ensemble import Blend
from services.inference.settings import EnsembleSettings

ENSEMBLE = EnsembleSettings(
    interval=0.8, history_days=30, min_days=4, prior_slope=0.5, prior_spread=0.3, equal_share=0.5
)
PARAMS = Params(("lightgbm", "lstm"), horizon_hours=12, history=20, at_least=5)
BLEND = Blend({"lightgbm": 0.5, "lstm": 0.5}, slope=1.0, low=-1.0, high=1.5, base=0.1, tilt=0.5, evidence=100.0)
EQUAL = ensemble.equal(PARAMS.counted, ENSEMBLE)


def parts(expected: float, uncertainty: float = 0.02) -> Parts:
    walk = ForecastPart("random_walk", "untrained", 0.0, 0.02)
    return Parts("BTC/USDT", "crypto", 100.0, (walk, ForecastPart("lightgbm", "v", expected, uncertainty)), BLEND)


def test_random_walk_alone_expects_nothing_and_claims_no_confidence() -> None:
    alone = Parts("BTC/USDT", "crypto", 100.0, (ForecastPart("random_walk", "untrained", 0.0, 0.02),), EQUAL)
    full = ScoreHistory((0.1,) * 20, (0.1,) * 20)
    history, forecast = decide(full, alone, PARAMS)
    assert (forecast.expected_return, forecast.confidence, forecast.bucket, forecast.p_up) == (0.0, 0.0, 0, None)
    assert forecast.uncertainty == pytest.approx(0.02)
    assert history == full


def test_confidence_is_zero_until_enough_scores_are_known() -> None:
    history = ScoreHistory()
    for count in range(8):
        history, forecast = decide(history, parts(0.01 * (count + 1)), PARAMS)
        assert forecast.confidence == (1.0 if count >= 5 else 0.0)
        assert forecast.bucket == (9 if count >= 5 else 0)


def test_a_forecast_is_ranked_only_among_those_before_it() -> None:
    history = rebuild([(0.01 * i, 0.02) for i in range(1, 11)], 20)
    _, forecast = decide(history, parts(-0.055), PARAMS)
    assert forecast.confidence == 0.5
    assert forecast.bucket == 5


def test_ties_count_half() -> None:
    history = rebuild([(0.01, 0.02)] * 6, 20)
    assert percentile(history, 0.5, 5) == 0.5


def test_random_walk_weight_shrinks_towards_no_move() -> None:
    expected, uncertainty = combine(parts(0.02, 0.02).parts, {"random_walk": 1.0, "lightgbm": 1.0})
    assert expected == pytest.approx(0.01)
    assert uncertainty == pytest.approx(math.sqrt(0.02**2 + 0.01**2))


def test_absent_models_leave_their_weight_to_the_others() -> None:
    assert combine(parts(0.02).parts, {"lightgbm": 1.0, "later": 5.0})[0] == 0.02
    assert combine(parts(0.02).parts, {})[0] == pytest.approx(0.01)


@given(st.lists(st.floats(-0.1, 0.1), max_size=60))
def test_history_is_rebuilt_from_stored_forecasts_exactly(returns: list[float]) -> None:
    history, stored = ScoreHistory(), []
    for expected in returns:
        history, forecast = decide(history, parts(expected, 0.013), PARAMS)
        stored.append((forecast.expected_return, forecast.uncertainty))
        assert 0.0 <= forecast.confidence <= 1.0
        assert 0 <= forecast.bucket <= 9
    assert history == rebuild(stored, PARAMS.history)
    named = [pair for pair in stored if pair[0] != 0.0]
    assert history == rebuild(named[-PARAMS.history :], PARAMS.history)


@given(st.lists(st.floats(0.001, 1.0), max_size=40), st.integers(1, 10))
def test_only_the_last_scores_are_remembered(scores: list[float], limit: int) -> None:
    history = ScoreHistory()
    for score in scores:
        history = remember(history, score, limit)
    assert history.recent == tuple(scores[-limit:])
    assert history.ordered == tuple(sorted(scores[-limit:]))


def test_the_blend_scales_the_forecast_and_names_who_was_not_heard() -> None:
    event = parts(0.02)
    _, whole = decide(ScoreHistory(), event, PARAMS)
    _, half = decide(ScoreHistory(), replace(event, blend=replace(BLEND, slope=0.5)), PARAMS)
    assert whole.expected_return == pytest.approx(0.02)
    assert half.expected_return == pytest.approx(0.01)
    assert whole.without == ("lstm",)
    assert whole.uncertainty == half.uncertainty


def test_the_interval_counts_deviations_from_the_forecast() -> None:
    _, forecast = decide(ScoreHistory(), parts(0.02), PARAMS)
    assert forecast.low == pytest.approx(0.02 - 1.0 * forecast.uncertainty)
    assert forecast.high == pytest.approx(0.02 + 1.5 * forecast.uncertainty)


def test_p_up_follows_the_sign_of_the_forecast_and_is_unknown_without_a_past() -> None:
    _, up = decide(ScoreHistory(), parts(0.02), PARAMS)
    _, down = decide(ScoreHistory(), parts(-0.02), PARAMS)
    assert up.p_up == pytest.approx(1.0 / (1.0 + math.exp(-(0.1 + 0.5 * 0.02 / up.uncertainty))))
    assert down.p_up is not None
    assert up.p_up is not None
    assert down.p_up < 0.5 < up.p_up
    _, unknown = decide(ScoreHistory(), replace(parts(0.02), blend=EQUAL), PARAMS)
    assert unknown.p_up is None
