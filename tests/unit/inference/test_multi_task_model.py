"""What the multi-task net adds: the targets of three tasks, and an uncertainty that follows the volatility ahead."""

import numpy as np
import pytest
from net_cases import HORIZON, PLANTED, build_tiny, labelled, made_up

from services.inference.features import column
from services.inference.models import Table

STEP, RECENT = column("return_1"), column("volatility_168")


def test_targets_are_the_return_the_volatility_to_come_and_the_direction() -> None:
    table = made_up(60)
    steps = table.x[21 : 21 + HORIZON, STEP]
    wanted = build_tiny("multi_task").targets(table, np.array([20, 30, 40]), np.array([0.7, -0.1, 0.0]))
    ratio = np.sqrt(np.mean(steps**2)) / table.x[20, RECENT]
    assert wanted[0] == pytest.approx([0.7, np.log(ratio), 1.0])
    assert wanted[:, 2].tolist() == [1.0, 0.0, 0.5]


def test_the_volatility_of_hours_that_are_not_all_there_is_unknown() -> None:
    table = made_up(60)
    run = table.run.copy()
    run[30:] = np.arange(1, 31)
    rows = np.array([10, 20, 40, 55])
    wanted = build_tiny("multi_task").targets(Table(table.x, run), rows, np.ones(4))
    assert np.isnan(wanted[:, 1]).tolist() == [False, True, False, True]
    assert not np.isnan(wanted[:, [0, 2]]).any()


def test_hours_without_any_move_are_not_an_infinite_calm() -> None:
    table = made_up(60)
    x = table.x.copy()
    x[21 : 21 + HORIZON, STEP] = 0.0
    assert np.isnan(build_tiny("multi_task").targets(Table(x, table.run), np.array([20]), np.ones(1))[0, 1])


def test_unknown_volatility_does_not_stop_the_other_tasks() -> None:
    import torch

    model = build_tiny("multi_task")
    said = torch.zeros(2, 3, requires_grad=True)
    targets = torch.tensor([[1.0, float("nan"), 1.0], [0.5, float("nan"), 0.0]])
    model.loss(said, targets).backward()  # type: ignore[no-untyped-call]
    assert said.grad is not None
    assert said.grad[:, 1].tolist() == [0.0, 0.0]
    assert (said.grad[:, 0] < 0).all()


def test_uncertainty_follows_the_volatility_to_come() -> None:
    table = made_up(3_000)
    x = table.x.copy()
    # The planted column says how wild the next hours are; it moves slowly, so that it holds for the whole horizon.
    wild = np.exp(0.6 * np.convolve(x[:, PLANTED], np.full(24, 1 / 24), mode="same"))
    chance = np.random.default_rng(4)
    x[:, STEP] = chance.normal(0.0, 0.006, len(x)) * wild
    x[:, RECENT], x[:, PLANTED] = 0.006, np.log(wild)
    table = Table(x, table.run)
    model = build_tiny("multi_task", epochs=30, learning_rate=5e-3, dropout=0.0)
    rows, _ = labelled(table, 6)
    y = table.ahead(rows, HORIZON, STEP).sum(axis=1)
    fitted = model.load(model.fit(table, rows[:2_250], y[:2_250], 1))
    fresh = rows[2_270:]
    said = fitted.predict(table.windows(fresh, 6)).uncertainty
    assert np.corrcoef(np.log(said), np.log(wild[fresh]))[0, 1] > 0.7
    miss = y[2_270:] / said
    assert 0.7 < np.sqrt(np.mean(miss**2)) < 1.4
