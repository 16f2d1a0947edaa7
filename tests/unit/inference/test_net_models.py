"""What holds for every net: the same bits in any company, what it learns from, and what its artefact is."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from net_cases import HORIZON, NETS, TINY, build, build_tiny, drawn, labelled, made_up

from services.inference import models, net_training
from services.inference.features import column
from services.inference.models import Table
from services.inference.nets import unpacked
from services.inference.registry import ModelError
from services.kernel.errors import ConfigError

TABLE = made_up(420)


@pytest.mark.parametrize("name", NETS)
def test_a_window_is_forecast_with_the_same_bits_in_a_batch_of_any_size(name: str) -> None:
    fitted = drawn(build(name), TABLE, 3)
    windows = TABLE.windows(np.arange(60, 360), 48)
    whole = fitted.predict(windows)
    assert len(np.unique(whole.expected_return)) == 300
    assert fitted.predict(windows[:0]).expected_return.shape == (0,)
    for size in (1, 2, 3, 48, 299):
        for start in (0, 1, 300 - size):
            part = fitted.predict(windows[start : start + size])
            assert part.expected_return.tobytes() == whole.expected_return[start : start + size].tobytes()
            assert part.uncertainty.tobytes() == whole.uncertainty[start : start + size].tobytes()


@pytest.mark.parametrize("name", NETS)
@given(rows=st.lists(st.integers(47, 407), min_size=1, max_size=40))
@settings(max_examples=15, deadline=None)
def test_nets_side_by_side_say_what_each_says_alone(name: str, rows: list[int]) -> None:
    model = build(name)
    fitted = [drawn(model, TABLE, seed) for seed in range(3)]
    chosen = [fitted[row % 3] for row in rows]
    windows = TABLE.windows(np.array(rows), 48)
    together = model.predict_each(chosen, windows)
    for i, one in enumerate(chosen):
        alone = one.predict(windows[i : i + 1])
        assert alone.expected_return.tobytes() == together.expected_return[i : i + 1].tobytes()
        assert alone.uncertainty.tobytes() == together.uncertainty[i : i + 1].tobytes()


@pytest.mark.parametrize("name", NETS)
def test_other_nets_side_by_side_are_not_mistaken_for_the_ones_before(name: str) -> None:
    model = build(name)
    first, second = drawn(model, TABLE, 1), drawn(model, TABLE, 2)
    windows = TABLE.windows(np.array([100, 101]), 48)
    before = model.predict_each([first, second], windows)
    after = model.predict_each([second, first], windows)
    assert after.expected_return.tobytes() == model.predict_each([second, first], windows).expected_return.tobytes()
    assert after.expected_return[0] == second.predict(windows[:1]).expected_return[0] != before.expected_return[0]


@pytest.mark.parametrize("params", [{}, {"bars": 24}])
@pytest.mark.parametrize("name", NETS)
def test_numpy_says_what_torch_says(name: str, params: dict[str, int]) -> None:
    model = build(name, **params)
    fitted = drawn(model, TABLE, 5)
    windows = TABLE.windows(np.arange(60, 124), model.bars)
    net = net_training.restored(model.network(windows.shape[-1]), fitted.weights[0])
    x = np.random.default_rng(0).normal(0.0, 1.0, windows.shape).astype(np.float32)
    said = model.forward(fitted.served.members[0], x)
    expected = net_training.outputs(net, x, "cpu")
    assert said.shape == expected.shape
    assert said == pytest.approx(expected, abs=1e-5)
    assert np.abs(expected).max() > 0.1


@pytest.mark.parametrize("name", NETS)
def test_the_way_over_torch_forecasts_the_same(name: str) -> None:
    model = build_tiny(name, members=2)
    rows, y = labelled(TABLE, 6, 2.0)
    fitted = model.load(model.fit(TABLE, rows, y, 3))
    windows = TABLE.windows(rows[:50], 6)
    over_torch = fitted._on("cpu", windows)
    assert over_torch == pytest.approx(model.say(fitted.served, windows), abs=1e-5)
    assert fitted._on("cpu", windows).tobytes() == over_torch.tobytes()


@pytest.mark.parametrize("name", NETS)
def test_equal_input_and_seed_give_equal_bytes(name: str) -> None:
    model = build_tiny(name, members=2)
    rows, y = labelled(TABLE, 6, 2.0)
    first = model.fit(TABLE, rows, y, 3)
    assert build_tiny(name, members=2).fit(TABLE, rows, y, 3) == first
    assert model.fit(TABLE, rows, y, 4) != first


@pytest.mark.parametrize("name", NETS)
def test_members_are_averaged(name: str) -> None:
    rows, y = labelled(TABLE, 6, 2.0)
    windows = TABLE.windows(rows, 6)

    def units(members: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        model = build_tiny(name, members=members)
        said = model.load(model.fit(TABLE, rows, y, seed)).predict(windows).expected_return
        return np.asarray(said / windows[:, -1, column("volatility_168")])

    alone = [units(1, 3), units(1, 4)]
    assert not np.allclose(alone[0], alone[1])
    assert units(2, 3) == pytest.approx((alone[0] + alone[1]) / 2, abs=1e-6)


@pytest.mark.parametrize("name", NETS)
def test_a_net_without_training_is_the_random_walk(name: str) -> None:
    model = build_tiny(name, epochs=0)
    rows, y = labelled(TABLE, 6)
    said = model.load(model.fit(TABLE, rows, y, 1)).predict(TABLE.windows(rows, 6))
    assert (said.expected_return == 0.0).all()
    unit = TABLE.x[rows, column("volatility_168")] * np.sqrt(HORIZON)
    newest = slice(int(len(rows) * 0.85), None)
    miss = np.sqrt(np.mean(np.clip(y / unit, -4, 4)[newest] ** 2))
    assert said.uncertainty == pytest.approx(unit * miss)


@pytest.mark.parametrize("name", NETS)
def test_a_planted_signal_is_learnt(name: str) -> None:
    table = made_up(1_500)
    model = build_tiny(name, epochs=25, learning_rate=5e-3, pull=0.0, dropout=0.0)
    rows, y = labelled(table, 6, 1.5)
    fitted = model.load(model.fit(table, rows[:1_100], y[:1_100], 1))
    said = fitted.predict(table.windows(rows[1_150:], 6))
    ahead = y[1_150:]
    assert np.mean((ahead - said.expected_return) ** 2) < 0.7 * np.mean(ahead**2)
    assert 0.8 < np.sqrt(np.mean(((ahead - said.expected_return) / said.uncertainty) ** 2)) < 1.25


@pytest.mark.parametrize("name", NETS)
def test_noise_leaves_a_net_near_the_random_walk(name: str) -> None:
    table = made_up(1_500)
    model = build_tiny(name, epochs=10)
    rows, y = labelled(table, 6)
    said = model.load(model.fit(table, rows[:1_100], y[:1_100], 1)).predict(table.windows(rows[1_150:], 6))
    ahead = y[1_150:]
    assert np.mean((ahead - said.expected_return) ** 2) < 1.02 * np.mean(ahead**2)


@pytest.mark.parametrize("name", NETS)
def test_rows_whose_label_reaches_into_the_newest_part_are_not_learnt(name: str) -> None:
    model = build_tiny(name, holdout_share=0.25)
    rows, y = labelled(TABLE, 6, 2.0)
    kept = int(len(rows) * 0.75)
    same = model.fit(TABLE, rows, y, 1)

    def changed(row: int) -> bytes:
        other = y.copy()
        other[row] = -other[row]
        return model.fit(TABLE, rows, other, 1)

    assert {changed(row) for row in range(kept - HORIZON + 1, kept)} == {same}
    assert changed(kept - HORIZON) != same


@pytest.mark.parametrize("name", NETS)
def test_nothing_after_the_last_label_is_read(name: str) -> None:
    model = build_tiny(name)
    rows, y = labelled(TABLE, 6, 2.0)
    rows, y = rows[:300], y[:300]
    x, run = TABLE.x.copy(), TABLE.run.copy()
    x[rows[-1] + HORIZON + 1 :], run[rows[-1] + HORIZON + 1 :] = np.nan, 0
    assert model.fit(Table(x, run), rows, y, 1) == model.fit(TABLE, rows, y, 1)


@pytest.mark.parametrize("name", NETS)
def test_the_scale_is_that_of_the_rows_learnt_from(name: str) -> None:
    model = build_tiny(name, epochs=0)
    rows, y = labelled(TABLE, 6)
    kept = int(len(rows) * 0.85)
    learnt = TABLE.x[rows[: kept - HORIZON + 1]]
    scale, _ = unpacked(type(model).__module__, model.fit(TABLE, rows, y, 1))
    with np.errstate(all="ignore"):
        known = np.isfinite(learnt).any(axis=0)
    assert scale["mean"][0, known] == pytest.approx(np.nanmean(learnt[:, known], axis=0))
    spread = np.nanstd(learnt[:, known], axis=0)
    assert scale["deviation"][0, known][:-1] == pytest.approx(spread[:-1])
    assert scale["mean"][0, -2] == 0.0
    assert np.isinf(scale["deviation"][0, -2:]).all(), "neither an unknown nor a constant column may say anything"


@pytest.mark.parametrize("name", NETS)
def test_unknown_and_wild_features_still_give_a_forecast(name: str) -> None:
    fitted = drawn(build(name), TABLE, 3)
    windows = TABLE.windows(np.arange(60, 63), 48)
    unit = windows[:, -1, column("volatility_168")].copy()
    windows[0], windows[1], windows[2] = np.nan, 1e30, -1e30
    windows[:, -1, column("volatility_168")] = unit
    said = fitted.predict(windows)
    assert np.isfinite(said.expected_return).all()
    assert (said.uncertainty > 0).all()


@pytest.mark.parametrize("name", NETS)
def test_a_price_that_never_moved_is_survived(name: str) -> None:
    x = TABLE.x.copy()
    x[:, [column("return_1"), column("volatility_168")]] = 0.0
    model = build_tiny(name)
    rows, y = labelled(TABLE, 6)
    said = model.load(model.fit(Table(x, TABLE.run), rows, y * 0.0, 1)).predict(TABLE.windows(rows[:5], 6))
    assert (said.expected_return == 0.0).all()
    assert (said.uncertainty > 0).all()


@pytest.mark.parametrize("count", [1, 2, 14, 20])
@pytest.mark.parametrize("name", NETS)
def test_a_few_rows_are_enough_not_to_fail(name: str, count: int) -> None:
    model = build_tiny(name)
    rows, y = labelled(TABLE, 6)
    said = model.load(model.fit(TABLE, rows[:count], y[:count], 1)).predict(TABLE.windows(rows[:5], 6))
    assert np.isfinite(said.expected_return).all()
    assert (said.uncertainty > 0).all()


def test_serving_does_without_torch(tmp_path: Path) -> None:
    windows = TABLE.windows(np.arange(60, 64), 6)
    np.save(tmp_path / "windows.npy", windows)
    rows, y = labelled(TABLE, 6, 2.0)
    for name in NETS:
        model = build_tiny(name)
        artefact = model.fit(TABLE, rows, y, 1)
        (tmp_path / name).write_bytes(artefact)
        np.save(tmp_path / f"{name}.npy", model.load(artefact).predict(windows).expected_return)
    code = f"""
