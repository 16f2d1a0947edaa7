"""The paper venue and the order of events inside a bar."""

from decimal import Decimal
from typing import Literal

import pytest
from decision_cases import HOUR, START, bar, flat_bar, order, orders_at, parameters, slice_at
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.contracts.messages import Bar, Fill, Order, PortfolioSettled
from services.domain.assets import AssetClass
from services.domain.money import floor, money
from services.execution.book import Book, open_book
from services.execution.brokers.paper import PaperVenue
from services.execution.decide import Quote, Settle, settle
from services.execution.settings import PaperSettings

Side = Literal["buy", "sell"]
BTC = "BTC/USDT"
VENUE: PaperVenue = parameters().venue
COSTLESS = PaperVenue(
    PaperSettings(
        starting_cash=Decimal(1000), max_participation=Decimal(1), slippage_bps=Decimal(0), impact_bps=Decimal(0)
    ),
    {"crypto": AssetClass(phase="p", sources=(), spread_bps=Decimal(0), fee_bps=Decimal(0), max_weight=1.0)},
)
amounts = st.decimals("0.00000001", "100000", places=8)
prices = st.decimals("0.00010000", "100000", places=8)
sides: st.SearchStrategy[Side] = st.sampled_from(["buy", "sell"])


def quote(price: Decimal, volume: Decimal) -> Quote:
    return Quote(BTC, "crypto", price, price, price, price, volume, START)


def after(
    first: Bar, second: Bar | None, *orders: Order, cash: str = "100000", venue: PaperVenue = COSTLESS
) -> tuple[Book, PortfolioSettled]:
    """Settle a slice that has the orders' bar, and a second one without orders."""
    book, settled = settle(
        open_book(money(cash)), Settle(slice_at(START + HOUR, first), orders_at(START, *orders)), venue
    )
    if second is not None:
        book, settled = settle(book, Settle(slice_at(START + 2 * HOUR, second), orders_at(START + HOUR)), venue)
    return book, settled


def only(settled: PortfolioSettled, reason: str) -> Fill:
    found = [f for f in settled.fills if f.reason == reason]
    assert len(found) == 1
    return found[0]


@settings(deadline=None)
@given(sides, amounts, prices, amounts)
def test_spread_and_slippage_are_always_against_us(side: Side, size: Decimal, price: Decimal, volume: Decimal) -> None:
    execution = VENUE.at_market(side, size, price, quote(price, volume), None)
    assert execution.price >= price if side == "buy" else execution.price <= price
    if price >= 1:
        assert execution.price != price
    assert execution.slippage == money(abs(execution.price - price) * execution.quantity)
    assert execution.fee == money(money(execution.quantity * execution.price) * Decimal("0.0010"))


@settings(deadline=None)
@given(sides, amounts, prices, amounts, amounts)
def test_never_takes_more_of_a_bar_than_its_participation_cap(
    side: Side, size: Decimal, price: Decimal, volume: Decimal, taken: Decimal
) -> None:
    there = Quote(BTC, "crypto", price, price, price, price, volume, START, taken)
    execution = VENUE.at_market(side, size, price, there, None)
    assert execution.quantity <= size
    assert execution.quantity == 0 or taken + execution.quantity <= floor(volume * Decimal("0.10"))


@settings(deadline=None, max_examples=300)
@given(amounts, prices, st.decimals("0", "10000", places=8))
@example(size=Decimal("1E9"), price=Decimal("0.00036726"), cash=Decimal("0.00027527"))  # rounding twice cost a place
def test_a_buy_never_costs_more_than_the_cash_there_is(size: Decimal, price: Decimal, cash: Decimal) -> None:
    execution = VENUE.at_market("buy", size, price, quote(price, Decimal("1E12")), cash)
    assert money(execution.quantity * execution.price) + execution.fee <= cash


def test_slippage_grows_with_the_root_of_participation() -> None:
    small = VENUE.at_market("buy", money(1), money(100), quote(money(100), money(10_000)), None)
    large = VENUE.at_market("buy", money(100), money(100), quote(money(100), money(10_000)), None)
    # half of 2 bps spread + 1 bps slippage + 50 bps x sqrt(0.0001 or 0.01)
    assert small.price == Decimal("100.02500000")
    assert large.price == Decimal("100.07000000")


