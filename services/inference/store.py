"""All SQL of inference: candles in, forecasts and trained models out and in."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np

from services.contracts.messages import ForecastsMade
from services.domain.candles import Timeframe, timeframe_of
from services.domain.corporate_actions import DatedSplit, raw_splits
from services.domain.correlations import Pair
from services.inference import decide
from services.inference.decide import ScoreHistory
from services.inference.drift import Drift
from services.inference.registry import TrainedModel
from services.inference.series import Candles, Floats
from services.kernel import flags
from services.kernel.database import Connection

Splits = Mapping[str, Sequence[DatedSplit]]
"""Declared splits by symbol."""

# A column of an asset's bars as one string of big-endian doubles: no Python object per value.
COLUMNS = """
string_agg(int8send(extract(epoch from c.ts)::bigint), '' order by c.ts),
    string_agg(float8send(open), '' order by c.ts), string_agg(float8send(high), '' order by c.ts),
    string_agg(float8send(low), '' order by c.ts), string_agg(float8send(close), '' order by c.ts),
    string_agg(float8send(volume), '' order by c.ts)
"""

# Bars that opened in [$3, $4).
CANDLES = f"""
select symbol, asset_class, {COLUMNS}
from candles c
where symbol = any($1::text[]) and timeframe = $2 and ts >= $3 and ts < $4
group by symbol, asset_class order by symbol
"""

# Bars that opened in [$4, $5), and of each symbol the last $2 before them.
RECENT_CANDLES = f"""
select c.symbol, c.asset_class, {COLUMNS}
from unnest($1::text[], $2::integer[]) as wanted (symbol, bars)
cross join lateral (
    (select * from candles where symbol = wanted.symbol and timeframe = $3 and ts < $4 order by ts desc limit bars)
    union all
    select * from candles where symbol = wanted.symbol and timeframe = $3 and ts >= $4 and ts < $5
) c
group by c.symbol, c.asset_class order by c.symbol
"""

# The oldest and newest stored bar of a timeframe, by symbol.
SPANS = "select symbol, min(ts), max(ts) from candles where timeframe = $1 group by symbol order by symbol"

# A forecast is decided once: a second writing changes nothing.
INSERT_FORECASTS = """
insert into forecasts (ts, symbol, asset_class, horizon_hours, close, expected_return, uncertainty, confidence, bucket,
    p_up, parts, low, high, without)
select ts, symbol, asset_class, horizon_hours, close, expected_return, uncertainty, confidence, bucket,
    p_up, parts::json, low, high, string_to_array(nullif(without, ''), ',')
from unnest($1::timestamptz[], $2::text[], $3::text[], $4::smallint[], $5::float8[], $6::float8[], $7::float8[],
    $8::float8[], $9::smallint[], $10::float8[], $11::text[], $12::float8[], $13::float8[], $14::text[])
    as f (ts, symbol, asset_class, horizon_hours, close, expected_return, uncertainty, confidence, bucket, p_up, parts,
        low, high, without)
on conflict do nothing
"""

# The last $4 forecasts of each symbol that named a direction, up to and including $3.
RECENT_SCORES = """
select s.symbol, f.expected_return, f.uncertainty
from unnest($1::text[]) as s (symbol)
cross join lateral (
    select ts, expected_return, uncertainty from forecasts
    where symbol = s.symbol and horizon_hours = $2 and ts <= $3 and expected_return <> 0 and uncertainty > 0
    order by ts desc limit $4
) f
order by s.symbol, f.ts
"""

# Training again on the same data gives the same version; only what later hours have shown is brought up to date.
SAVE_MODEL = """
insert into model_registry (model, version, symbol, asset_class, horizon_hours, trained_from, trained_through,
    valid_from, valid_until, features_hash, params, metrics, artefact, artefact_sha256, standing, note)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::text::json, $12::text::json, $13, $14, $15, $16)
