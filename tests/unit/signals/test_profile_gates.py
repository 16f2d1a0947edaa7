"""The strategy profile lets an entry through in its own regimes, buckets and sides, and says what it is elsewhere."""

import pytest
from decision_cases import forecast, reading
from signal_cases import PARAMS, entry, target_of, with_rules, with_settings

from services.domain.regimes import REGIMES
from services.signals.gates import profile_gate, side_gate
from services.signals.settings import Parts

PARTS = Parts()
TABLE = {
    "BTC/USDT": {"high_vol": {0, 1, 2}},
    "AVAX/USDT": {"trend_down": {5, 6, 7, 8}},
    "DOGE/USDT": {"high_vol": {0, 2, 6, 8}},
    "MATIC/USDT": {"high_vol": {4, 6, 8, 9}},
    "XRP/USDT": {"high_vol": {2, 6, 7, 8}, "chop": {8}},
    "SOL/USDT": {"high_vol": {5, 6}},
    "ETH/USDT": {"high_vol": set(range(10))},
}


@pytest.mark.parametrize("symbol", TABLE)
def test_the_declared_profiles_are_the_plans_table(symbol: str) -> None:
    passed = {
        (regime, bucket)
        for regime in (*REGIMES, "unclassified")
        for bucket in range(10)
        if profile_gate(entry(symbol, regime=regime, bucket=bucket), PARTS) is None
    }
    assert passed == {(regime, bucket) for regime, buckets in TABLE[symbol].items() for bucket in buckets}


def test_other_assets_are_asked_neither_regime_nor_bucket() -> None:
    gated = {symbol for symbol, asset in PARAMS.assets.items() if asset.profile is not None}
    assert gated == set(TABLE)
    for symbol in ("NVDA", "GBP/JPY", "BNB/USDT"):
        assert profile_gate(entry(symbol, regime="unclassified", bucket=3), PARTS) is None


@pytest.mark.parametrize(
    ("symbol", "regime", "bucket", "says"),
    [
        ("BTC/USDT", "chop", 1, "regime is chop; BTC's profile trades high_vol"),
        ("XRP/USDT", "trend_up", 8, "regime is trend_up; XRP's profile trades high_vol and chop"),
        ("BTC/USDT", "high_vol", 7, "confidence bucket is 7; BTC's profile trades 0, 1 and 2 in high_vol"),
        ("XRP/USDT", "chop", 2, "confidence bucket is 2; XRP's profile trades 8 in chop"),
        ("BTC/USDT", "unclassified", 1, "regime is not known yet; BTC's profile trades high_vol"),
    ],
)
def test_a_refusal_names_what_is_and_what_the_profile_trades(symbol: str, regime: str, bucket: int, says: str) -> None:
    assert profile_gate(entry(symbol, regime=regime, bucket=bucket), PARTS) == says


def test_without_regimes_the_buckets_of_all_cells_count() -> None:
    parts = Parts(regimes=False)
    assert profile_gate(entry("XRP/USDT", regime="trend_up", bucket=6), parts) is None
    assert profile_gate(entry("XRP/USDT", regime="unclassified", bucket=8), parts) is None
    refusal = profile_gate(entry("XRP/USDT", regime="trend_up", bucket=3), parts)
    assert refusal == "confidence bucket is 3; XRP's profile trades 2, 6, 7 and 8"
    assert profile_gate(entry("ETH/USDT", regime="trend_up", bucket=3), parts) is None


def test_without_buckets_all_buckets_of_its_regimes_pass() -> None:
    parts = Parts(buckets=False)
    assert profile_gate(entry("BTC/USDT", bucket=9), parts) is None
    assert profile_gate(entry("BTC/USDT", bucket=1, regime="chop"), parts) is not None


def test_a_profile_for_shorts_refuses_longs() -> None:
    assert side_gate(entry("AVAX/USDT", -0.02)) is None
    assert side_gate(entry("AVAX/USDT", 0.02)) == "AVAX's profile trades short only"
    assert side_gate(entry("BTC/USDT", 0.02)) is None


def test_a_refused_purchase_is_a_hold_that_says_why_first() -> None:
    target = target_of(forecast("BTC/USDT", 0.02, 0.15), reading("BTC/USDT", regime="chop"))
    assert (target.action, target.strength, target.weight) == ("HOLD", "HOLD", None)
    assert target.reasons == (
        "regime is chop; BTC's profile trades high_vol",
        "expects +2.000% in 12 h, at least 0.300%",
    )
    assert (target.stop, target.take) == (None, None)


def test_a_purchase_in_its_cell_is_made() -> None:
    target = target_of(forecast("BTC/USDT", 0.02, 0.15), reading("BTC/USDT"))
    assert (target.action, target.strength, target.weight, target.regime) == ("BUY", "BUY", 0.45, "high_vol")


