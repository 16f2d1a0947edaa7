"""Books against broker: hands in the account, money that comes and goes, a line that is down."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from broker_simulator import Faults
from desk_world import ASSETS, START, World, decided, order, settled

from services.execution.brokers.protocol import BrokerCharge, LiveOrder
from services.execution.live.mirror import Slice
from services.execution.live.service import LiveDesk
from services.execution.live.state import DeskOrder

BOUGHT = Decimal("5.000")


def played(script: Callable[[World], Awaitable[None]]) -> World:
    """Run a script on a world whose line is perfect and whose prices stand."""
    world = World(1, Faults())
    world.exchange.still = True

    async def run() -> None:
        await world.rounds(4, 5.0)
        await script(world)

    asyncio.run(run())
    return world


async def buys(world: World, symbol: str = "BTC/USDT") -> None:
    price = world.exchange.prices[symbol]
    one = order(world.now, symbol, "buy", Decimal(100), "entry", price, price * Decimal("0.9"))
    world.slices.append(Slice(settled(world.now, {}), decided(world.now, (one,))))
    await world.rounds(12, 5.0)


async def paper_leaves(world: World) -> None:
    world.now += timedelta(hours=1)
    world.slices.append(Slice(settled(world.now, {}), decided(world.now)))
    await world.rounds(20, 5.0)


def flags(world: World) -> dict[str, str]:
    return {subject: str(flag.detail) for (_, subject), flag in world.store.flags.items()}


def entries(world: World) -> list[DeskOrder]:
    return [o for o in world.desk.memory.orders.values() if o.purpose == "entry"]


def test_a_position_made_by_hand_halts_that_asset_alone_and_says_what_differs() -> None:
    async def script(world: World) -> None:
        world.exchange.trade_by_hand("BTC/USDT", Decimal(1), world.now)
        world.exchange.cash = Decimal(10_000)  # the money is somebody else's worry here
        await world.rounds(40, 5.0)
        await buys(world, "BTC/USDT")
        await buys(world, "ETH/USDT")

    world = played(script)
    words = "position: books 0.00000000, broker 1.00000000; some executions are not of our orders"
    assert flags(world) == {"BTC/USDT": words}
    assert [o.symbol for o in entries(world)] == ["ETH/USDT"]


def test_a_mismatch_is_taken_down_once_the_hand_is_gone() -> None:
    async def script(world: World) -> None:
        world.exchange.trade_by_hand("BTC/USDT", Decimal(1), world.now)
        world.exchange.cash = Decimal(10_000)
        await world.rounds(40, 5.0)
        assert set(flags(world)) == {"BTC/USDT"}
        world.exchange.trade_by_hand("BTC/USDT", Decimal(-1), world.now)
        world.exchange.cash = Decimal(10_000)
        await world.rounds(40, 5.0)
        await buys(world)

    world = played(script)
    assert flags(world) == {}
    assert [o.filled for o in entries(world)] == [BOUGHT]


def test_a_halted_asset_can_still_be_left() -> None:
    async def script(world: World) -> None:
        await buys(world)
        world.exchange.trade_by_hand("BTC/USDT", Decimal(1), world.now)
        await world.rounds(40, 5.0)
        assert "BTC/USDT" in flags(world)
        await paper_leaves(world)

    world = played(script)
    assert world.exchange.positions["BTC/USDT"] == 1, "ours is gone, theirs is left alone"
    assert world.desk.memory.held("BTC/USDT") == 0


def test_an_open_order_that_is_not_ours_halts_its_asset() -> None:
    async def script(world: World) -> None:
        theirs = LiveOrder(uuid4(), "ETH/USDT", "buy", "stop", Decimal(1), stop_price=Decimal(99))
        world.exchange.accept(theirs, world.now)
        await world.rounds(40, 5.0)
        await buys(world, "ETH/USDT")

    world = played(script)
    assert "is not ours" in flags(world)["ETH/USDT"]
    assert entries(world) == []


def test_missing_cash_halts_every_entry_at_that_account() -> None:
    async def script(world: World) -> None:
        world.exchange.cash -= Decimal("0.5")
        await world.rounds(40, 5.0)
        await buys(world, "BTC/USDT")
        await buys(world, "ETH/USDT")

    world = played(script)
    assert "difference -0.5" in flags(world)["bybit/testnet"]
    assert entries(world) == []


def test_funding_and_deposits_that_the_broker_reports_are_no_mismatch(monkeypatch: pytest.MonkeyPatch) -> None:
    paid = [BrokerCharge("c1", "funding", Decimal("-0.25"), START + timedelta(minutes=1), "BTC/USDT")]

    async def charges(_: object) -> list[BrokerCharge]:
        return paid

    async def script(world: World) -> None:
        monkeypatch.setattr(world.broker, "charges", charges)
        world.exchange.cash -= Decimal("0.25")
        await world.rounds(40, 5.0)
        await buys(world)

    world = played(script)
    assert flags(world) == {}
    assert [o.filled for o in entries(world)] == [BOUGHT]


def test_an_account_that_is_not_flat_is_not_taken_over() -> None:
    world = World(1, Faults())
    world.exchange.positions["BTC/USDT"] = Decimal(2)
    asyncio.run(world.rounds(40, 5.0))
    assert world.desk.memory.ledgers == {}
    assert "from before the desk began" in flags(world)["BTC/USDT"]


def test_nothing_is_sent_before_books_and_broker_were_compared() -> None:
    world = World(1, Faults(down=1.0))
    asyncio.run(world.rounds(3, 5.0))

    async def first_slice() -> None:
        await buys(world)

    asyncio.run(first_slice())
    assert world.broker.submissions == []


def test_a_line_that_stays_down_raises_a_flag_and_takes_it_down_when_it_is_back() -> None:
    async def script(world: World) -> None:
        await buys(world)
        world.faults.down = 1.0
        await world.rounds(60, 5.0)
        assert "no usable answer since" in flags(world)["bybit/testnet"]
        assert world.exchange.positions["BTC/USDT"] == BOUGHT
        guards = [o for o in world.exchange.orders.values() if o.status == "working"]
        assert [g.request.kind for g in guards] == ["stop"], "the protective stop is at the broker meanwhile"
        world.faults.down = 0.0
        await world.rounds(40, 5.0)

    assert flags(played(script)) == {}


def test_a_position_whose_stop_the_broker_refuses_is_left() -> None:
    async def script(world: World) -> None:
        await buys(world)
        world.exchange.cancel(next(o.request.id for o in world.exchange.orders.values() if o.request.kind == "stop"),
                              world.now)  # fmt: skip
        world.faults.reject = 1.0
        await world.rounds(12, 5.0)
        world.faults.reject = 0.0
        await world.rounds(80, 5.0)

    world = played(script)
    assert world.exchange.positions["BTC/USDT"] == 0
    assert any(o.purpose == "reduce" and "no stop possible" in o.reason for o in world.desk.memory.orders.values())


def test_with_a_switch_off_nothing_is_taken_over_or_entered() -> None:
    world = World(1, Faults())
    world.settings = world.settings.model_copy(update={"enabled": False})
    world.desk = world.reborn()
    asyncio.run(world.rounds(10, 5.0))
    asyncio.run(buys(world))
    assert world.store.accounts == {}
    assert world.broker.submissions == []


def test_switched_off_while_holding_the_position_stays_guarded_and_is_left_with_paper() -> None:
    async def script(world: World) -> None:
        await buys(world)
        world.settings = world.settings.model_copy(update={"enabled": False})
        world.desk = world.reborn()
        await world.rounds(20, 5.0)
        assert [o.request.kind for o in world.exchange.orders.values() if o.status == "working"] == ["stop"]
        await paper_leaves(world)

    world = played(script)
    assert world.exchange.positions["BTC/USDT"] == 0
    assert [o for o in world.exchange.orders.values() if o.status == "working"] == []


def test_a_stop_that_reaches_the_book_after_it_was_given_up_is_found_and_cancelled() -> None:
    world = World(1, Faults(), unique_ids=False)
    world.exchange.still = True

    async def script() -> None:
        await world.rounds(4, 5.0)
        price = world.exchange.prices["BTC/USDT"]
        one = order(world.now, "BTC/USDT", "buy", Decimal(100), "entry", price, price * Decimal("0.9"))
        world.slices.append(Slice(settled(world.now, {}), decided(world.now, (one,))))
        await world.step(1.0)
        world.faults.delay_request = 1.0
        while not world.exchange.transit:
            await world.step(1.0)
        world.faults.delay_request = 0.0
        (_, stop), world.exchange.transit = world.exchange.transit[0], []
        assert stop.kind == "stop"
        await paper_leaves(world)
        assert world.exchange.positions["BTC/USDT"] == 0
        assert stop.id not in world.exchange.orders
        world.exchange.transit = [(world.now, stop)]
        await world.step(1.0)
        assert world.exchange.orders[stop.id].status == "working"
        await world.rounds(30, 5.0)
        assert world.exchange.orders[stop.id].status == "cancelled"

    asyncio.run(script())
    assert flags(world) == {}


def test_each_account_watches_over_its_own_flags() -> None:
    world = World(1, Faults())
    other = World(2, Faults())
    other.broker.name, other.broker.environment = "alpaca", "paper"
    world.desk = LiveDesk(world.store, [world.broker, other.broker], world.settings, ASSETS, switched_on=True)

    async def script() -> None:
        await world.rounds(4, 5.0)
        other.now = world.now
        other.exchange.cash += 7
        other.exchange.positions["GOLD"] = Decimal(3)
        world.exchange.positions["GOLD"] = Decimal(2)
        for _ in range(40):
            other.now += timedelta(seconds=5)
            await world.step(5.0)

    asyncio.run(script())
    assert set(flags(world)) == {"alpaca/paper", "alpaca/paper GOLD", "bybit/testnet GOLD"}
    assert len(world.store.raised) == 3, "raised once each, not taken down by the other account"
