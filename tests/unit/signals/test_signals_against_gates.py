"""Whatever is forecast and read of the market, nothing is opened against a gate, and the same input gives the same."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any, get_args

import msgspec
import pytest
from decision_cases import HOUR, START, forecast, forecasts_at, reading
from hypothesis import given, settings
from hypothesis import strategies as st
from signal_cases import BALANCED, PARAMS, target_of, with_settings

from services.contracts.messages import Target, encode
from services.contracts.readings import MarketReading, Reading, Zone
from services.domain.market_regimes import MarketRegime
from services.domain.regimes import REGIMES
from services.signals import rules
from services.signals.decide import SignalParams, SignalState, decide
from services.signals.entry import Entry
from services.signals.gates import profile_gate, side_gate
from services.signals.levels import bracket

SETTINGS = PARAMS.settings
SYMBOLS = ("AVAX/USDT", "BTC/USDT", "ETH/USDT", "GME", "NVDA", "SOL/USDT", "TQQQ", "TSLA", "XRP/USDT")
ALL = SignalState(enabled=SYMBOLS)


def with_market_weights(weights: dict[str, float]) -> SignalParams:
    return replace(PARAMS, settings=SETTINGS.model_copy(update={"market_weights": weights}))


def class_of(symbol: str) -> str:
    return PARAMS.assets[symbol].asset_class


@st.composite
def readings(draw: st.DrawFn, symbol: str, ts: datetime) -> Reading:
    edges = st.lists(st.tuples(st.floats(90, 110), st.floats(0, 3), st.floats(0, 1)), max_size=5)
    zones = [Zone(low, low + width, strength, ("pivot_p",)) for low, width, strength in sorted(draw(edges))]
    return Reading(
        symbol,
        regime=draw(st.sampled_from((*REGIMES, "unclassified"))),
        volatility=draw(st.none() | st.floats(0.0, 0.03)),
        supports=tuple(reversed([zone for zone in zones if zone.low <= 100]))[:3],
        resistances=tuple(zone for zone in zones if zone.low > 100)[:3],
        sideways=draw(st.sampled_from((None, True, False))),
        decay_per_day=draw(st.none() | st.floats(0, 0.02)),
        sentiment=draw(st.none() | st.floats(-1, 1)),
        mentions=draw(st.none() | st.integers(0, 40)),
        posts=draw(st.none() | st.integers(0, 100)),
        earnings_at=draw(st.none() | st.integers(-10, 10).map(lambda days: ts + timedelta(days=days))),
    )


@st.composite
def worlds(draw: st.DrawFn) -> Any:
    ts = START + draw(st.integers(0, 24 * 14)) * HOUR
    said, read = [], []
    for symbol in sorted(draw(st.sets(st.sampled_from(SYMBOLS), min_size=1))):
        expected, confidence = draw(st.floats(-0.05, 0.05)), draw(st.floats(0, 1))
        said.append(forecast(symbol, expected, confidence, asset_class=class_of(symbol)))
        if draw(st.integers(0, 9)):
            read.append(draw(readings(symbol, ts)))
    regime = draw(st.sampled_from(get_args(MarketRegime)))
    market = MarketReading(regime, "made up", btc_dominance=draw(st.none() | st.floats(30, 70)))
    return forecasts_at(ts, *said, readings=tuple(read), market=market)


def _asked(made: Any, target: Target, read: Mapping[str, Reading]) -> Entry:
    (said,) = [f for f in made.forecasts if f.symbol == target.symbol]
    one = read.get(target.symbol, Reading(target.symbol))
    return Entry(made.ts, "1h", said, one, PARAMS.assets[target.symbol], (target.weight or 0.0) > 0)


@settings(max_examples=300, deadline=None)
@given(worlds())
def test_no_target_opens_against_a_gate(made: Any) -> None:
    _, targets = decide(ALL, made, (), PARAMS)
    read = {one.symbol: one for one in made.readings}
    shares: dict[str, float] = {}
    for target in targets.targets:
        assert target.reasons
        assert all(target.reasons)
        assert (target.strength == "HOLD") == (target.action == "HOLD")
        if not target.weight:
            continue
        entry = _asked(made, target, read)
        long = target.weight > 0
        assert ("long" if long else "short") in entry.asset.sides
        assert target.action == ("BUY" if long else "SELL")
        assert (entry.forecast.expected_return > 0) == long
        assert profile_gate(entry, SETTINGS.parts) is None
        assert side_gate(entry) is None
        assert rules.sentiment(entry, SETTINGS.sentiment) is None
        assert [rule.__name__ for rule in rules.RULES if rule(entry) is not None] == []
        assert rules.leaves_before(entry) is None
        assert bracket(entry, SETTINGS.levels).refusals == ()
        stop = (
            target.stop if target.stop is not None else target.close * (1 - (1 if long else -1) * entry.asset.stop_loss)
        )
        assert abs(target.weight) * abs(stop / target.close - 1) <= SETTINGS.levels.risk_per_trade + 1e-9
        shares[target.asset_class] = shares.get(target.asset_class, 0.0) + abs(target.weight)
    assert sum(shares.values()) + targets.cash_weight == pytest.approx(1.0)
    assert targets.cash_weight >= SETTINGS.min_cash - 1e-9
    assert all(total <= PARAMS.class_caps[name] + 1e-9 for name, total in shares.items())


@settings(max_examples=100, deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_the_same_input_decides_the_same_in_any_order_and_after_a_restart(made: Any, chance: Any) -> None:
    state, targets = decide(ALL, made, (), PARAMS)
    restored = msgspec.json.decode(encode(ALL), type=SignalState)
    assert encode(decide(restored, made, (), PARAMS)[1]) == encode(targets)
    shuffled = list(made.forecasts)
    chance.shuffle(shuffled)
    other, again = decide(ALL, msgspec.structs.replace(made, forecasts=tuple(shuffled)), (), PARAMS)
    assert {t.symbol: t for t in again.targets} == {t.symbol: t for t in targets.targets}
    assert encode(other) == encode(state)
    assert msgspec.json.decode(encode(state), type=SignalState) == state


def test_what_was_wanted_last_is_remembered_through_holds_and_forgotten_when_left() -> None:
    bought, read = forecast("BTC/USDT", 0.02, 0.15), reading("BTC/USDT")
    state, _ = decide(ALL, forecasts_at(START, bought, readings=(read,), market=BALANCED), (), PARAMS)
    assert state.weights == {"BTC/USDT": 0.45}
    state, _ = decide(state, forecasts_at(START + HOUR, forecast("BTC/USDT", 0.0), readings=(read,)), (), PARAMS)
    assert state.weights == {"BTC/USDT": 0.45}
    state, _ = decide(state, forecasts_at(START + 2 * HOUR, forecast("BTC/USDT", -0.02), readings=(read,)), (), PARAMS)
    assert state.weights == {}
    assert state.returns == {}


def test_a_fearful_market_halves_longs_of_crypto_and_says_so() -> None:
    fear = MarketReading("risk_off", "USDT.D is above 5: fear")
    said, read = forecast("BTC/USDT", 0.02, 0.15), reading("BTC/USDT")
    target = target_of(said, read, market=fear)
    assert target.weight == pytest.approx(0.225)
    assert target.reasons[-1] == "times 0.50: the whole market is risk_off (USDT.D is above 5: fear)"
    assert target_of(said, read, with_settings(parts={"dominance": False}), market=fear).weight == 0.45
    assert target_of(said, read, with_market_weights({}), market=fear).weight == 0.45
    stock = forecast("NVDA", 0.02)
    assert target_of(stock, reading("NVDA"), market=fear).weight == 0.40
    short = forecast("AVAX/USDT", -0.03, 0.65)
    down = reading("AVAX/USDT", regime="trend_down")
    free = with_settings(parts={"levels": False})
    assert target_of(short, down, free, market=fear).weight == -0.45
    tried = target_of(forecast("BTC/USDT", 0.0001, 0.15), read, market=fear)
    assert tried.weight == pytest.approx(0.05)


def test_no_new_longs_in_a_market_whose_weight_is_nothing() -> None:
    off = with_market_weights({"risk_off": 0.0})
    target = target_of(
        forecast("BTC/USDT", 0.02, 0.15), reading("BTC/USDT"), off, market=MarketReading("risk_off", "made up")
    )
    assert (target.action, target.weight) == ("BUY", None)
    assert target.reasons[-1] == "times 0.00: the whole market is risk_off (made up)"


def test_an_unknown_market_changes_nothing_and_is_told() -> None:
    said, read = forecast("BTC/USDT", 0.02, 0.15), reading("BTC/USDT")
    missing = MarketReading("unknown", "dominance: BTC.D is missing")
    target = target_of(said, read, market=missing)
    assert target.weight == 0.45
    unknown = "the whole market's regime is unknown (dominance: BTC.D is missing) and changes nothing"
    assert target.reasons[-1] == unknown
    assert "(dominance is not known)" in target_of(said, read, market=None).reasons[-1]


def test_the_market_and_the_clusters_are_passed_on() -> None:
    clusters = (("BTC/USDT", "ETH/USDT"),)
    made = forecasts_at(START, forecast("BTC/USDT", 0.0), market=BALANCED, clusters=clusters)
    _, targets = decide(ALL, made, (), PARAMS)
    assert (targets.market, targets.clusters) == ("balanced", clusters)
    _, unknown = decide(ALL, forecasts_at(START, forecast("BTC/USDT", 0.0)), (), PARAMS)
    assert unknown.market == "unknown"


def test_dominance_tilts_the_shares_of_the_three_it_is_about() -> None:
    said = tuple(forecast(s, 0.02, 0.55, bucket=b) for s, b in (("BTC/USDT", 1), ("ETH/USDT", 5), ("SOL/USDT", 5)))
    read = tuple(reading(f.symbol) for f in said)
    state = SignalState(enabled=("BTC/USDT", "ETH/USDT", "SOL/USDT"))

    def weights(dominance: float | None) -> dict[str, float | None]:
        market = MarketReading("balanced", "made up", btc_dominance=dominance)
        _, targets = decide(state, forecasts_at(START, *said, readings=read, market=market), (), PARAMS)
        return {target.symbol: target.weight for target in targets.targets}

    heavy, light, unknown = weights(60.0), weights(40.0), weights(None)
    assert heavy["BTC/USDT"] == 0.45
    assert (light["ETH/USDT"] or 0) > (light["BTC/USDT"] or 0)
    assert unknown["BTC/USDT"] == pytest.approx(unknown["ETH/USDT"])


def test_slices_are_decided_alike_whatever_the_order_of_readings() -> None:
    said = tuple(forecast(s, 0.02, 0.15) for s in ("BTC/USDT", "ETH/USDT", "SOL/USDT"))
    read = [reading(f.symbol) for f in said]
    found = {
        encode(decide(ALL, forecasts_at(START, *said, readings=tuple(order), market=BALANCED), (), PARAMS)[1])
        for order in permutations(read)
    }
    assert len(found) == 1


def test_an_explored_short_without_a_resistance_near_leaves_nothing() -> None:
    said = forecast("AVAX/USDT", -0.0001, 0.65)
    target = target_of(said, reading("AVAX/USDT", regime="trend_down"))
    assert (target.action, target.weight) == ("HOLD", None)
    assert target.reasons[0].startswith("no resistance near")


def test_all_that_is_explored_of_a_class_stays_within_its_bound() -> None:
    names = ("AMC", "DNUT", "GME", "OPEN")
    said = tuple(forecast(s, 0.0001, 0.98, asset_class="meme") for s in names)
    happy = tuple(reading(s, sentiment=0.5, mentions=50) for s in names)
    state = SignalState(enabled=names)
    _, targets = decide(state, forecasts_at(START, *said, readings=happy), (), PARAMS)
    assert [target.weight for target in targets.targets] == [pytest.approx(0.05), None, None, None]
    assert targets.cash_weight == pytest.approx(0.95)


def test_in_a_fearful_market_small_changes_trade_as_little_as_in_any() -> None:
    fear = MarketReading("risk_off", "made up")
    read = (reading("BTC/USDT"), reading("ETH/USDT"))

    def made(n: int, btc: float) -> Any:
        said = (forecast("BTC/USDT", btc, 0.15, bucket=1), forecast("ETH/USDT", 0.02, 0.15))
        return forecasts_at(START + n * HOUR, *said, readings=read, market=fear)

    state, first = decide(ALL, made(0, 0.020), (), PARAMS)
    _, second = decide(state, made(1, 0.021), (), PARAMS)
    assert [target.weight for target in first.targets] == [pytest.approx(0.20), pytest.approx(0.20)]
    assert [target.weight for target in second.targets] == [target.weight for target in first.targets]
    assert "stays at 40.0% of the portfolio" in second.targets[0].reasons[-2]