on conflict (symbol, model, version) do update set valid_until = excluded.valid_until, metrics = excluded.metrics
where model_registry.artefact_sha256 = excluded.artefact_sha256
"""

# Usable models of these features and this horizon: the newest one at $5 of each symbol and model, and all after it.
LOAD_MODELS = """
select model, version, symbol, asset_class, horizon_hours, trained_from, trained_through, valid_from, valid_until,
    features_hash, params::text, metrics::text, artefact, artefact_sha256
from model_registry m
where symbol = any($1::text[]) and model = any($2::text[]) and features_hash = $3 and horizon_hours = $4
    and standing = 'in use' and params ->> 'preset' = $6
    and ($5::timestamptz is null or valid_from >= coalesce((
        select max(valid_from) from model_registry n
        where n.symbol = m.symbol and n.model = m.model and n.features_hash = $3 and n.horizon_hours = $4
            and n.standing = 'in use' and n.params ->> 'preset' = $6 and n.valid_from <= $5
    ), $5))
order by symbol, model, valid_from, created_at, version
"""


# A count and an index-free maximum over a small table; asked once a batch.
REGISTRY_VERSION = "select count(*), max(changed_at) from model_registry"

# Assets with at least $2 of candles and no model that was trained on them.
WITHOUT_MODELS = """
select c.symbol from candles c where c.timeframe = $1
    and not exists (
        select from model_registry m
        where m.symbol = c.symbol and m.features_hash = $3 and m.params ->> 'preset' = $4
    )
group by c.symbol having max(c.ts) - min(c.ts) >= $2 order by c.symbol
"""

SAVE_CORRELATIONS = """
insert into correlation_matrix (ts, symbol, other, window_hours, correlation)
select $1, symbol, other, $4, correlation
from unnest($2::text[], $3::text[], $5::float8[]) as pairs (symbol, other, correlation)
on conflict do nothing
"""

DRIFT = "model_drift"


async def load_candles(
    conn: Connection, symbols: Sequence[str], timeframe: str, start: datetime, end: datetime, splits: Splits
) -> dict[str, Candles]:
    """Read the bars that opened in [start, end), with the splits that they show; symbols without any are left out."""
    rows = await conn.fetch(CANDLES, list(symbols), timeframe, start, end)
    return {row[0]: _candles(row, timeframe_of(timeframe), splits) for row in rows}


async def recent_candles(
    conn: Connection, bars: Mapping[str, int], timeframe: str, start: datetime, end: datetime, splits: Splits
) -> dict[str, Candles]:
    """Read the bars that opened in [start, end), and of each symbol so many before them."""
    rows = await conn.fetch(RECENT_CANDLES, list(bars), list(bars.values()), timeframe, start, end)
    return {row[0]: _candles(row, timeframe_of(timeframe), splits) for row in rows}


async def save_correlations(conn: Connection, midnight: datetime, hours: int, pairs: Sequence[Pair]) -> None:
    """Store how the returns of the ``hours`` before a midnight were correlated; what is stored already stays."""
    symbols, others = [one.symbol for one in pairs], [one.other for one in pairs]
    await conn.execute(SAVE_CORRELATIONS, midnight, symbols, others, hours, [one.correlation for one in pairs])


async def candle_spans(conn: Connection, timeframe: str) -> dict[str, tuple[datetime, datetime]]:
    """Return the first and last bar's open of every symbol that has candles."""
    return {row[0]: (row[1], row[2]) for row in await conn.fetch(SPANS, timeframe)}


async def insert_forecasts(conn: Connection, messages: Iterable[ForecastsMade]) -> None:
    """Store every forecast of the messages in one statement."""
    pairs = [(message.ts, forecast) for message in messages for forecast in message.forecasts]
    if not pairs:
        return
    forecasts = [forecast for _, forecast in pairs]
    await conn.execute(
        INSERT_FORECASTS,
        [ts for ts, _ in pairs],
        [f.symbol for f in forecasts],
        [f.asset_class for f in forecasts],
        [f.horizon_hours for f in forecasts],
        [f.close for f in forecasts],
        [f.expected_return for f in forecasts],
        [f.uncertainty for f in forecasts],
        [f.confidence for f in forecasts],
        [f.bucket for f in forecasts],
        [f.p_up for f in forecasts],
        [msgspec.json.encode(f.parts).decode() for f in forecasts],
        [f.low for f in forecasts],
        [f.high for f in forecasts],
        [",".join(f.without) for f in forecasts],
    )


