"""What forecasts were worth after costs, by regime and confidence bucket, honest about how many cells there are."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.domain.regimes import REGIMES
from services.inference.series import Floats, Ints
from services.research.evaluation_report import ALL, EdgeCell
from services.research.evaluation_rows import AssetForecasts
from services.research.significance import (
    BLOCK_HORIZONS,
    DRAWS,
    benjamini_hochberg,
    independent_stretches,
    means,
    resamples,
)

BUCKETS = 10
FALSE_DISCOVERIES = 0.05
BPS = 1e4
HOUR = 3_600


@dataclass(frozen=True, slots=True, eq=False)
class _Gains:
    """What following each forecast paid: rows that named a direction and whose outcome is known."""

    ts: Ints
    bar: Ints
    gross_bps: Floats
    net_bps: Floats
    bucket: Ints
    regime: NDArray[np.str_]


def edges(assets: Sequence[AssetForecasts], seed: int) -> list[EdgeCell]:
    """Tabulate one horizon: every asset, and all assets together, with q-values over the whole table."""
    gains = [(one.symbol, _gains(one)) for one in assets]
    hours, bars = assets[0].horizon_hours, assets[0].horizon_bars
    found: list[EdgeCell] = []
    for symbol, one in gains:
        found += _cells(symbol, hours, bars, one, seed)
    if len(gains) > 1:
        found += _cells(ALL, hours, hours, _together([one for _, one in gains]), seed)
    q_values = benjamini_hochberg([cell.p_value for cell in found])
    return [
        msgspec.structs.replace(
            cell, q_value=q, significant=q is not None and q < FALSE_DISCOVERIES and cell.edge_bps > 0.0
        )
        for cell, q in zip(found, q_values, strict=True)
    ]


def edge_verdict(cells: Sequence[EdgeCell]) -> str:
    """Say in one sentence whether any cell has an edge after costs."""
    tested = [cell for cell in cells if cell.p_value is not None]
    if not tested:
        return "Edge: too few independent forecasts in any regime and bucket to tell."
    kept = sorted((cell for cell in tested if cell.significant), key=lambda cell: -cell.edge_bps)
    asked = f"of {len(tested)} combinations of asset, regime and bucket with enough forecasts"
    if not kept:
        return f"No edge after costs: {asked} none stays above zero once so many are looked at."
    best = "; ".join(f"{name_of(cell)} {cell.edge_bps:+.0f} bps ({cell.n} forecasts)" for cell in kept[:3])
    return f"Edge after costs: {asked} {len(kept)} stay above zero at a false discovery rate of 5 %: {best}."


def name_of(cell: EdgeCell) -> str:
    """Name a cell in words."""
    symbol = "all assets" if cell.symbol == ALL else cell.symbol
    regime = "" if cell.regime == ALL else f", {cell.regime}"
    return f"{symbol}{regime}" + ("" if cell.bucket is None else f", bucket {cell.bucket}")


def _gains(rows: AssetForecasts) -> _Gains:
    expected = rows.ensemble.expected
    known = np.isfinite(rows.realised) & np.isfinite(expected) & (expected != 0.0) & (rows.bucket >= 0)
    gross = (np.sign(expected) * np.expm1(rows.realised) * BPS)[known]
    net = gross - rows.cost_bps
    return _Gains(rows.close_ts[known], rows.bar[known], gross, net, rows.bucket[known], rows.regime[known])


def _together(gains: Sequence[_Gains]) -> _Gains:
    """Put assets into one table in time order; its bars are hours, for markets number theirs differently."""
    ts = np.concatenate([one.ts for one in gains])
    order = np.argsort(ts, kind="stable")
    gross, net, bucket, regime = (
        np.concatenate([getattr(one, name) for one in gains])[order]
        for name in ("gross_bps", "net_bps", "bucket", "regime")
    )
    return _Gains(ts[order], ts[order] // HOUR, gross, net, bucket, regime)


def _cells(symbol: str, hours: int, horizon_bars: int, gains: _Gains, seed: int) -> list[EdgeCell]:
    if len(gains.ts) == 0:
        return []
    groups = _groups(gains)
    # Rows of one moment are drawn together: assets that move together are not independent.
    moments, moment = np.unique(gains.ts, return_inverse=True)
    block = BLOCK_HORIZONS * horizon_bars
    draws = resamples(len(moments), block, DRAWS, seed)
    stretches = [independent_stretches(gains.bar[rows], horizon_bars) for rows in groups.values()]
    averages = means(gains.net_bps, list(groups.values()), stretches, draws, moment, block)
    return [
        EdgeCell(
            symbol=symbol,
            horizon_hours=hours,
            regime=regime,
            bucket=bucket,
            n=average.n,
            independent=average.independent,
            gross_bps=float(gains.gross_bps[rows].mean()),
            edge_bps=average.mean,
            low_bps=average.low,
            high_bps=average.high,
            p_value=average.p_value,
            q_value=None,
            significant=False,
        )
        for ((regime, bucket), rows), average in zip(groups.items(), averages, strict=True)
        if average is not None
    ]


def _groups(gains: _Gains) -> dict[tuple[str, int | None], Ints]:
    """Map each cell to its row numbers, in time order."""
    found: dict[tuple[str, int | None], Ints] = {}
    for regime in (ALL, *REGIMES):
        in_regime = gains.regime == regime if regime != ALL else np.ones(len(gains.ts), dtype=np.bool_)
        for bucket in (None, *range(BUCKETS)):
            inside = in_regime if bucket is None else in_regime & (gains.bucket == bucket)
            found[regime, bucket] = np.flatnonzero(inside).astype(np.int64)
    return found
