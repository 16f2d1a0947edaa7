"""The nets on recorded prices: a small training on the committed sample, forecasting the weeks behind it."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from net_cases import HORIZON, NETS, build

from services.inference import features
from services.inference.series import Candles, forward_log_return

SAMPLE = Path(__file__).parents[3] / "sample" / "BTC-USDT_1h.parquet"
HOURS = 24 * 90


@pytest.mark.parametrize("name", NETS)
def test_a_net_is_trained_on_recorded_prices_and_stays_close_to_the_random_walk(name: str) -> None:
    recorded = pl.read_parquet(SAMPLE).head(HOURS)
    ts = recorded["ts"].dt.epoch("s").to_numpy().astype(np.int64)
    prices = (recorded[field].to_numpy() for field in ("open", "high", "low", "close", "volume"))
    candles = Candles("BTC/USDT", "crypto", ts, *prices)
    table = features.table(candles)
    y = forward_log_return(candles, HORIZON)
    model = build(name, stride=4, epochs=3)
    rows = np.flatnonzero((table.run >= model.bars) & np.isfinite(y))
    learnt, fresh = rows[:1_400], rows[1_400 + HORIZON :]
    fitted = model.load(model.fit(table, learnt, y[learnt], 7))
    said = fitted.predict(table.windows(fresh, model.bars))
    ahead = y[fresh]
    assert np.mean((ahead - said.expected_return) ** 2) < 1.05 * np.mean(ahead**2)
    assert (np.abs(said.expected_return) < said.uncertainty).all()
    assert 0.5 < np.sqrt(np.mean(((ahead - said.expected_return) / said.uncertainty) ** 2)) < 2.0
