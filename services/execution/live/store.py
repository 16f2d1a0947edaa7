"""All SQL of the live desk: the store of :mod:`services.execution.live.keeping` on PostgreSQL."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from services.contracts.messages import encode
from services.execution.brokers.protocol import BrokerCharge, BrokerFill
from services.execution.live.keeping import Standing
from services.execution.live.permission import LiveFacts, may_trade_live
from services.execution.live.reconcile import NAMES
from services.execution.live.state import (
    Account,
    Change,
    DeskOrder,
    Flag,
    Followed,
    Mandate,
    Stored,
    StoredCharge,
    StoredFill,
)
from services.kernel import database, flags
from services.kernel.database import Connection

STAGE = "live"
"""Its row in ``stage_state``, and the name of the lock that keeps a second desk out."""

# An order's wish never changes, so only what became of it is brought up to date.
ORDER = """
insert into live_orders (id, broker, symbol, asset_class, side, kind, quantity, purpose, reason, decided_at, notional,
    stop_price, valid_until, paper_order_id, status, filled, attempts, submitted_at, cancel_wanted, detail, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
on conflict (id) do update set status = excluded.status, filled = excluded.filled, attempts = excluded.attempts,
    submitted_at = excluded.submitted_at, cancel_wanted = excluded.cancel_wanted, detail = excluded.detail,
    updated_at = excluded.updated_at
"""

MANDATE = """
insert into live_mandates (symbol, broker, asset_class, wanted, stop_price, paper_order_id, made, tries, retry_at,
    detail, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict (symbol) do update set broker = excluded.broker, asset_class = excluded.asset_class,
    wanted = excluded.wanted, stop_price = excluded.stop_price, paper_order_id = excluded.paper_order_id,
    made = excluded.made, tries = excluded.tries, retry_at = excluded.retry_at, detail = excluded.detail,
    updated_at = excluded.updated_at
"""

# The broker's own id is the key: an execution that is reported again changes nothing.
FILL = """
insert into live_fills (broker, id, order_id, symbol, asset_class, side, quantity, price, fee, withheld, rate, realised,
    ts)
values ($1, $2, $3, $4, coalesce((select asset_class from asset_registry where symbol = $4), 'unknown'), $5, $6, $7, $8,
    $9, $10, $11, $12)
on conflict do nothing
"""

CHARGE = """
insert into live_charges (broker, id, kind, amount, ts, symbol) values ($1, $2, $3, $4, $5, $6) on conflict do nothing
"""

ACCOUNT = """
insert into live_accounts (broker, id, environment, currency, basis, opening_cash, opened_at)
values ($1, $2, $3, $4, $5, $6, $7)
"""

ACCOUNTS = "select id, broker, environment, currency, basis, opening_cash, opened_at from live_accounts order by broker"
MANDATES = """
select symbol, broker, asset_class, wanted, stop_price, paper_order_id, made, tries, retry_at, detail from live_mandates
order by symbol
"""
ORDERS = """
select id, broker, symbol, asset_class, side, kind, quantity, purpose, reason, decided_at, notional, stop_price,
       valid_until, paper_order_id, status, filled, attempts, submitted_at, cancel_wanted, detail, updated_at
from live_orders order by decided_at, id
"""
FILLS = """
select broker, order_id, id, symbol, side, quantity, price, fee, ts as at, withheld, rate, realised from live_fills
order by ts, id
"""
CHARGES = "select broker, id, kind, amount, ts as at, symbol from live_charges order by ts, id"
FLAGS = "select name, subject, detail from system_flags where name = any($1::text[]) and cleared_at is null"

# Flags that block entries and are not the desk's own, which it knows better than the table does; one whose subject is
# no asset and no class (a stage, ``all``) concerns every asset.
STANDING = """
select a.symbol, (select mode from run) as run_mode, c.active as phase_active, a.trading_enabled, a.live_enabled,
       u.ts as audit_at, coalesce(u.ready, false) as audit_ready,
       array(select f.name || ': ' || f.detail from system_flags f
             where f.cleared_at is null and f.blocks <> '' and f.name <> all($2::text[])
             and (f.subject is null or f.subject in (a.symbol, a.asset_class) or f.subject not in (
                 select symbol from asset_registry union select asset_class from asset_registry
             )) order by f.raised_at, f.name) as flags
from asset_registry a join asset_class_config c using (phase)
left join lateral (select ts, ready from live_audits where symbol = a.symbol order by ts desc limit 1) u on true
where a.symbol = any($1::text[])
"""

NEWEST = "select ts, body from outbox where topic = $1 and ts > $2 order by ts limit $3"
LAST_SLICE = "select max(ts) from outbox where topic = $1"
LIVE_AUDIT = "insert into live_audits (symbol, ts, ready, reasons) values ($1, $2, $3, $4) on conflict do nothing"
REPORT = """
insert into live_report (symbol, account, reasons, as_of) values ($1, $2, $3, $4)
on conflict (symbol) do update set account = excluded.account, reasons = excluded.reasons, as_of = excluded.as_of
"""


class PostgresStore:
    """See :class:`services.execution.live.keeping.LiveStore`."""

    def __init__(self, pool: Connection, config_version: str) -> None:
        self.pool = pool
        self.config_version = config_version

    async def load(self) -> Stored:
        """Read everything that a start needs, as of one moment."""
        async with self.pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            state = await database.load_state(conn, STAGE)
            return Stored(
                accounts=await _structs(conn, ACCOUNTS, Account),
                mandates=await _structs(conn, MANDATES, Mandate),
                orders=await _structs(conn, ORDERS, DeskOrder),
                fills=tuple(_fill(dict(row)) for row in await conn.fetch(FILLS)),
                charges=tuple(_charge(dict(row)) for row in await conn.fetch(CHARGES)),
                flags=await _structs(conn, FLAGS, Flag, list(NAMES)),
                followed=msgspec.json.decode(state.state, type=Followed) if state.state else Followed(),
            )

    async def save(self, change: Change, now: datetime) -> None:
        """Store a change in one transaction."""
        async with self.pool.acquire() as conn, conn.transaction():
            if change.account is not None:
                a = change.account
                await conn.execute(
                    ACCOUNT, a.broker, a.id, a.environment, a.currency, a.basis, a.opening_cash, a.opened_at
                )  # fmt: skip
            await conn.executemany(ORDER, [_order_row(o) for o in change.orders])
            await conn.executemany(MANDATE, [_mandate_row(m, now) for m in change.mandates])
            await conn.executemany(FILL, [_fill_row(f) for f in change.fills])
            await conn.executemany(
                CHARGE,
                [(c.broker, c.charge.id, c.charge.kind, c.charge.amount, c.charge.at, c.charge.symbol)
                 for c in change.charges],
            )  # fmt: skip
            for flag in change.flags:
                if flag.detail is None:
                    await flags.clear_flag(conn, flag.name, flag.subject, now)
                else:
                    await flags.change_flag(
                        conn, flag.name, flag.subject, severity="critical", blocks="live", detail=flag.detail, now=now
                    )
            if change.followed is not None:
                await self._follow(conn, change.followed)

    async def standings(self, symbols: Sequence[str]) -> dict[str, Standing]:
        """Read what registry, audits and flags say of assets."""
        rows = await self.pool.fetch(STANDING, list(symbols), list(NAMES))
        return {row.pop("symbol"): _struct(row, Standing) for row in map(dict, rows)}

    async def report(self, facts: Sequence[LiveFacts]) -> None:
        """Store what keeps each asset from being entered, for people."""
        rows = [(one.symbol, one.broker, list(may_trade_live(one)), one.now) for one in facts]
        async with self.pool.acquire() as conn, conn.transaction():
            await conn.executemany(REPORT, rows)

    async def newest(self, topic: str) -> datetime | None:
        """Return the newest slice that a topic has a message of."""
        found: datetime | None = await self.pool.fetchval(LAST_SLICE, topic)
        return found

    async def after(self, topic: str, ts: datetime, limit: int) -> list[tuple[datetime, str]]:
        """Return a topic's messages of later slices, oldest first."""
        return [(row["ts"], row["body"]) for row in await self.pool.fetch(NEWEST, topic, ts, limit)]

    async def _follow(self, conn: Connection, followed: Followed) -> None:
        await database.save_state(
            conn, STAGE, slice_ts=followed.slice_ts, seq=0, previous_seq=0, cursors={},
            state=encode(followed).decode(), config_version=self.config_version,
        )  # fmt: skip


async def record_audit(conn: Connection, symbol: str, ts: datetime, *, ready: bool, reasons: Sequence[str]) -> None:
    """Store an audit for live of an asset; the newest one counts."""
    await conn.execute(LIVE_AUDIT, symbol, ts, ready, json.dumps(list(reasons)))


def _struct(row: dict[str, Any], kind: type[Any]) -> Any:
    return msgspec.convert(row, kind)


async def _structs(conn: Connection, sql: str, kind: type[Any], *arguments: Any) -> Any:
    return tuple(_struct(dict(row), kind) for row in await conn.fetch(sql, *arguments))


def _fill(row: dict[str, Any]) -> StoredFill:
    broker, order_id = row.pop("broker"), row.pop("order_id")
    return StoredFill(broker, msgspec.convert({**row, "client_id": order_id}, BrokerFill), order_id)


def _charge(row: dict[str, Any]) -> StoredCharge:
    return StoredCharge(row.pop("broker"), msgspec.convert(row, BrokerCharge))


def _order_row(o: DeskOrder) -> tuple[Any, ...]:
    return (
        o.id, o.broker, o.symbol, o.asset_class, o.side, o.kind, o.quantity, o.purpose, o.reason, o.decided_at,
        o.notional, o.stop_price, o.valid_until, o.paper_order_id, o.status, o.filled, o.attempts, o.submitted_at,
        o.cancel_wanted, o.detail, o.updated_at,
    )  # fmt: skip


def _mandate_row(m: Mandate, now: datetime) -> tuple[Any, ...]:
    return (
        m.symbol, m.broker, m.asset_class, m.wanted, m.stop_price, m.paper_order_id, m.made, m.tries, m.retry_at,
        m.detail, now,
    )  # fmt: skip


def _fill_row(stored: StoredFill) -> tuple[Any, ...]:
    f = stored.fill
    return (
        stored.broker, f.id, stored.order_id, f.symbol, f.side, f.quantity, f.price, f.fee, f.withheld, f.rate,
        f.realised, f.at,
    )  # fmt: skip
