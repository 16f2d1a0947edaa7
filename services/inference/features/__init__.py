"""The features: one table, each a function of the last ``WINDOW`` bars of its own asset and of what was known beside.

A row is valid only when its whole window of own candles is there: the bars its market owes without a gap, finite
positive prices, volume not negative. What other sources would have said is NaN where they say nothing, and the row
stays valid. Nothing is filled. Computing many bars at once, the newest bar alone, or the newest bars of many assets in
one go gives the same bits.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from services.domain.corporate_actions import stretches
from services.inference.context import NOTHING, Context
from services.inference.features import cross, microstructure, moments, trend, volatility
from services.inference.features.frame import Bars, Frame, Leader, Moments
from services.inference.features.moments import READINGS, Reading
from services.inference.features.spec import FeatureSpec, Source
from services.inference.models import Table
from services.inference.series import Candles, Flags, Floats, Ints, row_at

__all__ = [
    "CONTEXT_SECONDS",
    "FEATURES",
    "READINGS",
    "REVISION",
    "WINDOW",
    "FeatureSpec",
    "Reading",
    "Source",
    "column",
    "compute",
    "features_hash",
    "newest",
    "table",
]

REVISION = 2
"""Raise it when the arithmetic changes and a formula's text does not: models trained before are then not used."""

FEATURES: tuple[FeatureSpec, ...] = (
    *trend.FEATURES,
    *volatility.FEATURES,
    *microstructure.FEATURES,
    *cross.FEATURES,
    *moments.FEATURES,
)

WINDOW = max(spec.bars for spec in FEATURES)
"""Bars a row needs, its own included; of leaders too."""

CONTEXT_SECONDS = max(reading.span for reading in READINGS)
"""How long before a bar's close the values of its context have to begin."""

_COLUMNS = {spec.name: i for i, spec in enumerate(FEATURES)}
_OWN = np.array([spec.source == "own candles" for spec in FEATURES])


def column(name: str) -> int:
    """Say which column a feature is in; raises ``KeyError`` for an unknown one."""
    return _COLUMNS[name]


def features_hash() -> str:
    """Name this table of features: models trained on another one must not be used with it."""
    lines = [f"{spec.name}|{spec.formula}|{spec.source}|{spec.bars}|{spec.unit}|{spec.seconds}" for spec in FEATURES]
    lines += [f"{reading.name}|{reading.stored}|{reading.max_age}" for reading in READINGS]
    return hashlib.sha256("\n".join((str(REVISION), *lines)).encode()).hexdigest()


def compute(candles: Candles, context: Context = NOTHING) -> tuple[Floats, Flags]:
    """Compute all features of one asset's bars, each window in the units of its own last bar.

    Returns (n, len(FEATURES)) and (n,) which rows are valid; rows that are not are NaN throughout.
    """
    cuts = [*candles.splits, *(split for leader in context.leaders for split in leader.splits)]
    if not cuts:
        return _compute(candles, context)
    values, valid = np.empty((len(candles.ts), len(FEATURES))), np.zeros(len(candles.ts), dtype=np.bool_)
    for part in stretches(candles.ts, cuts, WINDOW):
        if part.start == part.stop:
            continue
        own = candles.between(part.first, part.stop)
        said, sound = _compute(own.restated(), _restated(context, own))
        values[part.start : part.stop] = said[part.start - part.first :]
        valid[part.start : part.stop] = sound[part.start - part.first :]
    return values, valid


def _restated(context: Context, own: Candles) -> Context:
    """Return the context with its leaders' bars of the asset's own span, in the units of the last of them."""
    leaders = tuple(
        leader.between(
            int(np.searchsorted(leader.ts, own.ts[0])), int(np.searchsorted(leader.ts, own.ts[-1], side="right"))
        ).restated()
        for leader in context.leaders
    )
    return replace(context, leaders=leaders)


def _compute(candles: Candles, context: Context) -> tuple[Floats, Flags]:
    bars = _stacked([candles])
    frame = Frame(bars, _leaders(bars, [candles], [context]), Moments(candles.close_ts[None], [context]))
    values = np.empty((len(FEATURES), len(candles.ts)))
    with np.errstate(all="ignore"):
        for i, spec in enumerate(FEATURES):
            values[i] = spec.of(frame)
    _forget_infinite(values)
    valid = _whole(candles, bars) & np.isfinite(values[_OWN]).all(axis=0)
    values[:, ~valid] = np.nan
    return np.ascontiguousarray(values.T), valid