async def load_histories(
    conn: Connection, symbols: Sequence[str], horizon_hours: int, upto: datetime, limit: int
) -> dict[str, ScoreHistory]:
    """Rebuild the score histories as they stood after the slice ``upto``."""
    pairs: dict[str, list[tuple[float, float]]] = {symbol: [] for symbol in symbols}
    for symbol, expected, uncertainty in await conn.fetch(RECENT_SCORES, list(symbols), horizon_hours, upto, limit):
        pairs[symbol].append((expected, uncertainty))
    return {symbol: decide.rebuild(of_symbol, limit) for symbol, of_symbol in pairs.items()}


async def save_models(conn: Connection, trained: Iterable[TrainedModel]) -> None:
    """Register trained models; one that is already there keeps its artefact."""
    await conn.executemany(
        SAVE_MODEL,
        [
            (
                m.model,
                m.version,
                m.symbol,
                m.asset_class,
                m.horizon_hours,
                m.trained_from,
                m.trained_through,
                m.valid_from,
                m.valid_until,
                m.features_hash,
                _json(m.params),
                _json(m.metrics),
                m.artefact,
                m.artefact_sha256,
                m.standing,
                m.note,
            )
            for m in trained
        ],
    )


async def without_models(
    conn: Connection, timeframe: str, at_least: timedelta, features_hash: str, preset: str
) -> list[str]:
    """Return the assets that have enough candles and no model of these features and this preset."""
    return [row[0] for row in await conn.fetch(WITHOUT_MODELS, timeframe, at_least, features_hash, preset)]


async def save_drift(conn: Connection, drift: Mapping[str, Drift], now: datetime) -> None:
    """Raise a flag for each asset whose features have drifted, and clear it for those that have come back."""
    for symbol, found in drift.items():
        if found.marked:
            await flags.raise_flag(conn, DRIFT, symbol, severity="warning", blocks="", detail=str(found), now=now)
        else:
            await flags.clear_flag(conn, DRIFT, symbol, now)


async def registry_version(conn: Connection) -> tuple[int, datetime | None]:
    """Tell whether the registry has changed: how many rows it has and when the newest came."""
    row = await conn.fetchrow(REGISTRY_VERSION)
    return row[0], row[1]


async def load_models(
    conn: Connection,
    symbols: Sequence[str],
    names: Sequence[str],
    features_hash: str,
    horizon_hours: int,
    preset: str,
    since: datetime | None = None,
) -> list[TrainedModel]:
    """Read the models needed for slices from ``since`` on (None: all); ``checked_artefact`` proves each before use."""
    rows = await conn.fetch(LOAD_MODELS, list(symbols), list(names), features_hash, horizon_hours, since, preset)
    return [
        TrainedModel(*tuple(row)[:10], json.loads(row[10]), json.loads(row[11]), bytes(row[12]), row[13])  # type: ignore[call-arg]
        for row in rows
    ]


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, allow_nan=False, sort_keys=True)


def _candles(row: Any, timeframe: Timeframe, splits: Splits) -> Candles:
    seconds = np.frombuffer(row[2], dtype=">i8").astype(np.int64)
    prices = (_column(row[3]), _column(row[4]), _column(row[5]), _column(row[6]))
    shown = raw_splits(splits.get(row[0], ()), seconds, prices[0], prices[3])
    return Candles(row[0], row[1], seconds, *prices, _column(row[7]), timeframe, shown)


def _column(sent: bytes) -> Floats:
    return np.frombuffer(sent, dtype=">f8").astype(np.float64)
