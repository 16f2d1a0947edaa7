"""Train the models of a folder's assets by walk-forward and register them, with a progress bar."""

import asyncio
from collections.abc import Callable, Collection, Sequence

from services.inference import features, settings, store, training
from services.inference.registry import TrainedModel
from services.ingestion.files import CandleFile
from services.kernel.database import Connection
from services.research.history import for_inference

Tell = Callable[[int, int, str], None]


async def train(
    pool: Connection, series: Sequence[CandleFile], configured: settings.ModelsSettings, tell: Tell
) -> list[TrainedModel]:
    """Train what is not registered yet and return all; ``tell`` hears done, total and the newest model's name."""
    candles = for_inference(series)
    known = await _registered(pool, candles.keys(), configured)
    if known:
        return known

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
