"""The ETTh1 comparison in small: whose windows, the simple forecasters, and the table that is written."""

import json
from pathlib import Path

import numpy as np
import pytest

from services.kernel.errors import DataError
from services.research import ett, ett_baselines, ett_data, ett_informer, ett_table
from services.research.ett_data import HISTORY, HORIZON, EttData
from services.research.ett_informer import Budget


def quiet(line: str) -> None:
    """Say nothing."""


def days(columns: int = 2, noise: float = 0.1) -> EttData:
    """A made-up daily cycle with noise, as long as ETTh1."""
    chance = np.random.default_rng(1)
    hours = np.arange(20 * ett_data.MONTH)
    cycle = np.sin(2 * np.pi * hours / 24)[:, None] * np.arange(1, columns + 1)
    values = cycle + chance.normal(0.0, noise, (len(hours), columns))
    calendar = np.repeat(((hours % 24) / 23 - 0.5)[:, None], 4, axis=1)
    return EttData(values.astype(np.float32), calendar.astype(np.float32))


def test_every_window_forecasts_hours_of_its_own_split_alone() -> None:
    data = days()
    assert {split: len(data.starts(split)) for split in ett_data.SPLITS} == {
        "train": 8640 - HISTORY - HORIZON + 1,
        "validation": 2880 - HORIZON + 1,
        "test": 2857,
    }
    for split, (since, until) in ett_data.SPLITS.items():
        assert data.starts(split)[0] == max(since, HISTORY)
        assert data.starts(split)[-1] + HORIZON == until


def test_history_ends_where_the_future_begins() -> None:
    data = days()
    starts = np.array([100, 7000])
    assert (data.history(starts)[:, -1] == data.values[[99, 6999]]).all()
    assert (data.future(starts)[:, 0] == data.values[[100, 7000]]).all()
    assert (data.calendar(starts)[:, HISTORY] == data.time[[100, 7000]]).all()
    assert data.calendar(starts).shape == (2, HISTORY + HORIZON, 4)


def test_the_file_is_scaled_by_its_training_part(tmp_path: Path) -> None:
    import polars

    hours = polars.datetime_range(
        polars.datetime(2016, 7, 1), polars.datetime(2018, 6, 26, 19), interval="1h", eager=True
    )
    chance = np.random.default_rng(1)
    columns = {name: chance.normal(5.0, 3.0, len(hours)) for name in ett_data.COLUMNS}
    polars.DataFrame({"date": hours, **columns}).write_parquet(tmp_path / ett_data.FILE)
    data = ett_data.read(tmp_path, "multivariate")
    assert data.values.shape == (14_400, 7)
    assert data.values[:8640].mean(axis=0) == pytest.approx(0.0, abs=1e-5)
    assert data.values[:8640].std(axis=0) == pytest.approx(1.0, abs=1e-5)
    assert np.abs(data.time).max() <= 0.5
    assert data.time[:24, 0] == pytest.approx(np.arange(24) / 23 - 0.5)
    assert (ett_data.read(tmp_path, "univariate").values[:, 0] == data.values[:, -1]).all()


def test_a_missing_file_or_column_is_named(tmp_path: Path) -> None:
    import polars

    with pytest.raises(DataError, match="no such file; give the folder that holds"):
        ett_data.read(tmp_path, "univariate")
    polars.DataFrame({"date": [1], "OT": [2.0]}).write_parquet(tmp_path / ett_data.FILE)
    with pytest.raises(DataError, match="no column 'HUFL'"):
        ett_data.read(tmp_path, "univariate")


def test_simple_forecasters_know_a_day_when_they_see_one() -> None:
    data = days(noise=0.0)
    truth = data.future(data.starts("test"))
    assert ett_baselines.seasonal(data) == pytest.approx(truth, abs=1e-4)
    assert np.mean((ett_baselines.repeat_last(data) - truth) ** 2) > 1.0
    said, notes = ett_baselines.ridge_nlinear(days(noise=0.1))
    assert np.mean((said - days(noise=0.1).future(data.starts("test"))) ** 2) < 0.02
    assert notes["penalty"] in ett_baselines.PENALTIES


