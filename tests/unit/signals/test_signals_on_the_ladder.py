"""What phases say of an asset's place on the ladder, in signals: observation size, and research's cells."""

import msgspec
import pytest
from decision_cases import HOUR, START, forecast, forecasts_at, parameters, reading

from services.contracts.messages import DayEvaluated, EdgeMeasured, TargetsSet, encode
from services.signals.decide import SignalState, decide

PARAMS = parameters().signals
GATED = parameters(gated=True).signals
BTC, SOL, BNB = "BTC/USDT", "SOL/USDT", "BNB/USDT"


def word(**changes: object) -> DayEvaluated:
    """What phases say an hour before the slice."""
    said = {"ts": START - HOUR, "readiness": (), "changes": (), "enabled": (BTC,), "classes": ("crypto",)}
    return DayEvaluated(**{**said, "collecting": (), **changes})  # type: ignore[arg-type]


def after(evaluation: DayEvaluated, symbol: str, bucket: int = 5, regime: str = "high_vol") -> TargetsSet:
    made = forecasts_at(START, forecast(symbol, 0.02, bucket=bucket), readings=(reading(symbol, regime=regime),))
    params = GATED if evaluation.cells else PARAMS
    return decide(SignalState(enabled=()), made, (evaluation,), params)[1]


def test_an_asset_that_phases_observe_gets_half_its_weight_and_says_so() -> None:
    full, half = after(word(), BTC), after(word(observed=(BTC,)), BTC)
    assert full.targets[0].weight == pytest.approx(0.45)
    assert half.targets[0].weight == pytest.approx(0.225)
    assert half.cash_weight == pytest.approx(1 - 0.225)
    assert "times 0.50: observation size" in half.targets[0].reasons


def test_an_asset_whose_role_is_observation_is_not_halved_twice() -> None:
    assert after(word(enabled=(SOL,), observed=(SOL,)), SOL) == after(word(enabled=(SOL,)), SOL)


def test_the_full_size_comes_back_with_the_word_that_restores_it() -> None:
    observed, _ = decide(
        SignalState(enabled=()), forecasts_at(START, forecast(BTC, 0.02)), (word(observed=(BTC,)),), PARAMS
    )
    assert observed.observed == (BTC,)
    later = forecasts_at(START + 2 * HOUR, forecast(BTC, 0.02))
    restored, targets = decide(observed, later, (word(ts=START + HOUR),), PARAMS)
    assert restored.observed == ()
    assert targets.targets[0].weight == pytest.approx(0.45)


def test_a_promoted_asset_is_entered_in_researchs_cells_and_no_others() -> None:
    cells = (EdgeMeasured(BNB, "high_vol", 5, 900, 11.0), EdgeMeasured(BNB, "chop", 8, 700, 9.0))
    said = word(enabled=(BNB,), observed=(BNB,), cells=cells)
    assert after(said, BNB, bucket=5).targets[0].action == "BUY"
    assert after(said, BNB, bucket=8, regime="chop").targets[0].action == "BUY"
    outside = after(said, BNB, bucket=6).targets[0]
    assert outside.action == "HOLD"
    assert any("profile trades 5 in high_vol" in reason for reason in outside.reasons), outside.reasons
    wrong = after(said, BNB, bucket=5, regime="trend_up").targets[0]
    assert wrong.action == "HOLD"
    assert any("profile trades chop and high_vol" in reason for reason in wrong.reasons), wrong.reasons


def test_researchs_cells_are_of_the_sides_that_the_declared_profile_is_of() -> None:
    """AVAX is measured short only: cells that paid short say nothing of buying."""
    avax = "AVAX/USDT"
    said = word(enabled=(avax,), cells=(EdgeMeasured(avax, "high_vol", 5, 900, 11.0),))
    bought = after(said, avax, bucket=5).targets[0]
    assert bought.action == "HOLD"
    assert any("profile trades short only" in reason for reason in bought.reasons), bought.reasons


def test_what_is_remembered_of_the_ladder_survives_a_restart() -> None:
    said = word(observed=(BTC,), cells=(EdgeMeasured(BNB, "chop", 8, 700, 9.0),))
    state, _ = decide(SignalState(enabled=()), forecasts_at(START, forecast(BTC, 0.02)), (said,), PARAMS)
    assert msgspec.json.decode(encode(state), type=SignalState) == state
