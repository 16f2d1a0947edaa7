"""Forecasts become targets: thresholds, confidence, reasons, and whose word about enablement counts."""

from dataclasses import replace
from datetime import timedelta

import pytest
from decision_cases import HOUR, START, forecast, forecasts_at, parameters
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.messages import DayEvaluated, Forecast, Target, decision_id
from services.signals.decide import SignalState, decide

PARAMS = parameters().signals
BTC, ETH, SOL, AVAX = "BTC/USDT", "ETH/USDT", "SOL/USDT", "AVAX/USDT"
UNKNOWN = "the whole market's regime is unknown (dominance is not known) and changes nothing"
BOTH = SignalState(enabled=(BTC, ETH))


def only(said: Forecast, state: SignalState = BOTH) -> Target:
    _, targets = decide(state, forecasts_at(START, said), (), PARAMS)
    (target,) = targets.targets
    return target


@pytest.mark.parametrize(
    ("symbol", "expected", "action"),
    [
        (BTC, 0.0030, "BUY"),
        (BTC, 0.0029999, "HOLD"),
        (BTC, -0.0030, "SELL"),
        (BTC, -0.0029999, "HOLD"),
        (ETH, 0.0060, "BUY"),
        (ETH, 0.0059999, "HOLD"),
        (SOL, 0.0075, "BUY"),
        (SOL, 0.0074999, "HOLD"),
    ],
)
def test_declared_thresholds_decide(symbol: str, expected: float, action: str) -> None:
    assert only(forecast(symbol, expected)).action == action


def test_an_observed_asset_gets_half_its_weight_and_says_so() -> None:
    whole = {symbol: asset.model_copy(update={"risk_multiplier": 1.0}) for symbol, asset in PARAMS.assets.items()}
    both = SignalState(enabled=(SOL,))
    half, full = (
        decide(both, forecasts_at(START, forecast(SOL, 0.02)), (), params)[1]
        for params in (PARAMS, replace(PARAMS, assets=whole))
    )
    assert PARAMS.assets[SOL].risk_multiplier == 0.5
    assert half.targets[0].weight == pytest.approx(0.225)
    assert full.targets[0].weight == pytest.approx(0.45)
    assert half.cash_weight == pytest.approx(1.0 - 0.225)
    assert "times 0.50: its risk multiplier" in half.targets[0].reasons


def test_an_asset_without_a_threshold_is_measured_by_its_uncertainty() -> None:
    target = only(forecast("NVDA", 0.0035, uncertainty=0.02))
    assert target.threshold == pytest.approx(0.17 * 0.02)
    assert target.action == "BUY"
    assert only(forecast("NVDA", 0.0035, uncertainty=0.03)).action == "HOLD"


@pytest.mark.parametrize(
    ("confidence", "level", "action"),
    [(0.19, "LOW", "HOLD"), (0.20, "LOW", "BUY"), (0.40, "MEDIUM", "BUY"), (0.70, "HIGH", "BUY"), (1.0, "HIGH", "BUY")],
)
def test_confidence_names_the_level_and_below_the_least_nothing_is_done(
    confidence: float, level: str, action: str
) -> None:
    target = only(forecast(BTC, 0.02, confidence))
    assert (target.level, target.action) == (level, action)


def test_holding_says_why_and_leaves_the_position() -> None:
    unsure, small = only(forecast(BTC, 0.02, 0.1)), only(forecast(BTC, 0.001))
    assert unsure.reasons == ("confidence 0.10 is below 0.20",)
    assert small.reasons == ("expects +0.100% in 12 h, within ±0.300%",)
    assert unsure.weight is None
    assert small.weight is None


def test_buying_says_what_it_expects_and_what_share_it_gets() -> None:
    target = only(forecast(BTC, 0.02))
    assert target.reasons == (
        "expects +2.000% in 12 h, at least 0.300%",
        "gets 45.0% of the portfolio by score",
        UNKNOWN,
    )
    assert target.weight == 0.45


def test_selling_without_a_short_side_leaves_the_position() -> None:
    target = only(forecast(BTC, -0.02))
    assert (target.action, target.weight) == ("SELL", 0.0)
    assert target.reasons[-1] == "no short side in its profile: leave the position"


def test_selling_with_a_short_side_wants_a_negative_weight() -> None:
    target = only(forecast(AVAX, -0.02), SignalState(enabled=(AVAX,)))
    assert target.weight == -0.45


def test_a_share_below_the_least_is_named_and_leaves_the_position() -> None:
    state = SignalState(enabled=(BTC, ETH, AVAX))
    said = (forecast(BTC, 0.05), forecast(ETH, 0.05), forecast(AVAX, -0.004, 0.2, uncertainty=0.01))
    _, targets = decide(state, forecasts_at(START, *said), (), PARAMS)
    weak = targets.targets[2]
    assert weak.weight == 0.0
    assert weak.reasons[-2:] == ("its share would be below 10.0%, by score", "only leave the position")
    _, targets = decide(state, forecasts_at(START, *said[:2], forecast(AVAX, 0.004, 0.2, uncertainty=0.01)), (), PARAMS)
    assert targets.targets[2].weight is None
    assert targets.targets[2].reasons[-1] == "its share would be below 10.0%, by score"


def test_an_asset_that_is_not_enabled_gets_no_share_and_says_so() -> None:
    target = only(forecast(SOL, 0.05))
    assert (target.action, target.weight) == ("BUY", 0.0)
    assert target.reasons[-1] == "not enabled for trading: collected and researched only"


