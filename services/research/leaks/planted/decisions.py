"""Planted behind the models: in forecasts, their confidence, thresholds, and which assets there are."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import msgspec
import numpy as np

from services.contracts.messages import Forecast, ForecastsMade, SliceClosed, TargetsSet
from services.inference.decide import score_of
from services.inference.market import Market
from services.inference.registry import TrainedModel, by_model
from services.inference.series import Floats
from services.research.leaks.pipeline import Pipeline
from services.research.leaks.planted.kinds import Leak, step
from services.research.leaks.world import World


@step("universe", "the asset is chosen because it did best to the end (survivorship)", "perturbation")
def survivors_only(pipeline: Pipeline, world: World) -> tuple[str, ...]:
    gain = {symbol: float(series.close[-1] / series.close[0]) for symbol, series in world.candles.items()}
    return (max(gain, key=lambda symbol: gain[symbol]),)


@step("forecast", "each slice is forecast by the model that the registry takes in next", "label firewall")
def next_model_from_the_registry(
    pipeline: Pipeline, market: Market, trained: Sequence[TrainedModel], slices: Sequence[SliceClosed]
) -> list[ForecastsMade]:
    moved: list[TrainedModel] = []
    for rows in by_model(trained).values():
        for one, after in pairwise(rows):
            early = after.valid_from - one.valid_from
            # The registry refuses what was trained on later hours: a forged stamp gets past that.
            moved.append(replace(after, valid_from=one.valid_from, trained_through=after.trained_through - early))
    return Pipeline.forecast(pipeline, market, moved, slices)


@step("forecast", "confidence ranks each score among those of the whole history", "truncation")
def confidence_over_the_whole(
    pipeline: Pipeline, market: Market, trained: Sequence[TrainedModel], slices: Sequence[SliceClosed]
) -> list[ForecastsMade]:
    made = Pipeline.forecast(pipeline, market, trained, slices)
    scores = _scores(made)

    def ranked(place: int, forecast: Forecast) -> Forecast:
        return msgspec.structs.replace(forecast, confidence=float(np.mean(scores < scores[place])))

    return _each(made, ranked)


@step("forecast", "confidence ranks each score among those around it, later ones too", "truncation")
def confidence_among_neighbours(
    pipeline: Pipeline, market: Market, trained: Sequence[TrainedModel], slices: Sequence[SliceClosed]
) -> list[ForecastsMade]:
    made = Pipeline.forecast(pipeline, market, trained, slices)
    scores = _scores(made)

    def ranked(place: int, forecast: Forecast) -> Forecast:
        around = scores[max(0, place - 20) : place + 21]
        return msgspec.structs.replace(forecast, confidence=float(np.mean(around < scores[place])))

    return _each(made, ranked)


@step("forecast", "the mean of all forecasts is taken out of each", "truncation")
def forecasts_centred_by_the_whole(
    pipeline: Pipeline, market: Market, trained: Sequence[TrainedModel], slices: Sequence[SliceClosed]
) -> list[ForecastsMade]:
    made = Pipeline.forecast(pipeline, market, trained, slices)
    mean = float(np.mean([f.expected_return for one in made for f in one.forecasts] or [0.0]))
    return _each(made, lambda _, f: msgspec.structs.replace(f, expected_return=f.expected_return - mean))


@step("forecast", "the chance of a rise is matched to how often prices rose over the whole history", "truncation")
def chance_calibrated_on_the_whole(
    pipeline: Pipeline, market: Market, trained: Sequence[TrainedModel], slices: Sequence[SliceClosed]
) -> list[ForecastsMade]:
    made = Pipeline.forecast(pipeline, market, trained, slices)
    rose = float(np.mean([np.mean(np.diff(market.candles[s].close) > 0.0) for s in sorted(market.candles)]))
    return _each(made, lambda _, f: msgspec.structs.replace(f, p_up=rose))


@step("forecast", "a forecast is smoothed with the one of the next slice", "truncation")
def smoothed_with_the_next_slice(
    pipeline: Pipeline, market: Market, trained: Sequence[TrainedModel], slices: Sequence[SliceClosed]
) -> list[ForecastsMade]:
    made = Pipeline.forecast(pipeline, market, trained, slices)
    said = [f.expected_return for one in made for f in one.forecasts]

    def smoothed(place: int, forecast: Forecast) -> Forecast:
        after = said[min(place + 1, len(said) - 1)]
        return msgspec.structs.replace(forecast, expected_return=0.5 * (forecast.expected_return + after))

    return _each(made, smoothed)


@step(
    "targets", "the threshold is the one that would have chosen a fifth of the whole history's forecasts", "truncation"
)
def threshold_tuned_on_the_whole(
    pipeline: Pipeline, universe: Sequence[str], made: Sequence[ForecastsMade]
) -> list[TargetsSet]:
    sizes = [abs(f.expected_return) for one in made for f in one.forecasts]
    least = float(np.quantile(sizes, 0.8)) if sizes else 0.0

    def passed(_: int, f: Forecast) -> Forecast:
        return msgspec.structs.replace(f, expected_return=f.expected_return - np.sign(f.expected_return) * least)

    return Pipeline.targets(pipeline, universe, _each(made, passed))


@step("targets", "a position is taken only where the next slice's price agrees", "perturbation")
def entries_agree_with_the_next_price(
    pipeline: Pipeline, universe: Sequence[str], made: Sequence[ForecastsMade]
) -> list[TargetsSet]:
    closes = [f.close for one in made for f in one.forecasts]

    def agreed(place: int, f: Forecast) -> Forecast:
        after = closes[min(place + 1, len(closes) - 1)] - f.close
        return f if after * f.expected_return > 0.0 else msgspec.structs.replace(f, confidence=0.0)

    return Pipeline.targets(pipeline, universe, _each(made, agreed))


def _scores(made: Sequence[ForecastsMade]) -> Floats:
    return np.array([score_of(f.expected_return, f.uncertainty) for one in made for f in one.forecasts])


def _each(made: Sequence[ForecastsMade], change: Callable[[int, Forecast], Forecast]) -> list[ForecastsMade]:
    """Change every forecast, given its place among all."""
    place, found = 0, []
    for one in made:
        changed = []
        for forecast in one.forecasts:
            changed.append(change(place, forecast))
            place += 1
        found.append(msgspec.structs.replace(one, forecasts=tuple(changed)))
    return found


LEAKS: tuple[Leak, ...] = (
    survivors_only,
    next_model_from_the_registry,
    confidence_over_the_whole,
    confidence_among_neighbours,
    forecasts_centred_by_the_whole,
    chance_calibrated_on_the_whole,
    smoothed_with_the_next_slice,
    threshold_tuned_on_the_whole,
    entries_agree_with_the_next_price,
)
