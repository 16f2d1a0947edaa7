"""All SQL of signals."""

import json
from typing import Any

from services.contracts.messages import TargetsSet
from services.kernel.database import Connection
from services.kernel.errors import StartRefused

# What may be entered when signals starts for the first time; later phases says so by message.
ENABLED = "select symbol from asset_registry where trading_enabled order by symbol"

SIGNALS = """
insert into signals (id, ts, symbol, asset_class, action, level, expected_return, confidence, bucket, regime, threshold,
                     reasons, strength, stop, take, market)
select (r ->> 'id')::uuid, (r ->> 'ts')::timestamptz, r ->> 'symbol', r ->> 'asset_class', r ->> 'action',
       r ->> 'level', (r ->> 'expected_return')::double precision, (r ->> 'confidence')::double precision,
       (r ->> 'bucket')::smallint, r ->> 'regime', (r ->> 'threshold')::double precision,
       array(select json_array_elements_text(r -> 'reasons')), r ->> 'strength', (r ->> 'stop')::double precision,
       (r ->> 'take')::double precision, r ->> 'market'
from json_array_elements($1::text::json) r
on conflict do nothing
"""

ALLOCATIONS = """
insert into allocations (ts, symbol, asset_class, weight, cash_weight)
select * from unnest($1::timestamptz[], $2::text[], $3::text[], $4::double precision[], $5::double precision[])
on conflict do nothing
"""


async def enabled_symbols(conn: Connection) -> tuple[str, ...]:
    """Read which symbols are enabled; an empty registry means that the database was not set up."""
    if not await conn.fetchval("select exists (select from asset_registry)"):
        raise StartRefused("asset_registry is empty: run the migrations first ('make migrate' or the migrate service)")
    return tuple(row[0] for row in await conn.fetch(ENABLED))


async def save(conn: Connection, batch: list[TargetsSet]) -> None:
    """Store signals and allocations of several slices."""
    rows: list[dict[str, Any]] = []
    weights: list[tuple[Any, ...]] = []
    for targets in batch:
        for t in targets.targets:
            rows.append(
                {
                    "id": str(t.id),
                    "ts": targets.ts.isoformat(),
                    "symbol": t.symbol,
                    "asset_class": t.asset_class,
                    "action": t.action,
                    "level": t.level,
                    "expected_return": t.expected_return,
                    "confidence": t.confidence,
                    "bucket": t.bucket,
                    "regime": t.regime,
                    "threshold": t.threshold,
                    "reasons": t.reasons,
                    "strength": t.strength,
                    "stop": t.stop,
                    "take": t.take,
                    "market": targets.market,
                }
            )
            weights.append((targets.ts, t.symbol, t.asset_class, t.weight, targets.cash_weight))
    if rows:
        await conn.execute(SIGNALS, json.dumps(rows))
        await conn.execute(ALLOCATIONS, *(list(column) for column in zip(*weights, strict=True)))
