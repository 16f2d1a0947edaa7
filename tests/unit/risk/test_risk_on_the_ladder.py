"""What phases and flags say, in risk: observed at half its caps, taken off and closed, let in by research, blocked."""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
from decision_cases import HOUR, START, command, parameters, portfolio, position, target, targets_at

from services.contracts.messages import (
    CommandGiven,
    DayEvaluated,
    EdgeMeasured,
    OrdersDecided,
    PortfolioSettled,
    Target,
    encode,
)
from services.risk.decide import decide
from services.risk.state import RiskEvent, RiskState

PARAMS = parameters().risk
BTC, BNB, NVDA, XRP = "BTC/USDT", "BNB/USDT", "NVDA", "XRP/USDT"
CLASSES = ("crypto", "stocks")


def word(**changes: object) -> DayEvaluated:
    said = {"ts": START - HOUR, "readiness": (), "changes": (), "enabled": (BTC, NVDA), "classes": CLASSES}
    return DayEvaluated(**{**said, "collecting": (), **changes})  # type: ignore[arg-type]


def asked(
    said: DayEvaluated,
    *wanted: Target,
    books: PortfolioSettled | None = None,
    commands: tuple[CommandGiven, ...] = (),
    state: RiskState | None = None,
) -> tuple[RiskState, OrdersDecided]:
    before = state or RiskState(enabled=(), classes=())
    event = RiskEvent(targets_at(START, *wanted), books or portfolio("10000"), (said,), commands)
    return decide(before, event, PARAMS)


def flag(kind: str, subject: str, note: str, number: int = 1) -> CommandGiven:
    return command(kind, subject, ts=START + timedelta(microseconds=number), by="watchdog", note=note)


def test_nvda_gets_a_tenth_times_four_fifths_of_the_portfolio() -> None:
    """The plan's worked example: 10 % x 0.8 of 10,000 is 800."""
    _, said = asked(word(), target(NVDA, "BUY", 0.45, 100.0))
    assert said.orders[0].quantity * said.orders[0].reference_price == Decimal(800)


def test_an_observed_asset_has_half_of_its_own_caps() -> None:
    _, said = asked(word(observed=(NVDA, BTC)), target(NVDA, "BUY", 0.45, 100.0), target(BTC, "BUY", 0.4, 100.0))
    sizes = {order.symbol: order.quantity * order.reference_price for order in said.orders}
    assert sizes == {NVDA: Decimal(400), BTC: Decimal(250)}
    limits = {check.name: check.limit for check in said.orders[1].checks}
    assert limits["notional_per_day"] == 2500


def test_an_asset_declared_at_observation_size_keeps_its_caps() -> None:
    _, said = asked(word(enabled=(XRP,), observed=(XRP,)), target(XRP, "BUY", 0.4, 0.5))
    assert said.orders[0].quantity * said.orders[0].reference_price == Decimal(250)


def test_what_was_taken_off_is_closed_until_it_is_gone() -> None:
    books = portfolio("10000", position(BTC, "2", "100", "96"), position(NVDA, "-1", "100", "106"))
    off = word(enabled=(NVDA,), winding=(BTC,))
    state, said = asked(off, target(BTC, "HOLD", None), books=books)
    (order,) = said.orders
    assert (order.symbol, order.side, order.quantity, order.reduce_only) == (BTC, "sell", Decimal(2), True)
    assert order.notes == ("wound down: its record took it off the ladder",)
    later = RiskEvent(targets_at(START + HOUR), msgspec.structs.replace(books, ts=START + HOUR))
    state, again = decide(state, later, PARAMS)
    assert [order.symbol for order in again.orders] == [BTC]
    _, after = decide(state, RiskEvent(targets_at(START + 2 * HOUR), portfolio("10000", ts=START + 2 * HOUR)), PARAMS)
    assert after.orders == ()


def test_winding_down_is_not_held_up_by_a_halt_or_a_flag() -> None:
    books = portfolio("10000", position(BTC, "2", "100", "96"))
    given = (command("halt"), flag("block", "all", "stage_lag: risk is late"))
    _, said = asked(word(enabled=(), winding=(BTC,)), books=books, commands=given)
    assert [order.symbol for order in said.orders] == [BTC]


def test_a_tier_three_asset_is_let_in_by_researchs_cells_only() -> None:
    wish = target(BNB, "BUY", 0.1, 100.0)
    _, refused = asked(word(enabled=(BNB,)), wish)
    assert [one.check for one in refused.refused] == ["role"]
    _, let_in = asked(word(enabled=(BNB,), cells=(EdgeMeasured(BNB, "chop", 8, 900, 7.0),)), wish)
    assert [order.symbol for order in let_in.orders] == [BNB]
    _, disabled = asked(word(enabled=(), cells=(EdgeMeasured(BNB, "chop", 8, 900, 7.0),)), wish)
    assert [one.check for one in disabled.refused] == ["asset_enabled"]


@pytest.mark.parametrize("subject", [BTC, "crypto", "all"])
def test_a_flag_blocks_entries_of_its_subject_until_it_is_down(subject: str) -> None:
    wish = target(BTC, "BUY", 0.2, 100.0)
    state, said = asked(word(), wish, commands=(flag("block", subject, "stale_feed: no bar for 3 hours"),))
    (refused,) = said.refused
    assert (refused.check, refused.reason) == ("system_flags", "flag up: stale_feed: no bar for 3 hours")
    assert msgspec.json.decode(encode(state), type=RiskState) == state
    state, said = asked(word(), wish, state=state, commands=(flag("unblock", subject, "stale_feed: bars again"),))
    assert state.blocked == {}
    assert [order.symbol for order in said.orders] == [BTC]


def test_a_flag_blocks_nothing_else_and_two_of_one_subject_come_down_one_by_one() -> None:
    both = (flag("block", BTC, "slippage: 90 bps"), flag("block", BTC, "stale_feed: no bar", 2))
    wishes = (target(BTC, "BUY", 0.2, 100.0), target(NVDA, "BUY", 0.05, 100.0))
    state, said = asked(word(), *wishes, commands=both)
    assert [order.symbol for order in said.orders] == [NVDA]
    state, said = asked(word(), *wishes, state=state, commands=(flag("unblock", BTC, "slippage: 8 bps"),))
    assert said.refused[0].reason == "flag up: stale_feed: no bar"


def test_a_flag_that_is_put_up_again_says_its_newest_detail_once() -> None:
    twice = (flag("block", BTC, "stale_feed: 3 hours"), flag("block", BTC, "stale_feed: 5 hours", 2))
    state, _ = asked(word(), commands=twice)
    assert state.blocked == {BTC: ("stale_feed: 5 hours",)}
