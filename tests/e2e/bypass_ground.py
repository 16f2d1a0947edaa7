"""A short replay through all services, its books, and lies that would pay whoever could tell them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import few_models
import msgspec

from services.contracts import messages as m
from services.contracts.topics import BY_NAME, COMMANDS
from services.inference import settings
from services.inference import store as models
from services.inference.registry import TrainedModel
from services.inference.walk_forward import walk_forward
from services.ingestion.replay import Recorded, claim
from services.kernel import stage as loop_module
from services.kernel.config import config_version
from services.kernel.database import connect_pool
from services.kernel.inbox import Inbox
from services.kernel.streams import Envelope, Outgoing, Streams, connect
from services.research.history import market_of
from services.standalone.platform import Platform, run_until
from services.standalone.replay import deliver, wait_for_end

BEGINS = datetime(2024, 8, 3, tzinfo=UTC)
UNTIL = datetime(2024, 8, 8, tzinfo=UTC)
STRANGER = "SOL/USDT"
"""It has bars in the sample, so an order would fill, and it is not enabled."""
PATIENCE_SECONDS = 240.0

# Everything that is decided, without the columns that tell the wall clock.
BOOKS = {
    "orders": "select id, ts, symbol, side, quantity, status, filled_quantity, detail from orders order by ts, id",
    "fills": "select id, ts, order_id, symbol, side, quantity, price, fee, cash from fills order by ts, id",
    "trades": "select * from trades order by closed_at, id",
    "positions": "select * from positions order by symbol",
    "portfolio_equity": "select * from portfolio_equity order by ts",
    "phase_activation_log": "select * from phase_activation_log order by seq",
    "commands": "select id, name, subject, status from commands order by seq",
    "asset_registry": "select symbol, trading_enabled, live_enabled, collecting from asset_registry order by symbol",
    "asset_class_config": "select phase, active from asset_class_config order by phase",
    "outbox": "select topic, producer, seq, ts, body from outbox order by topic, producer, seq",
}

Books = dict[str, list[tuple[Any, ...]]]
Job = Callable[[Platform], Awaitable[None]]
Attack = Callable[[Any, Outgoing], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Told:
    """The recorded candles and the models that were trained on them."""

    recorded: Recorded
    trained: tuple[TrainedModel, ...]


@cache
def told(config: Path) -> Told:
    """Read and train once a session."""
    recorded = few_models.short_replay(BEGINS, UNTIL)
    configured = settings.load(config, replay=True)
    return Told(recorded, tuple(walk_forward(market_of(recorded.series, configured), configured)))


async def replay(database_url: str, redis_url: str, folder: Path, config: Path, *jobs: Job) -> Books:
    """Run the platform and jobs beside it until the last slice is through and the jobs are done; return the books."""
    pool, redis = await connect_pool(database_url, size=20, durable=False), connect(redis_url)
    what = told(config)
    try:
        async with pool.acquire() as conn, conn.transaction():
            await claim(conn, what.recorded, "1h")
            await models.save_models(conn, what.trained)
        platform = Platform(pool, redis, folder / "reports", live=False, config=config)

        done = [asyncio.Event() for _ in jobs]

        def beside(job: Job, ended: asyncio.Event) -> Callable[[], Awaitable[None]]:
            async def run() -> None:
                await job(platform)
                ended.set()

            return run

        async def finished() -> None:
            await wait_for_end(platform, what.recorded, lambda _: None)
            for one in done:
                await one.wait()

        async with asyncio.timeout(PATIENCE_SECONDS):
            await run_until(
                finished(),
                [
                    *(loop.run for loop in platform.loops()),
                    lambda: deliver(platform, what.recorded, config_version(config)),
                    *map(beside, jobs, done),
                ],
            )
        return await books(pool)
    finally:
        await redis.aclose()
        await pool.close()


async def books(pool: Any) -> Books:
    """Read everything that was decided."""
    return {name: [tuple(row) for row in await pool.fetch(query)] for name, query in BOOKS.items()}


def differences(found: Books, expected: Books) -> list[str]:
    """Name the parts that differ."""
    return [name for name in expected if found[name] != expected[name]]


def lie(message: m.Message) -> m.Message:
    """Make of a true message the one that somebody would like to be believed."""
    replace = msgspec.structs.replace
    match message:
        case m.FeedAdvanced():
            return replace(message, ts=message.ts + timedelta(days=9), ended=True)
        case m.SliceClosed():
            return replace(message, bars=tuple(replace(b, close=b.close * 2, high=b.high * 2) for b in message.bars))
        case m.ForecastsMade():
            sure = [replace(f, expected_return=0.2, uncertainty=0.001, confidence=1.0) for f in message.forecasts]
            return replace(message, forecasts=tuple(sure))
        case m.TargetsSet():
            wanted = [replace(t, action="BUY", weight=0.3, strength="STRONG_BUY") for t in message.targets]
            return replace(message, targets=tuple(wanted))
        case m.OrdersDecided():
            return replace(message, orders=(order_of(message.ts, 1),), refused=(), halted=None)
        case m.PortfolioSettled():
            return replace(message, cash=message.cash * 9, equity=message.equity * 9)
        case m.DayEvaluated():
            return replace(message, enabled=tuple(sorted({*message.enabled, STRANGER})))
        case m.ResearchMade():
            stale = [replace(a, tier=1, n=9_999, edge_bps=99.0, fresh=0) for a in message.assets]
            return replace(message, assets=tuple(stale))
    raise AssertionError(f"no lie about a {type(message).__name__}")


def order_of(ts: datetime, n: int) -> m.Order:
    """Make an order for an asset that is not enabled."""
    return m.Order(
        id=m.decision_id(ts, f"forged {n}", STRANGER), symbol=STRANGER, asset_class="crypto", side="buy",
        quantity=Decimal(1), reason="entry", reduce_only=False, reference_price=Decimal(150), stop_price=None,
        target_price=None, expires_at=None, bucket=9, regime="high_vol",
    )  # fmt: skip


def commands_forged(ts: datetime) -> list[m.CommandGiven]:
    """Make the commands that nobody gave: to let the stranger trade, and to stop everything."""
    wishes: list[tuple[m.CommandName, str | None]] = [
        ("enable", STRANGER), ("activate", "phase_1_stocks"), ("flatten", None), ("disable", "BTC/USDT"),
    ]  # fmt: skip
    return [
        m.CommandGiven(ts, UUID(int=n), name, subject, "live (nobody)", "forged", forced=True)
        for n, (name, subject) in enumerate(wishes, start=1)
    ]


def fields(
    topic: str, producer: str, seq: int, message: m.Message, kind: str | None = None
) -> tuple[str, dict[str, Any]]:
    """Write an entry down as its producer would."""
    body, kind = m.encode(message).decode(), kind or type(message).__name__
    return topic, {"type": kind, "ts": message.ts.isoformat(), "producer": producer, "seq": seq, "body": body}


async def write(redis: Any, entries: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Put entries on their streams."""
    pipe = redis.pipeline(transaction=False)
    for topic, entry in entries:
        pipe.xadd(topic, entry)
    await pipe.execute()


