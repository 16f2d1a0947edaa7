"""From recorded candles to the ledger: what is later changes nothing that is earlier (the committed sample)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from decision_cases import CONFIGURED, opened

from services.contracts.messages import Fill, ForecastsMade
from services.domain.ledger import fills_jsonl
from services.inference import settings as inference_settings
from services.inference.forecasting import Forecaster, slices_of
from services.inference.market import Market
from services.inference.series import Candles, epoch
from services.inference.settings import ModelsSettings
from services.inference.walk_forward import walk_forward
from services.ingestion.files import read_folder
from services.research.backtest import backtest
from services.research.parameters import load_parameters

SAMPLE = Path(__file__).parents[3] / "sample"
BEGIN = datetime(2024, 3, 1, tzinfo=UTC)
TRADED = BEGIN + timedelta(days=28)
CUT = BEGIN + timedelta(days=40, hours=7)
END = BEGIN + timedelta(days=52)
HOUR = timedelta(hours=1)
COLUMNS = ("ts", "open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Outcome:
    forecasts: list[ForecastsMade]
    fills: list[Fill]
    equity: list[tuple[datetime, object]]


@pytest.fixture(scope="module")
def recorded() -> dict[str, Candles]:
    """BTC and ETH of the committed sample, cut to a span in which models train in a second."""
    given = load_parameters()
    classes = {symbol: asset.asset_class for symbol, asset in given.assets.assets.items()}
    wanted = {"BTC/USDT", "ETH/USDT"}
    found = read_folder(SAMPLE, "1h", given.assets.resolve, classes, datetime(2030, 1, 1, tzinfo=UTC), only=wanted)
    series: dict[str, Candles] = {}
    for one in found.series:
        part = one.candles.between(BEGIN, END)
        columns = (part.ts, part.open, part.high, part.low, part.close, part.volume)
        series[one.symbol] = Candles(one.symbol, one.asset_class, *columns)
    assert all(len(s.ts) > 1000 for s in series.values())
    return series


@pytest.fixture(scope="module")
def quick() -> ModelsSettings:
    declared = inference_settings.load(replay=True).model_dump()
    declared["walk_forward"] = {"min_train_days": 10, "max_train_days": 30, "retrain_days": 7}
    declared["confidence"] = {"history": 200, "at_least": 20}
    declared["ensemble"] |= {"min_days": 10, "history_days": 30}
    # One of each kind: the walk, trees, a net on a sequence.
    kept = ("random_walk", "lightgbm", "multi_task")
    declared["models"] = {name: line for name, line in declared["models"].items() if name in kept}
    declared["models"]["lightgbm"]["params"] |= {"rounds": 5, "rows_per_leaf": 20, "learning_rate": 0.3, "l2": 50.0}
    declared["models"]["multi_task"]["params"] |= {"epochs": 2, "stride": 4, "pull": 0.0}
    return ModelsSettings.model_validate(declared)


def trade(candles: Mapping[str, Candles], quick: ModelsSettings) -> Outcome:
    """Features, training, forecasts, and the ledger of a back-test."""
    trained = list(walk_forward(Market(candles, quick.leaders), quick))
    newest = max(int(s.ts[-1]) for s in candles.values() if len(s.ts))
    hours = int((datetime.fromtimestamp(newest, UTC) + HOUR - TRADED) / HOUR)
    slices = slices_of(candles, [TRADED + n * HOUR for n in range(1, hours + 1)])
    forecasts, _ = Forecaster(quick, trained).forecast(Market(candles, quick.leaders), slices, {})
    result = backtest(zip(slices, forecasts, strict=True), opened(load_parameters()), CONFIGURED)
    return Outcome(forecasts, result.fills, list(result.equity))


def upto(outcome: Outcome) -> tuple[list[ForecastsMade], bytes, list[tuple[datetime, object]]]:
    """What was said and done at or before the cut; a bar's fills are known at its close."""
    return (
        [f for f in outcome.forecasts if f.ts <= CUT],
        fills_jsonl(f for f in outcome.fills if f.filled_at + HOUR <= CUT),
        [(ts, equity) for ts, equity in outcome.equity if ts <= CUT],
    )


@pytest.fixture(scope="module")
def undisturbed(recorded: dict[str, Candles], quick: ModelsSettings) -> Outcome:
    return trade(recorded, quick)


def test_the_span_trades_before_and_after_the_cut(undisturbed: Outcome) -> None:
    assert any(f.filled_at + HOUR <= CUT for f in undisturbed.fills)
    assert any(f.filled_at + HOUR > CUT for f in undisturbed.fills)


@pytest.mark.parametrize("how", ["altered", "thinned", "deleted"])
def test_candles_after_a_slice_change_nothing_up_to_it(
    how: str, recorded: dict[str, Candles], quick: ModelsSettings, undisturbed: Outcome
) -> None:
    disturbed = trade({symbol: _changed(series, how) for symbol, series in recorded.items()}, quick)
    assert upto(disturbed) == upto(undisturbed)
    assert disturbed.equity != undisturbed.equity, "the change must have been felt afterwards"


def _changed(series: Candles, how: str) -> Candles:
    later = series.ts + 3600 > epoch(CUT)
    if how == "altered":
        factor = np.where(later, np.exp(np.random.default_rng(1).normal(0.0, 0.02, len(series.ts))), 1.0)
        return replace(
            series,
            open=series.open * factor,
            high=series.high * factor,
            low=series.low * factor,
            close=series.close * factor,
            volume=np.where(later, series.volume * 3.0, series.volume),
        )
    keep = ~later if how == "deleted" else ~later | (series.ts % (5 * 3600) != 0)
    return replace(series, **{name: getattr(series, name)[keep] for name in COLUMNS})
