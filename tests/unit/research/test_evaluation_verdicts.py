"""The evaluation's plain words: they claim nothing that the rows do not show."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from evaluation_cases import HORIZON, asset

from services.inference.evaluate import measure
from services.research.evaluation import evaluate
from services.research.evaluation_report import EvaluationReport, as_json
from services.research.evaluation_rows import AssetForecasts, Said


def report_of(*assets: AssetForecasts) -> EvaluationReport:
    return evaluate(assets, source="made-up prices")


def test_noise_is_no_evidence_of_skill_and_no_edge_whatever_its_best_corner_looks_like() -> None:
    report = report_of(*(asset(f"{name}/USDT", seed=i) for i, name in enumerate(("BTC", "ETH", "SOL"))))
    assert [one.skill for one in report.verdicts] == [False, False, False]
    assert report.verdicts[2].text.startswith("no evidence of skill on SOL/USDT at 12 h: RMSE ")
    assert "independent" in report.verdicts[2].text
    assert report.verdict.startswith("No evidence of skill at 12 h on any of 3 assets: ")
    assert report.edge_verdict.startswith("No edge after costs: ")
    assert not any(one.significant for one in report.edges)
    assert all(not one.record.verdict.startswith("edge") for one in report.strategies)


def test_skill_is_said_for_the_asset_that_has_it_and_for_no_other() -> None:
    report = report_of(asset("BTC/USDT", skill=0.03, seed=1), asset("ETH/USDT", seed=2))
    assert report.verdicts[0].text.startswith("evidence of skill on BTC/USDT at 12 h")
    assert report.verdicts[1].text.startswith("no evidence of skill on ETH/USDT at 12 h")
    assert report.verdict.startswith("Evidence of skill at 12 h on 1 of 2 assets (BTC/USDT)")


def test_direction_right_too_often_is_called_a_leak() -> None:
    report = report_of(asset("BTC/USDT", skill=0.5, seed=1), asset("ETH/USDT", seed=2))
    assert "Too good to be true on BTC/USDT: direction this often right is what a leak looks like." in report.verdict
    assert "what a leak looks like" in report.verdicts[0].text
    assert "leak" not in report.verdicts[1].text


def test_forecasts_that_are_surely_worse_are_called_worse() -> None:
    rows = asset(skill=-0.3)
    report = report_of(rows)
    assert report.verdicts[0].text.startswith("worse than the random walk on BTC/USDT at 12 h")
    assert report.verdict.startswith("Worse than the random walk on BTC/USDT at 12 h")


def test_every_model_stands_beside_the_random_walk_on_its_own_rows() -> None:
    rows = asset(parts=3)
    silent = rows.parts["model_1"]
    silent.expected[:700] = np.nan
    report = report_of(rows)
    by_model = {one.model: one for one in report.models}
    assert list(by_model) == ["ensemble", "model_0", "model_1", "model_2"]
    for name, said in rows.models.items():
        known = measure(said.expected, rows.realised, HORIZON)
        assert known is not None
        found = by_model[name]
        assert (found.rmse, found.rmse_random_walk, found.p_value) == (
            known.rmse,
            known.rmse_random_walk,
            known.p_value,
        )
    assert by_model["model_1"].n == by_model["model_0"].n - 700
    assert by_model["model_1"].rmse_random_walk != by_model["model_0"].rmse_random_walk


def test_p_values_of_the_parts_are_corrected_among_all_parts_and_the_ensembles_among_themselves() -> None:
    report = report_of(asset("BTC/USDT", parts=4, seed=1), asset("ETH/USDT", parts=4, seed=2))
    ensembles = sorted(one.p_value for one in report.models if one.model == "ensemble" and one.p_value is not None)
    smallest = min((one for one in report.models if one.model == "ensemble"), key=lambda one: one.p_value or 1.0)
    assert smallest.p_holm == pytest.approx(min(1.0, 2 * ensembles[0]))
    part = min((one for one in report.models if one.model != "ensemble"), key=lambda one: one.p_value or 1.0)
    assert part.p_value is not None
    assert part.p_holm == pytest.approx(min(1.0, 8 * part.p_value))


def test_coverage_counts_outcomes_inside_and_knows_how_few_are_independent() -> None:
    rows = asset()
    (score,) = [one for one in report_of(rows).models if one.model == "ensemble"]
    known = np.isfinite(rows.realised)
    inside = ((rows.realised >= rows.low) & (rows.realised <= rows.high))[known].mean()
    assert score.coverage == pytest.approx(inside)
    assert score.coverage_low is not None
    assert score.coverage_high is not None
    # Two thousand hours are 166 stretches: such an interval is several points wide.
    assert 0.08 < score.coverage_high - score.coverage_low < 0.16
    assert score.width_bps == pytest.approx(float(np.mean(rows.high - rows.low)) * 1e4, rel=1e-3)
    without = report_of(replace(rows, low=np.full(len(rows.low), np.nan))).models[0]
    assert without.coverage is None


def test_months_compare_on_their_own_rows() -> None:
    rows = asset(n=2_000)
    found = [one for one in report_of(rows).months if one.model == "ensemble"]
    assert [one.month for one in found] == ["2023-11", "2023-12", "2024-01", "2024-02"]
    assert sum(one.n for one in found) == int(np.isfinite(rows.realised).sum())
    first = slice(0, found[0].n)
    errors = measure(rows.ensemble.expected[first], rows.realised[first], HORIZON)
    assert errors is not None
    assert found[0].ratio == pytest.approx(errors.ratio)


def test_an_asset_whose_outcomes_are_all_unknown_is_named_and_judged_by_nothing() -> None:
    rows = asset("ETH/USDT")
    report = report_of(asset(), replace(rows, realised=np.full(len(rows.realised), np.nan)))
    assert (
        report.verdicts[1].text == "nothing known about ETH/USDT at 12 h: no forecast could be compared with what came"
    )
    assert [one.symbol for one in report.models if one.model == "ensemble"] == ["BTC/USDT"]


def test_nothing_at_all_is_said_to_be_nothing() -> None:
    report = evaluate([], source="an empty folder")
    assert report.verdict == "Nothing to judge: no forecast could be compared with what came."
    assert report.edge_verdict.startswith("Edge: too few")


def test_horizons_are_judged_each_by_itself() -> None:
    rows = asset()
    day = replace(rows, horizon_hours=24, horizon_bars=24)
    report = report_of(rows, day)
    assert [one.horizon_hours for one in report.verdicts] == [12, 24]
    assert " at 12 h" in report.verdict
    assert " at 24 h" in report.verdict


def test_slices_before_the_first_model_are_counted_and_not_judged() -> None:
    report = report_of(replace(asset(), untrained=1_344))
    assert report.notes[0] == "Left out, for no model was trained by then: BTC/USDT 1,344 slices."


def test_json_has_stable_keys_and_reads_back_as_it_was() -> None:
    report = report_of(asset(n=1_200))
    text = as_json(report)
    assert msgspec.json.decode(text, type=EvaluationReport) == report
    keys = list(msgspec.json.decode(text))
    assert keys[:9] == ["version", "kind", "source", "since", "until", "cost_bps", "yardstick", "verdict", "verdicts"]
    assert keys[9:15] == ["models", "months", "calibration", "edges", "edge_verdict", "strategies"]
    assert "NaN" not in text
    assert "replayed" in report.kind


def test_the_same_rows_give_the_same_report() -> None:
    assert as_json(report_of(asset(n=1_000))) == as_json(report_of(asset(n=1_000)))


def test_a_part_without_an_uncertainty_has_no_coverage() -> None:
    rows = asset(parts=1)
    nothing = Said(rows.parts["model_0"].expected, np.full(len(rows.realised), np.nan))
    found = report_of(replace(rows, parts={"model_0": nothing})).models
    assert found[1].coverage is None
    assert found[1].width_bps is None
