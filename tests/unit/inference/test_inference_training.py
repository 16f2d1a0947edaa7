from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_cases import market, quick_settings, scaled, walk, without

from services.inference import ensemble
from services.inference.features import WINDOW, features_hash
from services.inference.registry import ModelError, TrainedModel, checked_artefact, digest
from services.inference.series import BAR_SECONDS, forward_log_return
from services.inference.training import rows_of, windows
from services.inference.walk_forward import walk_forward

SETTINGS = quick_settings()
HORIZON = timedelta(hours=12)


def trained(n: int = 420, seed: int = 1) -> list[TrainedModel]:
    return list(walk_forward(market({"BTC/USDT": walk(500, seed).between(0, n)}), SETTINGS))


def test_no_training_label_reaches_into_the_window_it_forecasts() -> None:
    candles = walk(500)
    rows = rows_of(market({"BTC/USDT": candles}), "BTC/USDT", 12)
    found = windows(rows, SETTINGS)
    assert len(found) > 3
    for window in found:
        closes = rows.close_ts[window.train]
        assert closes.max() + 12 * 3_600 == window.start
        assert closes.min() > window.start - 6 * 86_400
        assert len(closes) >= 72
    for model in trained(500):
        assert model.trained_through + HORIZON == model.valid_from


def test_windows_start_at_midnight_and_do_not_move_when_data_grow() -> None:
    short = trained(400)
    long = trained(500)
    assert all(model.valid_from.hour == 0 for model in long)
    known = {(m.model, m.version): m for m in long}
    assert short
    for model in short:
        same = known[model.model, model.version]
        assert (same.artefact, same.valid_from, same.trained_from) == (
            model.artefact,
            model.valid_from,
            model.trained_from,
        )


def test_windows_do_not_move_with_the_first_candle() -> None:
    whole, later = walk(500), walk(500).between(30, 500)
    starts = [{m.valid_from for m in walk_forward(market({"BTC/USDT": c}), SETTINGS)} for c in (whole, later)]
    assert starts[1] <= starts[0]


def test_the_newest_model_stays_in_use_until_replaced() -> None:
    models = [m for m in trained(500) if m.model == "lightgbm"]
    assert [m.valid_until for m in models] == [m.valid_from for m in models[1:]] + [None]


def test_the_interval_is_learnt_anew_every_day_within_a_window_and_nothing_else_is() -> None:
    blends = [m for m in trained(500) if m.model == ensemble.NAME]
    starts = [m.valid_from for m in blends]
    assert [after - before for before, after in pairwise(starts)] == [timedelta(days=1)] * (len(starts) - 1)
    windows_begin = {m.valid_from for m in trained(500) if m.model == "lightgbm"}
    within = [(a, b) for a, b in pairwise(blends) if b.valid_from not in windows_begin]
    assert len(within) >= 3
    for before, after in within:
        old, new = ensemble.load(before.artefact), ensemble.load(after.artefact)
        assert (old.low, old.high) != (new.low, new.high)
        assert replace(new, low=old.low, high=old.high) == old


def test_training_twice_gives_the_same_bytes() -> None:
    assert [(m.version, m.artefact, m.metrics) for m in trained()] == [
        (m.version, m.artefact, m.metrics) for m in trained()
    ]


@settings(max_examples=12, deadline=None)
@given(cut=st.integers(300, 430), factor=st.floats(0.1, 10.0), gone=st.booleans())
def test_later_candles_change_no_earlier_model(cut: int, factor: float, gone: bool) -> None:
    candles = walk(432, seed=6)
    later = candles.between(0, cut) if gone else scaled(candles, cut, factor)
    known_by = int(candles.ts[cut - 1]) + BAR_SECONDS

    def models(which: object) -> list[tuple[str, str, bytes]]:
        made = walk_forward(market({"BTC/USDT": which}), SETTINGS)  # type: ignore[dict-item]
        return [(m.model, m.version, m.artefact) for m in made if m.valid_from.timestamp() <= known_by]

    assert models(candles) == models(later)


def test_labels_look_ahead_in_time_and_not_in_rows() -> None:
    candles = without(walk(50), np.array([20]))
    y = forward_log_return(candles, 12)
    assert np.isnan(y[8])
    assert y[9] == pytest.approx(np.log(candles.close[20] / candles.close[9]))
    assert np.isnan(y[-12:]).all()


def test_too_short_a_history_trains_nothing() -> None:
    assert trained(WINDOW + 72) == []
    assert list(walk_forward(market({"BTC/USDT": walk(0)}), SETTINGS)) == []


def test_every_model_is_measured_beside_the_random_walk_on_the_same_rows() -> None:
    by_model = {m.model: m for m in trained(500) if m.valid_until is not None}
    ours, theirs = by_model["lightgbm"].metrics, by_model["random_walk"].metrics
    for part in ("in_sample", "out_of_sample"):
        assert ours[part]["n"] == theirs[part]["n"] > 0
        assert ours[part]["rmse_random_walk"] == theirs[part]["rmse"]
        assert theirs[part]["ratio"] == 1.0
    assert ours["out_of_sample"]["n"] == 48


def test_progress_counts_every_model() -> None:
    seen: list[tuple[int, int]] = []
    made = list(
        walk_forward(market({"BTC/USDT": walk(420)}), SETTINGS, lambda done, total, _: seen.append((done, total)))
    )
    fitted = [one for one in made if one.model != "ensemble"]
    assert seen == [(i + 1, len(fitted)) for i in range(len(fitted))]


def test_a_changed_artefact_is_refused() -> None:
    model = trained()[-1]
    assert checked_artefact(model, features_hash(), 12) == model.artefact
    with pytest.raises(ModelError, match=f"{model.version} of BTC/USDT: its artefact was changed after training"):
        checked_artefact(replace(model, artefact=model.artefact + b" "), features_hash(), 12)


def test_a_model_of_other_features_or_horizon_or_later_hours_is_refused() -> None:
    model = trained()[-1]
    with pytest.raises(ModelError, match="trained on other features"):
        checked_artefact(model, digest(b"other"), 12)
    with pytest.raises(ModelError, match=r"forecasts 12 h, models\.yaml asks 24 h"):
        checked_artefact(model, features_hash(), 24)
    with pytest.raises(ModelError, match="trained on hours after"):
        checked_artefact(replace(model, trained_through=model.valid_from), features_hash(), 12)
