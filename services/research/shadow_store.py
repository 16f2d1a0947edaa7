"""The shadow back-test beside a running platform: reads what is stored, compares, raises and clears one flag.

It reads the outbox and the ledger's tables and writes its own row in ``stage_state`` and its flag, nothing else. Where
it cannot have begun with the run (the outbox keeps the newest messages only, configurations change) it takes over the
platform's states at a slice where all stages rest, and says from when on it compares.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from services.contracts.messages import (
    CommandGiven,
    DayEvaluated,
    Fill,
    ForecastsMade,
    OrdersDecided,
    PortfolioSettled,
    SliceClosed,
    Trade,
    encode,
)
from services.contracts.topics import (
    ACTIVATIONS,
    COMMANDS,
    FLOW,
    FORECASTS,
    ORDERS,
    PORTFOLIO,
    SLICES,
    TARGETS,
    Topic,
)
from services.domain.flags import EVERYTHING
from services.execution.book import Book
from services.kernel import database
from services.kernel.database import Connection
from services.kernel.errors import StreamCorrupt
from services.kernel.flags import clear_flag, raise_flag
from services.kernel.logging import get
from services.kernel.outages import outlast
from services.research.parameters import Parameters
from services.research.shadow import Difference, Following, Rows, Stored, begin, follow, hear
from services.risk.state import RiskState
from services.signals.decide import SignalState

NAME = "shadow"
FLAG = "paper_backtest_divergence"
EVERY_SECONDS = 3600.0
"""More often than nightly: what differs blocks entries, and an hour is soon enough to see it."""
FRESH = timedelta(days=1)
"""A run whose first slice is older than this may have begun under another configuration: states are taken over."""
BATCH = 256
PER_SLICE = (SLICES, FORECASTS, TARGETS, ORDERS, PORTFOLIO)
STAGES = ("signals", "risk", "execution")

ACKNOWLEDGED = "the difference has been acknowledged"

Pause = Callable[[float], Awaitable[None]]
Cursors = dict[str, int]
"""By topic, the newest number read; each topic has one producer."""

OWN = "select seq, cursors::text, state::text, config_version from stage_state where stage = $1"
THEIRS = """
select stage, slice_ts, seq, cursors::text as cursors, state::text as state, config_version
from stage_state where stage = any($1::text[])
"""
MESSAGES = """
select seq, body from outbox where topic = $1 and producer = $2 and seq > $3 order by seq limit $4
"""
AT_SLICE = "select seq, body from outbox where topic = $1 and producer = $2 and ts = $3"
FIRST_SLICE = "select created_at from outbox where topic = $1 and producer = $2 and seq = 1"
IS_ACKNOWLEDGED = """
select exists (
    select from system_flags where name = $1 and cleared_at is null and acknowledged_at is not null
)
"""

FILLS = """
select settled_at, id, order_id, symbol, asset_class, side, quantity, price, fee, slippage, reason, ts as filled_at, fx,
       liquidity, cash
from fills where settled_at = any($1::timestamptz[])
"""
TRADES = """
select id, symbol, asset_class, side, opened_at, closed_at, quantity, entry_price, exit_price, fees, slippage, pnl,
       exit_reason, bucket, regime, carry
from trades where id = any($1::uuid[])
"""
EQUITY = "select ts, cash, equity from portfolio_equity where ts = any($1::timestamptz[])"


@dataclass(frozen=True, slots=True)
class Told:
    """What one look came to."""

    compared: int = 0
    since: datetime | None = None
    """The slice whose states were taken over; None: it follows from the run's beginning."""
    until: datetime | None = None
    differs: Difference | None = None
    """The first one that nobody has acknowledged."""
    not_comparable: str = ""
    """Why nothing could be compared, in words."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """The shadow's row."""

    seq: int
    cursors: Cursors
    state: Following | None
    config_version: str


async def run(pool: Connection, params: Parameters, version: str, *, pause: Pause = asyncio.sleep) -> None:
    """Look every hour, for ever; outages are outlasted."""
    log = get(NAME)

    async def looks() -> None:
        while True:
            told = await look(pool, params, version, datetime.now(UTC))
            if told.differs is not None:
                log.error("paper and back-test differ", detail=told.differs.words)
            elif told.not_comparable:
                log.info("not comparable", why=told.not_comparable)
            else:
                log.info("paper equals the back-test", slices=told.compared, until=told.until)
            await pause(EVERY_SECONDS)

    await outlast(NAME, looks)