import sys
sys.modules["torch"] = None
import numpy as np
from pathlib import Path
from services.inference import models
folder, tiny = Path(sys.argv[1]), {TINY!r}
windows = np.load(folder / "windows.npy")
for name, params in tiny.items():
    model = models.build(name, params, {HORIZON})
    fitted = model.load((folder / name).read_bytes())
    expected = np.load(folder / (name + ".npy"))
    assert (fitted.predict(windows).expected_return == expected).all(), name
    assert (model.predict_each([fitted] * 4, windows).expected_return == expected).all(), name
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_training_leaves_torch_as_it_was() -> None:
    import torch

    before, state = torch.get_num_threads(), torch.get_rng_state()
    rows, y = labelled(TABLE, 6)
    build_tiny("lstm", threads=before + 1).fit(TABLE, rows, y, 1)
    assert torch.get_num_threads() == before
    assert torch.equal(torch.get_rng_state(), state)


def test_an_artefact_of_another_model_or_none_is_refused() -> None:
    rows, y = labelled(TABLE, 6)
    artefact = build_tiny("lstm").fit(TABLE, rows, y, 1)
    with pytest.raises(ModelError, match="run 'chloe train'"):
        build_tiny("transformer").load(artefact)
    with pytest.raises(ModelError, match="cannot be read"):
        build_tiny("lstm").load(artefact[:-100])
    file = io.BytesIO()
    np.savez(file, header=np.array([{"kind": "lstm"}], dtype=object))
    with pytest.raises(ModelError, match="allow_pickle=False"):
        build_tiny("lstm").load(file.getvalue())


@pytest.mark.parametrize(
    ("name", "params", "text"),
    [
        ("transformer", {"width": 30}, "width 30 cannot be shared among 4 heads"),
        ("multi_task", {"bars": 50}, "bars 50 is not a multiple of patch 6"),
        ("lstm", {"hiden": 8}, r"key 'models\.lstm\.params\.hiden'"),
        ("lstm", {"device": "tpu"}, r"key 'models\.lstm\.params\.device'"),
    ],
)
def test_impossible_parameters_are_refused_by_name(name: str, params: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        models.build(name, params, HORIZON)


def test_cuda_is_refused_where_there_is_none_and_auto_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="cuda is asked for and there is none here; use auto or cpu"):
        net_training.chosen_device("cuda")
    assert net_training.chosen_device("auto") == "cpu"
