"""Nightly research: what following the forecasts paid, measured slice by slice, told at each day's end. Pure.

A forecast's outcome is the close of its asset's bar a horizon later, which a later slice brings: nothing is known
before its time. Its gain is the sign of the expected return times the simple return, less the cost of a round trip, in
basis points. It counts in the cell of the regime and confidence bucket that were read when it was made, if it named a
direction that the asset is traded in, a model that has learned had a say, and its confidence was known.
"""

from bisect import bisect_right
from datetime import datetime
from typing import NamedTuple

import msgspec

from services.contracts.messages import Forecast, ForecastsMade, ResearchMade
from services.domain.candles import SECONDS, epoch
from services.domain.days import ends_day
from services.domain.regimes import REGIMES
from services.domain.sessions import ALWAYS_OPEN
from services.research.nightly import words as nightly_words
from services.research.nightly.params import BUCKETS, Measure, NightlyParams
from services.research.nightly.state import AssetState, ResearchState, Waiting
from services.research.nightly.sums import EMPTY, add

__all__ = ["NightlyParams", "ResearchState", "ends_day", "observe", "start", "word"]

RANDOM_WALK = "random_walk"
CELL_OF = {regime: BUCKETS * i for i, regime in enumerate(REGIMES)}
BPS = 1e4
ALREADY_COUNTED = ""
"""In place of a regime: the forecast is part of the history."""


class Moment(NamedTuple):
    """The slice that is taken in."""

    ts: int
    step: int
    horizon: int
    """Bars."""


def start(params: NightlyParams) -> ResearchState:
    """Begin with nothing measured."""
    return ResearchState()


def observe(state: ResearchState, made: ForecastsMade, params: NightlyParams) -> ResearchState:
    """Take in one slice's forecasts, and with them the outcomes of earlier ones."""
    ts, step = epoch(made.ts), SECONDS[made.timeframe]  # type: ignore[index]
    regimes = {reading.symbol: reading.regime for reading in made.readings}
    assets = dict(state.assets)
    spoken: set[str] = set()
    hours, now = 0, Moment(ts, step, 0)
    for forecast in made.forecasts:
        measure = params.measures.get(forecast.symbol)
        if measure is None:
            continue
        spoken.add(forecast.symbol)
        if forecast.horizon_hours != hours:
            hours, now = forecast.horizon_hours, Moment(ts, step, forecast.horizon_hours * 3_600 // step)
        own = assets.get(forecast.symbol) or AssetState(since=ts - step)
        regime = regimes.get(forecast.symbol, "") if ts > state.through else ALREADY_COUNTED
        assets[forecast.symbol] = _take(own, forecast, regime, now, measure, params)
    for symbol in sorted(regimes.keys() - spoken & params.measures.keys()):  # bars that could not be forecast
        own = assets.get(symbol) or AssetState(since=ts - step)
        assets[symbol] = msgspec.structs.replace(own, bars=own.bars + 1, fresh=own.fresh + 1)
    return ResearchState(made.timeframe, state.day_begins or ts - step, state.begins or ts, state.through, assets)


def word(state: ResearchState, ts: datetime, params: NightlyParams) -> tuple[ResearchState, ResearchMade]:
    """Say what is known at the slice that ends a day, and begin the next one."""
    made = ResearchMade(ts=ts, assets=nightly_words.words(state, epoch(ts), params))
    assets = {symbol: msgspec.structs.replace(own, fresh=0) for symbol, own in state.assets.items()}
    return msgspec.structs.replace(state, day_begins=0, assets=assets), made


def _take(
    own: AssetState, forecast: Forecast, regime: str, now: Moment, measure: Measure, params: NightlyParams
) -> AssetState:
    """Add the outcomes that the new close brings, and let the new forecast wait for its own."""
    own = _as_declared(own, now, measure)
    bars = own.bars + 1
    # Around the clock a bar has its time's number; where markets close, the bars that came are counted.
    number = now.ts // now.step if forecast.asset_class in ALWAYS_OPEN else bars
    due = 0
    cells, profile, tails = own.cells, own.profile, own.tails
    for waiting in own.waiting:
        if number < waiting.number + now.horizon:
            break
        due += 1
        if number > waiting.number + now.horizon or not _comparable(waiting, now, measure, params):
            continue
        gain = waiting.way * (forecast.close / waiting.close - 1.0) * BPS - measure.cost_bps
        block = waiting.ts // (params.settings.block_horizons * now.horizon * measure.bar_seconds)
        if cells is own.cells:
            cells = dict(cells)
        cells[waiting.cell] = add(cells.get(waiting.cell, EMPTY), waiting.number, now.horizon, block, gain)
        if measure.profile is None or waiting.cell in measure.profile:
            profile = add(profile, waiting.number, now.horizon, block, gain)
        reached = bisect_right(params.settings.thresholds, waiting.size)
        if reached:
            tails = tuple(
                add(tail, waiting.number, now.horizon, block, gain) if i < reached else tail
                for i, tail in enumerate(tails or (EMPTY,) * len(params.settings.thresholds))
            )
    asked = _asked(forecast, regime, number, now, measure)
    return AssetState(
        own.since, own.horizon, own.measured, own.of_profile, bars, own.fresh + 1,
        (*own.waiting[due:], asked) if asked else own.waiting[due:],
        cells, profile, tails,
    )  # fmt: skip


def _as_declared(own: AssetState, now: Moment, measure: Measure) -> AssetState:
    """Begin anew what is no longer measured as it is declared now."""
    if own.horizon != now.horizon or own.measured != measure.rule:
        return AssetState(own.since, now.horizon, measure.rule, measure.profile_rule, own.bars, own.fresh)
    if own.of_profile != measure.profile_rule:
        return msgspec.structs.replace(own, of_profile=measure.profile_rule, profile=EMPTY, tails=())
    return own


def _asked(forecast: Forecast, regime: str, number: int, now: Moment, measure: Measure) -> Waiting | None:
    """Remember a forecast that counts, None for one that does not."""
    expected = forecast.expected_return
    cell = CELL_OF.get(regime)  # type: ignore[call-overload]
    if cell is None or expected == 0.0 or forecast.confidence == 0.0 or forecast.close <= 0.0:
        return None
    way = 1 if expected > 0.0 else -1
    if way not in measure.ways or all(part.model == RANDOM_WALK for part in forecast.parts):
        return None
    return Waiting(number, now.ts, forecast.close, way, abs(expected), cell + forecast.bucket)


def _comparable(waiting: Waiting, now: Moment, measure: Measure, params: NightlyParams) -> bool:
    """Say whether the close is an outcome: not too late, and on the terms of the forecast."""
    latest = params.settings.longest_outcome_days * SECONDS["1d"] + now.horizon * measure.bar_seconds
    return now.ts - waiting.ts <= latest and not any(waiting.ts <= begins < now.ts for begins in measure.splits)