def test_a_bar_without_volume_fills_nothing_and_says_so() -> None:
    _, settled = after(flat_bar(BTC, 100.0, volume=0.0), None, order(BTC, "buy", "1"), venue=VENUE)
    assert settled.fills == ()
    assert (settled.outcomes[0].status, settled.outcomes[0].detail) == ("cancelled", "no volume in the bar")


def test_what_the_participation_cap_leaves_is_cancelled() -> None:
    _, settled = after(flat_bar(BTC, 100.0, volume=5.0), None, order(BTC, "buy", "2"), venue=VENUE)
    outcome = settled.outcomes[0]
    assert (outcome.status, outcome.filled_quantity) == ("partly_filled", Decimal("0.5"))
    assert outcome.detail == "cut by the participation cap"


def test_an_order_is_cut_to_the_cash_there_is() -> None:
    book, settled = after(flat_bar(BTC, 100.0), None, order(BTC, "buy", "20"), cash="1000", venue=VENUE)
    assert settled.outcomes[0].detail == "cut to the cash there is"
    assert Decimal(0) <= book.cash < Decimal("0.001")


def test_orders_fill_at_the_next_open_and_not_at_its_close() -> None:
    _, settled = after(bar(BTC, 100, 130, 90, 120), None, order(BTC, "buy", "1"))
    fill = only(settled, "entry")
    assert fill.price == 100
    assert fill.filled_at == START
    assert settled.positions[0].mark_price == 120


def test_an_order_without_a_bar_is_cancelled_and_not_kept() -> None:
    book, settled = after(flat_bar("ETH/USDT", 5.0), flat_bar(BTC, 100.0), order(BTC, "buy", "1"))
    assert settled.fills == ()
    assert book.positions == {}


def test_the_entry_bar_itself_can_stop_the_position() -> None:
    wanted = order(BTC, "buy", "1", stop_price=money(95), target_price=money(150))
    _, settled = after(bar(BTC, 100, 101, 94, 99), None, wanted)
    assert [f.reason for f in settled.fills] == ["entry", "stop"]
    assert only(settled, "stop").price == 95
    assert settled.trades[0].exit_reason == "stop"


def test_a_bar_that_touches_stop_and_target_counts_as_stopped() -> None:
    wanted = order(BTC, "buy", "1", stop_price=money(95), target_price=money(105))
    _, settled = after(flat_bar(BTC, 100.0), bar(BTC, 100, 110, 90, 108), wanted)
    assert [f.reason for f in settled.fills] == ["stop"]


@pytest.mark.parametrize(
    ("side", "stop", "bar_", "price"),
    [
        ("buy", 95, bar(BTC, 98, 99, 94, 96), 95),  # touched inside
        ("buy", 95, bar(BTC, 95, 99, 94, 96), 95),  # opened exactly there
        ("buy", 95, bar(BTC, 80, 99, 79, 98), 80),  # gapped through: the open
        ("sell", 105, bar(BTC, 102, 106, 101, 103), 105),
        ("sell", 105, bar(BTC, 120, 121, 100, 101), 120),
    ],
)
def test_stops_are_gap_aware(side: str, stop: int, bar_: Bar, price: int) -> None:
    wanted = order(BTC, side, "1", stop_price=money(stop))
    _, settled = after(flat_bar(BTC, 100.0), bar_, wanted)
    assert only(settled, "stop").price == price
    assert settled.positions == ()


@pytest.mark.parametrize(
    ("side", "goal", "bar_", "price"),
    [
        ("buy", 105, bar(BTC, 101, 106, 100, 104), 105),
        ("buy", 105, bar(BTC, 110, 111, 108, 109), 110),  # gapped beyond it: the open is better
        ("sell", 95, bar(BTC, 99, 100, 94, 98), 95),
        ("sell", 95, bar(BTC, 90, 92, 89, 91), 90),
    ],
)
def test_targets_fill_at_their_price_or_better_without_slippage(side: str, goal: int, bar_: Bar, price: int) -> None:
    wanted = order(BTC, side, "1", target_price=money(goal))
    _, settled = after(flat_bar(BTC, 100.0), bar_, wanted, venue=VENUE)
    fill = only(settled, "target")
    assert fill.price == price
    assert fill.slippage == 0
    assert fill.fee > 0


def test_a_stop_just_beyond_the_low_does_not_fire() -> None:
    wanted = order(BTC, "buy", "1", stop_price=money("93.99999999"))
    _, settled = after(flat_bar(BTC, 100.0), bar(BTC, 98, 99, 94, 96), wanted)
    assert settled.fills == ()