def test_a_sale_beyond_the_threshold_leaves_in_any_regime() -> None:
    target = target_of(forecast("BTC/USDT", -0.02, 0.95), reading("BTC/USDT", regime="chop"))
    assert (target.action, target.weight) == ("SELL", 0.0)


def test_a_short_outside_its_cell_only_leaves() -> None:
    said = forecast("AVAX/USDT", -0.03, 0.65)
    inside = target_of(said, reading("AVAX/USDT", regime="trend_down", supports=(), resistances=()), NO_LEVELS)
    outside = target_of(said, reading("AVAX/USDT", regime="chop"), NO_LEVELS)
    assert inside.weight == -0.45
    assert (outside.action, outside.weight) == ("SELL", 0.0)
    assert outside.reasons[1:] == ("regime is chop; AVAX's profile trades trend_down", "only leave the position")


NO_LEVELS = with_settings(parts={"levels": False})


def test_a_profile_has_its_own_least_confidence() -> None:
    free = with_settings(NO_LEVELS, parts={"buckets": False})
    assert target_of(forecast("BTC/USDT", 0.02, 0.01), reading("BTC/USDT"), free).action == "BUY"
    weak = target_of(forecast("XRP/USDT", 0.02, 0.19), reading("XRP/USDT"), free)
    assert weak.reasons == ("confidence 0.19 is below 0.20",)
    assert target_of(forecast("XRP/USDT", 0.02, 0.20), reading("XRP/USDT"), free).action == "BUY"
    assert target_of(forecast("NVDA", 0.02, 0.19), reading("NVDA"), free).action == "HOLD"


def test_an_asset_with_buckets_explores_in_its_own_cell_whatever_it_expects() -> None:
    target = target_of(forecast("BTC/USDT", 0.00001, 0.05), reading("BTC/USDT"))
    assert (target.action, target.weight) == ("BUY", 0.10)
    assert target.reasons[0] == (
        "explores on paper: expects +0.001% in 12 h, below 0.300%, but high_vol and bucket 0 are its profile's"
    )
    outside = target_of(forecast("BTC/USDT", 0.00001, 0.99), reading("BTC/USDT"))
    assert outside.action == "HOLD"
    assert outside.reasons == (
        "confidence bucket is 9; BTC's profile trades 0, 1 and 2 in high_vol",
        "expects +0.001% in 12 h, within ±0.300%",
    )


def test_an_asset_without_buckets_explores_its_most_confident_forecasts() -> None:
    assert target_of(forecast("NVDA", 0.0001, 0.96), None, NO_LEVELS).action == "HOLD"
    assert target_of(forecast("NVDA", 0.0001, 0.97), None, NO_LEVELS).action == "BUY"
    # The benchmark's profile names its own confidence, and its regime is asked all the same.
    assert target_of(forecast("ETH/USDT", 0.0001, 0.79), reading("ETH/USDT")).action == "HOLD"
    assert target_of(forecast("ETH/USDT", 0.0001, 0.80), reading("ETH/USDT")).action == "BUY"
    assert target_of(forecast("ETH/USDT", 0.0001, 0.99), reading("ETH/USDT", regime="chop")).action == "HOLD"
    general = with_rules("ETH/USDT", profile={"explore_confidence": None})
    assert target_of(forecast("ETH/USDT", 0.0001, 0.96), reading("ETH/USDT"), general).action == "HOLD"


def test_exploring_never_leaves_a_position() -> None:
    target = target_of(forecast("BTC/USDT", -0.0001, 0.05), reading("BTC/USDT"))
    assert (target.action, target.weight) == ("HOLD", None)
    assert target.reasons[0] == "no short side in its profile"


@pytest.mark.parametrize(
    ("expected", "confidence", "strength"),
    [
        (0.012, 0.9, "STRONG_BUY"),
        (0.0119, 0.9, "BUY"),
        (0.02, 0.69, "BUY"),
        (-0.012, 0.9, "STRONG_SELL"),
        (-0.007, 0.9, "SELL"),
    ],
)
def test_strong_is_twice_the_threshold_with_high_confidence(expected: float, confidence: float, strength: str) -> None:
    assert target_of(forecast("ETH/USDT", expected, confidence), reading("ETH/USDT")).strength == strength


def test_what_is_read_of_the_market_is_passed_on() -> None:
    target = target_of(forecast("BTC/USDT", 0.0), reading("BTC/USDT", volatility=0.007, usual_volatility=0.004))
    assert (target.volatility, target.usual_volatility, target.regime) == (0.007, 0.004, "high_vol")


def test_a_hold_does_not_claim_to_explore() -> None:
    held = target_of(forecast("ETH/USDT", -0.001, 0.99), reading("ETH/USDT"))
    assert held.action == "HOLD"
    assert held.reasons[0] == "no short side in its profile"
    assert held.reasons[1].startswith("would else explore on paper: expects -0.100%")