async def look(pool: Connection, params: Parameters, version: str, now: datetime) -> Told:
    """Compare all that was stored since the last look, then raise or clear the flag.

    A difference stands, and so does its flag, until a person has acknowledged it: then the platform's states are taken
    over, and the first slices that are equal again clear it.
    """
    total = 0
    while True:
        async with pool.acquire() as conn:
            told = await _step(conn, params, version, now)
        total += told.compared
        if told.compared < BATCH:
            break
        await asyncio.sleep(0)
    async with pool.acquire() as conn, conn.transaction():
        if told.differs is not None:
            detail = told.differs.words
            await raise_flag(conn, FLAG, EVERYTHING, severity="critical", blocks="entries", detail=detail, now=now)
        elif total:
            await clear_flag(conn, FLAG, EVERYTHING, now)
    return replace(told, compared=total)


async def _step(conn: Connection, params: Parameters, version: str, now: datetime) -> Told:
    """Compare one batch and store how far it got."""
    async with conn.transaction(isolation="repeatable_read"):  # one moment: no message without those it rests on
        kept = await _kept(conn)
        theirs = {row["stage"]: row for row in await conn.fetch(THEIRS, list(STAGES))}
        state, cursors = kept.state, dict(kept.cursors)
        others = sorted({row["config_version"] for row in theirs.values()} - {version})
        if others:
            return Told(not_comparable=f"a stage was last at work under configuration {', '.join(others)}")
        why = await _why_anew(conn, kept, version)
        if not theirs:
            return Told(not_comparable="nothing has been decided yet")
        if state is None and await _begins_here(conn, now):
            state, cursors, why = begin(params), {}, ""
        if state is None or why:
            found = _adopted(theirs, await _orders_at(conn, theirs))
            if found is None:
                return Told(not_comparable=f"{why or 'it began later than the run'}; the stages are at work")
            state, cursors = found
            if kept.state is not None and why != ACKNOWLEDGED:
                state = msgspec.structs.replace(state, differs=kept.state.differs)
        stored, heard, ends = await _read(conn, cursors)
    state = hear(state, *heard)
    for one in stored:
        state, _ = follow(state, one, params)
    async with conn.transaction():
        await database.save_state(
            conn, NAME, slice_ts=None, seq=kept.seq + 1, previous_seq=kept.seq,
            cursors={topic.name: {topic.writer: ends[topic.name]} for topic in FLOW if topic.name in ends},
            state=encode(state).decode(), config_version=version,
        )  # fmt: skip
    return Told(len(stored), state.adopted, state.until, state.differs)


async def _kept(conn: Connection) -> _Kept:
    row = await conn.fetchrow(OWN, NAME)
    if row is None:
        return _Kept(0, {}, None, "")
    cursors = {topic: seen for topic, by in json.loads(row[1]).items() for seen in by.values()}
    try:
        state = msgspec.json.decode(row[2], type=Following)
    except msgspec.MsgspecError:  # of an older release: its states are taken over anew
        state = None
    return _Kept(row[0], cursors, state, row[3])


async def _why_anew(conn: Connection, kept: _Kept, version: str) -> str:
    """Say why what was followed so far is no longer of use; empty where it is."""
    if kept.state is None:
        return ""
    if kept.config_version != version:
        return "the configuration has changed since the last look"
    if kept.state.differs is not None and await conn.fetchval(IS_ACKNOWLEDGED, FLAG):
        return ACKNOWLEDGED
    for topic in (*PER_SLICE, ACTIVATIONS, COMMANDS):
        seen = kept.cursors.get(topic.name, 0)
        row = await conn.fetchrow(MESSAGES, topic.name, topic.writer, seen, 1)
        if row is not None and row[0] != seen + 1:
            return f"messages of {topic.name} after number {seen} are no longer kept"
    return ""


async def _begins_here(conn: Connection, now: datetime) -> bool:
    """Say whether the run has just begun, or not yet: then everything can be followed from its first slice."""
    first = await conn.fetchval(FIRST_SLICE, SLICES.name, SLICES.writer)
    return first is not None and now - first < FRESH


async def _orders_at(conn: Connection, theirs: Mapping[str, Any]) -> OrdersDecided | None:
    """Return the orders of the slice that risk stands at."""
    if "risk" not in theirs:
        return None
    row = await conn.fetchrow(AT_SLICE, ORDERS.name, ORDERS.writer, theirs["risk"]["slice_ts"])
    return None if row is None else msgspec.json.decode(row[1], type=OrdersDecided)


