from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_cases import market, quick_settings, scaled, walk, without

from services.contracts.messages import ForecastsMade, SliceClosed, encode
from services.inference.decide import ScoreHistory
from services.inference.features import WINDOW
from services.inference.forecasting import UNTRAINED, Forecaster, slices_of
from services.inference.registry import ModelError
from services.inference.series import BAR_SECONDS, Candles, moment
from services.inference.walk_forward import walk_forward

SETTINGS = quick_settings()
CANDLES = {"BTC/USDT": walk(432), "ETH/USDT": walk(432, seed=2, symbol="ETH/USDT")}
TRAINED = list(walk_forward(market(CANDLES), SETTINGS))
MOMENTS = [moment(ts + BAR_SECONDS) for ts in CANDLES["BTC/USDT"].ts[WINDOW - 4 :]]
SLICES = slices_of(CANDLES, MOMENTS)


def batched(candles: dict[str, Candles] = CANDLES, slices: list[SliceClosed] = SLICES) -> list[ForecastsMade]:
    return Forecaster(SETTINGS, TRAINED).forecast(market(candles), slices, {})[0]


def test_one_slice_at_a_time_gives_the_same_messages_as_all_at_once() -> None:
    forecaster = Forecaster(SETTINGS, TRAINED)
    histories: dict[str, ScoreHistory] = {}
    alone: list[ForecastsMade] = []
    for i, one in enumerate(SLICES):
        newest = WINDOW - 4 + i
        first = max(0, newest - forecaster.bars_back("crypto"))
        window = {symbol: series.between(first, newest + 1) for symbol, series in CANDLES.items()}
        made, histories = forecaster.forecast(market(window), [one], histories)
        alone += made
    assert [encode(message) for message in alone] == [encode(message) for message in batched()]
    assert histories == Forecaster(SETTINGS, TRAINED).forecast(market(CANDLES), SLICES, {})[1]
    assert any(forecast.confidence > 0.5 for message in alone for forecast in message.forecasts)


@settings(max_examples=10, deadline=None)
@given(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_any_split_into_batches_gives_the_same_messages(sizes: list[int]) -> None:
    forecaster, at = Forecaster(SETTINGS, TRAINED), 0
    made: list[ForecastsMade] = []
    histories: dict[str, ScoreHistory] = {}
    for size in [*sizes, len(SLICES)]:
        part, histories = forecaster.forecast(market(CANDLES), SLICES[at : at + size], histories)
        made += part
        at += size
    assert made == batched()


@settings(max_examples=10, deadline=None)
@given(cut=st.integers(260, 430), factor=st.floats(0.1, 10.0), gone=st.booleans())
def test_later_candles_change_no_forecast(cut: int, factor: float, gone: bool) -> None:
    other = {
        symbol: series.between(0, cut) if gone else scaled(series, cut, factor) for symbol, series in CANDLES.items()
    }
    upto = [one for one in SLICES if one.ts.timestamp() <= CANDLES["BTC/USDT"].ts[cut - 1] + BAR_SECONDS]
    theirs = Forecaster(SETTINGS, list(walk_forward(market(other), SETTINGS))).forecast(market(other), upto, {})[0]
    assert theirs == batched(slices=upto)


def test_each_slice_is_forecast_by_the_newest_model_trained_before_it() -> None:
    spans = {(m.symbol, m.model, m.version): m for m in TRAINED}
    versions = set()
    for message in batched():
        for forecast in message.forecasts:
            for part in forecast.parts:
                if part.version == UNTRAINED:
                    continue
                model = spans[forecast.symbol, part.model, part.version]
                assert model.valid_from <= message.ts
                assert model.valid_until is None or message.ts < model.valid_until
                versions.add(part.version)
    assert len(versions) == len([one for one in TRAINED if one.model != "ensemble"])
    assert any(forecast.p_up is not None for message in batched() for forecast in message.forecasts)


def test_before_any_training_only_the_random_walk_speaks() -> None:
    first = batched()[3]
    assert [part.model for part in first.forecasts[0].parts] == ["random_walk"]
    assert first.forecasts[0].parts[0].version == UNTRAINED
    assert first.forecasts[0].expected_return == 0.0
    assert first.forecasts[0].confidence == 0.0
    assert first.forecasts[0].uncertainty > 0.0


def test_symbols_that_cannot_be_forecast_are_named_with_the_reason() -> None:
    early, bad = batched()[0], {**CANDLES, "ETH/USDT": without(CANDLES["ETH/USDT"], np.array([300]))}
    assert early.forecasts == ()
    assert [m.symbol for m in early.missing] == ["BTC/USDT", "ETH/USDT"]
    assert early.missing[0].reason == f"fewer than {WINDOW} sound candles without a gap up to this slice"
    at_gap = slices_of(bad, [moment(int(CANDLES["BTC/USDT"].ts[300]) + BAR_SECONDS)])
    assert [m.reason for m in batched(bad, at_gap)[0].missing] == ["no bar closed at this slice"]
    unstored = batched({"BTC/USDT": CANDLES["BTC/USDT"]}, SLICES[10:11])[0]
    assert [(m.symbol, m.reason) for m in unstored.missing] == [("ETH/USDT", "no candles are stored")]
    old = batched({**CANDLES, "ETH/USDT": CANDLES["ETH/USDT"].between(0, 100)}, SLICES[10:11])[0]
    assert [(m.symbol, m.reason) for m in old.missing] == [("ETH/USDT", "its candle of this slice is not stored")]


def test_a_forecast_says_since_when_the_oldest_model_in_it_has_been_in_use() -> None:
    spans = {(m.symbol, m.model, m.version): m.valid_from for m in TRAINED}
    seen = set()
    for message in batched():
        for forecast in message.forecasts:
            named = [spans.get((forecast.symbol, part.model, part.version)) for part in forecast.parts]
            assert forecast.trained_at == min((at for at in named if at is not None), default=None)
            assert forecast.trained_at is None or forecast.trained_at <= message.ts
            seen.add(forecast.trained_at)
    assert None in seen, "before the first training nobody was trained"
    assert len(seen) > 2


def test_without_a_model_for_the_hour_the_symbol_is_missing() -> None:
    lines = {"lightgbm": SETTINGS.models["lightgbm"].model_dump()}
    made, _ = Forecaster(quick_settings(lines), []).forecast(market(CANDLES), SLICES[10:11], {})
    assert {m.reason for m in made[0].missing} == {"no model was trained on hours before this slice"}


def test_a_changed_artefact_stops_the_forecast() -> None:
    changed = [replace(model, artefact=model.artefact.replace(b"1", b"2", 1)) for model in TRAINED]
    with pytest.raises(ModelError, match="its artefact was changed after training"):
        Forecaster(SETTINGS, changed).forecast(market(CANDLES), SLICES, {})


def test_nothing_to_forecast_gives_an_empty_message() -> None:
    when: datetime = SLICES[0].ts
    (made,) = batched(slices=[SliceClosed(when, "1h", ())])
    assert (made.ts, made.forecasts, made.missing, made.readings, made.returns) == (when, (), (), (), ())
    assert made.market is not None
    assert made.market.regime == "unknown"
