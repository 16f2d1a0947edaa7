"""The Informer as one of the platform's models: what it learns from, and the same bits however it is served."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from net_cases import HORIZON, PLANTED, made_up
from numpy.typing import NDArray

from services.inference import models, net_training
from services.inference.features import column
from services.inference.models import Table
from services.inference.models.informer import Model
from services.inference.nets import Fitted, packed
from services.inference.registry import ModelError
from services.inference.series import Floats, Ints
from services.kernel.errors import ConfigError

STEP, RECENT = column("return_1"), column("volatility_168")
TABLE = made_up(600)
TINY: dict[str, Any] = {
    "bars": 12,
    "label": 6,
    "width": 8,
    "heads": 2,
    "feed": 8,
    "stride": 1,
    "epochs": 2,
    "batch": 64,
}


def tiny(**params: Any) -> Model:
    return Model({**TINY, **params}, HORIZON)


def labelled(table: Table, bars: int = 12) -> tuple[Ints, Floats]:
    """Rows that have a window and a label, and the sum of the returns that follow each."""
    rows = np.arange(bars - 1, len(table.x) - HORIZON)
    return rows, table.ahead(rows, HORIZON, STEP).sum(axis=1)


def drawn(model: Model, seed: int) -> Fitted:
    """A net with numbers drawn at random in every layer, as if it had been trained to say something."""
    import torch

    chance = np.random.default_rng(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        state = model.network(TABLE.x.shape[1]).state_dict()
    weights: dict[str, NDArray[Any]] = {}
    for name, value in state.items():
        found = value.numpy()
        off = chance.normal(0.0, 0.2, found.shape).astype(np.float32)
        weights[name] = found if found.dtype != np.float32 else np.abs(found + off) if "var" in name else found + off
    known = np.nan_to_num(TABLE.x)
    scale = {"mean": known.mean(axis=0)[None], "deviation": known.std(axis=0)[None] + 0.1}
    return model.load(packed(Model.__module__, {**scale, "error": np.array(1.0 + seed / 10)}, [weights]))


def test_a_window_is_forecast_with_the_same_bits_in_a_batch_of_any_size() -> None:
    model = Model({}, HORIZON)
    fitted = drawn(model, 3)
    windows = TABLE.windows(np.arange(200, 500), model.bars)
    whole = fitted.predict(windows)
    assert model.bars == 168
    assert len(np.unique(whole.expected_return)) == 300
    for size in (1, 2, 3, 48, 299):
        for start in (0, 1, 300 - size):
            part = fitted.predict(windows[start : start + size])
            assert part.expected_return.tobytes() == whole.expected_return[start : start + size].tobytes()
            assert part.uncertainty.tobytes() == whole.uncertainty[start : start + size].tobytes()


@given(rows=st.lists(st.integers(167, 587), min_size=1, max_size=40))
@settings(max_examples=15, deadline=None)
def test_nets_side_by_side_say_what_each_says_alone(rows: list[int]) -> None:
    model = Model({}, HORIZON)
    fitted = [drawn(model, seed) for seed in range(3)]
    chosen = [fitted[row % 3] for row in rows]
    windows = TABLE.windows(np.array(rows), model.bars)
    together = model.predict_each(chosen, windows)
    for i, one in enumerate(chosen):
        alone = one.predict(windows[i : i + 1])
        assert alone.expected_return.tobytes() == together.expected_return[i : i + 1].tobytes()
        assert alone.uncertainty.tobytes() == together.uncertainty[i : i + 1].tobytes()


SHAPES: list[dict[str, Any]] = [
    {},
    {"bars": 37, "label": 37, "factor": 1},
    {"encoder_layers": 3, "decoder_layers": 2, "heads": 2},
    {"encoder_layers": 1, "label": 1},
]


@pytest.mark.parametrize("params", SHAPES)
def test_numpy_says_what_torch_says(params: dict[str, Any]) -> None:
    model = Model(params, HORIZON)
    fitted = drawn(model, 5)
    net = net_training.restored(model.network(TABLE.x.shape[1]), fitted.weights[0])
    x = np.random.default_rng(0).normal(0.0, 1.0, (64, model.bars, TABLE.x.shape[1])).astype(np.float32)
    said, expected = model.forward(fitted.served.members[0], x), net_training.outputs(net, x, "cpu")
    assert said.shape == expected.shape == (64, HORIZON)
    # Where two queries stand out alike to the last digit, either may be the one that attends.
    same = np.abs(said - expected).max(axis=1) < 1e-4
    assert same.mean() > 0.95
    assert np.abs(expected).max() > 0.1


def test_targets_are_the_returns_of_the_hours_to_come_in_units_of_volatility_and_their_sum() -> None:
    table = made_up(60)
    table.x[20, RECENT] = 0.006
    table.x[23, STEP] = 1.0
    wanted = tiny(clip=4.0).targets(table, np.array([20]), np.array([0.7]))
    assert wanted.shape == (1, HORIZON + 1)
    assert wanted[0, 0] == pytest.approx(table.x[21, STEP] / 0.006)
    assert wanted[0, 2] == 4.0
    assert wanted[0, HORIZON] == 0.7


def test_hours_behind_a_gap_are_not_learnt() -> None:
    import torch

    table = made_up(60)
    run = table.run.copy()
    run[30:] = np.arange(1, 31)
    model = tiny()
    wanted = model.targets(Table(table.x, run), np.array([25]), np.ones(1))
    assert np.isnan(wanted[0]).tolist() == [False] * 4 + [True] * 8 + [False]
    said = torch.ones(1, HORIZON, requires_grad=True)
    torch.autograd.backward(tiny(pull=0.0).loss(said, torch.from_numpy(wanted)))
    assert said.grad is not None
    assert (said.grad[0, 4:] == 0).all()
    assert (said.grad[0, :4] != 0).all()


def test_the_forecast_is_the_sum_of_the_hours() -> None:
    model = Model({}, HORIZON)
    fitted = drawn(model, 4)
    windows = TABLE.windows(np.array([300, 301]), model.bars)
    hours = model.say(fitted.served, windows).astype(np.float64)
    assert fitted.predict(windows).expected_return == pytest.approx(hours.sum(axis=1) * windows[:, -1, RECENT])


def test_equal_input_and_seed_give_equal_bytes() -> None:
    rows, y = labelled(TABLE)
    first = tiny().fit(TABLE, rows, y, 3)
    assert tiny().fit(TABLE, rows, y, 3) == first
    assert tiny().fit(TABLE, rows, y, 4) != first


def test_the_informer_without_training_is_the_random_walk() -> None:
    rows, y = labelled(TABLE)
    model = tiny(epochs=0)
    said = model.load(model.fit(TABLE, rows, y, 1)).predict(TABLE.windows(rows, 12))
    assert (said.expected_return == 0.0).all()
    unit = TABLE.x[rows, RECENT] * np.sqrt(HORIZON)
    miss = np.sqrt(np.mean(np.clip(y / unit, -4, 4)[int(len(rows) * 0.85) :] ** 2))
    assert said.uncertainty == pytest.approx(unit * miss)


def test_a_planted_signal_is_learnt() -> None:
    table = made_up(3_000)
    table.x[1:, STEP] += 0.006 * 0.6 * table.x[:-1, PLANTED]
    table.x[:, RECENT] = 0.006
    model = tiny(epochs=20, learning_rate=5e-3, pull=0.0, dropout=0.0)
    rows, y = labelled(table)
    fitted = model.load(model.fit(table, rows[:2_400], y[:2_400], 1))
    said, ahead = fitted.predict(table.windows(rows[2_420:], 12)), y[2_420:]
    assert np.mean((ahead - said.expected_return) ** 2) < 0.8 * np.mean(ahead**2)
    assert 0.7 < np.sqrt(np.mean(((ahead - said.expected_return) / said.uncertainty) ** 2)) < 1.4


def test_noise_leaves_the_informer_near_the_random_walk() -> None:
    table = made_up(1_500)
    model = tiny(epochs=6)
    rows, y = labelled(table)
    said = model.load(model.fit(table, rows[:1_100], y[:1_100], 1)).predict(table.windows(rows[1_150:], 12))
    assert np.mean((y[1_150:] - said.expected_return) ** 2) < 1.02 * np.mean(y[1_150:] ** 2)


def test_rows_whose_hours_reach_into_the_newest_part_are_not_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Ints, Ints]] = []
    train = net_training.train

    def watched(network: Any, loss: Any, x: Any, learn: Any, held: Any, params: Any, seed: int) -> Any:
        seen.append((learn.rows, held.rows))
        return train(network, loss, x, learn, held, params, seed)

    monkeypatch.setattr(net_training, "train", watched)
    rows, y = labelled(TABLE)
    tiny(holdout_share=0.25, epochs=0).fit(TABLE, rows, y, 1)
    ((learn, held),) = seen
    assert len(held) == len(rows) - int(len(rows) * 0.75)
    assert learn[-1] + HORIZON == held[0]


def test_nothing_after_the_last_label_is_read() -> None:
    rows, y = labelled(TABLE)
    rows, y = rows[:400], y[:400]
    x, run = TABLE.x.copy(), TABLE.run.copy()
    x[rows[-1] + HORIZON + 1 :], run[rows[-1] + HORIZON + 1 :] = np.nan, 0
    assert tiny().fit(Table(x, run), rows, y, 1) == tiny().fit(TABLE, rows, y, 1)


def test_serving_the_informer_does_without_torch(tmp_path: Path) -> None:
    rows, y = labelled(TABLE)
    windows = TABLE.windows(rows[:4], 12)
    artefact = tiny().fit(TABLE, rows, y, 1)
    (tmp_path / "artefact").write_bytes(artefact)
    np.save(tmp_path / "windows.npy", windows)
    np.save(tmp_path / "said.npy", tiny().load(artefact).predict(windows).expected_return)
    code = f"""
import sys
sys.modules["torch"] = None
import numpy as np
from pathlib import Path
from services.inference import models
folder = Path(sys.argv[1])
model = models.build("informer", {TINY!r}, {HORIZON})
fitted = model.load((folder / "artefact").read_bytes())
windows, said = np.load(folder / "windows.npy"), np.load(folder / "said.npy")
assert (fitted.predict(windows).expected_return == said).all()
assert (model.predict_each([fitted] * 4, windows).expected_return == said).all()
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_artefact_of_another_model_is_refused_by_the_informer() -> None:
    with pytest.raises(ModelError, match="run 'chloe train'"):
        tiny().load(packed("services.inference.models.lstm", {}, []))


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"width": 30}, "width 30 is odd or cannot be shared among 4 heads"),
        ({"bars": 24}, "label 48 is longer than bars 24"),
        ({"laber": 8}, r"key 'models\.informer\.params\.laber'"),
    ],
)
def test_impossible_sizes_of_an_informer_are_refused_by_name(params: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        models.build("informer", params, HORIZON)
