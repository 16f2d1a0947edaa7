"""The scheduled training on a real database: first a walk forward, the next night a challenge of what is in use."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from services.inference import ensemble, store, trainer
from services.inference.parallel import cores
from services.inference.settings import ModelsSettings
from services.kernel.database import connect_pool

START = datetime(2024, 1, 1, tzinfo=UTC)
SYMBOLS = {"BTC/USDT": "crypto", "ETH/USDT": "crypto"}
HOURS = 560
INSERT = """
insert into candles (ts, symbol, timeframe, asset_class, open, high, low, close, volume, source, received_at)
select t, $1, '1h', 'crypto', o, h, l, c, v, 'test', t
from unnest($2::timestamptz[], $3::float8[], $4::float8[], $5::float8[], $6::float8[], $7::float8[])
    as x (t, o, h, l, c, v)
"""
TREES = {
    "rounds": 4,
    "learning_rate": 0.1,
    "leaves": 4,
    "rows_per_leaf": 10,
    "feature_share": 0.5,
    "row_share": 0.7,
    "l2": 1.0,
    "bins": 31,
    "holdout_share": 0.25,
    "clip": 4.0,
}
SETTINGS = ModelsSettings.model_validate(
    {
        "timeframe": "1h",
        "horizon_bars": 12,
        "seed": 3,
        "leaders": {"crypto": ["BTC/USDT", "ETH/USDT"]},
        "walk_forward": {"min_train_days": 3, "max_train_days": 8, "retrain_days": 3},
        "confidence": {"history": 30, "at_least": 10},
        "ensemble": {
            "interval": 0.8,
            "history_days": 30,
            "min_days": 4,
            "prior_slope": 0.5,
            "prior_spread": 0.3,
            "equal_share": 0.5,
        },
        "retraining": {"at_hour": 2, "every_days": 1, "holdout_days": 2, "tolerance": 0.0},
        "preset": "quick",
        "says": "quick models on a few days",
        "models": {"random_walk": {"counts": False}, "lightgbm": {"params": TREES}},
    }
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def fill(conn: Any, hours: int) -> None:
    """Store made-up hours of both symbols."""
    for seed, symbol in enumerate(SYMBOLS):
        chance = np.random.default_rng(seed)
        close = 100.0 * np.exp(np.cumsum(chance.normal(0.0, 0.01, hours)))
        open_ = np.concatenate(([100.0], close[:-1]))
        times = [START + timedelta(hours=i) for i in range(hours)]
        columns = (open_, np.maximum(open_, close) * 1.002, np.minimum(open_, close) * 0.998, close)
        await conn.execute(
            INSERT, symbol, times, *(c.tolist() for c in columns), chance.lognormal(5, 1, hours).tolist()
        )


async def test_the_first_night_walks_forward_and_the_next_one_challenges(
    database_url: str, anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cores() >= 1
    monkeypatch.setattr(trainer, "cores", lambda: 1)
    heard: list[str] = []
    pool = await connect_pool(database_url, size=2, durable=False)
    try:
        async with pool.acquire() as conn:
            await fill(conn, HOURS)
        first_night = START + timedelta(days=22, hours=2)
        first = await trainer.train_stored(
            pool, SYMBOLS, SETTINGS, first_night, lambda done, of, name: heard.append(f"{done}/{of} {name}")
        )
        assert first.models
        assert heard[-1].startswith(f"{len(heard)}/{len(heard)} ETH/USDT")
        assert {row.model for row in first.models} == {"random_walk", "lightgbm", ensemble.NAME}
        async with pool.acquire() as conn:
            stored = await trainer.registered(conn, list(SYMBOLS), SETTINGS)
            assert len(stored) == len(first.models)
            before = await store.registry_version(conn)
        second_night = first_night + timedelta(days=1)
        second = await trainer.train_stored(pool, SYMBOLS, SETTINGS, second_night, lambda *_: None)
        fitted = [row for row in second.models if row.model != ensemble.NAME]
        assert {(row.symbol, row.model) for row in fitted} == {(s, m) for s in SYMBOLS for m in SETTINGS.models}
        assert all(row.valid_from == second_night - timedelta(hours=2) for row in fitted)
        assert all("RMSE" in row.note for row in fitted)
        async with pool.acquire() as conn:
            assert await store.registry_version(conn) != before
            counted = await conn.fetch(
                "select standing, count(*) from model_registry where note <> '' group by standing"
            )
        assert sum(row["count"] for row in counted) == len(second.models)
        third = await trainer.train_stored(pool, SYMBOLS, SETTINGS, second_night, lambda *_: None)
        used = {(row.symbol, row.model) for row in fitted if row.standing == "in use"}
        assert not used & {(row.symbol, row.model) for row in third.models if row.model != ensemble.NAME}
    finally:
        await pool.close()


async def test_without_candles_nothing_is_trained(database_url: str, anyio_backend: str) -> None:
    pool = await connect_pool(database_url, size=2, durable=False)
    try:
        made = await trainer.train_stored(pool, SYMBOLS, SETTINGS, START, lambda *_: None)
        assert (made.models, made.drift) == ([], {})
    finally:
        await pool.close()
