import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tree_cases import COMMON, HORIZON, PARAMS, VOLATILITY, built, labels, table

from services.inference import forest, models, tree_models
from services.inference.forest import Forest, Walk
from services.inference.series import Floats
from services.kernel.errors import ConfigError

TREES = sorted(PARAMS)


def captured(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Keep what the libraries themselves return, to ask them beside our own trees."""
    kept: list[Any] = []
    real = tree_models.library

    def keep(made: Any) -> Any:
        kept.append(made)
        return made

    def watched(model: str, name: str) -> Any:
        module = real(model, name)
        seen = types.SimpleNamespace(**vars(module))
        if model == "random_forest":
            seen.RandomForestRegressor = lambda **options: keep(module.RandomForestRegressor(**options))
        else:
            seen.train = lambda *given, **named: keep(module.train(*given, **named))
        return seen

    monkeypatch.setattr(tree_models, "library", watched)
    return kept


def library_says(name: str, grown: Any, x: Floats) -> Floats:
    if name == "lightgbm":
        return np.asarray(grown.predict(x, num_threads=1), dtype=np.float64)
    if name == "xgboost":
        import xgboost

        return np.asarray(grown.predict(xgboost.DMatrix(x, nthread=1)), dtype=np.float64)
    return np.asarray(grown.predict(x), dtype=np.float64)


def edges(grown: Forest, x: Floats) -> Floats:
    """The rows again, with values that lie exactly on the trees' thresholds and one step beside them."""
    out = x.copy()
    # LightGBM takes smaller values for zero, and writes 1e300 for a threshold that only parts NaN from the others.
    usual = (np.abs(grown.number) > 1e-30) & (np.abs(grown.number) < 1e30)
    for i, node in enumerate(np.flatnonzero((grown.split >= 0) & usual)):
        threshold = grown.number[node]
        near = (threshold, np.nextafter(threshold, np.inf), np.nextafter(threshold, -np.inf), np.float32(threshold))
        out[i % len(x), grown.split[node] % grown.features] = near[i % 4]
    return out


@pytest.mark.parametrize("name", TREES)
@pytest.mark.parametrize("unknown", [True, False])
def test_our_trees_say_what_the_library_that_grew_them_says(
    name: str, unknown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = captured(monkeypatch)
    rows, y = labels(table(900))
    x = table(900).x[rows] if unknown else np.nan_to_num(table(900).x[rows])
    grown = built(name, l2=0.0 if name == "random_forest" else 3.0).grow(x, np.clip(y * 30, -4, 4), 5, 1)
    for asked in (x, table(500, seed=8).x, np.nan_to_num(table(500, seed=9).x), edges(grown, x)):
        if name == "random_forest" and not unknown and np.isnan(asked).any():
            continue  # which refuses NaN that it has not learnt from; ours sends it to the larger side
        ours = Walk([grown]).shared(asked)
        assert ours == pytest.approx(library_says(name, kept[0], asked), rel=1e-5, abs=1e-6)
        assert len(np.unique(ours)) > 20


@pytest.mark.parametrize("name", TREES)
def test_equal_input_gives_equal_bytes_and_another_seed_other_ones(name: str) -> None:
    (rows, y), known = labels(table(700)), table(700)
    first = built(name).fit(known, rows, y, 3)
    assert first == built(name).fit(known, rows, y, 3)
    assert first != built(name).fit(known, rows, y, 4)


@pytest.mark.parametrize("name", TREES)
def test_training_reads_nothing_after_the_rows_it_was_given(name: str) -> None:
    known, model = table(700), built(name)
    rows, y = labels(known)
    other = models.Table(np.where(np.arange(700)[:, None] > rows[400], 7.0, known.x), known.run)
    assert model.fit(known, rows[:401], y[:401], 3) == model.fit(other, rows[:401], y[:401], 3)


@pytest.mark.parametrize("name", TREES)
def test_assets_forecast_together_have_the_bits_they_have_alone(name: str) -> None:
    model = built(name)
    fitted = []
    for seed in range(1, 5):
        known = table(400, seed)
        rows, y = labels(known, seed)
        fitted.append(model.load(model.fit(known, rows, y, seed)))
    for n, seed in ((4, 9), (3, 9), (3, 10), (0, 9)):
        windows = table(400, seed).x[:n, None, :]
        together = model.predict_each(fitted[:n], windows)
        alone = [one.predict(windows[i : i + 1]) for i, one in enumerate(fitted[:n])]
        assert together.expected_return.tobytes() == b"".join(one.expected_return.tobytes() for one in alone)
        assert together.uncertainty.tobytes() == b"".join(one.uncertainty.tobytes() for one in alone)


@pytest.mark.parametrize("name", TREES)
def test_a_row_is_forecast_alike_alone_and_among_others(name: str) -> None:
    known, model = table(600), built(name)
    rows, y = labels(known)
    fitted = model.load(model.fit(known, rows, y, 1))
    windows = known.windows(rows, 1)
    together = fitted.predict(windows)
    for i in range(0, len(rows), 37):
        alone = fitted.predict(windows[i : i + 1])
        assert alone.expected_return.tobytes() == together.expected_return[i : i + 1].tobytes()
        assert alone.uncertainty.tobytes() == together.uncertainty[i : i + 1].tobytes()
    assert (together.uncertainty > 0).all()


@pytest.mark.parametrize("name", TREES)
def test_what_the_columns_know_is_learnt_and_the_error_is_about_the_rest(name: str) -> None:
    known, model = table(4_000), built(name, rounds=60) if name != "random_forest" else built(name, trees=60)
    rows, y = labels(known)
    said = model.load(model.fit(known, rows[:3_000], y[:3_000], 1)).predict(known.windows(rows[3_000:], 1))
    later = y[3_000:]
    assert np.corrcoef(said.expected_return, later)[0, 1] > 0.4
    units = (later - said.expected_return) / said.uncertainty
    assert np.sqrt(np.mean(units**2)) == pytest.approx(1.0, abs=0.1)


def test_the_error_is_measured_on_the_newest_rows_by_trees_that_saw_no_label_of_theirs() -> None:
    seen: list[tuple[Floats, int]] = []

    class Watched(tree_models.TreeModel):
        kind = tree_models.Params

        def grow(self, x: Floats, units: Floats, seed: int, thrift: int) -> Forest:
            seen.append((x, thrift))
            return forest.gather([], x.shape[1])

    known = table(212)
    rows, y = labels(known)
    artefact = Watched(COMMON, HORIZON).fit(known, rows, y, 1)
    (before, thrift), (whole, full) = seen
    assert (thrift, full) == (tree_models.THRIFT, 1)
    np.testing.assert_array_equal(whole, known.x[:200])
    # The holdout begins at row 150: row 138's label ends there.
    np.testing.assert_array_equal(before, known.x[:139])
    units = y[150:] / known.x[150:200, VOLATILITY] / np.sqrt(HORIZON)
    assert forest.parse(artefact)[1]["error"] == pytest.approx(np.sqrt(np.mean(units**2)))


@pytest.mark.parametrize("name", TREES)
def test_a_span_that_rose_throughout_is_no_reason_to_expect_more_of_it(name: str) -> None:
    known, model = table(600), built(name, row_share=1.0)
    rows, _ = labels(known)
    units = 0.7 + 0.01 * np.random.default_rng(1).normal(size=len(rows))
    y = units * known.x[rows, VOLATILITY] * np.sqrt(HORIZON)
    said = model.load(model.fit(known, rows, y, 1)).predict(known.windows(rows, 1))
    assert np.abs(said.expected_return).max() < 0.01 * np.abs(y).max()


@pytest.mark.parametrize("name", TREES)
def test_a_span_in_which_nothing_moved_forecasts_no_move(name: str) -> None:
    known, model = table(300), built(name)
    known.x[:, VOLATILITY] = 0.0
    rows, _ = labels(known)
    said = model.load(model.fit(known, rows, np.zeros(len(rows)), 1)).predict(known.windows(rows, 1))
    assert (said.expected_return == 0.0).all()
    assert (said.uncertainty == 0.0).all()


@pytest.mark.parametrize("name", TREES)
def test_few_rows_still_make_a_model(name: str) -> None:
    known, model = table(24), built(name)
    rows, y = labels(known)
    fitted = model.load(model.fit(known, rows, y, 1))
    assert np.isfinite(fitted.predict(known.windows(rows, 1)).expected_return).all()
    assert fitted.error > 0.0


def test_a_thrifty_fit_keeps_rounds_times_learning_rate() -> None:
    p = tree_models.Boosting(**{**COMMON, "bins": 31, "rounds": 100, "learning_rate": 0.02})
    quick = p.model_copy(update={"rounds": 5, "learning_rate": 0.5})
    for pace, rounds, rate in ((p.pace(1), 100, 0.02), (p.pace(4), 25, 0.08), (quick.pace(4), 3, 1.0)):
        assert pace[0] == rounds
        assert pace[1] == pytest.approx(rate)


SERVED = """
import sys
for name in ("lightgbm", "xgboost", "sklearn", "torch"):
    sys.modules[name] = None
from pathlib import Path
import numpy as np
from tree_cases import built, labels, table
from services.kernel.errors import ConfigError

folder = Path(sys.argv[1])
known = table(400)
for name in ("lightgbm", "xgboost", "random_forest"):
    model = built(name)
    fitted = model.load((folder / name).read_bytes())
    said = model.predict_each([fitted] * 5, known.x[:5, None, :])
    assert said.expected_return.tobytes() == fitted.predict(known.x[:5, None, :]).expected_return.tobytes()
    assert said.expected_return.tobytes() == (folder / f"{name}.said").read_bytes()
    try:
        model.fit(known, *labels(known), 1)
    except ConfigError as error:
        assert str(error).startswith(f"models.yaml: key 'models.{name}': cannot be imported: "), error
    else:
        raise AssertionError(f"{name} trained without its library")
"""


def test_trained_trees_forecast_where_no_library_that_grows_them_is_installed(tmp_path: Path) -> None:
    known = table(400)
    for name in TREES:
        model = built(name)
        artefact = model.fit(known, *labels(known), 1)
        (tmp_path / name).write_bytes(artefact)
        said = model.load(artefact).predict(known.x[:5, None, :]).expected_return
        (tmp_path / f"{name}.said").write_bytes(said.tobytes())
    root, here = Path(__file__).parents[3], Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", SERVED, str(tmp_path)],
        env={"PYTHONPATH": f"{root}:{here}", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        ("xgboost", {"leaves": 5}, r"key 'models\.xgboost\.params\.leaves': Extra inputs are not permitted"),
        ("random_forest", {"trees": 0}, r"key 'models\.random_forest\.params\.trees': .*got 0"),
        ("lightgbm", {"depth": 40}, r"key 'models\.lightgbm\.params\.depth': .*got 40"),
    ],
)
def test_a_wrong_parameter_of_trees_is_refused_by_its_key(name: str, change: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        built(name, **change)
