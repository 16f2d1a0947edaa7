"""The platform's own way from what is known to what it wants to hold, one method a step, and the trace of one walk.

A planted leak replaces a step. That the steps together are what the platform does is tested against ``walk_forward``.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any

import numpy as np

from services.contracts.messages import ForecastsMade, SliceClosed, TargetsSet
from services.inference import models
from services.inference.context import Observed
from services.inference.forecasting import Forecaster, slices_of
from services.inference.market import Market
from services.inference.registry import TrainedModel
from services.inference.series import BAR_SECONDS, Floats, moment
from services.inference.settings import ModelsSettings
from services.inference.training import Outcome, Rows, Window, rows_of, train_window, windows
from services.inference.walk_forward import Record
from services.research.leaks.world import World
from services.signals.decide import SignalParams, SignalState
from services.signals.decide import decide as decide_targets

SLICE_HOURS = 3
"""Every so manieth slice is forecast: leaks show there as well."""

QUICK_TREES: dict[str, Any] = {
    "depth": 4, "rows_per_leaf": 10, "feature_share": 0.5, "row_share": 0.7, "l2": 1.0, "holdout_share": 0.25,
    "clip": 4.0,
}  # fmt: skip
QUICK_BOOSTING: dict[str, Any] = {**QUICK_TREES, "rounds": 8, "learning_rate": 0.2, "bins": 31}
QUICK_NET: dict[str, Any] = {"bars": 6, "epochs": 2, "batch": 64, "stride": 2}
QUICK: dict[str, dict[str, Any]] = {
    "lightgbm": {**QUICK_BOOSTING, "leaves": 6},
    "lstm": {**QUICK_NET, "width": 6, "hidden": 4},
    "transformer": {**QUICK_NET, "width": 8, "layers": 1, "heads": 2, "feed": 8},
    "multi_task": {**QUICK_NET, "patch": 3, "hour_width": 8, "stretch_width": 8, "width": 8},
    "informer": {**QUICK_NET, "bars": 24, "label": 8, "width": 8, "heads": 2, "feed": 8, "encoder_layers": 1},
    "xgboost": QUICK_BOOSTING,
    "random_forest": {**QUICK_TREES, "trees": 4},
}
"""Each model with parameters under which it trains in a fraction of a second."""
FEW = ("lightgbm",)
WITH_A_NET = ("lightgbm", "lstm")
ALL = tuple(QUICK)

Score = tuple[Floats, Floats]
"""What was forecast (n,) and what came (n,), in time order."""


def quick_settings(names: Sequence[str] = FEW) -> ModelsSettings:
    """Return settings under which the real models train in no time on two weeks of hours."""
    lines: dict[str, Any] = {"random_walk": {"counts": False}, **{name: {"params": QUICK[name]} for name in names}}
    return ModelsSettings.model_validate(
        {
            "timeframe": "1h",
            "horizon_bars": 12,
            "seed": 3,
            "leaders": {},
            "walk_forward": {"min_train_days": 8, "max_train_days": 16, "retrain_days": 5},
            "confidence": {"history": 60, "at_least": 10},
            "ensemble": {
                "interval": 0.8, "history_days": 30, "min_days": 4, "prior_slope": 0.5, "prior_spread": 0.3,
                "equal_share": 0.5,
            },
            "retraining": {"at_hour": 2, "every_days": 1, "holdout_days": 2, "tolerance": 0.0},
            "preset": "leaktest",
            "says": "quick models on a few days",
            "models": lines,
        }
    )  # fmt: skip


class Pipeline:
    """The clean pipeline: each step calls the platform's own function."""

    def __init__(self, settings: ModelsSettings, signals: SignalParams) -> None:
        self.settings = settings
        self.signals = signals
        self.models = models.build_all(settings)

    @property
    def horizon(self) -> int:
        """Bars ahead."""
        return self.settings.horizon_bars

    def market(self, world: World) -> Market:
        """Lay out what features read: each value counts from when it was known, revisions from theirs."""
        values = {name: Observed(series.known, series.value) for name, series in world.values.items()}
        return Market(world.candles, world.leaders, values)

    def universe(self, world: World) -> tuple[str, ...]:
        """Name the assets that are forecast."""
        return world.subjects

    def rows(self, world: World, market: Market, symbol: str) -> Rows:
        """Compute feature rows, and labels with when each is known."""
        return rows_of(market, symbol, self.horizon)

    def windows(self, rows: Rows) -> list[Window]:
        """Say which rows train each window's models."""
        return windows(rows, self.settings)

    def train(self, name: str, rows: Rows, window: Window) -> Outcome | None:
        """Train one model on one window and forecast the window's rows."""
        return train_window(name, self.models[name], rows, window, self.settings)

    def blend(self, record: Record, window: Window) -> TrainedModel | None:
        """Learn from earlier windows how the models are weighed and calibrated in this one."""
        return record.blend_at(window.start, self.settings)

    def forecast(
        self, market: Market, trained: Sequence[TrainedModel], slices: Sequence[SliceClosed]
    ) -> list[ForecastsMade]:
        """Forecast slices with the models in use at each."""
        return Forecaster(self.settings, trained).forecast(market, slices, {})[0]

    def targets(self, universe: Sequence[str], made: Sequence[ForecastsMade]) -> list[TargetsSet]:
        """Decide what to hold at each slice."""
        state, found = SignalState(enabled=tuple(universe)), []
        for one in made:
            state, wanted = decide_targets(state, one, (), self.signals)
            found.append(wanted)
        return found

    def scores(self, rows: Rows, outcomes: Sequence[Outcome]) -> dict[str, Score]:
        """Collect, as the evaluation reports it, what each model forecast out of sample and what came."""
        found: dict[str, Score] = {}
        for name in sorted({one.model.model for one in outcomes}):
            mine = [one for one in outcomes if one.model.model == name]
            said = np.concatenate([one.said.expected_return for one in mine])
            came = np.concatenate([rows.y[one.rows] for one in mine])
            found[name] = said, came
        return found


