"""All that a pipeline starts from, each piece with when it was known, and the same with another future."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from services.inference.series import Candles, Flags, Floats, Ints
from services.kernel.errors import DataError

COLUMNS = ("ts", "open", "high", "low", "close", "volume")
RECORDED_BARS = 1_200
LEAST_BARS = 900
PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True, eq=False)
class Vintages:
    """Values as they became known, (m,) in order of ``known``: a revised value stands once for each version."""

    of: Ints
    """Epoch seconds of the moment that the value speaks of: a day's begin, a release's time."""
    known: Ints
    """Epoch seconds from which it was known."""
    value: Floats

    def where(self, kept: Flags) -> "Vintages":
        """Keep some rows."""
        return Vintages(self.of[kept], self.known[kept], self.value[kept])

    def revisions(self) -> Flags:
        """Say which rows replace an earlier version of the same moment's value, (m,)."""
        first = np.unique(self.of, return_index=True)[1]
        found: Flags = np.ones(len(self.of), dtype=np.bool_)
        found[first] = False
        return found


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Candles by symbol as traded, observed values by name, and the subjects: assets that are forecast."""

    kind: str
    """What it is, in words: synthetic or recorded, and of what."""
    subjects: tuple[str, ...]
    candles: Mapping[str, Candles]
    leaders: Mapping[str, tuple[str, ...]]
    values: Mapping[str, Vintages] = field(default_factory=dict)
    now: int | None = None
    """Epoch seconds up to which it is known; None: to its last close."""

    @property
    def end(self) -> int:
        """Epoch seconds up to which it is known."""
        return self.now if self.now is not None else max(int(series.close_ts[-1]) for series in self.candles.values())

    def until(self, cut: int) -> "World":
        """Return what was known at ``cut`` (epoch seconds): everything later is not there at all."""
        candles = {symbol: _known(series, cut) for symbol, series in self.candles.items()}
        values = {name: series.where(series.known <= cut) for name, series in self.values.items()}
        return replace(self, candles=candles, values=values, now=cut)

    def altered(self, cut: int, seed: int) -> "World":
        """Return another future after ``cut``: other prices, volumes, values and splits, and fewer bars."""
        chance = np.random.default_rng(seed)
        candles = {symbol: _other_future(series, cut, chance) for symbol, series in self.candles.items()}
        values = {name: _scaled(series, series.known > cut, chance) for name, series in self.values.items()}
        return replace(self, candles=candles, values=values)

    def revised(self, cut: int, seed: int) -> "World":
        """Return the same with other revisions after ``cut`` of values that were first known before it."""
        chance = np.random.default_rng(seed)
        values = {
            name: _scaled(series, (series.known > cut) & series.revisions() & (series.of <= cut), chance)
            for name, series in self.values.items()
        }
        return replace(self, values=values)

    def with_candles(self, symbol: str, series: Candles) -> "World":
        """Return the same with other candles of one symbol."""
        return replace(self, candles={**self.candles, symbol: series})

    def with_values(self, name: str, series: Vintages) -> "World":
        """Return the same with other values under one name."""
        return replace(self, values={**self.values, name: series})


def recorded(candles: Mapping[str, Candles], leaders: Mapping[str, tuple[str, ...]]) -> World:
    """Take the first weeks of recorded hourly candles; the subject is the asset that leads the least.

    Raises DataError where there are too few bars to train on.
    """

    def rank(symbol: str) -> int:
        order = leaders.get(candles[symbol].asset_class, ())
        return order.index(symbol) if symbol in order else len(order)

    subject = max(sorted(candles), key=rank)
    closes = candles[subject].close_ts[:RECORDED_BARS]
    if len(closes) < LEAST_BARS:
        raise DataError(f"{subject}: {len(closes)} bars are too few to look for leaks in, {LEAST_BARS} are needed")
    named = f"recorded: the first {len(closes):,} bars of {subject} and what leads it"
    return World(named, (subject,), candles, leaders).until(int(closes[-1]))


def kept(series: Candles, rows: Flags) -> Candles:
    """Keep some bars of a series."""
    return replace(series, **{name: getattr(series, name)[rows] for name in COLUMNS})


def moved(series: Candles, seconds: int | Ints) -> Candles:
    """Stamp bars later by so many seconds, or earlier where negative."""
    return replace(series, ts=series.ts + seconds)


def repriced(series: Candles, factor: Floats) -> Candles:
    """Multiply each bar's prices by its factor (n,)."""
    changed = {name: getattr(series, name) * factor for name in PRICES}
    return replace(series, **changed)


def _known(series: Candles, cut: int) -> Candles:
    part = series.between(0, int(np.searchsorted(series.close_ts, cut, side="right")))
    # A split is known with the bar that shows it.
    return replace(part, splits=tuple(split for split in series.splits if split[0] < cut))


def _other_future(series: Candles, cut: int, chance: np.random.Generator) -> Candles:
    later = series.close_ts > cut
    steps = np.where(later, chance.normal(0.0, 0.03, len(later)), 0.0)
    # A level shift too: what is scaled by the whole sample must feel it.
    factor = np.exp(np.cumsum(steps) + np.where(later, chance.choice([-0.7, 0.7]), 0.0))
    changed = repriced(series, factor)
    volume = np.where(later, series.volume * chance.lognormal(1.0, 0.7, len(later)), series.volume)
    splits = tuple((at, ratio if at < cut else 3.0 * ratio) for at, ratio in series.splits)
    return kept(replace(changed, volume=volume, splits=splits), ~later | (np.arange(len(later)) % 29 != 11))


def _scaled(series: Vintages, which: Flags, chance: np.random.Generator) -> Vintages:
    factor = np.where(which, chance.uniform(1.2, 1.8, len(which)), 1.0)
    return Vintages(series.of, series.known, series.value * factor)
