"""All SQL of nightly research."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from services.contracts.messages import EdgeMeasured, ResearchMade
from services.domain.candles import Candles
from services.inference.store import load_candles
from services.ingestion.files import CandleFile
from services.kernel.database import Connection, load_state, save_state
from services.research.nightly.decide import NightlyParams
from services.research.nightly.state import ResearchState

STAGE = "research"
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)

PLAN_AS_OF = datetime(1970, 1, 1, tzinfo=UTC)
"""The plan's figures are older than every measurement."""
EVERYWHERE, EVERY_BUCKET = "all", -1

PLAN = """
insert into research_edges (symbol, asset_class, regime, bucket, edge_bps, n, source, as_of)
select * from unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::double precision[], $6::integer[],
                     $7::text[], $8::timestamptz[])
on conflict (symbol, regime, bucket, as_of) do update set edge_bps = excluded.edge_bps
where research_edges.edge_bps <> excluded.edge_bps
"""
MODE = "select mode from run"

EDGES = """
insert into research_edges (symbol, asset_class, regime, bucket, edge_bps, low_bps, high_bps, n, q_value, source, as_of)
select * from unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::double precision[], $6::double precision[],
                     $7::double precision[], $8::integer[], $9::double precision[], $10::text[], $11::timestamptz[])
on conflict do nothing
"""

TIERS = """
insert into research_tiers (symbol, as_of, tier, why, n, edge_bps, low_bps, high_bps, threshold, mix, source)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::json, $11)
on conflict do nothing
"""


async def seed(conn: Connection, params: NightlyParams) -> None:
    """Store the plan's own table as its starting value; it rests on no forecast that we know of."""
    rows: list[tuple[Any, ...]] = []
    for one in params.settings.starting_edges:
        declared = params.assets.assets.get(one.symbol)
        if declared is not None:
            rows += [
                (
                    one.symbol,
                    declared.asset_class,
                    one.regime or EVERYWHERE,
                    bucket,
                    one.edge_bps,
                    0,
                    "plan",
                    PLAN_AS_OF,
                )
                for bucket in one.buckets or (EVERY_BUCKET,)
            ]
    await conn.execute(PLAN, *(list(column) for column in zip(*rows, strict=True)))


@dataclass(frozen=True, slots=True)
class Night:
    """A day's end: what is said, and the cells that are stored.

    Of cells the significant ones are stored every night and all that have enough forecasts once a week: the whole table
    of 32 assets would be half a million rows a year, and hardly differs from the one of the night before.
    """

    said: ResearchMade
    cells: tuple[EdgeMeasured, ...]


async def save(conn: Connection, nights: Sequence[Night], params: NightlyParams) -> None:
    """Store each night's word, one row an asset, and its cells; ``source`` says live, paper or replay."""
    if not nights:
        return
    source = await conn.fetchval(MODE) or "replay"
    tiers: list[tuple[Any, ...]] = []
    edges: list[tuple[Any, ...]] = []
    for night in nights:
        ts = night.said.ts
        tiers += [
            (a.symbol, ts, a.tier, a.tier_why, a.n, a.edge_bps, a.low_bps, a.high_bps, a.threshold,
             msgspec.json.encode(a.mix).decode(), source)
            for a in night.said.assets
        ]  # fmt: skip
        edges += [
            (c.symbol, params.measures[c.symbol].asset_class, c.regime, c.bucket, c.edge_bps, c.low_bps, c.high_bps,
             c.n, c.q_value, source, ts)
            for c in night.cells
        ]  # fmt: skip
    await conn.executemany(TIERS, tiers)
    if edges:
        await conn.execute(EDGES, *(list(column) for column in zip(*edges, strict=True)))


async def replays(conn: Connection) -> bool:
    """Say whether the database holds a replay."""
    return bool(await conn.fetchval(MODE) == "replay")


async def stored_series(conn: Connection, timeframe: str, classes: Mapping[str, str]) -> list[CandleFile]:
    """Read all stored candles, as a folder gives them; symbols that are not declared are left out."""
    found: dict[str, CandleFile] = {}
    for symbol, columns in (await load_candles(conn, list(classes), timeframe, FIRST, LAST, {})).items():
        candles = Candles(
            symbol, columns.timeframe, "database", columns.ts, columns.open, columns.high, columns.low,
            columns.close, columns.volume,
        )  # fmt: skip
        found[symbol] = CandleFile(symbol, columns.asset_class, candles, [], 0, ())
    return list(found.values())


async def running_state(conn: Connection) -> ResearchState | None:
    """Read what the stage has measured; None before it has run."""
    stored = (await load_state(conn, STAGE)).state
    return None if stored is None else msgspec.json.decode(stored, type=ResearchState)


async def hand_over(conn: Connection, state: ResearchState, config_version: str) -> None:
    """Store the state that the stage goes on with; the caller holds the stage's lock and the transaction."""
    before = await load_state(conn, STAGE)
    await save_state(
        conn,
        STAGE,
        slice_ts=before.slice_ts,
        seq=before.seq,
        previous_seq=before.seq,
        cursors=before.cursors,
        state=msgspec.json.encode(state).decode(),
        config_version=config_version,
    )
