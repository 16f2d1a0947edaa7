"""Which rows a window learns from, and which models speak: no label, row or model from behind the window's begin."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from services.inference.series import BAR_SECONDS, Ints, epoch
from services.inference.training import Outcome, Rows, Window
from services.inference.walk_forward import Record
from services.research.leaks.comparing import when
from services.research.leaks.pipeline import Trace

NEVER = 1 << 60
"""When the label of a row is known that has none."""
NEWEST = 2
"""Windows, the newest, in which labels are altered and models trained once more."""


def breach(trace: Trace) -> str | None:
    """Return the first breach that is found, in words."""
    for symbol, rows in trace.rows.items():
        outcomes = trace.learnt[1][symbol]
        found = (
            _rows(trace, symbol, rows)
            or _tested(rows, trace.windows[symbol], outcomes)
            or _labels(trace, rows, trace.windows[symbol])
            or _reported(trace, symbol)
        )
        if found:
            return f"{symbol}: {found}"
    return _stamped(trace) or _spoken(trace)


def _known(trace: Trace, symbol: str, rows: Rows) -> Ints:
    """Say when each row's label is really known, (n,): when the bar closes that stands the horizon after it, if any."""
    true = trace.world.candles[symbol]
    closes = dict(zip(true.position().tolist(), true.close_ts.tolist(), strict=True))
    number = dict(zip(true.close_ts.tolist(), true.position().tolist(), strict=True))
    reached = [number.get(close, NEVER) + trace.pipeline.horizon for close in rows.close_ts.tolist()]
    return np.array([closes.get(at, NEVER) for at in reached], dtype=np.int64)


def _rows(trace: Trace, symbol: str, rows: Rows) -> str | None:
    """Check that every training row's label was known when its window began, and that none counts twice."""
    known = _known(trace, symbol, rows)
    for window in trace.windows[symbol]:
        late = window.train[known[window.train] > window.start]
        if len(late):
            return (
                f"the window of {when(window.start)} trains on {len(late)} rows whose label was known later, "
                f"the first at {when(rows.close_ts[late[0]])}"
            )
        if len(np.unique(window.train)) < len(window.train):
            return f"the window of {when(window.start)} trains on some rows twice"
        close = rows.close_ts[window.train]
        if len(np.unique(close)) < len(close):
            return f"the window of {when(window.start)} trains on copies of rows"
    return None


def _tested(rows: Rows, windows: Sequence[Window], outcomes: Sequence[Outcome]) -> str | None:
    """Check that no row that is forecast was trained on or lies before the window."""
    trained = {window.start: window.train for window in windows}
    for one in outcomes:
        start = epoch(one.model.valid_from)
        if start not in trained:
            return f"{one.model.model} is valid from {when(start)}, when no window began"
        both = np.intersect1d(one.rows, trained[start])
        if len(both):
            return f"{one.model.model} of {when(start)} is judged on {len(both)} rows that it was trained on"
        if len(one.rows) and rows.close_ts[one.rows].min() < start:
            return f"{one.model.model} of {when(start)} is judged on rows from before"
    return None


def _labels(trace: Trace, rows: Rows, windows: Sequence[Window]) -> str | None:
    """Train once more with other labels wherever they were known after the window's begin: equal artefacts, or not."""
    known = _known(trace, rows.symbol, rows)
    chance = np.random.default_rng(11)
    for window in windows[-1 - NEWEST : -1]:
        later = known > window.start
        # Another sign and size, not only another number: what ranks or counts them feels it too.
        y = np.where(later, -rows.y * chance.uniform(1.5, 3.0, len(rows.y)), rows.y)
        other = replace(rows, y=y)
        for name in trace.pipeline.settings.models:
            first, again = (trace.pipeline.train(name, one, window) for one in (rows, other))
            if first is None or again is None:
                continue
            if first.model.artefact_sha256 != again.model.artefact_sha256:
                return f"{name} of {when(window.start)} turns out otherwise when labels known later are others"
            if not np.array_equal(first.said.expected_return, again.said.expected_return):
                return f"{name} of {when(window.start)} forecasts otherwise when labels known later are others"
        if _blends_differ(trace, rows, other, window):
            return f"the ensemble of {when(window.start)} turns out otherwise when labels known later are others"
    return None


def _reported(trace: Trace, symbol: str) -> str | None:
    """Check that what is reported of a model is all that it forecast out of sample, and nothing else."""
    for (of, name), (said, _) in trace.scores.items():
        made = [one.said.expected_return for one in trace.learnt[1][symbol] if one.model.model == name]
        if of == symbol and (not made or not np.array_equal(np.concatenate(made), said)):
            total = sum(len(part) for part in made)
            return f"{name} is reported by {len(said)} rows that are not the {total} that it forecast out of sample"
    return None


def _blends_differ(trace: Trace, rows: Rows, other: Rows, window: Window) -> bool:
    """Learn the blend twice from the same forecasts, of all windows, later ones too: it may not look at those."""
    found = []
    for labels in (rows, other):
        record = Record(labels)
        for one in trace.learnt[1][rows.symbol]:
            record.add(one.model.model, one.rows, one.said)
        blend = trace.pipeline.blend(record, window)
        found.append(None if blend is None else blend.artefact_sha256)
    return found[0] != found[1]


def _stamped(trace: Trace) -> str | None:
    """Check that no model is valid before the last label that it learnt from was known."""
    horizon = timedelta(seconds=trace.pipeline.horizon * BAR_SECONDS)
    for one in trace.learnt[0]:
        if one.trained_through + horizon > one.valid_from:
            since = f"{one.valid_from:%Y-%m-%d %H:%M}"
            return f"{one.symbol}: {one.model} is valid from {since}, before its last label was known"
    return None


def _spoken(trace: Trace) -> str | None:
    """Check that each part of a forecast comes from a model that was there by then."""
    begun = {(one.symbol, one.model, one.version): one.valid_from for one in trace.learnt[0]}
    for made in trace.forecasts:
        for forecast in made.forecasts:
            for part in forecast.parts:
                since = begun.get((forecast.symbol, part.model, part.version))
                if since is not None and since > made.ts:
                    return (
                        f"{forecast.symbol}: the slice of {made.ts:%Y-%m-%d %H:%M} is forecast by {part.model} "
                        f"{part.version}, valid from {since:%Y-%m-%d %H:%M}"
                    )
    return None
