"""A thousand seeded runs against a broker that drops, delays, doubles and reorders, with a desk that keeps dying."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from broker_simulator import Faults
from desk_world import SYMBOLS, World
from exchange_model import STEP

from services.execution.live.state import FINAL

RUNS = 1_000
BATCH = 50
ENTERED = ("paper: entry", "paper: increase")
"""What a mandate says until paper reduces."""


def troubled(seed: int) -> Faults:
    """Faults by the seed: each run has another mixture, some have hardly any."""
    scale = (0.02, 0.1, 0.25)[seed % 3]
    return Faults(drop_request=scale, drop_reply=scale, delay_request=scale, double_request=scale, reject=scale / 4,
                  rate_limit=scale / 4, down=scale / 2, stale=scale, late_report=scale, double_report=scale,
                  reorder=0.3, die=scale / 8)  # fmt: skip


async def run(seed: int, *, unique_ids: bool = True, delay_seconds: float = 20.0) -> World:
    world = World(seed, troubled(seed), unique_ids=unique_ids)
    world.faults.delay_seconds = delay_seconds
    world.exchange.partial = 0.3
    world.exchange.honours_reduce_only = seed % 2 == 0
    await world.rounds(4, 30.0)
    for _ in range(6):
        await world.rounds(3, 5.0)
        world.slices.append(world.paper.slice(world.now))
        await world.rounds(10, 25.0)
        world.now += timedelta(minutes=50)
    world.slices.append(world.paper.slice(world.now, quiet=True))
    await world.settle()
    world.slices.append(world.paper.slice(world.now, quiet=True))
    await world.settle()
    return world


def check(world: World, *, late: bool = False) -> None:
    """Everything that must hold once nothing moves; ``late``: requests may arrive when they were long given up."""
    memory, exchange = world.desk.memory, world.exchange
    ledger = memory.ledgers["bybit/testnet"]
    for symbol in SYMBOLS:
        there = exchange.positions.get(symbol, Decimal(0))
        assert there == ledger.held(symbol), symbol
        wanted = memory.mandates[symbol].wanted if symbol in memory.mandates else Decimal(0)
        assert there == wanted, symbol
        paper = world.paper.held.get(symbol, Decimal(0))
        assert there == 0 or (there > 0) == (paper > 0), f"{symbol}: live {there}, paper {paper}"
        stops = [o for o in exchange.orders.values() if o.status == "working" and o.request.symbol == symbol]
        guarded = [(o.request.kind, o.request.quantity - o.filled, o.request.side) for o in stops]
        assert guarded == ([("stop", abs(there), "sell" if there > 0 else "buy")] if abs(there) >= STEP else [])
    assert all(o.notional <= 100 for o in memory.orders.values())
    assert set(exchange.accepted.values()) <= {1}
    assert late or exchange.crossings == 0
    assert sorted(ledger.fills) == sorted(f.id for f in exchange.fills)
    assert sorted(key[1] for key in world.store.fills) == sorted(ledger.fills)
    assert all(f.order_id is not None for f in ledger.fills.values())
    for order in memory.orders.values():
        executed = exchange.orders[order.id].filled if order.id in exchange.orders else Decimal(0)
        assert order.filled == executed <= order.quantity, order
        assert order.status in FINAL or order.purpose == "stop", order
        undone = order.purpose == "reduce" and order.reason in ENTERED
        assert late or not undone, f"undoes what was only in doubt: {order}"
    assert abs(ledger.expected_cash() - exchange.cash) < Decimal("0.0001")
    assert world.store.flags == {}


@pytest.mark.parametrize("first", range(0, RUNS, BATCH))
def test_at_rest_broker_books_and_mandates_agree_after_any_troubles(first: int) -> None:
    traded = deaths = resent = 0
    for seed in range(first, first + BATCH):
        world = asyncio.run(run(seed))
        check(world)
        traded += len(world.exchange.fills)
        deaths += world.deaths
        resent += len(world.broker.submissions) - len(set(world.broker.submissions))
    assert traded > 10 * BATCH, "the runs must trade to show anything"
    assert deaths > BATCH
    assert resent > 0


@pytest.mark.parametrize("first", range(0, 100, BATCH))
def test_no_order_is_doubled_where_the_broker_itself_would_take_an_id_twice(first: int) -> None:
    for seed in range(first, first + BATCH):
        check(asyncio.run(run(seed, unique_ids=False)))


@pytest.mark.parametrize("first", range(0, 100, BATCH))
def test_an_order_that_arrives_minutes_after_it_was_given_up_is_found_and_undone(first: int) -> None:
    for seed in range(first, first + BATCH):
        check(asyncio.run(run(seed, delay_seconds=300.0)), late=True)
