"""Planted in a feature: it reads bars or labels that were not there yet."""

import numpy as np

from services.inference.series import Floats, row_at
from services.research.leaks.planted.kinds import Given, Leak, column, later

DAY = 86_400


@column("the return of the next bar, as if it were this one's (a shift in the wrong direction)")
def future_shift_by_one_bar(given: Given) -> Floats:
    return later(given.log_close, 1) - given.log_close


@column("the return of the next twelve bars, which is what is to be forecast")
def future_shift_by_twelve_bars(given: Given) -> Floats:
    return later(given.log_close, 12) - given.log_close


@column("the mean of 12 bars before and 12 bars after each bar (a centred window)")
def centred_window(given: Given) -> Floats:
    padded = np.pad(given.log_close, 12, mode="edge")
    return given.log_close - np.convolve(padded, np.full(25, 1.0 / 25.0), mode="valid")


@column("the label itself among the features")
def target_in_the_features(given: Given) -> Floats:
    return given.rows.y


@column("the sign of the label among the features")
def sign_of_the_target(given: Given) -> Floats:
    return np.sign(given.rows.y)


@column("the rank of the label among all labels")
def rank_of_the_target(given: Given) -> Floats:
    return np.argsort(np.argsort(given.rows.y)).astype(np.float64)


@column("the label of the row before: one bar old, but known only eleven bars from now")
def lagged_target(given: Given) -> Floats:
    return np.concatenate(([np.nan], given.rows.y[:-1]))


@column("the mean label at this hour of the day, over all days (target encoding)")
def target_encoded_hour(given: Given) -> Floats:
    hour = given.rows.close_ts // 3_600 % 24
    labelled = given.rows.labelled
    means = np.array(
        [np.mean(given.rows.y[labelled & (hour == h)]) if (labelled & (hour == h)).any() else 0.0 for h in range(24)]
    )
    return means[hour]


@column("high and low of the bar after")
def next_bars_range(given: Given) -> Floats:
    return np.log(later(given.own.high, 1) / later(given.own.low, 1))


@column("a 24-bar mean run backwards over the series, from the newest bar to the oldest, with as few as one value")
def rolling_mean_over_the_future(given: Given) -> Floats:
    total = np.concatenate((np.cumsum(given.log_close[::-1])[::-1], [0.0]))
    row = np.arange(len(given.log_close))
    end = np.minimum(row + 24, len(row))
    return (total[row] - total[end]) / (end - row)


@column("exponential smoothing run forwards and then backwards (a filter without delay)")
def smoothed_backwards(given: Given) -> Floats:
    out = given.log_close.copy()
    for order in (range(1, len(out)), range(len(out) - 2, -1, -1)):
        step = 1 if order.step > 0 else -1
        for row in order:
            out[row] = 0.2 * out[row] + 0.8 * out[row - step]
    return out


@column("the price freed of noise by cutting high frequencies of its whole spectrum")
def denoised_spectrum(given: Given) -> Floats:
    spectrum = np.fft.rfft(given.log_close)
    spectrum[len(spectrum) // 8 :] = 0.0
    return np.fft.irfft(spectrum, len(given.log_close))


@column("the price less a straight line fitted through all of it")
def detrended_by_the_whole(given: Given) -> Floats:
    row = np.arange(len(given.log_close), dtype=np.float64)
    return given.log_close - np.polyval(np.polyfit(row, given.log_close, 1), row)


@column("the price between the lowest and the highest of the whole series")
def scaled_between_extremes(given: Given) -> Floats:
    low, high = given.log_close.min(), given.log_close.max()
    scaled: Floats = (given.log_close - low) / (high - low)
    return scaled


@column("turning points marked at the bar that turned out to be one")
def pivots_marked_at_once(given: Given) -> Floats:
    close = given.log_close
    around = np.stack([np.roll(close, shift) for shift in range(-6, 7)])
    return np.where(close >= around.max(axis=0), 1.0, np.where(close <= around.min(axis=0), -1.0, 0.0))


@column("volume in standard deviations of its mean over the whole series")
def volume_scored_by_the_whole(given: Given) -> Floats:
    volume = np.log1p(given.own.volume)
    scored: Floats = (volume - volume.mean()) / volume.std()
    return scored


@column("volatility in ranks of the whole series: its regime by hindsight")
def regimes_by_hindsight(given: Given) -> Floats:
    size = np.abs(np.diff(given.log_close, prepend=given.log_close[:1]))
    return np.floor(4.0 * np.argsort(np.argsort(size)) / len(size))


@column("the return of the four-hour bar, joined at its open, before it has closed")
def four_hour_bar_before_its_close(given: Given) -> Floats:
    return _aggregate(given, 4 * 3_600)


@column("the close of the day's bar, joined to every hour of that day")
def daily_bar_before_its_close(given: Given) -> Floats:
    return _aggregate(given, DAY)


@column("aggregates of six hours stamped by their open (a resample with the wrong label)")
def resample_with_the_wrong_label(given: Given) -> Floats:
    begin = given.own.ts // (6 * 3_600) * 6 * 3_600
    starts = np.unique(begin)
    last = np.searchsorted(begin, starts, side="right") - 1
    # Stamped by its open the whole aggregate is taken for known when it begins.
    row = np.searchsorted(starts, given.rows.close_ts, side="right") - 1
    return given.log_close[last[row]] - given.log_close


@column("the close of the bar that is still open at the slice")
def unfinished_bar(given: Given) -> Floats:
    opened = row_at(given.own.ts, given.rows.close_ts)
    return np.where(opened >= 0, given.own.close[opened], given.own.close) / given.own.close


@column("prices adjusted with every split of the whole history, later ones too: another level, other thresholds")
def adjusted_with_later_splits(given: Given) -> Floats:
    factor = np.ones(len(given.own.ts))
    for at, ratio in given.own.splits:
        factor[given.own.ts < at] /= ratio
    return given.own.close * factor


@column("whether a stop 2 % below was hit before a target 2 % above: the outcome of the trade itself")
def outcome_of_the_trade(given: Given) -> Floats:
    ahead = np.stack([later(given.log_close, bars) for bars in range(1, 25)], axis=1) - given.log_close[:, None]
    rose, fell = (ahead > 0.02), (ahead < -0.02)
    first = [np.where(hit.any(axis=1), hit.argmax(axis=1), 99) for hit in (rose, fell)]
    outcome: Floats = np.sign(first[1] - first[0]).astype(np.float64)
    return outcome


def _aggregate(given: Given, seconds: int) -> Floats:
    """Give each bar the close of the aggregate that it stands in, beside its own."""
    group = given.own.ts // seconds
    last = np.searchsorted(group, group, side="right") - 1
    return given.log_close[last] - given.log_close


LEAKS: tuple[Leak, ...] = (
    future_shift_by_one_bar,
    future_shift_by_twelve_bars,
    centred_window,
    target_in_the_features,
    sign_of_the_target,
    rank_of_the_target,
    lagged_target,
    target_encoded_hour,
    next_bars_range,
    rolling_mean_over_the_future,
    smoothed_backwards,
    denoised_spectrum,
    detrended_by_the_whole,
    scaled_between_extremes,
    pivots_marked_at_once,
    volume_scored_by_the_whole,
    regimes_by_hindsight,
    four_hour_bar_before_its_close,
    daily_bar_before_its_close,
    resample_with_the_wrong_label,
    unfinished_bar,
    adjusted_with_later_splits,
    outcome_of_the_trade,
)
