"""Each asset's feed: its health by source, and whether it is fit to trade on, in plain words."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from services.domain.calendars import expected_opens
from services.domain.candles import SECONDS, Timeframe, moment
from services.domain.feeds import NOT_BARS, Diagnosis, FeedFacts, diagnose
from services.gateway import store
from services.kernel.database import Connection

LOOK_BACK = timedelta(days=30)

# The run's own present: in a replay the newest slice, else the clock.
PRESENT = """
select max(s.slice_ts) from stage_state s, run r where s.stage = 'clock' and r.mode = 'replay'
"""

ASSETS = """
select symbol, asset_class, role, collecting, config ->> 'note' as note, config -> 'venue_symbols' as venues
from asset_registry where $1::text is null or symbol = $1 order by asset_class, symbol
"""

# Bars of the looked-at time, and the newest of all.
STORED = """
select a.symbol, (
    select max(ts) from candles c where c.symbol = a.symbol and c.timeframe = $2
) as newest, (
    select count(*) from candles c where c.symbol = a.symbol and c.timeframe = $2 and c.ts >= $3 and c.ts < $4
) as stored
from asset_registry a where $1::text is null or a.symbol = $1
"""

CONFIGURED = """
select source, family from data_source_registry where configured and gives like '%candles%' order by source
"""

DISAGREEMENTS = "select subject, detail from system_flags where name = 'sources_disagree' and cleared_at is null"

FAMILY = {"crypto": "crypto", "forex": "forex"}
"""The family of sources that gives a class's candles; all other classes come from the stock sources."""


async def diagnoses(conn: Connection, symbol: str | None, wall: datetime, timeframe: Timeframe) -> list[dict[str, Any]]:
    """Return each asset's diagnosis with the health of its sources."""
    now: datetime = await conn.fetchval(PRESENT) or wall
    step = timedelta(seconds=SECONDS[timeframe])
    since, until = now - LOOK_BACK, now - step + timedelta(seconds=1)
    stored = {row["symbol"]: row for row in await conn.fetch(STORED, symbol, timeframe, since, until)}
    configured = [tuple(row) for row in await conn.fetch(CONFIGURED)]
    disagreements = {row[0]: row[1] for row in await conn.fetch(DISAGREEMENTS)}
    health: dict[str, list[dict[str, Any]]] = {}
    for line in await store.feeds(conn, symbol):
        health.setdefault(line["symbol"], []).append(line)
    found = []
    for asset in await conn.fetch(ASSETS, symbol):
        name = asset["symbol"]
        owed = expected_opens(asset["asset_class"], timeframe, since, until)
        lines = health.get(name, [])
        facts = FeedFacts(
            symbol=name,
            role=asset["role"],
            note=asset["note"] or "",
            renamed_to=renamed(name, asset["venues"]),
            collecting=asset["collecting"],
            newest_close=None if stored[name]["newest"] is None else stored[name]["newest"] + step,
            last_owed_close=moment(int(owed[-1])) + step if len(owed) else None,
            bar=step,
            owed=len(owed),
            missing=max(len(owed) - stored[name]["stored"], 0),
            errors=[line["last_error"] for line in lines if line["last_error"]],
            sources=_sources(asset["asset_class"], configured, lines),
            disagreement=disagreements.get(name),
            now=now,
        )
        found.append(_shown(diagnose(facts), asset["asset_class"], lines))
    return found


def renamed(symbol: str, venues: str | None) -> str | None:
    """Return the new ticker where every venue has the same other one for a crypto pair (MATIC is POL now)."""
    names: Mapping[str, str] = json.loads(venues) if venues else {}
    bases = {name.split("/")[0] for name in names.values() if "/" in name}
    return bases.pop() if len(bases) == 1 and symbol.split("/", maxsplit=1)[0] not in bases else None


def _sources(asset_class: str, configured: Sequence[tuple[str, str]], lines: Sequence[Mapping[str, Any]]) -> list[str]:
    family = FAMILY.get(asset_class, "stocks")
    return [name for name, of in configured if of == family] or [
        line["source"] for line in lines if line["timeframe"] not in NOT_BARS
    ]


def _shown(diagnosis: Diagnosis, asset_class: str, lines: list[dict[str, Any]]) -> dict[str, Any]:
    return {**asdict(diagnosis), "asset_class": asset_class, "sentence": diagnosis.sentence, "sources": lines}
