"""Candles in columns: the batch every source delivers and the rules a candle must pass before it is believed.

A batch holds one symbol and one timeframe. Times are bar opens in whole epoch seconds, UTC.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Timeframe = Literal["1m", "5m", "15m", "1h", "4h", "1d"]
Times = NDArray[np.int64]
Values = NDArray[np.float64]

SECONDS: dict[Timeframe, int] = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600, "4h": 14400, "1d": 86400}
FIELDS = ("open", "high", "low", "close", "volume")
_TIMEFRAMES: dict[str, Timeframe] = {name: name for name in get_args(Timeframe)}


def timeframe_of(text: str) -> Timeframe:
    """Read a timeframe name; ValueError lists the known ones."""
    known = _TIMEFRAMES.get(text)
    if known is not None:
        return known
    raise ValueError(f"timeframe {text!r} is unknown: use one of {', '.join(get_args(Timeframe))}")


def epoch(moment: datetime) -> int:
    """Whole epoch seconds of an aware datetime, rounded down; ValueError on a naive one."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone")
    return int(moment.timestamp() // 1)


def moment(seconds: int) -> datetime:
    """Aware UTC datetime of epoch seconds."""
    return datetime.fromtimestamp(seconds, UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Candles:
    """Bars of one symbol in columns of equal length: ``ts`` int64 seconds of the open, the rest float64."""

    symbol: str
    timeframe: Timeframe
    source: str
    ts: Times
    open: Values
    high: Values
    low: Values
    close: Values
    volume: Values

    def __post_init__(self) -> None:
        if self.ts.dtype != np.int64:
            raise ValueError(f"{self.symbol}: ts must be int64 seconds, not {self.ts.dtype}")
        for name in FIELDS:
            column: Values = getattr(self, name)
            if column.shape != self.ts.shape or column.dtype != np.float64:
                raise ValueError(f"{self.symbol}: {name} must be {len(self.ts)} float64 values")

    def __len__(self) -> int:
        return len(self.ts)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> "Candles":
        """The rows named by an index, a mask or a slice, as a new batch."""
        columns = (getattr(self, name)[rows] for name in FIELDS)
        return Candles(self.symbol, self.timeframe, self.source, self.ts[rows], *columns)

    def between(self, since: datetime, until: datetime) -> "Candles":
        """Bars whose open lies in [since, until)."""
        return self.take((self.ts >= epoch(since)) & (self.ts < epoch(until)))

    def closed_by(self, now: datetime) -> "Candles":
        """Bars that have closed at ``now``."""
        return self.take(self.ts + SECONDS[self.timeframe] <= epoch(now))

    def values(self) -> Values:
        """Shape (rows, 5): open, high, low, close, volume."""
        return np.column_stack([getattr(self, name) for name in FIELDS])


def from_rows(
    symbol: str, timeframe: Timeframe, source: str, rows: list[tuple[int, float, float, float, float, float]]
) -> Candles:
    """Build a batch from (ts seconds, open, high, low, close, volume) rows, in their order."""
    ts = np.array([row[0] for row in rows], dtype=np.int64)
    columns = np.array([row[1:] for row in rows], dtype=np.float64).reshape(len(rows), 5)
    return Candles(symbol, timeframe, source, ts, *(np.ascontiguousarray(columns[:, i]) for i in range(5)))


def concatenate(batches: list[Candles]) -> Candles:
    """Join batches of one symbol and timeframe in the given order; ValueError when they differ or none is given."""
    if not batches:
        raise ValueError("no candles to join")
    first = batches[0]
    for batch in batches[1:]:
        if (batch.symbol, batch.timeframe) != (first.symbol, first.timeframe):
            raise ValueError(f"cannot join {batch.symbol} {batch.timeframe} to {first.symbol} {first.timeframe}")
    columns = (np.concatenate([getattr(batch, name) for batch in batches]) for name in FIELDS)
    ts = np.concatenate([batch.ts for batch in batches])
    return Candles(first.symbol, first.timeframe, first.source, ts, *columns)


@dataclass(frozen=True, slots=True)
class CandleRules:
    """What a candle of some asset may look like; ``align_seconds`` is the grid its open must lie on."""

    align_seconds: int
    allow_negative: bool = False


def rules_for(asset_class: str, timeframe: Timeframe) -> CandleRules:
    """The rules of an asset class: exchanges open at half past, and a commodity's price can be negative."""
    seconds = SECONDS[timeframe]
    on_the_hour = asset_class in ("crypto", "forex")
    align = seconds if on_the_hour or timeframe == "1d" else min(seconds, 1800)
    return CandleRules(align_seconds=align, allow_negative=asset_class == "commodities")


@dataclass(frozen=True, slots=True)
class RefusedCandle:
    """A candle that cannot be true: its row in the batch (from 0), its time as delivered, why, and what it said."""

    row: int
    ts: int
    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class Validated:
    """What is believed, what is refused, and how many exact repetitions were left out. ``rows`` maps good to batch."""

    good: Candles
    refused: list[RefusedCandle]
    repeated: int
    rows: NDArray[np.int64]


def validate(candles: Candles, now: datetime, rules: CandleRules | None = None) -> Validated:
    """Split a batch into candles that can be true and refused ones; the first rule that is broken is the reason.

    Of several deliveries of one time the first is kept: an equal one is counted as repeated, another is refused.
    """
    rules = rules or CandleRules(align_seconds=SECONDS[candles.timeframe])
    reasons = _impossible(candles, now, rules)
    sound = np.flatnonzero(reasons == "")
    repeated = _disordered(candles, sound, reasons)
    refused_rows = np.flatnonzero(reasons != "")
    refused = [
        RefusedCandle(int(row), int(candles.ts[row]), str(reasons[row]), raw_text(candles, int(row)))
        for row in refused_rows
    ]
    keep = reasons == ""
    keep[repeated] = False
    rows = np.flatnonzero(keep).astype(np.int64)
    good = candles if len(rows) == len(candles) else candles.take(rows)
    return Validated(good, refused, len(repeated), rows)


def _impossible(candles: Candles, now: datetime, rules: CandleRules) -> NDArray[np.str_]:
    """Reason for each row that no true candle could have, '' for the others. Later checks do not overwrite."""
    o, h, lo, c, v, ts = candles.open, candles.high, candles.low, candles.close, candles.volume, candles.ts
    seconds, limit = SECONDS[candles.timeframe], epoch(now)
    # NaN compares false with everything, so the first check has to come first.
    finite: NDArray[np.bool_] = np.isfinite(o) & np.isfinite(h) & np.isfinite(lo) & np.isfinite(c) & np.isfinite(v)
    checks: list[tuple[str, NDArray[np.bool_]]] = [("not a finite number", ~finite)]
    if not rules.allow_negative:
        checks.append(("zero or negative price", (o <= 0) | (h <= 0) | (lo <= 0) | (c <= 0)))
    checks += [
        ("high below low", h < lo),
        ("high below open or close", h < np.maximum(o, c)),
        ("low above open or close", lo > np.minimum(o, c)),
        ("negative volume", v < 0),
        ("in the future", ts > limit),
        ("not closed yet", ts + seconds > limit),
        (f"not aligned to {candles.timeframe}", ts % rules.align_seconds != 0),
    ]
    reasons = np.full(len(candles), "", dtype="<U40")
    for reason, broken in checks:
        reasons[broken & (reasons == "")] = reason
    return reasons


def _disordered(candles: Candles, sound: NDArray[np.intp], reasons: NDArray[np.str_]) -> NDArray[np.intp]:
    """Mark contradicting duplicates and rows out of order among the sound rows; return the equal repetitions."""
    ts = candles.ts[sound]
    if len(ts) < 2 or bool((ts[1:] > ts[:-1]).all()):
        return np.empty(0, dtype=np.intp)
    _, first, which = np.unique(ts, return_index=True, return_inverse=True)
    original = sound[first[which]]
    again = original != sound
    values = candles.values()
    equal = (values[original] == values[sound]).all(axis=1)
    reasons[sound[again & ~equal]] = "duplicate time with other values"
    newest_before = np.maximum.accumulate(ts)
    reasons[sound[~again & (ts < newest_before)]] = "out of order"
    repeated: NDArray[np.intp] = sound[again & equal]
    return repeated


def raw_text(candles: Candles, row: int) -> str:
    """One candle as delivered, in one line."""
    numbers = " ".join(f"{name}={float(getattr(candles, name)[row])!r}" for name in FIELDS)
    return f"ts={int(candles.ts[row])} {numbers}"


@dataclass(frozen=True, slots=True)
class Gap:
    """Missing bars: opens in [since, until), ``bars`` of them expected and absent."""

    since: datetime
    until: datetime
    bars: int


ExpectedOpens = Callable[[datetime, datetime], Times]
"""All opens that should exist in [since, until), ascending."""


def find_gaps(ts: Times, timeframe: Timeframe, expected: ExpectedOpens, since: datetime, until: datetime) -> list[Gap]:
    """Runs of expected bars absent from ``ts`` in [since, until), in time order."""
    opens = expected(since, until)
    absent = ~np.isin(opens, ts)
    if not absent.any():
        return []
    # A run ends where an expected bar is present; closed sessions do not interrupt it.
    edges = np.diff(np.concatenate(([0], absent.astype(np.int8), [0])))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    seconds = SECONDS[timeframe]
    return [
        Gap(moment(int(opens[a])), moment(int(opens[b - 1]) + seconds), int(b - a))
        for a, b in zip(starts, ends, strict=True)
    ]
