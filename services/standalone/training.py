"""Train by walk-forward, on a folder's candles or on stored ones, and register the models."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.inference import settings, store, trainer
from services.inference.market import Market
from services.inference.parallel import cores
from services.inference.registry import TrainedModel
from services.inference.retraining import Tell
from services.inference.walk_forward import walk_forward
from services.ingestion.files import CandleFile
from services.kernel.config import load
from services.kernel.database import Connection
from services.research.history import market_of

__all__ = ["Tell", "train", "train_on_stored"]


async def train(
    pool: Connection, series: Sequence[CandleFile], configured: settings.ModelsSettings, tell: Tell
) -> list[TrainedModel]:
    """Train on recorded candles unless that is done already, register, and return all models."""
    market = market_of(series, configured)
    return await _registered(pool, market.candles, configured) or await _train(pool, market, configured, tell)


async def train_on_stored(pool: Connection, configured: settings.ModelsSettings, tell: Tell) -> list[TrainedModel]:
    """Train on the candles that the database holds, as the scheduled training does, and register what is new."""
    assets = load(AssetsConfig, ASSETS_FILE)
    classes = {symbol: asset.asset_class for symbol, asset in assets.assets.items()}
    return (await trainer.train_stored(pool, classes, configured, datetime.now(UTC), tell)).models


async def _train(
    pool: Connection, market: Market, configured: settings.ModelsSettings, tell: Tell
) -> list[TrainedModel]:
    def heard(done: int, total: int, model: TrainedModel) -> None:
        tell(done, total, f"{model.symbol} {model.model} {model.version}")

    trained = await asyncio.to_thread(lambda: list(walk_forward(market, configured, heard, workers=cores())))
    async with pool.acquire() as conn, conn.transaction():
        await store.save_models(conn, trained)
    return trained


async def _registered(
    pool: Connection, symbols: Collection[str], configured: settings.ModelsSettings
) -> list[TrainedModel]:
    async with pool.acquire() as conn:
        return await trainer.registered(conn, list(symbols), configured)
