"""Errors, coverage and calibration of forecasts, beside the random walk on the same rows."""

from collections.abc import Sequence
from statistics import NormalDist

import msgspec
import numpy as np

from services.inference.evaluate import measure, wilson
from services.inference.series import Flags, Floats, Ints
from services.research.evaluation_report import ALL, Calibration, ModelScore, MonthScore, ReliabilityBin
from services.research.evaluation_rows import ENSEMBLE, AssetForecasts, Said
from services.research.significance import holm, independent_stretches

NORMAL_80 = NormalDist().inv_cdf(0.9)
BINS = 10


def model_scores(rows: AssetForecasts) -> list[ModelScore]:
    """Score every model of one asset, the ensemble first; models without a comparable row are left out."""
    found = []
    for name, said in rows.models.items():
        errors = measure(said.expected, rows.realised, rows.horizon_bars)
        if errors is None:
            continue
        low, high = _interval(rows, name, said)
        share, bounds, width = _coverage(rows, low, high)
        known = np.isfinite(said.expected) & np.isfinite(rows.realised)
        found.append(
            ModelScore(
                symbol=rows.symbol,
                horizon_hours=rows.horizon_hours,
                model=name,
                n=errors.n,
                independent=independent_stretches(rows.bar[known], rows.horizon_bars),
                rmse=errors.rmse,
                mae=errors.mae,
                rmse_random_walk=errors.rmse_random_walk,
                mae_random_walk=errors.mae_random_walk,
                ratio=errors.ratio,
                direction_n=errors.direction_n,
                direction_right=errors.direction_right,
                direction_low=errors.direction_low,
                direction_high=errors.direction_high,
                p_value=errors.p_value,
                p_holm=None,
                coverage=share,
                coverage_low=bounds[0],
                coverage_high=bounds[1],
                width_bps=width,
            )
        )
    return found


def with_holm(scores: Sequence[ModelScore]) -> list[ModelScore]:
    """Adjust the p-values: the ensembles' among themselves, for they are the claim; the parts' among all parts."""
    adjusted = list(scores)
    for ensembles in (True, False):
        family = [i for i, one in enumerate(scores) if (one.model == ENSEMBLE) == ensembles]
        for i, p in zip(family, holm([scores[i].p_value for i in family]), strict=True):
            adjusted[i] = msgspec.structs.replace(scores[i], p_holm=p)
    return adjusted


def month_scores(rows: AssetForecasts) -> list[MonthScore]:
    """Give every model's ratio to the random walk by month."""
    months = rows.close_ts.astype("datetime64[s]").astype("datetime64[M]")
    found = []
    for name, said in rows.models.items():
        known = np.isfinite(said.expected) & np.isfinite(rows.realised)
        names, which = np.unique(months[known], return_inverse=True)
        missed = np.bincount(which, (rows.realised[known] - said.expected[known]) ** 2)
        walk = np.bincount(which, rows.realised[known] ** 2)
        for month, n, own, yardstick in zip(names, np.bincount(which), missed, walk, strict=True):
            if yardstick > 0.0:
                ratio = float(np.sqrt(own / yardstick))
                found.append(MonthScore(rows.symbol, rows.horizon_hours, name, str(month), int(n), ratio))
    return found


def calibration(rows: Sequence[AssetForecasts]) -> Calibration | None:
    """Say how well p_up was calibrated over one asset's rows, or several assets' pooled; None where it is not given."""
    first = rows[0]
    p, rose = (np.concatenate([_p_and_rose(one)[i] for one in rows]) for i in (0, 1))
    if len(p) == 0:
        return None
    # Assets move together, so that pooling them adds rows but hardly any independent ones.
    independent = max(independent_stretches(one.bar[np.isfinite(one.p_up)], one.horizon_bars) for one in rows)
    per_row = independent / len(p)
    base = float(rose.mean())
    scale = _bins(p, rose, np.minimum((p * BINS).astype(np.int64), BINS - 1), per_row)
    order = np.argsort(np.argsort(p, kind="stable"), kind="stable")
    tenths = _bins(p, rose, order * BINS // len(p), per_row)
    edged = [_with_range(one, i, p, order) for i, one in enumerate(tenths)]
    return Calibration(
        symbol=first.symbol if len(rows) == 1 else ALL,
        horizon_hours=first.horizon_hours,
        n=len(p),
        independent=independent,
        base_rate=base,
        brier=float(np.mean((p - rose) ** 2)),
        brier_base_rate=base * (1.0 - base),
        expected_error=_expected_error(scale),
        expected_error_of_tenths=_expected_error(tenths),
        bins=tuple(scale),
        tenths=tuple(edged),
    )


def _with_range(one: ReliabilityBin, i: int, p: Floats, order: Ints) -> ReliabilityBin:
    """Give a tenth of the forecasts the range of p_up that it spans."""
    mine = p[order * BINS // len(p) == i]
    if len(mine) == 0:
        return one
    return msgspec.structs.replace(one, low=float(mine.min()), high=float(mine.max()))


def _p_and_rose(rows: AssetForecasts) -> tuple[Floats, Floats]:
    known = np.isfinite(rows.p_up) & np.isfinite(rows.realised)
    return rows.p_up[known], (rows.realised[known] > 0.0).astype(np.float64)


def _bins(p: Floats, rose: Floats, which: Ints, independent_per_row: float) -> list[ReliabilityBin]:
    counts = np.bincount(which, minlength=BINS)
    said, came = np.bincount(which, p, BINS), np.bincount(which, rose, BINS)
    found = []
    for i, n in enumerate(counts.tolist()):
        edges = i / BINS, (i + 1) / BINS
        if n == 0:
            found.append(ReliabilityBin(*edges, 0, None, None, None, None))
            continue
        share = float(came[i]) / n
        low, high = wilson(share, max(1.0, n * independent_per_row))
        found.append(ReliabilityBin(*edges, n, float(said[i]) / n, share, low, high))
    return found


def _expected_error(bins: Sequence[ReliabilityBin]) -> float:
    total = sum(one.n for one in bins)
    return (
        sum(one.n * abs(one.said - one.rose) for one in bins if one.said is not None and one.rose is not None) / total
    )


def _interval(rows: AssetForecasts, name: str, said: Said) -> tuple[Floats, Floats]:
    if name == ENSEMBLE:
        return rows.low, rows.high
    return said.expected - NORMAL_80 * said.uncertainty, said.expected + NORMAL_80 * said.uncertainty


def _coverage(
    rows: AssetForecasts, low: Floats, high: Floats
) -> tuple[float | None, tuple[float | None, float | None], float | None]:
    known: Flags = np.isfinite(low) & np.isfinite(high) & np.isfinite(rows.realised)
    n = int(known.sum())
    if n == 0:
        return None, (None, None), None
    inside = (rows.realised[known] >= low[known]) & (rows.realised[known] <= high[known])
    share = float(inside.mean())
    bounds = wilson(share, max(1.0, n / rows.horizon_bars))
    return share, bounds, float(np.mean(high[known] - low[known])) * 1e4
