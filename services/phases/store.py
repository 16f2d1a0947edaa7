"""All SQL of phases."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.contracts.messages import Activation, DayEvaluated, encode
from services.domain.assets import AssetsConfig
from services.kernel.database import Connection
from services.phases.chain import LogEntry
from services.phases.decide import PhasesParams, start

# Declared facts follow the configuration; what has been activated or enabled stays as it is. So does the tier, which
# research may have changed: each evaluation writes the one that holds.
SEED_CLASS = """
insert into asset_class_config (phase, asset_class, phase_order, active, min_capital, max_capital, max_weight)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (phase) do update set asset_class = excluded.asset_class, phase_order = excluded.phase_order,
    min_capital = excluded.min_capital, max_capital = excluded.max_capital, max_weight = excluded.max_weight
"""

SEED_ASSET = """
insert into asset_registry (symbol, asset_class, phase, name, collecting, trading_enabled, level, tier, role, config)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::json)
on conflict (symbol) do update set asset_class = excluded.asset_class, phase = excluded.phase, name = excluded.name,
    role = excluded.role, config = excluded.config
"""

CONFIGURED = "select source from data_source_registry where configured"

ACTIVE = "update asset_class_config set active = true, activated_at = $2 where phase = $1 and not active"
# Ingestion collects a phase's assets from now on; what it collects already (all crypto) stays.
COLLECTED = "update asset_registry set collecting = true, updated_at = now() where phase = $1 and not collecting"
DEMOTED = "update asset_class_config set active = false where phase = $1 and active"
STANDS = """
update asset_registry set level = $2, trading_enabled = $2 <> 'off', live_enabled = $3, level_since = $4,
    waits_for = $5, tier = $6, updated_at = now()
where symbol = $1 and (level, trading_enabled, live_enabled, level_since, waits_for, tier)
    is distinct from ($2, $2 <> 'off', $3, $4, $5, $6::smallint)
"""

ROLLOUT = """
insert into rollout_log (ts, symbol, asset_class, level, tier, live, step, ready, evidence, why, requirements)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::text::json)
on conflict (symbol, ts) do nothing
"""

AUDITS = "select distinct on (symbol) symbol, ready from live_audits where ts > $1 order by symbol, ts desc"

LOG = """
insert into phase_activation_log (seq, id, ts, subject, change, given_by, note, forced, evidence, previous_hash, hash)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict (seq) do nothing
"""

READ_LOG = """
select seq, ts, id, subject, change, given_by, note, forced, evidence, previous_hash, hash
from phase_activation_log order by seq
"""

READINESS = """
insert into readiness_log (ts, phase, asset_class, active, ready, requirements)
values ($1, $2, $3, $4, $5, $6::text::json)
on conflict (phase, ts) do nothing
"""

COMMAND = "update commands set status = $2, outcome = $3 where id = $1 and status = 'pending'"


async def seed(conn: Connection, params: PhasesParams) -> None:
    """Bring the registries to the configuration's facts; a new database starts with phase 0 active."""
    begun = start(params)
    classes = params.assets.classes
    for name, phase in params.settings.phases.items():
        await conn.execute(
            SEED_CLASS, name, phase.asset_class, phase.order, name in begun.phases, phase.min_capital,
            phase.max_capital, classes[phase.asset_class].max_weight,
        )  # fmt: skip
    crypto = {p.asset_class for p in params.settings.phases.values() if p.order == 0}
    for symbol, asset in params.assets.assets.items():
        await conn.execute(
            SEED_ASSET, symbol, asset.asset_class, params.assets.phase_of(symbol), asset.name,
            asset.asset_class in crypto, symbol in begun.enabled, begun.level(symbol), asset.tier, asset.role,
            asset.model_dump_json(),
        )  # fmt: skip


async def configured_classes(conn: Connection, assets: AssetsConfig) -> dict[str, bool]:
    """Say by class whether one of its sources is configured."""
    sources = {row[0] for row in await conn.fetch(CONFIGURED)}
    return {name: any(source in sources for source in c.sources) for name, c in assets.classes.items()}


async def ready_audits(conn: Connection, since: datetime) -> dict[str, bool]:
    """Say by symbol whether its newest audit for live says ready; those from ``since`` or before are too old."""
    return {row[0]: row[1] for row in await conn.fetch(AUDITS, since)}


async def save_evaluation(conn: Connection, message: DayEvaluated, log: tuple[LogEntry, ...]) -> None:
    """Store readiness, standings, the audit log and what is active and enabled now."""
    await conn.executemany(
        READINESS,
        [
            (message.ts, r.phase, r.asset_class, r.active, r.ready, _json_list(r.requirements))
            for r in message.readiness
        ],
    )
    for entry in log:
        a = entry.activation
        await conn.execute(
            LOG, entry.seq, a.id, entry.ts, a.subject, a.change, a.by, a.note, a.forced, entry.evidence,
            entry.previous_hash, entry.hash,
        )  # fmt: skip
        if a.change == "activated":
            await conn.execute(ACTIVE, a.subject, entry.ts)
            await conn.execute(COLLECTED, a.subject)
        elif a.change == "demoted":
            await conn.execute(DEMOTED, a.subject)
    # A refused command changes no standing, and a flood of them shall not fill the log of standings.
    if log or message.command_id is None:
        await _save_standings(conn, message)


async def _save_standings(conn: Connection, message: DayEvaluated) -> None:
    await conn.executemany(
        STANDS, [(one.symbol, one.level, one.live, one.since, one.why, one.tier) for one in message.assets]
    )
    await conn.executemany(
        ROLLOUT,
        [
            (message.ts, one.symbol, one.asset_class, one.level, one.tier, one.live, one.step, one.ready,
             one.evidence, one.why, _json_list(one.requirements))
            for one in message.assets
        ],
    )  # fmt: skip


async def finish_command(conn: Connection, command_id: Any, refusal: str | None) -> None:
    """Record what became of an operator's command."""
    await conn.execute(COMMAND, command_id, "done" if refusal is None else "refused", refusal or "done")


async def read_log(conn: Connection) -> list[LogEntry]:
    """Read the audit chain in order."""
    return [_entry(row) for row in await conn.fetch(READ_LOG)]


def _entry(row: Mapping[str, Any]) -> LogEntry:
    activation = Activation(row["id"], row["subject"], row["change"], row["given_by"], row["note"], row["forced"])
    return LogEntry(row["seq"], row["ts"], activation, row["evidence"], row["previous_hash"], row["hash"])


def _json_list(items: tuple[Any, ...]) -> str:
    return "[" + ",".join(encode(item).decode() for item in items) + "]"
