"""Made-up forecasts of two assets: one that knows nothing, one that rises as it is expected to."""

from datetime import timedelta

import numpy as np
from decision_cases import START, forecast, forecasts_at, reading

from services.contracts.messages import ForecastPart, ForecastsMade

BTC, ADA = "BTC/USDT", "ADA/USDT"
DAYS = 40
PARTS = (ForecastPart("made_up", "1", 0.01, 0.02),)


def made_up(days: int = DAYS, seed: int = 1) -> list[ForecastsMade]:
    """Forecast a made-up walk hour by hour, in three regimes by turns; ADA rises as it is expected to."""
    chance = np.random.default_rng(seed)
    btc, ada, found = 100.0, 100.0, []
    for i in range(24 * days):
        btc *= float(np.exp(chance.normal(0.0, 0.005)))
        ada *= float(np.exp(chance.normal(0.004, 0.004)))
        regime = ("high_vol", "chop", "trend_up")[i // 30 % 3]
        said = float(chance.normal(0.0, 0.004))
        found.append(
            forecasts_at(
                START + timedelta(hours=i),
                forecast(ADA, 0.01, 0.85, close=ada, parts=PARTS),
                forecast(BTC, said, float(chance.uniform(0.05, 0.3)), close=btc, parts=PARTS),
                readings=(reading(ADA, ada, regime), reading(BTC, btc, regime)),
            )
        )
    return found