def test_an_entry_below_its_own_stop_leaves_at_the_open_and_not_at_a_price_that_never_was() -> None:
    wanted = order(BTC, "buy", "1", stop_price=money(95))
    _, settled = after(bar(BTC, 90, 92, 85, 91), None, wanted)
    assert only(settled, "stop").price == 90
    assert settled.trades[0].pnl == 0


def test_an_entry_beyond_its_own_target_leaves_at_the_open_too() -> None:
    wanted = order(BTC, "sell", "1", target_price=money(95))
    _, settled = after(bar(BTC, 90, 92, 85, 91), None, wanted)
    assert only(settled, "target").price == 90


def test_a_stop_that_the_cap_cuts_at_the_open_is_not_topped_up_at_a_better_price_inside_the_bar() -> None:
    wanted = order(BTC, "buy", "50", stop_price=money(95))
    book, settled = after(flat_bar(BTC, 100.0), bar(BTC, 80, 99, 79, 98, volume=100.0), wanted, venue=VENUE)
    fill = only(settled, "stop")
    assert fill.quantity == 10
    assert fill.price < 80
    assert book.positions[BTC].quantity == 40
    assert book.positions[BTC].stop_price == 95


def test_a_reduction_is_cut_to_the_position_and_never_turns_it() -> None:
    bought = open_book(money(100_000))
    bought, _ = settle(
        bought, Settle(slice_at(START + HOUR, flat_bar(BTC, 100.0)), orders_at(START, order(BTC, "buy", "1"))), COSTLESS
    )
    sell = orders_at(START + HOUR, order(BTC, "sell", "3", "exit", ts=START + HOUR))
    book, settled = settle(bought, Settle(slice_at(START + 2 * HOUR, flat_bar(BTC, 101.0)), sell), COSTLESS)
    assert book.positions == {}
    outcome = settled.outcomes[0]
    assert (outcome.status, outcome.detail) == ("partly_filled", "cut to the size of the position")
    assert settled.trades[0].pnl == 1


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_reduce_only_order_never_opens_or_adds(side: str) -> None:
    book, settled = after(flat_bar(BTC, 100.0), None, order(BTC, side, "1", "exit"))
    assert book.positions == {}
    assert settled.outcomes[0].status == "cancelled"
    held, _ = after(flat_bar(BTC, 100.0), None, order(BTC, side, "1"))
    adding = orders_at(START + HOUR, order(BTC, side, "1", "exit", ts=START + HOUR))
    again, _ = settle(held, Settle(slice_at(START + 2 * HOUR, flat_bar(BTC, 100.0)), adding), COSTLESS)
    assert again.positions[BTC].quantity == held.positions[BTC].quantity


def test_an_increase_is_cancelled_when_a_stop_closed_the_position_at_the_same_open() -> None:
    held, _ = after(flat_bar(BTC, 100.0), None, order(BTC, "buy", "1", stop_price=money(95)))
    more = orders_at(START + HOUR, order(BTC, "buy", "1", "increase", ts=START + HOUR))
    book, settled = settle(held, Settle(slice_at(START + 2 * HOUR, flat_bar(BTC, 90.0)), more), COSTLESS)
    assert book.positions == {}
    assert settled.outcomes[0].detail == "the position was closed before the order reached the market"


def test_a_position_without_a_bar_keeps_its_mark_and_is_named_stale() -> None:
    _, settled = after(flat_bar(BTC, 100.0), flat_bar("ETH/USDT", 7.0), order(BTC, "buy", "1"))
    assert settled.stale == (BTC,)
    assert settled.positions[0].mark_price == 100


def test_a_round_trip_says_what_it_earned_after_costs() -> None:
    book, _ = after(flat_bar(BTC, 100.0), None, order(BTC, "buy", "2"), venue=VENUE)
    sell = orders_at(START + HOUR, order(BTC, "sell", "2", "exit", ts=START + HOUR))
    _, settled = settle(book, Settle(slice_at(START + 2 * HOUR, flat_bar(BTC, 100.0)), sell), VENUE)
    trade = settled.trades[0]
    assert trade.side == "long"
    assert trade.entry_price > 100 > trade.exit_price
    assert trade.pnl == money((trade.exit_price - trade.entry_price) * 2) - trade.fees
    assert -trade.pnl == trade.fees + trade.slippage  # nothing moved: all of the loss is costs