def test_dlinear_learns_the_same_day_from_the_same_seed() -> None:
    data = days(columns=1, noise=0.3)
    first, notes = ett_baselines.dlinear(data, 1, quiet)
    assert np.mean((first - data.future(data.starts("test"))) ** 2) < 0.3**2 * 1.5
    assert notes["best_epoch"] >= 1
    assert (ett_baselines.dlinear(data, 1, quiet)[0] == first).all()


def test_the_informers_training_is_the_same_for_the_same_seed_and_keeps_its_best_epoch() -> None:
    data = days(columns=1, noise=0.3)
    budget = Budget(epochs=2, d_model=8, d_ff=8, heads=2, rate=1e-3, stride=16, precision="float32")
    said: list[str] = []
    first, notes = ett_informer.forecast(data, 1, budget, said.append)
    assert first.shape == (2857, HORIZON, 1)
    assert len(said) == notes["epochs"] == 2
    assert (ett_informer.forecast(data, 1, budget, quiet)[0] == first).all()
    assert not (ett_informer.forecast(data, 2, budget, quiet)[0] == first).all()


def line(task: str, model: str, seed: int, mse: float) -> str:
    run = {"task": task, "model": model, "seed": seed, "mse": mse, "mae": mse, "windows": 2857, "minutes": 0.01}
    notes = {"epochs": 5, "best_epoch": 2, "patience": 3} if model == "informer" else {}
    return json.dumps({**run, "hardware": "2 cores, no GPU", **notes})


def test_the_table_holds_the_mean_over_seeds_worst_first_and_leaves_the_rest_alone(tmp_path: Path) -> None:
    results, document = tmp_path / "runs.jsonl", tmp_path / "benchmarks.md"
    results.write_text(
        "\n".join(
            [
                line("multivariate", "seasonal-24", 1, 0.42),
                line("multivariate", "informer", 2, 0.52),
                line("multivariate", "informer", 1, 0.5),
            ]
        ),
        encoding="utf-8",
    )
    document.write_text("# Benchmarks\n\nSpeed.\n", encoding="utf-8")
    ett_table.write(results, document)
    once = document.read_text(encoding="utf-8")
    assert once.startswith("# Benchmarks\n\nSpeed.\n\n## Informer on ETTh1\n")
    rows = [row for row in once.splitlines() if row.startswith("| ")]
    assert rows[1].startswith("| Informer, as printed in the paper | 0.577 | 0.549 |")
    assert rows[2].startswith(
        "| **Informer (ours)** | 0.5100 | 0.5100 | 2 (0.5000, 0.5200); best epoch 2, patience 3 |"
    )
    assert rows[3].startswith("| seasonal-24 | 0.4200 | 0.4200 | needs none |")
    document.write_text(once + "\nMore.\n", encoding="utf-8")
    ett_table.write(results, document)
    assert document.read_text(encoding="utf-8") == once + "\nMore.\n"


def test_a_table_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run without --table first"):
        ett_table.write(tmp_path / "none.jsonl", None)


def test_runs_are_added_line_by_line_and_an_absent_library_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ett_data, "read", lambda folder, task: days(columns=1))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    options = ["--data", str(tmp_path), "--out", str(tmp_path / "runs.jsonl"), "--task", "univariate"]
    models = ["--model", "repeat-last", "seasonal-24", "neuralforecast", "--seed", "4", "5"]
    ett.run(ett.arguments().parse_args([*options, *models]))
    runs = [json.loads(one) for one in (tmp_path / "runs.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(one["model"], one["windows"]) for one in runs] == [("repeat-last", 2857), ("seasonal-24", 2857)]
    assert runs[1]["mse"] < runs[0]["mse"]
    assert "neuralforecast: not installed here, left out" in capsys.readouterr().err
