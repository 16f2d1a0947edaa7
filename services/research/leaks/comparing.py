"""Two walks through worlds with one past: the first thing said by a cut that is not the same to the bit."""

from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest

import numpy as np

from services.contracts.messages import ForecastsMade, TargetsSet
from services.inference.features import FEATURES
from services.inference.registry import TrainedModel
from services.inference.series import Flags, Floats, Ints, moment
from services.inference.training import Outcome, Rows
from services.research.leaks.pipeline import Trace

Comparison = Callable[[Trace, Trace, int], str | None]


def when(seconds: int) -> str:
    """Write epoch seconds as a UTC time."""
    return f"{moment(int(seconds)):%Y-%m-%d %H:%M}"


def same_rows(these: Trace, those: Trace, cut: int) -> str | None:
    """Compare assets, feature rows, and labels known by the cut."""
    if these.universe != those.universe:
        return f"the assets that are forecast: {', '.join(these.universe)} against {', '.join(those.universe)}"
    for symbol, rows in these.rows.items():
        found = _features(rows, those.rows[symbol], cut) or _labels(rows, those.rows[symbol], cut)
        if found:
            return f"{symbol} {found}"
    return None


def first_feature(these: Rows, those: Rows) -> tuple[int, str] | None:
    """Find the first close at which two tables of features differ, and which column; both have the same bars."""
    differ = _unlike(these.table.x, those.table.x)
    rows = np.flatnonzero(differ.any(axis=1))
    if len(rows) == 0:
        return None
    return int(these.close_ts[rows[0]]), FEATURES[int(np.flatnonzero(differ[rows[0]])[0])].name


def same_models(these: Trace, those: Trace, cut: int) -> str | None:
    """Compare training rows, artefacts, and what the models forecast, of windows that began by the cut."""
    for symbol in these.universe:
        mine, theirs = these.rows[symbol], those.rows[symbol]
        if len(theirs.close_ts) == 0:
            continue
        # A window begins at a bar; after the last one there is, none can have begun.
        begun = min(cut, int(theirs.close_ts[-1]))
        pairs = zip_longest(
            (w for w in these.windows[symbol] if w.start <= begun),
            (w for w in those.windows[symbol] if w.start <= begun),
        )
        for one, other in pairs:
            if one is None or other is None:
                return f"{symbol}: there is one window more or less"
            if one.start != other.start or not np.array_equal(mine.close_ts[one.train], theirs.close_ts[other.train]):
                return f"{symbol}: the window of {when(one.start)} trains on other rows"
        found = _trained(_of(these, symbol, begun), _of(those, symbol, begun))
        found = found or _said(these.learnt[1][symbol], mine, those.learnt[1][symbol], theirs, cut)
        if found:
            return f"{symbol}: {found}"
    return None


def same_forecasts(these: Trace, those: Trace, cut: int) -> str | None:
    """Compare forecasts and targets of slices by the cut, whole messages."""
    said = _messages(these.forecasts, those.forecasts, cut, "forecasts")
    return said or _messages(these.targets, those.targets, cut, "targets")


def _features(rows: Rows, others: Rows, cut: int) -> str | None:
    n, m = (int(np.count_nonzero(one.close_ts <= cut)) for one in (rows, others))
    if not np.array_equal(rows.close_ts[:n], others.close_ts[:m]):
        odd = np.setxor1d(rows.close_ts[:n], others.close_ts[:m])
        return f"bar of {when(odd[0])}: is there once and once not"
    runs = np.flatnonzero(rows.table.run[:n] != others.table.run[:n])
    if len(runs):
        return f"row of {when(rows.close_ts[runs[0]])}: is valid once and once not"
    differ = _unlike(rows.table.x[:n], others.table.x[:n])
    if not differ.any():
        return None
    row = int(np.flatnonzero(differ.any(axis=1))[0])
    column = int(np.flatnonzero(differ[row])[0])
    value, other = rows.table.x[row, column], others.table.x[row, column]
    return f"row of {when(rows.close_ts[row])}: feature {FEATURES[column].name} is {value:.6g} or {other:.6g}"


def _labels(rows: Rows, others: Rows, cut: int) -> str | None:
    known, theirs = (np.flatnonzero(one.labelled & (one.known_ts <= cut)) for one in (rows, others))
    if not np.array_equal(rows.close_ts[known], others.close_ts[theirs]):
        odd = np.setxor1d(rows.close_ts[known], others.close_ts[theirs])
        return f"row of {when(odd[0])}: its label is there once and once not"
    if not np.array_equal(rows.known_ts[known], others.known_ts[theirs]):
        return "labels are known at other times"
    differ = np.flatnonzero(rows.y[known] != others.y[theirs])
    if len(differ) == 0:
        return None
    row = known[differ[0]]
    return f"row of {when(rows.close_ts[row])}: its label, said to be known at {when(rows.known_ts[row])}, differs"


def _of(trace: Trace, symbol: str, begun: int) -> list[TrainedModel]:
    return [one for one in trace.learnt[0] if one.symbol == symbol and one.valid_from <= moment(begun)]


def _trained(these: Iterable[TrainedModel], those: Iterable[TrainedModel]) -> str | None:
    for one, other in zip_longest(these, those):
        if one is None or other is None:
            present = one or other
            assert present is not None
            return f"{present.model} valid from {present.valid_from:%Y-%m-%d %H:%M} is there once and once not"
        if (one.model, one.valid_from, one.artefact_sha256) != (other.model, other.valid_from, other.artefact_sha256):
            return f"{one.model} valid from {one.valid_from:%Y-%m-%d %H:%M} has another artefact"
    return None


def _said(these: Sequence[Outcome], mine: Rows, those: Sequence[Outcome], theirs: Rows, cut: int) -> str | None:
    said, others = _by_moment(these, mine, cut), _by_moment(those, theirs, cut)
    for key in sorted(said.keys() | others.keys()):
        if said.get(key) != others.get(key):
            return f"{key[0]} forecasts the row of {when(key[1])} otherwise"
    return None


def _by_moment(outcomes: Sequence[Outcome], rows: Rows, cut: int) -> dict[tuple[str, int], float]:
    found: dict[tuple[str, int], float] = {}
    for one in outcomes:
        closes: Ints = rows.close_ts[one.rows]
        for close, expected in zip(closes.tolist(), one.said.expected_return.tolist(), strict=True):
            if close <= cut:
                found[one.model.model, close] = expected
    return found


def _messages(
    these: Sequence[ForecastsMade] | Sequence[TargetsSet],
    those: Sequence[ForecastsMade] | Sequence[TargetsSet],
    cut: int,
    name: str,
) -> str | None:
    by = moment(cut)
    for one, other in zip_longest((a for a in these if a.ts <= by), (b for b in those if b.ts <= by)):
        if one is None or other is None:
            present = one or other
            assert present is not None
            return f"{name} of the slice {present.ts:%Y-%m-%d %H:%M} are there once and once not"
        if one != other:
            return f"{name} of the slice {one.ts:%Y-%m-%d %H:%M} differ"
    return None


def _unlike(these: Floats, those: Floats) -> Flags:
    differ: Flags = (these != those) & ~(np.isnan(these) & np.isnan(those))
    return differ
