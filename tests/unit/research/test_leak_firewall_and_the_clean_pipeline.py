"""What the firewall judges is the platform's own pipeline, all of it; only a platform that leaks is accused."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from leak_cases import clean, clean_case, sample

from services.inference import training
from services.inference.features import frame
from services.inference.series import BAR_SECONDS, moment
from services.inference.training import Rows, Window
from services.inference.walk_forward import Record, walk_forward
from services.kernel.errors import DataError
from services.research.leaks import synthetic
from services.research.leaks.detectors import DETECTORS, Case
from services.research.leaks.leaktest import examined
from services.research.leaks.pipeline import ALL, WITH_A_NET, Trace
from services.research.leaks.world import LEAST_BARS, World, kept, recorded

LEADERS = {"crypto": ("BTC/USDT", "ETH/USDT", "SOL/USDT")}


@pytest.fixture(scope="module")
def case() -> Case:
    return clean_case(1, WITH_A_NET)


def test_the_steps_together_are_the_platforms_walk_forward(case: Case) -> None:
    ours = case.whole.learnt[0]
    theirs = list(walk_forward(case.whole.market, case.pipeline.settings, symbols=case.world.subjects))
    assert [(one.model, one.version, one.valid_from) for one in ours] == [
        (one.model, one.version, one.valid_from) for one in theirs
    ]
    assert {one.model for one in ours} == {"random_walk", "lightgbm", "lstm", "ensemble"}


def test_a_walk_reaches_every_step(case: Case) -> None:
    forecasts = [one for made in case.whole.forecasts for one in made.forecasts]
    assert len(forecasts) > 100
    assert any(one.p_up is not None for one in forecasts), "a blend is in use"
    assert any(one.confidence > 0.0 for one in forecasts)
    x = case.whole.rows["SOL/USDT"].table.x
    assert np.isfinite(x).any(axis=0).mean() > 0.9, "nearly all features know something in this world"
    wanted = [target.action for made in clean_case(1).whole.targets for target in made.targets]
    assert set(wanted) > {"HOLD"}


@pytest.mark.parametrize("name", DETECTORS)
def test_no_detector_accuses_the_clean_pipeline_in_a_made_up_world(name: str, case: Case) -> None:
    assert DETECTORS[name](case) is None


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_the_clean_pipeline_is_acquitted_in_other_worlds(seed: int) -> None:
    assert examined(clean_case(seed)).accused == {}


def test_all_seven_models_are_acquitted_on_recorded_hours() -> None:
    world = recorded(sample(), LEADERS)
    assert world.subjects == ("SOL/USDT",)
    case = Case(clean(ALL), world, 1, None)
    assert examined(case).accused == {}
    assert {part.model for made in case.whole.forecasts for one in made.forecasts for part in one.parts} >= set(ALL)


def test_a_platform_that_looks_up_values_an_hour_ahead_is_accused(monkeypatch: pytest.MonkeyPatch) -> None:
    as_of: Callable[..., Any] = frame._as_of
    monkeypatch.setattr(frame, "_as_of", lambda series, moments, max_age: as_of(series, moments + BAR_SECONDS, max_age))
    assert {"truncation", "clock"} <= examined(clean_case(1)).accused.keys()


def test_a_platform_whose_purge_is_gone_is_accused(monkeypatch: pytest.MonkeyPatch) -> None:
    window_at = training.window_at

    def unpurged(rows: Rows, start: int, settings: Any) -> Window | None:
        return window_at(replace(rows, known_ts=rows.close_ts), start, settings)

    monkeypatch.setattr(training, "window_at", unpurged)
    assert "label firewall" in examined(clean_case(1)).accused


def test_a_platform_that_weighs_models_by_what_is_not_known_yet_is_accused(monkeypatch: pytest.MonkeyPatch) -> None:
    blend_at = Record.blend_at
    late = 12 * BAR_SECONDS

    def ahead(self: Record, start: int, settings: Any) -> Any:
        found = blend_at(self, start + late, settings)
        return None if found is None else replace(found, valid_from=moment(start))

    monkeypatch.setattr(Record, "blend_at", ahead)
    assert "label firewall" in examined(clean_case(1)).accused


def test_a_world_up_to_a_cut_holds_only_what_was_known_and_another_future_leaves_the_past() -> None:
    world = synthetic.world(5)
    cut = synthetic.START + 700 * BAR_SECONDS
    past, other = world.until(cut), world.altered(cut, 1)
    for symbol, series in world.candles.items():
        n = len(past.candles[symbol].ts)
        assert past.candles[symbol].close_ts[-1] <= cut < series.close_ts[n]
        assert np.array_equal(other.candles[symbol].close[:n], series.close[:n])
        assert not np.isin(other.candles[symbol].close[n:], series.close[n:]).any()
        assert np.isfinite(other.candles[symbol].close).all()
    for name, values in world.values.items():
        n = len(past.values[name].known)
        assert past.values[name].known[-1] <= cut < values.known[n]
        assert np.array_equal(other.values[name].value[:n], values.value[:n])
        assert not (other.values[name].value[n:] == values.value[n:]).any()
    assert [len(w.candles["SOL/USDT"].splits) for w in (world, past)] == [2, 1]


def test_only_later_revisions_are_altered() -> None:
    world = synthetic.world(5)
    cut = synthetic.START + 20 * 86_400
    revised = world.revised(cut, 1)
    before, after = world.values["real_yield"], revised.values["real_yield"]
    changed = before.value != after.value
    assert changed.any()
    assert (before.known[changed] > cut).all()
    assert (before.of[changed] <= cut).all()
    assert before.revisions()[changed].all()
    assert np.array_equal(world.values["vix"].value, revised.values["vix"].value)


def test_too_few_hours_are_refused_by_name() -> None:
    short = {symbol: kept(series, np.arange(len(series.ts)) < 500) for symbol, series in sample().items()}
    with pytest.raises(
        DataError, match=f"SOL/USDT: 500 bars are too few to look for leaks in, {LEAST_BARS} are needed"
    ):
        recorded(short, LEADERS)


def test_noise_is_noise() -> None:
    world: World = synthetic.noise(1)
    assert "synthetic" in world.kind
    steps = np.concatenate([np.diff(np.log(series.close)) for series in world.candles.values()])
    assert abs(steps.mean()) < 3.0 * steps.std() / np.sqrt(len(steps))
    assert Trace(clean(), world).scores.keys() >= {(symbol, "lightgbm") for symbol in world.subjects}