def test_every_forecast_gets_one_target_named_by_slice_and_asset() -> None:
    said = forecasts_at(START, forecast(ETH, 0.0), forecast(BTC, 0.01), forecast(SOL, -0.01))
    _, targets = decide(BOTH, said, (), PARAMS)
    assert [t.symbol for t in targets.targets] == [ETH, BTC, SOL]
    assert targets.targets[1].id == decision_id(START, "signals", BTC)
    assert targets.ts == START


def _word(ts_hours: int, enabled: tuple[str, ...], *, commanded: bool = False) -> DayEvaluated:
    return DayEvaluated(
        ts=START + ts_hours * HOUR,
        readiness=(),
        changes=(),
        enabled=enabled,
        classes=("crypto",),
        collecting=(),
        command_id=decision_id(START, "gateway", "x") if commanded else None,
    )


def test_the_newest_word_of_phases_counts_and_only_daily_words_move_the_lock_step() -> None:
    words = (_word(-20, (BTC,)), _word(-3, (SOL,), commanded=True))
    state, targets = decide(BOTH, forecasts_at(START, forecast(SOL, 0.05), forecast(BTC, 0.05)), words, PARAMS)
    assert state.enabled == (SOL,)
    assert state.evaluated == START - 20 * HOUR
    assert state.first_slice == START
    weights = {t.symbol: t.weight for t in targets.targets}
    assert weights == {SOL: 0.225, BTC: 0.0}  # SOL is observed at half size


@settings(max_examples=200, deadline=None)
@given(
    said=st.dictionaries(
        st.sampled_from([BTC, ETH, SOL, AVAX, "XRP/USDT", "LINK/USDT", "NVDA", "GME"]),
        st.tuples(st.floats(-0.3, 0.3), st.floats(0, 1), st.floats(0.001, 0.2)),
    ),
    enabled=st.sets(st.sampled_from([BTC, ETH, SOL, AVAX, "XRP/USDT", "NVDA"])),
    shuffled=st.randoms(use_true_random=False),
)
def test_whatever_is_forecast_weights_cash_and_enablement_agree(
    said: dict[str, tuple[float, float, float]], enabled: set[str], shuffled: object
) -> None:
    made = [forecast(s, e, c, uncertainty=u) for s, (e, c, u) in said.items()]
    state = SignalState(enabled=tuple(sorted(enabled)))
    _, targets = decide(state, forecasts_at(START, *made), (), PARAMS)
    shuffled.shuffle(made)  # type: ignore[attr-defined]
    _, again = decide(state, forecasts_at(START, *made), (), PARAMS)
    assert {t.symbol: t for t in targets.targets} == {t.symbol: t for t in again.targets}
    shares = [abs(t.weight) for t in targets.targets if t.weight]
    assert sum(shares) + targets.cash_weight == pytest.approx(1.0)
    assert targets.cash_weight >= 0.20 - 1e-9
    for t in targets.targets:
        if t.weight:
            assert t.symbol in enabled
            asset = PARAMS.assets[t.symbol]
            size = asset.risk_multiplier if asset.max_position is None else 1.0
            assert 0.10 - 1e-9 <= abs(t.weight) / size <= 0.45 + 1e-9
            assert (t.weight > 0) == (t.action == "BUY")
            assert ("long" if t.weight > 0 else "short") in PARAMS.assets[t.symbol].sides
        if t.action == "HOLD":
            assert t.weight is None


def test_time_does_not_change_a_decision() -> None:
    _, now = decide(BOTH, forecasts_at(START, forecast(BTC, 0.02)), (), PARAMS)
    _, later = decide(BOTH, forecasts_at(START + timedelta(days=99), forecast(BTC, 0.02)), (), PARAMS)
    assert now.targets[0].weight == later.targets[0].weight


def test_the_most_confident_forecasts_below_the_threshold_are_explored_at_the_smallest_weight() -> None:
    target = only(forecast(BTC, 0.0008, 0.98))
    assert (target.action, target.weight) == ("BUY", 0.10)
    assert target.reasons == (
        "explores on paper: expects +0.080% in 12 h, below 0.300%, but confidence 0.98 is at least 0.97",
        "the smallest weight, 10.0% of the portfolio",
        UNKNOWN,
    )
    assert only(forecast(BTC, 0.0008, 0.96)).action == "HOLD"


def test_without_exploration_nothing_below_the_threshold_is_bought() -> None:
    strict = replace(PARAMS, settings=PARAMS.settings.model_copy(update={"paper_exploration": None}))
    _, targets = decide(BOTH, forecasts_at(START, forecast(BTC, 0.0008, 0.99)), (), strict)
    assert targets.targets[0].action == "HOLD"


def test_exploration_takes_only_cash_that_the_reserve_and_the_signals_leave() -> None:
    state = SignalState(enabled=(AVAX, BTC, ETH, SOL))
    said = (
        forecast(BTC, 0.02),
        forecast(ETH, 0.02),
        forecast(SOL, 0.001, 0.99),
        forecast(AVAX, 0.0001, 0.98, uncertainty=0.02),
    )
    _, targets = decide(state, forecasts_at(START, *said), (), PARAMS)
    weights = {target.symbol: target.weight for target in targets.targets}
    assert weights[BTC] == weights[ETH] == 0.40
    assert weights[SOL] is None
    assert weights[AVAX] is None
    assert targets.cash_weight == pytest.approx(PARAMS.settings.min_cash)
    _, quiet = decide(state, forecasts_at(START, *said[2:]), (), PARAMS)
    assert {target.symbol: target.weight for target in quiet.targets} == {SOL: 0.05, AVAX: 0.10}
    assert quiet.cash_weight == pytest.approx(0.85)
