"""From messages and candles to columns: what stands beside what."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import numpy as np
import pytest

from services.contracts.messages import Forecast, ForecastPart, ForecastsMade
from services.domain.assets import AssetClass
from services.domain.regimes import classify
from services.execution.settings import PaperSettings
from services.inference.series import Candles
from services.research.evaluation import evaluate
from services.research.evaluation_rows import NO_BUCKET, round_trip_bps, rows_of

START = datetime(2024, 1, 1, tzinfo=UTC)
N = 1_000
CLOSE = np.exp(np.cumsum(np.random.default_rng(1).normal(0.0, 0.01, N)))


def candles(symbol: str = "BTC/USDT") -> Candles:
    opens = int(START.timestamp()) + 3_600 * np.arange(N, dtype=np.int64)
    return Candles(symbol, "crypto", opens, CLOSE, CLOSE, CLOSE, CLOSE, np.ones(N))


def made(row: int, expected: float = 0.01, confidence: float = 0.55, silent: bool = False) -> ForecastsMade:
    parts = (ForecastPart("trees", "v1", expected, 0.02), ForecastPart("net", "v1", -expected, 0.03))
    forecast = Forecast(
        symbol="BTC/USDT",
        asset_class="crypto",
        horizon_hours=12,
        close=float(CLOSE[row]),
        expected_return=expected,
        uncertainty=0.02,
        confidence=confidence,
        bucket=int(confidence * 10),
        p_up=0.51,
        parts=parts[:1] if silent else parts,
        low=-0.02,
        high=0.04,
    )
    ts = START + timedelta(hours=row + 1)
    return ForecastsMade(ts=ts, timeframe="1h", forecasts=(forecast,))


def test_a_forecast_stands_beside_what_came_twelve_bars_later() -> None:
    (rows,) = rows_of({"BTC/USDT": candles()}, [made(500), made(501, silent=True), made(995)], 12, {"crypto": 24.0})
    assert rows.realised[0] == pytest.approx(np.log(CLOSE[512] / CLOSE[500]))
    assert rows.realised[1] == pytest.approx(np.log(CLOSE[513] / CLOSE[501]))
    assert np.isnan(rows.realised[2])
    assert rows.close.tolist() == CLOSE[[500, 501, 995]].tolist()
    assert np.diff(rows.bar).tolist() == [1, 494]
    assert (rows.low[0], rows.high[0], rows.p_up[0], rows.cost_bps) == (-0.02, 0.04, 0.51, 24.0)
    assert rows.parts["net"].expected[0] == -0.01
    assert np.isnan(rows.parts["net"].expected[1])
    assert list(rows.models) == ["ensemble", "net", "trees"]


def test_the_regime_is_the_one_known_at_the_slice() -> None:
    (rows,) = rows_of({"BTC/USDT": candles()}, [made(900)], 12, {"crypto": 24.0})
    assert rows.regime[0] == classify(CLOSE[:901])[-1]


def test_a_forecast_without_direction_or_history_has_no_bucket() -> None:
    said = [made(500, expected=0.0), made(501, confidence=0.0), made(502, confidence=0.05)]
    (rows,) = rows_of({"BTC/USDT": candles()}, said, 12, {"crypto": 24.0})
    assert rows.bucket.tolist() == [NO_BUCKET, NO_BUCKET, 0]
    assert np.isnan(rows.confidence).tolist() == [True, True, False]


def test_a_forecast_without_its_candle_is_left_out() -> None:
    gone = candles().between(0, 400)
    assert rows_of({"BTC/USDT": gone}, [made(500)], 12, {"crypto": 24.0}) == []
    assert rows_of({}, [made(500)], 12, {"crypto": 24.0}) == []


def test_a_round_trip_pays_fee_half_the_spread_and_slippage_twice() -> None:
    paper = PaperSettings(
        starting_cash=Decimal(2_500), max_participation=Decimal("0.1"), slippage_bps=Decimal(1), impact_bps=Decimal(50)
    )
    costs = AssetClass(phase="p", sources=(), spread_bps=Decimal(2), fee_bps=Decimal(10), max_weight=1.0)
    assert round_trip_bps(costs, paper) == 24.0


def test_slices_at_which_only_the_random_walk_forecast_are_left_out_and_counted() -> None:
    said = made(500)
    (forecast,) = said.forecasts
    walk = ForecastPart("random_walk", "untrained", 0.0, 0.02)
    early = msgspec.structs.replace(
        said, forecasts=(msgspec.structs.replace(forecast, expected_return=0.0, parts=(walk,)),)
    )
    (rows,) = rows_of({"BTC/USDT": candles()}, [early, made(501), made(502)], 12, {"crypto": 24.0})
    assert len(rows.close_ts) == 2
    assert rows.untrained == 1
    report = evaluate(rows_of({"BTC/USDT": candles()}, [early], 12, {"crypto": 24.0}), source="made-up prices")
    assert report.verdict.startswith("Nothing to judge: no model was trained by any of 1 slices")
