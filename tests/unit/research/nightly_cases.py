"""Made-up forecasts as messages, for the tests of nightly research."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from evaluation_cases import FIRST, HORIZON, asset

from services.contracts.messages import Forecast, ForecastPart, ForecastsMade, ResearchMade
from services.contracts.readings import Reading
from services.domain.assets import Asset, AssetsConfig
from services.domain.corporate_actions import CorporateActions
from services.execution.settings import ExecutionSettings, PaperSettings
from services.kernel.config import load
from services.research.evaluation_rows import AssetForecasts
from services.research.nightly import decide as nightly
from services.research.nightly.decide import NightlyParams, ResearchState
from services.research.nightly.params import load_params, make_params
from services.research.nightly.settings import ResearchSettings

PARAMS = load_params()
SETTINGS: ResearchSettings = PARAMS.settings
PAPER: PaperSettings = load(ExecutionSettings, "execution.yaml").paper
BOTH = ("long", "short")

__all__ = ["BOTH", "FIRST", "HORIZON", "PARAMS", "SETTINGS", "asset", "declared", "messages", "run"]


def declared(*symbols: str, settings: ResearchSettings = SETTINGS, **stated: Any) -> NightlyParams:
    """Measure these assets of crypto and no others; what is not stated of them is: two sides, no profile, Tier 3."""
    said = {"asset_class": "crypto", "name": "made up", "sides": BOTH, "tier": 3, "stop_loss": 0.05, "take_profit": 0.1}
    assets = {symbol: Asset(**{**said, **stated}) for symbol in symbols}
    config = AssetsConfig(classes=PARAMS.assets.classes, assets=assets)
    return make_params(settings, config, CorporateActions(), PAPER)


def messages(*rows: AssetForecasts) -> list[ForecastsMade]:
    """Put assets' columns, which share their times, into a message a slice."""
    return [
        ForecastsMade(
            ts=datetime.fromtimestamp(int(ts), UTC),
            timeframe="1h",
            forecasts=tuple(_forecast(one, i) for one in rows),
            readings=tuple(Reading(one.symbol, regime=str(one.regime[i])) for one in rows),
        )
        for i, ts in enumerate(rows[0].close_ts)
    ]


def run(made: Iterable[ForecastsMade], params: NightlyParams) -> tuple[ResearchState, list[ResearchMade]]:
    """Take in slices in order; return the state and every night's word."""
    state, said = nightly.start(params), []
    for one in made:
        state = nightly.observe(state, one, params)
        if nightly.ends_day(one.ts):
            state, word = nightly.word(state, one.ts, params)
            said.append(word)
    return state, said


def last(said: Sequence[ResearchMade]) -> dict[str, Any]:
    """Return the newest word by symbol."""
    return {one.symbol: one for one in said[-1].assets}


def _forecast(rows: AssetForecasts, i: int) -> Forecast:
    expected = float(rows.ensemble.expected[i])
    return Forecast(
        symbol=rows.symbol,
        asset_class=rows.asset_class,
        horizon_hours=rows.horizon_hours,
        close=float(rows.close[i]),
        expected_return=expected,
        uncertainty=float(rows.ensemble.uncertainty[i]),
        confidence=float(np.nan_to_num(rows.confidence[i])),
        bucket=max(0, int(rows.bucket[i])),
        p_up=None,
        parts=(ForecastPart("made_up", "1", expected, 0.01),),
    )