def table(candles: Candles, context: Context = NOTHING) -> Table:
    """Compute all features of one asset's bars, with how many valid ones in a row end at each."""
    x, valid = compute(candles, context)
    return Table(x, _line(valid))


def newest(batch: Sequence[tuple[Candles, Context]]) -> list[Floats | None]:
    """Compute the features of each asset's newest bar, (len(FEATURES),); None where that row is not valid.

    All assets in one pass: the same bits as :func:`compute` gives each alone.
    """
    found: list[Floats | None] = [None] * len(batch)
    rows = [i for i, (candles, _) in enumerate(batch) if len(candles.ts) >= WINDOW]
    if not rows:
        return found
    tails = [batch[i][0].between(len(batch[i][0].ts) - WINDOW, len(batch[i][0].ts)).restated() for i in rows]
    contexts = [
        _restated(batch[i][1], tail) if any(one.splits for one in batch[i][1].leaders) else batch[i][1]
        for i, tail in zip(rows, tails, strict=True)
    ]
    bars = _stacked(tails)
    closes = np.array([[int(tail.close_ts[-1])] for tail in tails], dtype=np.int64)
    frame = Frame(bars, _leaders(bars, tails, contexts), Moments(closes, contexts))
    values = np.empty((len(rows), len(FEATURES)))
    with np.errstate(all="ignore"):
        for place, spec in enumerate(FEATURES):
            said = spec.of(frame)
            values[:, place] = said[:, -1] if isinstance(said, np.ndarray) else said
    _forget_infinite(values)
    sound = np.logical_and(np.isfinite(values[:, _OWN]).all(axis=1), _sound(bars).all(axis=1))
    for place, i in enumerate(rows):
        position = tails[place].position()
        if sound[place] and position[0] >= 0 and bool((np.diff(position) == 1).all()):
            found[i] = values[place]
    return found


def _stacked(series: Sequence[Candles]) -> Bars:
    names = ("open", "high", "low", "close", "volume")
    return Bars(*(np.array([getattr(one, name) for one in series], dtype=np.float64) for name in names))


def _leaders(bars: Bars, series: Sequence[Candles], contexts: Sequence[Context]) -> tuple[Leader | None, Leader | None]:
    """Bring each asset's leaders to the asset's own bars, (A, n)."""
    first, second = (_leader(place, bars, series, contexts) for place in range(2))
    return first, second


def _leader(place: int, bars: Bars, series: Sequence[Candles], contexts: Sequence[Context]) -> Leader | None:
    close = np.full(bars.close.shape, np.nan)
    for row, (own, context) in enumerate(zip(series, contexts, strict=True)):
        if place < len(context.leaders):
            leader = context.leaders[place]
            if leader.timeframe != own.timeframe:
                # A longer bar that opens with the asset's own closes after it: reading it would be looking ahead.
                raise ValueError(f"{leader.symbol} leads {own.symbol} in {leader.timeframe}, not {own.timeframe}")
            _bring(leader, own.ts, close[row])
    if np.isnan(close).all():
        return None
    with np.errstate(all="ignore"):
        return Leader(np.log(close), bars)


def _bring(leader: Candles, wanted: Ints, close: Floats) -> None:
    """Put the leader's close at the wanted times into ``close`` (n,), where it has a sound one."""
    at = row_at(leader.ts, wanted)
    here = at >= 0
    found = leader.close[at[here]]
    close[here] = np.where(np.isfinite(found) & (found > 0.0), found, np.nan)


def _sound(bars: Bars) -> Flags:
    sound: Flags = (bars.volume >= 0.0) & np.isfinite(bars.volume)
    for price in (bars.open, bars.high, bars.low, bars.close):
        sound &= np.isfinite(price) & (price > 0.0)
    return sound


def _whole(candles: Candles, bars: Bars) -> Flags:
    """Say which bars end a window without a gap or an impossible price, (n,)."""
    position = candles.position()
    sound = _sound(bars)[0] & (position >= 0)
    linked = np.zeros(len(position), dtype=np.bool_)
    linked[1:] = (np.diff(position) == 1) & sound[1:] & sound[:-1]
    whole: Flags = _line(linked) >= WINDOW - 1
    return whole


def _line(holds: Flags) -> Ints:
    """Count the rows in an unbroken line that hold, up to each, (n,)."""
    row = np.arange(1, len(holds) + 1)
    broken: Ints = np.maximum.accumulate(np.where(holds, 0, row)) if len(holds) else row
    return row - broken


def _forget_infinite(values: Floats) -> None:
    # One NaN for all: what is not known has the same bits however it came about.
    values[~np.isfinite(values)] = np.nan
