"""The series that every formula starts from, computed once a call however many formulas read them.

Arrays are (A, n): one row per asset, time last. Nothing in a row depends on another row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from services.inference.context import Context, Observed
from services.inference.rolling import Blocks, lag
from services.inference.series import Floats, Ints


@dataclass(frozen=True, eq=False)
class Bars:
    """The asset's own candles and what follows from them, each (A, n). ``step`` is the log return of one bar."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    @cached_property
    def log_open(self) -> Floats:
        """ln(open)."""
        return np.log(self.open)

    @cached_property
    def log_high(self) -> Floats:
        """ln(high)."""
        return np.log(self.high)

    @cached_property
    def log_low(self) -> Floats:
        """ln(low)."""
        return np.log(self.low)

    @cached_property
    def log_close(self) -> Floats:
        """ln(close)."""
        return np.log(self.close)

    @cached_property
    def log_volume(self) -> Floats:
        """ln(1 + volume)."""
        return np.log(self.volume + 1.0)

    @cached_property
    def before(self) -> Floats:
        """The close of the bar before."""
        return lag(self.close, 1)

    @cached_property
    def step(self) -> Floats:
        """ln(close[t] / close[t-1])."""
        return self.log_close - lag(self.log_close, 1)

    @cached_property
    def typical(self) -> Floats:
        """(high + low + close) / 3."""
        return (self.high + self.low + self.close) / 3.0

    @cached_property
    def true_range(self) -> Floats:
        """The larger of high and the close before, less the smaller of low and the close before (Wilder)."""
        return np.maximum(self.high, self.before) - np.minimum(self.low, self.before)

    @cached_property
    def log_range(self) -> Floats:
        """ln(high / low)."""
        return self.log_high - self.log_low

    @cached_property
    def closes(self) -> Blocks:
        """Sums of close."""
        return Blocks(self.close)

    @cached_property
    def steps(self) -> Blocks:
        """Sums of step."""
        return Blocks(self.step)

    @cached_property
    def squares(self) -> Blocks:
        """Sums of step^2."""
        return Blocks(self.step * self.step)

    @cached_property
    def moves(self) -> Blocks:
        """Sums of abs(step)."""
        return Blocks(np.abs(self.step))

    @cached_property
    def neighbours(self) -> Blocks:
        """Sums of step[t] step[t-1]."""
        return Blocks(self.step * lag(self.step, 1))

    @cached_property
    def volumes(self) -> Blocks:
        """Sums of volume."""
        return Blocks(self.volume)

    @cached_property
    def log_volumes(self) -> Blocks:
        """Sums of ln(1 + volume)."""
        return Blocks(self.log_volume)

    @cached_property
    def log_volume_squares(self) -> Blocks:
        """Sums of ln(1 + volume)^2."""
        return Blocks(self.log_volume * self.log_volume)

    @cached_property
    def signed_volume(self) -> Floats:
        """Volume with the sign of step."""
        return np.sign(self.step) * self.volume

    @cached_property
    def true_ranges(self) -> Blocks:
        """Sums of the true range."""
        return Blocks(self.true_range)

    @cached_property
    def highs(self) -> Blocks:
        """Largest highs."""
        return Blocks(self.high, np.maximum)

    @cached_property
    def lows(self) -> Blocks:
        """Smallest lows."""
        return Blocks(self.low, np.minimum)

    @cached_property
    def high_closes(self) -> Blocks:
        """Largest ln(close)."""
        return Blocks(self.log_close, np.maximum)

    def back(self, bars: int) -> Floats:
        """ln(close[t] / close[t - bars])."""
        return self.log_close - lag(self.log_close, bars)

    def volatility(self, bars: int) -> Floats:
        """Root of the mean of step^2 over ``bars``."""
        return np.sqrt(self.squares.mean(bars))


@dataclass(frozen=True, eq=False)
class Leader:
    """A leading asset's ln(close) at the closes of the asset's own bars, (A, n); NaN where it has no bar."""

    log_close: Floats
    own: Bars

    @cached_property
    def step(self) -> Floats:
        """Log return from one bar of the asset to the next."""
        return self.log_close - lag(self.log_close, 1)

    @cached_property
    def steps(self) -> Blocks:
        """Sums of step: NaN unless the leader has every bar of the window."""
        return Blocks(self.step)

    @cached_property
    def squares(self) -> Blocks:
        """Sums of step^2."""
        return Blocks(self.step * self.step)

    @cached_property
    def products(self) -> Blocks:
        """Sums of the asset's step times the leader's."""
        return Blocks(self.step * self.own.step)

    def covariance(self, bars: int) -> Floats:
        """Covariance of both steps over ``bars``."""
        return self.products.mean(bars) - self.steps.mean(bars) * self.own.steps.mean(bars)


@dataclass(frozen=True, eq=False)
class Moments:
    """When each bar closed (A, m), epoch seconds, and each asset's context: features of a moment need no window."""

    close_ts: Ints
    contexts: Sequence[Context]

    @cached_property
    def _found(self) -> dict[tuple[str, int, int], Floats]:
        return {}

    def known(self, name: str, max_age: int, ago: int = 0) -> Floats:
        """What was the newest value known ``ago`` seconds before each close, NaN if ``max_age`` seconds old or more."""
        key = name, max_age, ago
        if key not in self._found:
            self._found[key] = self._look_up(name, max_age, ago)
        return self._found[key]

    def _look_up(self, name: str, max_age: int, ago: int) -> Floats:
        out = np.full(self.close_ts.shape, np.nan)
        for row, context in enumerate(self.contexts):
            series = context.values.get(name)
            if series is None or len(series.available) == 0:
                continue
            if self.close_ts.shape[1] == 1:
                out[row, 0] = _one_as_of(series, int(self.close_ts[row, 0]) - ago, max_age)
            else:
                out[row] = _as_of(series, self.close_ts[row] - ago, max_age)
        return out


def _as_of(series: Observed, moments: Ints, max_age: int) -> Floats:
    row = np.searchsorted(series.available, moments, side="right") - 1
    fresh = (row >= 0) & (moments - series.available[row] < max_age)
    return np.where(fresh, series.value[row], np.nan)


def _one_as_of(series: Observed, moment: int, max_age: int) -> float:
    # The same for one moment, without what arrays of one element cost.
    row = int(series.available.searchsorted(moment, side="right")) - 1
    fresh = row >= 0 and moment - int(series.available[row]) < max_age
    return float(series.value[row]) if fresh else np.nan


@dataclass(frozen=True, eq=False)
class Frame:
    """All that features read. A leader that no asset of the batch has is None."""

    bars: Bars
    leaders: tuple[Leader | None, Leader | None]
    moments: Moments
