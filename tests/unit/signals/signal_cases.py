"""What the tests of gates, levels and rules consider: entries with the declared configuration."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from decision_cases import START, forecast, forecasts_at, parameters, reading

from services.contracts.messages import Forecast, Target
from services.contracts.readings import MarketReading, Reading
from services.domain.assets import Asset
from services.signals.decide import SignalParams, SignalState, decide
from services.signals.entry import Entry

PARAMS = parameters(gated=True).signals
LEVELS = PARAMS.settings.levels
BALANCED = MarketReading("balanced", "made up")


def entry(symbol: str, expected: float = 0.02, *, ts: datetime = START, **changes: Any) -> Entry:
    """An entry in an asset as it is declared; ``rules`` and ``profile`` are changed in it, the rest in its reading."""
    asset = declared(symbol, **{key: changes.pop(key) for key in ("rules", "profile") if key in changes})
    said = {key: changes.pop(key) for key in ("close", "confidence", "bucket", "horizon_hours") if key in changes}
    made = forecast(symbol, expected, said.pop("confidence", 0.9), asset_class=asset.asset_class, **said)
    return Entry(ts, changes.pop("timeframe", "1h"), made, reading(symbol, made.close, **changes), asset, expected > 0)


def declared(symbol: str, **changes: Any) -> Asset:
    asset = PARAMS.assets[symbol]
    for name, fields in changes.items():
        section = getattr(asset, name)
        asset = asset.model_copy(update={name: fields and section.model_copy(update=fields)})
    return asset


def with_settings(params: SignalParams = PARAMS, **changes: Any) -> SignalParams:
    """The parameters with settings changed; a mapping changes a section."""
    settings = params.settings
    for name, value in changes.items():
        new = getattr(settings, name).model_copy(update=value) if isinstance(value, dict) else value
        settings = settings.model_copy(update={name: new})
    return replace(params, settings=settings)


def with_rules(symbol: str, params: SignalParams = PARAMS, **changes: Any) -> SignalParams:
    """The parameters with fields of one asset changed; a mapping changes a section."""
    asset = params.assets[symbol]
    for name, value in changes.items():
        new = getattr(asset, name).model_copy(update=value) if isinstance(value, dict) else value
        asset = asset.model_copy(update={name: new})
    return replace(params, assets={**params.assets, symbol: asset})


def target_of(
    made: Forecast,
    read: Reading | None = None,
    params: SignalParams = PARAMS,
    *,
    ts: datetime = START,
    market: MarketReading | None = BALANCED,
    enabled: bool = True,
) -> Target:
    """The target of one asset in a slice of its own."""
    readings = () if read is None else (read,)
    state = SignalState(enabled=(made.symbol,) if enabled else ())
    _, targets = decide(state, forecasts_at(ts, made, readings=readings, market=market), (), params)
    (target,) = targets.targets
    return target