class Trace:
    """One walk of a pipeline through a world; each part is made when it is first looked at."""

    def __init__(self, pipeline: Pipeline, world: World) -> None:
        self.pipeline = pipeline
        self.world = world

    @cached_property
    def market(self) -> Market:
        """What features read."""
        return self.pipeline.market(self.world)

    @cached_property
    def universe(self) -> tuple[str, ...]:
        """Which assets are forecast."""
        return self.pipeline.universe(self.world)

    @cached_property
    def rows(self) -> dict[str, Rows]:
        """Feature rows and labels by asset."""
        return {symbol: self.pipeline.rows(self.world, self.market, symbol) for symbol in self.universe}

    @cached_property
    def windows(self) -> dict[str, list[Window]]:
        """Windows by asset."""
        return {symbol: self.pipeline.windows(rows) for symbol, rows in self.rows.items()}

    @cached_property
    def learnt(self) -> tuple[list[TrainedModel], dict[str, list[Outcome]]]:
        """All trained models and blends in order of their making, and what the models forecast, by asset."""
        trained: list[TrainedModel] = []
        outcomes: dict[str, list[Outcome]] = {}
        for symbol, rows in self.rows.items():
            record, mine = Record(rows), outcomes.setdefault(symbol, [])
            for window in self.windows[symbol]:
                blend = self.pipeline.blend(record, window)
                if blend is not None:
                    trained.append(blend)
                for name in self.pipeline.settings.models:
                    outcome = self.pipeline.train(name, rows, window)
                    if outcome is not None:
                        record.add(name, outcome.rows, outcome.said)
                        trained.append(outcome.model)
                        mine.append(outcome)
        return trained, outcomes

    @cached_property
    def forecasts(self) -> list[ForecastsMade]:
        """What was forecast at every third slice from the first window on."""
        starts = [window.start for found in self.windows.values() for window in found]
        if not starts:
            return []
        candles = {symbol: self.market.candles[symbol] for symbol in self.universe}
        step = SLICE_HOURS * BAR_SECONDS
        moments = [moment(min(starts)) + timedelta(seconds=s) for s in range(0, self.world.end - min(starts) + 1, step)]
        return self.pipeline.forecast(self.market, self.learnt[0], slices_of(candles, moments))

    @cached_property
    def targets(self) -> list[TargetsSet]:
        """What was wanted at these slices."""
        return self.pipeline.targets(self.universe, self.forecasts)

    @cached_property
    def scores(self) -> dict[tuple[str, str], Score]:
        """What is reported of each asset and model."""
        return {
            (symbol, name): score
            for symbol, outcomes in self.learnt[1].items()
            for name, score in self.pipeline.scores(self.rows[symbol], outcomes).items()
        }
