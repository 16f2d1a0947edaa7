import numpy as np
import pytest

from services.inference import rolling
from services.inference.series import Floats

WIDTHS = (1, 2, 3, 5, 8, 14, 24, 72, 168)


def noise(n: int = 400, seed: int = 3) -> Floats:
    return np.random.default_rng(seed).normal(0.0, 1.0, n)


@pytest.mark.parametrize("width", WIDTHS)
def test_windows_hold_the_last_values_and_are_unknown_until_they_are_full(width: int) -> None:
    x = noise()
    for found, plain in (
        (rolling.total(x, width), np.sum),
        (rolling.mean(x, width), np.mean),
        (rolling.highest(x, width), np.max),
        (rolling.lowest(x, width), np.min),
        (rolling.deviation(x, width), np.std),
    ):
        assert np.isnan(found[: width - 1]).all()
        windows = np.lib.stride_tricks.sliding_window_view(x, width)
        assert found[width - 1 :] == pytest.approx(plain(windows, axis=1), rel=1e-9, abs=1e-9)


def test_a_window_needs_a_bar() -> None:
    with pytest.raises(ValueError, match="at least one bar, not 0"):
        rolling.total(noise(), 0)


def test_rows_of_many_assets_are_the_same_bits_as_each_alone() -> None:
    rows = np.array([noise(300, seed) for seed in range(5)])
    for width in WIDTHS:
        for function in (rolling.total, rolling.highest, rolling.lowest, rolling.since_highest, rolling.deviation):
            together = function(rows, width)
            for row, x in enumerate(rows):
                assert together[row].tobytes() == function(x, width).tobytes()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_age_of_the_highest_value_is_that_of_its_newest_one(width: int) -> None:
    x = np.round(noise(), 1)  # many are equal
    found = rolling.since_highest(x, width)
    for end in range(width, len(x) + 1):
        window = x[end - width : end]
        assert found[end - 1] == np.flatnonzero(window[::-1] == window.max())[0]


def test_a_line_counts_what_holds_without_a_break_up_to_its_width() -> None:
    holds = np.array([0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 1], dtype=bool)
    assert rolling.line(holds, 4).tolist() == [0, 1, 2, 0, 1, 2, 3, 4, 4, 4, 0, 1]


def test_truncated_exponential_mean_weighs_by_age_and_sums_to_one() -> None:
    assert rolling.exponential_mean(np.full(40, 3.0), 12, 32)[-1] == pytest.approx(3.0)
    impulse = np.zeros(40)
    impulse[35] = 1.0
    decay = 1 - 2 / 13
    assert rolling.exponential_mean(impulse, 12, 32)[39] == pytest.approx(decay**4 * (1 - decay) / (1 - decay**32))
    wilder = 13 / 14
    assert rolling.wilder_mean(impulse, 14, 32)[39] == pytest.approx(wilder**4 * (1 - wilder) / (1 - wilder**32))


@pytest.mark.parametrize("value", [0.1, 7.3, 1e-9, 61_234.567])
def test_values_that_are_all_the_same_have_no_deviation(value: float) -> None:
    assert rolling.deviation(np.full(200, value), 168)[-1] == 0.0
