"""What a leak looks like on real hours, that the yardsticks bite there, and what the command says of it all."""

import json
from typing import Any

import numpy as np
import pytest
from leak_cases import signals, whole_sample
from typer.testing import CliRunner

from services.cli import app
from services.inference.evaluate import wilson
from services.research.leaks import leaktest, synthetic, yardsticks
from services.research.leaks.detectors import DETECTORS, Case
from services.research.leaks.leaktest import Examined, Named, Verdict
from services.research.leaks.pipeline import Pipeline, Trace, quick_settings
from services.research.leaks.planted import PLANTED

RIGHT = Named("a leak", "what it is", "rows", "truncation", "row of ...")
MISSED = Named("another leak", "what it is", "rows", None, "")
CLEAN = Examined("a world", {})
ACCUSED = Examined("a world", {"noise": "foretells noise"})


@pytest.fixture(scope="module")
def shuffled() -> Case:
    """A shuffled split with labels that overlap, on a year of recorded hours."""
    leak = next(leak for leak in PLANTED if leak.name == "shuffled evaluation")
    return Case(leak.pipeline(quick_settings(), signals()), whole_sample(), 1, synthetic.noise(1))


def test_a_shuffled_split_with_overlapping_labels_shows_more_than_65_per_cent_on_real_hours(shuffled: Case) -> None:
    pipeline, world = shuffled.pipeline, shuffled.world
    rows = pipeline.rows(world, pipeline.market(world), "BTC/USDT")
    score = pipeline.scores(rows, [])["lightgbm"]
    share, low, _ = yardsticks.direction(score, pipeline.horizon, yardsticks.USUAL)
    assert len(score[0]) > 1_500
    assert share > 0.65
    found = yardsticks.too_good({("BTC/USDT", "lightgbm"): score}, pipeline.horizon)
    assert found is not None
    assert f"{share:.1%}" in found
    assert low > yardsticks.LEAKS_FROM


def test_the_same_split_is_rejected_on_noise(shuffled: Case) -> None:
    found = DETECTORS["noise"](shuffled)
    assert found is not None
    assert "pure noise" in found


def test_the_walk_forward_on_the_same_kind_of_noise_is_not() -> None:
    pipeline = Pipeline(quick_settings(), signals())
    for seed in range(11, 17):
        assert yardsticks.forecasts_noise(Trace(pipeline, synthetic.noise(seed))) is None


def test_direction_is_counted_in_stretches_that_do_not_overlap() -> None:
    chance = np.random.default_rng(1)
    came = chance.normal(0.0, 1.0, 720)
    said = np.where(np.arange(720) % 10 < 6, came, -came)
    hourly, stretches = (yardsticks.direction((said, came), bars, yardsticks.USUAL) for bars in (1, 12))
    assert hourly[0] == stretches[0] == pytest.approx(0.6)
    assert hourly[1] > 0.5 > stretches[1]
    assert hourly[1:] == pytest.approx(wilson(0.6, 720), abs=1e-4)


def test_what_says_nothing_is_not_judged() -> None:
    nothing = np.zeros(100), np.ones(100)
    assert yardsticks.direction(nothing, 12, yardsticks.SURE)[0] == 0.5
    assert yardsticks.ratio((np.empty(0), np.empty(0))) == 1.0
    assert yardsticks.too_good({("A", "walk"): nothing}, 12) is None


@pytest.mark.parametrize(
    ("leaks", "clean", "code"),
    [((RIGHT,), (CLEAN,), 0), ((RIGHT, MISSED), (CLEAN,), 1), ((RIGHT,), (CLEAN, ACCUSED), 1)],
)
def test_the_command_fails_when_a_leak_is_missed_or_the_clean_pipeline_accused(
    leaks: tuple[Named, ...], clean: tuple[Examined, ...], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict = Verdict(leaks, clean)
    monkeypatch.setattr("services.forecast_commands.run", lambda *given: verdict)
    shown = CliRunner().invoke(app, ["leaktest"])
    assert shown.exit_code == code
    assert f"{1} of {len(leaks)} planted leaks caught" in shown.stdout
    assert ("MISSED" in shown.stdout) == (MISSED in leaks)
    assert ("accused" in shown.stdout) == (ACCUSED in clean)
    printed: dict[str, Any] = json.loads(CliRunner().invoke(app, ["leaktest", "--json"]).stdout)
    assert printed["holds"] is (code == 0)
    assert printed["leaks"][0]["detector"] == "truncation"


def test_everything_is_tried_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaktest, "PLANTED", PLANTED[:2])
    monkeypatch.setattr(leaktest, "clean_cases", lambda recorded, signals: [])
    told: list[tuple[int, int, str]] = []
    verdict = leaktest.run(None, signals(), lambda *said: told.append(said))
    assert verdict.holds
    assert [one.leak for one in verdict.leaks] == [leak.name for leak in PLANTED[:2]]
    assert told == [(0, 2, PLANTED[0].name), (1, 2, PLANTED[1].name), (2, 2, "done")]