def _adopted(theirs: Mapping[str, Any], orders: OrdersDecided | None) -> tuple[Following, Cursors] | None:
    """Take over the states of stages that have all decided the same slice; None while they have not."""
    if set(theirs) != set(STAGES) or orders is None or len({row["slice_ts"] for row in theirs.values()}) != 1:
        return None
    seen = {name: json.loads(row["cursors"]) for name, row in theirs.items()}

    def of(stage: str, topic: Topic) -> int:
        return int(seen[stage].get(topic.name, {}).get(topic.writer, 0))

    if of("signals", ACTIVATIONS) != of("risk", ACTIVATIONS):
        return None
    cursors = {
        SLICES.name: of("execution", SLICES),
        FORECASTS.name: of("signals", FORECASTS),
        TARGETS.name: of("risk", TARGETS),
        ORDERS.name: theirs["risk"]["seq"],
        PORTFOLIO.name: theirs["execution"]["seq"],
        ACTIVATIONS.name: of("risk", ACTIVATIONS),
        COMMANDS.name: of("risk", COMMANDS),
    }
    state = Following(
        msgspec.json.decode(theirs["signals"]["state"], type=SignalState),
        msgspec.json.decode(theirs["risk"]["state"], type=RiskState),
        msgspec.json.decode(theirs["execution"]["state"], type=Book),
        orders,
        adopted=orders.ts,
        until=orders.ts,
    )
    return state, cursors


async def _read(
    conn: Connection, cursors: Cursors
) -> tuple[list[Stored], tuple[list[DayEvaluated], list[CommandGiven]], Cursors]:
    """Read the next slices that every stage has decided, what was said meanwhile, and how far that reaches."""

    async def after(topic: Topic, limit: int | None) -> list[Any]:
        found: list[Any] = await conn.fetch(MESSAGES, topic.name, topic.writer, cursors.get(topic.name, 0), limit)
        return found

    columns = {topic.name: await after(topic, BATCH) for topic in PER_SLICE}
    count = min(len(rows) for rows in columns.values())
    said, given = await after(ACTIVATIONS, None), await after(COMMANDS, None)
    read = {name: rows[:count] for name, rows in columns.items()} | {ACTIVATIONS.name: said, COMMANDS.name: given}
    ends = {**cursors, **{name: rows[-1]["seq"] for name, rows in read.items() if rows}}
    bodies = [[row["body"] for row in read[topic.name]] for topic in PER_SLICE]
    stored = await _with_rows(conn, list(zip(*bodies, strict=True)))
    evaluations = [msgspec.json.decode(row["body"], type=DayEvaluated) for row in said]
    commands = [msgspec.json.decode(row["body"], type=CommandGiven) for row in given]
    return stored, (evaluations, commands), ends


async def _with_rows(conn: Connection, bodies: Sequence[tuple[str, ...]]) -> list[Stored]:
    """Put the ledger's rows beside each slice's messages; raises StreamCorrupt where those are of several slices."""
    read = [
        (
            msgspec.json.decode(closed, type=SliceClosed),
            msgspec.json.decode(forecasts, type=ForecastsMade),
            msgspec.json.decode(portfolio, type=PortfolioSettled),
        )
        for closed, forecasts, _, _, portfolio in bodies
    ]
    moments = [closed.ts for closed, _, _ in read]
    for closed, forecasts, portfolio in read:
        if not closed.ts == forecasts.ts == portfolio.ts:
            raise StreamCorrupt(f"{NAME}: slice {closed.ts}, forecasts of {forecasts.ts}, books of {portfolio.ts}")
    fills: dict[datetime, list[Fill]] = {ts: [] for ts in moments}
    for row in await conn.fetch(FILLS, moments):
        fills[row["settled_at"]].append(Fill(**{name: row[name] for name in Fill.__struct_fields__}))
    ids = [trade.id for _, _, portfolio in read for trade in portfolio.trades]
    trades = {row["id"]: Trade(**row) for row in await conn.fetch(TRADES, ids)}
    equity = {row["ts"]: row for row in await conn.fetch(EQUITY, moments)}
    nothing = {"cash": None, "equity": None}
    return [
        Stored(
            closed,
            forecasts,
            targets,
            orders,
            body,
            Rows(
                tuple(fills[closed.ts]),
                tuple(trades[one.id] for one in portfolio.trades if one.id in trades),
                *(equity.get(closed.ts, nothing)[name] for name in ("cash", "equity")),
            ),
        )
        for (closed, forecasts, portfolio), (_, _, targets, orders, body) in zip(read, bodies, strict=True)
    ]