def attack_before_publishing(monkeypatch: Any, before: Attack, after: Attack | None = None) -> None:
    """Let somebody be faster than every producer: each message meets what was forged in front of it."""
    real = Streams.publish

    async def late(self: Streams, messages: Any, acknowledge: Any = ()) -> None:
        sent = list(messages)
        for out in sent:
            await before(self.redis, out)
        await real(self, sent, acknowledge)
        for out in sent if after else ():
            assert after is not None
            await after(self.redis, out)

    monkeypatch.setattr(Streams, "publish", late)


def believe_everything(monkeypatch: Any) -> None:
    """Switch the check off, to show that an attack would get through without it."""

    async def all_true(_: Any, envelopes: list[Envelope], __: Inbox) -> tuple[list[Envelope], list[Envelope]]:
        return list(envelopes), []

    monkeypatch.setattr(loop_module, "vouched", all_true)


class EveryForgery:
    """Everything that can be written to a stream, at every message of a run."""

    def __init__(self) -> None:
        self.firsts: dict[str, tuple[str, dict[str, Any]]] = {}
        self.written = 0

    async def before(self, redis: Any, out: Outgoing) -> None:
        """Be faster than the producer."""
        if out.seq == 0 or not BY_NAME[out.topic].readers:
            return
        wrong, (topic, producer, seq) = lie(out.message), (out.topic, out.producer, out.seq)
        first = self.firsts.setdefault(topic, fields(topic, producer, seq, out.message))
        entries = [
            *(fields(topic, producer, number, wrong) for number in (seq, seq + 5_000, 0, max(1, seq - 1))),
            fields(topic, "stranger", 1, wrong),
            fields(topic, producer, seq, out.message, kind="CommandGiven"),
            first,  # a true entry, again
            (topic, {**first[1], "seq": seq + 1}),  # a true body under the next number
            *(fields(COMMANDS.name, "gateway", n, c) for n, c in enumerate(commands_forged(out.message.ts), start=1)),
        ]
        self.written += len(entries)
        await write(redis, entries)

    async def after(self, redis: Any, out: Outgoing) -> None:
        """Be there before the producer has decided anything."""
        if out.seq and BY_NAME[out.topic].readers:
            self.written += 1
            await write(redis, [fields(out.topic, out.producer, out.seq + 1, lie(out.message))])
