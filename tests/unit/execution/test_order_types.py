"""Limit, stop, stop-limit and trailing orders against bars worked out by hand; the worse outcome comes first."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from decision_cases import HOUR, START, bar, flat_bar, order, orders_at, slice_at
from venues import COSTLESS, venue

from services.contracts.messages import Bar, Fill, LimitCheck, Order, PortfolioSettled, encode
from services.domain.money import money
from services.execution.book import Book, open_book
from services.execution.brokers.paper import PaperVenue
from services.execution.decide import Settle, settle

BTC = "BTC/USDT"
LONG_WAIT = START + 99 * HOUR
QUIET = flat_bar(BTC, 100.0)
WITH_FEES = venue(spread="20", slippage_bps=0, fees={"crypto": {"venue": "made up", "maker_bps": 2, "taker_bps": 10}})


def priced(side: str, kind: str, reason: str = "entry", **changes: Any) -> Order:
    """An order for one unit that waits long; prices are given as numbers."""
    prices = {name: money(value) if name.endswith("price") else value for name, value in changes.items()}
    if "trail" in prices:
        prices["trail"] = Decimal(str(prices["trail"]))
    return order(BTC, side, "1", reason, **({"kind": kind, "valid_until": LONG_WAIT} | prices))


def through(
    *bars: Bar | None, first: Order, later: dict[int, Order] | None = None, given: PaperVenue = COSTLESS
) -> tuple[Book, list[PortfolioSettled]]:
    """Settle the bars hour by hour; ``first`` is decided before the first of them, ``later`` before others."""
    book, said = open_book(money(100_000)), []
    for n, one in enumerate(bars):
        decided = [first] if n == 0 else [later[n]] if later and n in later else []
        ts = START + n * HOUR
        closed = slice_at(ts + HOUR, *((one,) if one else ()))
        book, settled = settle(book, Settle(closed, orders_at(ts, *decided)), given)
        said.append(settled)
    return book, said


def fills(said: list[PortfolioSettled]) -> list[Fill]:
    return [fill for settled in said for fill in settled.fills]


def story(said: list[PortfolioSettled]) -> list[tuple[str, int]]:
    """Reasons and whole prices of all fills."""
    return [(fill.reason, int(fill.price)) for fill in fills(said)]


@pytest.mark.parametrize(
    ("side", "limit", "bars", "hour", "price"),
    [
        ("buy", 101, [bar(BTC, 100, 102, 99, 101)], 0, 100),  # the open is better
        ("buy", 95, [bar(BTC, 100, 102, 94, 101)], 0, 95),  # touched inside
        ("buy", 95, [bar(BTC, 100, 102, 95, 101)], 0, 95),  # touched exactly
        ("buy", 95, [bar(BTC, 100, 102, 96, 101), bar(BTC, 90, 92, 89, 91)], 1, 90),  # gapped to it: the better open
        ("sell", 99, [bar(BTC, 100, 102, 98, 101)], 0, 100),
        ("sell", 105, [bar(BTC, 100, 106, 98, 101)], 0, 105),
        ("sell", 105, [bar(BTC, 100, 104, 98, 101), bar(BTC, 110, 111, 108, 109)], 1, 110),
    ],
)
def test_a_limit_order_takes_its_price_or_a_better_open(
    side: str, limit: int, bars: list[Bar], hour: int, price: int
) -> None:
    _, said = through(*bars, first=priced(side, "limit", limit_price=limit))
    assert [len(settled.fills) for settled in said] == [0] * hour + [1]
    assert story(said) == [("entry", price)]


def test_a_limit_order_whose_price_is_not_reached_waits_and_is_given_up_in_the_end() -> None:
    wanted = priced("buy", "limit", limit_price=95, valid_until=START + 3 * HOUR)
    book, said = through(QUIET, QUIET, bar(BTC, 100, 101, 95.00000001, 99), first=wanted)
    assert [settled.working_symbols for settled in said] == [(BTC,), (BTC,), ()]
    assert [settled.working for settled in said] == [(wanted.id,), (wanted.id,), ()]
    assert [(one.status, one.detail) for one in said[2].outcomes] == [("cancelled", "its price was not reached")]
    assert book.working == {}


def test_a_limit_order_without_a_time_lives_for_one_bar() -> None:
    _, said = through(QUIET, flat_bar(BTC, 90.0), first=priced("buy", "limit", limit_price=95, valid_until=None))
    assert [(one.status, one.detail) for one in said[0].outcomes] == [("cancelled", "its price was not reached")]
    assert fills(said) == []


def test_a_limit_that_is_reached_at_once_pays_the_spread_but_never_beyond_its_price_and_the_takers_fee() -> None:
    _, said = through(QUIET, first=priced("buy", "limit", limit_price="100.05"), given=WITH_FEES)
    (fill,) = fills(said)
    assert fill.price == money("100.05")  # half of 20 bps would be 100.10
    assert (fill.liquidity, fill.fee) == ("taker", money("0.10005"))


def test_a_limit_that_waited_is_a_maker_without_spread_and_with_the_makers_fee() -> None:
    _, said = through(QUIET, bar(BTC, 99, 99, 94, 96), first=priced("buy", "limit", limit_price=95), given=WITH_FEES)
    (fill,) = fills(said)
    assert (fill.price, fill.slippage, fill.liquidity, fill.fee) == (money(95), money(0), "maker", money("0.019"))


def test_a_limit_that_waited_takes_an_open_that_is_better_as_a_maker_too() -> None:
    _, said = through(QUIET, bar(BTC, 90, 92, 89, 91), first=priced("buy", "limit", limit_price=95), given=WITH_FEES)
    (fill,) = fills(said)
    assert (fill.price, fill.slippage, fill.liquidity) == (money(90), money(0), "maker")


@pytest.mark.parametrize(
    ("side", "trigger", "bars", "hour", "price"),
    [
        ("buy", 105, [bar(BTC, 100, 106, 99, 101)], 0, 105),  # touched inside
        ("buy", 105, [bar(BTC, 100, 104, 99, 101), bar(BTC, 110, 112, 109, 111)], 1, 110),  # gapped through: the open
        ("buy", 95, [bar(BTC, 100, 104, 99, 101)], 0, 100),  # beyond it from the start
        ("sell", 95, [bar(BTC, 100, 101, 94, 99)], 0, 95),
        ("sell", 95, [bar(BTC, 100, 101, 96, 99), bar(BTC, 80, 99, 79, 98)], 1, 80),
    ],
)
def test_a_stop_order_fills_at_its_trigger_or_a_worse_open(
    side: str, trigger: int, bars: list[Bar], hour: int, price: int
) -> None:
    _, said = through(*bars, first=priced(side, "stop", trigger_price=trigger))
    assert [len(settled.fills) for settled in said] == [0] * hour + [1]
    assert story(said) == [("entry", price)]


@pytest.mark.parametrize(
    ("side", "trigger", "limit", "bars", "expected"),
    [
        # Woken inside, the trigger suits the limit: filled there.
        ("buy", 105, 106, [bar(BTC, 100, 107, 99, 101)], [("entry", 105)]),
        # Gapped beyond the limit: awake, and a limit order from then on.
        ("buy", 105, 106, [bar(BTC, 110, 112, 108, 111)], []),
        ("buy", 105, 106, [bar(BTC, 110, 112, 105, 111)], [("entry", 106)]),
        ("buy", 105, 106, [bar(BTC, 110, 112, 108, 111), bar(BTC, 104, 107, 103, 105)], [("entry", 104)]),
        # The limit is on the other side of the trigger: whether the low came after the high, the bar hides.
        ("buy", 105, 102, [bar(BTC, 103, 107, 99, 101)], []),
        ("buy", 105, 102, [bar(BTC, 103, 107, 99, 101), bar(BTC, 103, 104, 101, 103)], [("entry", 102)]),
        ("sell", 95, 94, [bar(BTC, 100, 101, 93, 99)], [("entry", 95)]),
        ("sell", 95, 94, [bar(BTC, 90, 92, 88, 89), bar(BTC, 89, 95, 88, 94)], [("entry", 94)]),
        # Never woken.
        ("sell", 95, 99, [bar(BTC, 100, 101, 96, 99), bar(BTC, 100, 101, 96, 99)], []),
    ],
)
def test_a_stop_limit_order_wakes_at_its_trigger_and_takes_nothing_beyond_its_limit(
    side: str, trigger: int, limit: int, bars: list[Bar], expected: list[tuple[str, int]]
) -> None:
    _, said = through(*bars, first=priced(side, "stop_limit", trigger_price=trigger, limit_price=limit))
    assert story(said) == expected


def test_an_order_that_lacks_its_price_is_cancelled_and_says_so() -> None:
    _, said = through(QUIET, first=priced("buy", "stop_limit", limit_price=95))
    assert said[0].outcomes[0].detail == "a stop_limit order without a trigger price"
    _, said = through(QUIET, first=priced("buy", "limit"))
    assert said[0].outcomes[0].detail == "a limit order without a limit price"


def test_a_bracket_enters_at_its_limit_and_leaves_at_its_target() -> None:
    bracket = priced("buy", "limit", limit_price=95, stop_price=90, target_price=104)
    _, said = through(bar(BTC, 100, 103, 94, 96), bar(BTC, 97, 105, 96, 104), first=bracket)
    assert story(said) == [("entry", 95), ("target", 104)]
    assert said[1].trades[0].pnl == 9


def test_an_entry_inside_a_bar_that_also_reached_its_stop_counts_as_stopped() -> None:
    bracket = priced("buy", "limit", limit_price=95, stop_price=90, target_price=99)
    _, said = through(bar(BTC, 100, 103, 89, 98), first=bracket)
    assert story(said) == [("entry", 95), ("stop", 90)]


def test_an_entry_inside_a_bar_is_not_given_a_target_that_may_have_been_traded_before_it() -> None:
    bracket = priced("buy", "limit", limit_price=95, target_price=99)
    book, said = through(bar(BTC, 100, 103, 94, 96), first=bracket)
    assert story(said) == [("entry", 95)]
    assert book.positions[BTC].target_price == 99
    _, said = through(bar(BTC, 100, 103, 94, 99), first=bracket)  # by the close it was certainly reached
    assert story(said) == [("entry", 95), ("target", 99)]


@pytest.mark.parametrize(("stop", "price"), [(97, 95), (94, 94)])
def test_an_entry_inside_a_bar_never_leaves_at_a_better_price_than_it_came_in(stop: int, price: int) -> None:
    _, said = through(bar(BTC, 100, 103, 93, 94), first=priced("buy", "limit", limit_price=95, stop_price=stop))
    assert story(said) == [("entry", 95), ("stop", price)]


def test_a_trailing_stop_follows_the_high_of_bars_that_are_over_and_never_moves_back() -> None:
    entry = priced("buy", "market", stop_price=90, trail=0.05)
    bars = (
        bar(BTC, 100, 110, 99, 102),  # the entry's own bar counts by its close: 102 x 0.95 = 96.9
        bar(
            BTC, 102, 120, 98, 119
        ),  # 120 x 0.95 = 114; that the low is below it does not count, for the high came later
        bar(BTC, 119, 119.5, 115, 116),  # 113.525 would be a step back
        bar(BTC, 115, 116, 113, 115),
    )
    book, said = through(*bars[:3], first=entry)
    assert [settled.positions[0].stop_price for settled in said] == [money("96.9"), money(114), money(114)]
    assert book.positions[BTC].trail == Decimal("0.05")
    _, said = through(*bars, first=entry)
    assert story(said) == [("entry", 100), ("stop", 114)]


def test_a_trailing_stop_of_a_short_follows_the_low() -> None:
    bars = (QUIET, bar(BTC, 100, 101, 80, 82), bar(BTC, 82, 85, 81, 84))
    _, said = through(*bars, first=priced("sell", "market", trail=0.05))
    assert story(said) == [("entry", 100), ("stop", 84)]  # 80 x 1.05
    assert said[0].positions[0].stop_price == 105


def test_a_trailing_order_to_leave_moves_its_trigger_after_each_bar() -> None:
    leave = priced("sell", "stop", "exit", trigger_price=90, trail=0.10)
    bars = (QUIET, bar(BTC, 100, 120, 100, 115), bar(BTC, 115, 116, 107, 110))
    book, said = through(*bars[:2], first=priced("buy", "market"), later={1: leave})
    assert book.working[BTC].order.trigger_price == 108
    _, said = through(*bars, first=priced("buy", "market"), later={1: leave})
    assert story(said) == [("entry", 100), ("exit", 108)]


def test_the_stop_of_a_position_comes_before_an_order_that_takes_its_profit() -> None:
    take = priced("sell", "limit", "reduce", limit_price=110)
    bars = (QUIET, bar(BTC, 100, 112, 94, 105))
    _, said = through(*bars, first=priced("buy", "market", stop_price=95), later={1: take})
    assert story(said) == [("entry", 100), ("stop", 95)]
    assert [(one.status, one.detail) for one in said[1].outcomes] == [
        ("cancelled", "the position was closed before the order reached the market")
    ]
    _, said = through(*bars, first=priced("buy", "market"), later={1: take})
    assert story(said) == [("entry", 100), ("reduce", 110)]


def test_waiting_orders_do_not_keep_the_table_of_risk_in_the_books() -> None:
    wanted = msgspec.structs.replace(priced("buy", "limit", limit_price=95), checks=(LimitCheck("heat"),))
    book, _ = through(QUIET, first=wanted)
    assert book.working[BTC].order.checks == ()


def test_orders_of_every_kind_survive_a_restart_of_the_books() -> None:
    wanted = priced("buy", "stop_limit", trigger_price=105, limit_price=104, stop_price=90, trail=0.05)
    book, _ = through(bar(BTC, 100, 107, 99, 101), first=wanted)
    assert book.working[BTC].triggered
    again = msgspec.json.decode(encode(book), type=Book)
    assert again == book
    event = Settle(slice_at(START + 2 * HOUR, bar(BTC, 105, 106, 103, 105)), orders_at(START + HOUR))
    first, second = settle(book, event, COSTLESS), settle(again, event, COSTLESS)
    assert encode(first[0]) == encode(second[0])
    assert encode(first[1]) == encode(second[1])
    assert [fill.price for fill in first[1].fills] == [104]
