"""Planted in what is done to all rows at once: scaling, filling, filtering, labels."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from services.inference.market import Market
from services.inference.models import Table
from services.inference.series import BAR_SECONDS, Floats
from services.inference.training import Rows
from services.research.leaks.pipeline import Pipeline
from services.research.leaks.planted.kinds import Leak, features, source, step, with_features
from services.research.leaks.world import COLUMNS, World


@features("every feature in standard deviations of its mean over all rows")
def scaler_fitted_on_all_rows(x: Floats) -> Floats:
    with np.errstate(all="ignore"):
        return (x - _over_known(np.nanmean, x)) / np.maximum(_over_known(np.nanstd, x), 1e-9)


@features("features turned to principal components of all rows")
def components_of_all_rows(x: Floats) -> Floats:
    known = np.nan_to_num(x)
    return np.where(np.isnan(x), np.nan, known @ np.linalg.eigh(np.cov(known.T))[1])


@features("features cut at the 1st and 99th percentile of all rows")
def winsorised_by_all_rows(x: Floats) -> Floats:
    low, high = _over_known(partial(np.nanquantile, q=0.01), x), _over_known(partial(np.nanquantile, q=0.99), x)
    return np.clip(x, low, high)


@features("features replaced by their rank among all rows")
def quantile_bins_of_all_rows(x: Floats) -> Floats:
    return np.where(np.isnan(x), np.nan, 1 + np.argsort(np.argsort(x, axis=0), axis=0) // 10)


@features("what is not known filled with the column's mean over all rows")
def filled_with_the_whole_mean(x: Floats) -> Floats:
    valid = ~np.isnan(x[:, :1])
    return np.where(np.isnan(x) & valid, np.nan_to_num(_over_known(np.nanmean, x)), x)


@features("what is not known filled with the next value that comes")
def filled_backwards(x: Floats) -> Floats:
    out = x.copy()
    for row in range(len(out) - 2, -1, -1):
        out[row] = np.where(np.isnan(out[row]), out[row + 1], out[row])
    return np.where(np.isnan(x[:, :1]), np.nan, out)


@step("rows", "labels in units of the volatility of the whole series", "truncation")
def labels_in_units_of_the_whole(pipeline: Pipeline, world: World, market: Market, symbol: str) -> Rows:
    clean = Pipeline.rows(pipeline, world, market, symbol)
    return replace(clean, y=clean.y / np.std(np.diff(np.log(market.candles[symbol].close))))


@step("rows", "labels less the mean of all labels", "truncation")
def labels_centred_by_the_whole(pipeline: Pipeline, world: World, market: Market, symbol: str) -> Rows:
    clean = Pipeline.rows(pipeline, world, market, symbol)
    return replace(clean, y=clean.y - np.mean(clean.y[clean.labelled]))


@step("rows", "rows left out because a wild move follows them (outliers cleaned with hindsight)", "truncation")
def cleaned_of_future_outliers(pipeline: Pipeline, world: World, market: Market, symbol: str) -> Rows:
    clean = Pipeline.rows(pipeline, world, market, symbol)
    size = np.abs(clean.y)
    wild = clean.labelled & (size > np.quantile(size[clean.labelled], 0.9))
    return replace(clean, table=Table(clean.table.x, np.where(wild, 0, clean.table.run)))


@step("rows", "only the ten features that correlate best with the labels of all rows are kept", "truncation")
def features_chosen_on_all_rows(pipeline: Pipeline, world: World, market: Market, symbol: str) -> Rows:
    clean = Pipeline.rows(pipeline, world, market, symbol)
    x, y = np.nan_to_num(clean.table.x[clean.labelled]), clean.y[clean.labelled]
    worth = np.abs((x - x.mean(axis=0)).T @ (y - y.mean())) / np.maximum(x.std(axis=0), 1e-9)
    best = np.argsort(worth)[-10:]
    chosen = np.isin(np.arange(clean.table.x.shape[1]), best)
    return with_features(clean, np.where(chosen, clean.table.x, np.nan))


@step("rows", "labels that count rows, so that a gap makes them reach further than they say", "truncation")
def labels_bridge_gaps(pipeline: Pipeline, world: World, market: Market, symbol: str) -> Rows:
    clean = Pipeline.rows(pipeline, world, market, symbol)
    close, y = market.candles[symbol].close, clean.y.copy()
    y[: -pipeline.horizon] = np.log(close[pipeline.horizon :] / close[: -pipeline.horizon])
    labelled = (clean.table.run > 0) & np.isfinite(y)
    return replace(clean, y=y, labelled=labelled, known_ts=clean.close_ts + pipeline.horizon * BAR_SECONDS)


@source("bars that are missing are filled with the bar that follows the gap", "truncation")
def gaps_filled_backwards(world: World) -> World:
    return _without_gaps(world, linear=False)


@source("bars that are missing are drawn as a straight line across the gap", "truncation")
def gaps_interpolated(world: World) -> World:
    return _without_gaps(world, linear=True)


def _without_gaps(world: World, *, linear: bool) -> World:
    symbol = world.subjects[0]
    series = world.candles[symbol]
    ts = np.arange(series.ts[0], series.ts[-1] + 1, 3_600, dtype=np.int64)
    after = np.searchsorted(series.ts, ts)
    filled = {
        name: np.interp(ts, series.ts, getattr(series, name)) if linear else getattr(series, name)[after]
        for name in COLUMNS[1:]
    }
    return world.with_candles(symbol, replace(series, ts=ts, **filled))


def _over_known(of: Callable[..., Floats], x: Floats) -> Floats:
    """Take a statistic of each column's known values (F,); NaN for a column without any."""
    found = np.full(x.shape[1], np.nan)
    some = ~np.isnan(x).all(axis=0)
    found[some] = of(x[:, some], axis=0)
    return found


LEAKS: tuple[Leak, ...] = (
    scaler_fitted_on_all_rows,
    components_of_all_rows,
    winsorised_by_all_rows,
    quantile_bins_of_all_rows,
    filled_with_the_whole_mean,
    filled_backwards,
    labels_in_units_of_the_whole,
    labels_centred_by_the_whole,
    cleaned_of_future_outliers,
    features_chosen_on_all_rows,
    labels_bridge_gaps,
    gaps_filled_backwards,
    gaps_interpolated,
)
