"""Train models by walk-forward, on a folder's candles or on stored ones, and register them."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta

from services.inference import features, settings, store, training
from services.inference.registry import TrainedModel
from services.inference.series import Candles
from services.ingestion.files import CandleFile
from services.kernel.database import Connection
from services.research.history import for_inference

Tell = Callable[[int, int, str], None]
"""Hears how many models are done, how many there are, and the newest one's name."""

BAR = timedelta(hours=1)


async def train(
    pool: Connection, series: Sequence[CandleFile], configured: settings.ModelsSettings, tell: Tell
) -> list[TrainedModel]:
    """Train on recorded candles unless that is done already, register, and return all models."""
    candles = for_inference(series)
    return await _registered(pool, candles, configured) or await _train(pool, candles, configured, tell)


async def train_on_stored(pool: Connection, configured: settings.ModelsSettings, tell: Tell) -> list[TrainedModel]:
    """Train on the candles that the database holds and register what is new."""
    async with pool.acquire() as conn:
        spans = await store.candle_spans(conn, configured.timeframe)
        if not spans:
            return []
        first, last = min(s[0] for s in spans.values()), max(s[1] for s in spans.values())
        candles = await store.load_candles(conn, list(spans), configured.timeframe, first, last + BAR)
    return await _train(pool, candles, configured, tell)


async def _train(
    pool: Connection, candles: Mapping[str, Candles], configured: settings.ModelsSettings, tell: Tell
) -> list[TrainedModel]:
    def heard(done: int, total: int, model: TrainedModel) -> None:
        tell(done, total, f"{model.symbol} {model.model} {model.version}")

    trained = await asyncio.to_thread(lambda: list(training.walk_forward(candles, configured, heard)))
    async with pool.acquire() as conn, conn.transaction():
        await store.save_models(conn, trained)
    return trained


async def _registered(
    pool: Connection, symbols: Collection[str], configured: settings.ModelsSettings
) -> list[TrainedModel]:
    async with pool.acquire() as conn:
        return await store.load_models(
            conn, list(symbols), list(configured.models), features.features_hash(), configured.horizon_hours
        )
