"""What looks for leaks. A detector returns one sentence on what it found, or None."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from services.inference.features import column
from services.inference.series import BAR_SECONDS, Ints
from services.research.leaks import firewall, yardsticks
from services.research.leaks.comparing import first_feature, same_forecasts, same_models, same_rows, when
from services.research.leaks.pipeline import Pipeline, Trace
from services.research.leaks.world import Vintages, World, repriced

ROW_CUTS = 6
"""Random cut-offs at which features and labels are compared, besides those inside gaps."""
CIRCLE_OF_HOURS = "hour_sin"


@dataclass(eq=False)
class Case:
    """One pipeline in one world, and what detectors share of it; ``noise`` is a world of pure noise, or None."""

    pipeline: Pipeline
    world: World
    seed: int
    noise: World | None

    @cached_property
    def whole(self) -> Trace:
        """The walk through the undisturbed world."""
        return Trace(self.pipeline, self.world)

    @cached_property
    def row_cuts(self) -> list[int]:
        """Cut-offs for rows: in the middle of every gap, and some at random in the later two thirds."""
        found: list[int] = []
        for series in self.world.candles.values():
            gaps = np.flatnonzero(np.diff(series.ts) > 2 * BAR_SECONDS)[:2]
            found += [int(series.close_ts[row]) + BAR_SECONDS for row in gaps]
            # Where a label counted in rows reaches over the gap, it claims to be known after this many hours.
            found += [int(series.close_ts[row]) + 6 * BAR_SECONDS for row in gaps]
        chance = np.random.default_rng([self.seed, 3])
        closes = next(iter(self.world.candles.values())).close_ts
        found += [int(closes[row]) for row in chance.integers(len(closes) // 3, len(closes) - 30, ROW_CUTS)]
        return found

    @cached_property
    def model_cuts(self) -> list[int]:
        """Cut-offs for models: soon after the begin of a window, and in the middle of a later one."""
        starts = sorted({window.start for found in self.whole.windows.values() for window in found})
        if len(starts) < 3:
            return starts[-1:]
        return [starts[-3] + 5 * BAR_SECONDS, starts[-2] + 50 * BAR_SECONDS]


Detector = Callable[[Case], str | None]


def truncation(case: Case) -> str | None:
    """Delete everything later than a cut-off: nothing up to it may change."""
    return _compared(case, case.world.until, "without what came after")


def perturbation(case: Case) -> str | None:
    """Put another future behind a cut-off: nothing up to it may change."""
    return _compared(case, lambda cut: case.world.altered(cut, case.seed), "with another future after")


def _compared(case: Case, disturbed: Callable[[int], World], how: str) -> str | None:
    for cut in case.row_cuts:
        found = same_rows(case.whole, Trace(case.pipeline, disturbed(cut)), cut)
        if found:
            return f"{found}, {how} {when(cut)}"
    for cut in case.model_cuts:
        other = Trace(case.pipeline, disturbed(cut))
        for compare in (same_rows, same_models, same_forecasts):
            found = compare(case.whole, other, cut)
            if found:
                return f"{found}, {how} {when(cut)}"
    return None


def revision(case: Case) -> str | None:
    """Alter only later revisions of values first known before: nothing up to then may change."""
    for name, series in case.world.values.items():
        known = series.known[series.revisions() & (series.of > int(case.world.end - 20 * 86_400))]
        for cut in (known[:: max(1, len(known) // 2)] - BAR_SECONDS).tolist():
            found = same_rows(case.whole, Trace(case.pipeline, case.world.revised(cut, case.seed)), cut)
            if found:
                return f"{found}, when {name} is revised otherwise after {when(cut)}"
    return None


def clock(case: Case) -> str | None:
    """Change one bar or value at a time: what feels it first is the first row closed when it was known, no other."""
    for symbol in case.whole.universe:
        found = _stamps(case, symbol)
        leading = case.whole.market.led_by(symbol, case.world.candles[symbol].asset_class)
        for name in (one for one in leading if one in case.world.candles):
            found = found or _bar_impulse(case, symbol, name)
        found = found or _bar_impulse(case, symbol, symbol)
        for name in case.world.values:
            found = found or _value_impulse(case, symbol, name)
        if found:
            return found
    return None


def _stamps(case: Case, symbol: str) -> str | None:
    """Compare closes with the world's, and the hour of the day with the clock's."""
    rows, true = case.whole.rows[symbol], case.world.candles[symbol].close_ts
    odd = np.setxor1d(rows.close_ts, true)
    if len(odd):
        return f"{symbol}: a bar's close is {when(odd[0])} by one clock and not by the other"
    valid = rows.table.run > 0
    hours = np.sin(2.0 * np.pi * (true[valid] // BAR_SECONDS % 24) / 24.0)
    wrong = np.flatnonzero(np.abs(rows.table.x[valid, column(CIRCLE_OF_HOURS)] - hours) > 1e-9)
    return f"{symbol}: {CIRCLE_OF_HOURS} of {when(true[valid][wrong[0]])} is another hour's" if len(wrong) else None


def _bar_impulse(case: Case, symbol: str, changed: str) -> str | None:
    series = case.world.candles[changed]
    closes = _usable(case, symbol)
    for close in closes[[len(closes) // 2, -20]].tolist():
        row = np.searchsorted(series.close_ts, close)
        if row >= len(series.ts) or series.close_ts[row] != close:
            continue
        factor = np.where(np.arange(len(series.ts)) == row, 1.05, 1.0)
        world = case.world.with_candles(changed, repriced(series, factor))
        found = _felt(case, world, symbol, close, close, f"{changed}'s bar that closes at")
        if found:
            return found
    return None


def _value_impulse(case: Case, symbol: str, name: str) -> str | None:
    series = case.world.values[name]
    closes = _usable(case, symbol)
    for close in closes[[len(closes) // 2 + 7, -30]].tolist():
        row = int(np.searchsorted(series.known, close, side="right")) - 1
        known = int(series.known[row])
        first = int(closes[np.searchsorted(closes, known)])
        value = np.where(np.arange(len(series.value)) == row, series.value * 1.5 + 0.1, series.value)
        world = case.world.with_values(name, Vintages(series.of, series.known, value))
        found = _felt(case, world, symbol, known, first, f"{name} known at", reads=name != "inflation")
        if found:
            return found
    return None


def _felt(
    case: Case, world: World, symbol: str, known: int, first: int, what: str, *, reads: bool = True
) -> str | None:
    other = Trace(case.pipeline, world).rows[symbol]
    felt = first_feature(case.whole.rows[symbol], other)
    if felt is not None and felt[0] < first:
        return f"{symbol}: the row of {when(felt[0])}, feature {felt[1]}, feels {what} {when(known)}"
    # No feature reads some values; all others have to arrive, and on time.
    if reads and (felt is None or felt[0] > first):
        return f"{symbol}: the row of {when(first)} does not feel {what} {when(known)}"
    return None


def _usable(case: Case, symbol: str) -> Ints:
    rows = case.whole.rows[symbol]
    found: Ints = rows.close_ts[rows.table.run > 0]
    return found


DETECTORS: dict[str, Detector] = {
    "truncation": truncation,
    "perturbation": perturbation,
    "revision": revision,
    "clock": clock,
    "label firewall": lambda case: firewall.breach(case.whole),
    "noise": lambda case: None if case.noise is None else yardsticks.forecasts_noise(Trace(case.pipeline, case.noise)),
    "too good": lambda case: yardsticks.too_good(case.whole.scores, case.pipeline.horizon),
}
"""By the name that a leak is named with."""
