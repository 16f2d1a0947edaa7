"""The whole table on every entry: collar, pace, age, rest, stops, and the portfolio's figures."""

import math
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from decision_cases import HOUR, START, parameters, portfolio, position, target, targets_at

from services.contracts.messages import Fill, LimitCheck, OrdersDecided, PortfolioSettled, Target, decision_id
from services.domain.errors import BadSymbol
from services.risk.decide import decide
from services.risk.sense import SENSE
from services.risk.state import Entry, RiskEvent, RiskParams, RiskState
from services.risk.table import CAPS, GATES

PARAMS: RiskParams = parameters().risk
BTC, ETH, AVAX = "BTC/USDT", "ETH/USDT", "AVAX/USDT"
FREE = {"notional_per_trade": None, "notional_per_day": None}


def state(**changes: Any) -> RiskState:
    return RiskState(**({"enabled": tuple(PARAMS.assets), "classes": ("crypto",)} | changes))


def bounded(**bounds: Any) -> RiskParams:
    """The declared limits with some others, and BTC and ETH without their own notionals."""
    assets = dict(PARAMS.assets)
    for symbol in (BTC, ETH):
        assets[symbol] = assets[symbol].model_copy(update=FREE)
    return replace(PARAMS, settings=PARAMS.settings.model_copy(update=bounds), assets=assets)


def step(
    held: RiskState,
    books: PortfolioSettled,
    *wanted: Target,
    params: RiskParams = PARAMS,
    clusters: tuple[tuple[str, ...], ...] = (),
) -> tuple[RiskState, OrdersDecided]:
    targets = msgspec.structs.replace(targets_at(books.ts, *wanted), clusters=clusters)
    return decide(held, RiskEvent(targets, books), params)


def refusals(said: OrdersDecided) -> list[tuple[str, str]]:
    return [(r.symbol, r.check) for r in said.refused]


def line(checks: tuple[LimitCheck, ...], name: str) -> LimitCheck:
    return next(check for check in checks if check.name == name)


def test_every_entry_and_every_refusal_carries_the_whole_table() -> None:
    _, said = step(state(enabled=(BTC,)), portfolio("2500"), target(BTC, "BUY", 0.3), target(ETH, "BUY", 0.3))
    size = len(SENSE) + len(GATES) + len(CAPS)
    (made,), (no,) = said.orders, said.refused
    for checks in (made.checks, no.checks):
        assert len({check.name for check in checks}) == len(checks) == size
    assert line(no.checks, "asset_enabled").passed is False
    assert line(no.checks, "heat").limit == 625, "the checks behind the one that refused are there too"
    assert [check.name for check in made.checks if not check.passed] == ["notional_per_trade"], "that one cut it"
    assert line(made.checks, "notional_per_trade").allowed == 500


def test_a_reduction_is_asked_nothing() -> None:
    _, said = step(state(halted="x"), portfolio("2500", position(BTC, "3", "100")), target(BTC, "SELL", 0.0))
    assert [(o.reduce_only, o.checks) for o in said.orders] == [(True, ())]


@pytest.mark.parametrize(
    ("check", "wanted"),
    [
        ("symbol_known", target("XXX/USD", "BUY", 0.3)),
        ("figures", target(BTC, "BUY", math.nan)),
        ("figures", target(BTC, "BUY", math.inf)),
        ("figures", target(BTC, "BUY", 2.01)),
        ("figures", target(BTC, "BUY", 0.3, math.nan)),
        ("figures", target(BTC, "BUY", 0.3, 0.0)),
        ("figures", target(BTC, "BUY", 0.3, -5.0)),
        ("figures", target(BTC, "BUY", 0.3, 1e300)),
        ("figures", target(BTC, "BUY", 0.3, expected_return=math.nan)),
        ("figures", target(BTC, "BUY", 0.3, volatility=-0.1)),
        ("figures", target(BTC, "BUY", 0.3, volatility=0.1, usual_volatility=math.inf)),
        ("direction", target(AVAX, "BUY", -0.3)),
        ("direction", target(AVAX, "SELL", 0.3)),
        ("direction", target(AVAX, "HOLD", 0.3)),
        ("stop_side", target(BTC, "BUY", 0.3, stop=100.0)),
        ("stop_side", target(BTC, "BUY", 0.3, stop=101.0)),
        ("stop_side", target(BTC, "BUY", 0.3, stop=0.0)),
        ("stop_side", target(AVAX, "SELL", -0.3, stop=99.0)),
        ("stop_side", target(AVAX, "SELL", -0.3, stop=math.inf)),
        ("take_side", target(BTC, "BUY", 0.3, take=99.0)),
        ("take_side", target(AVAX, "SELL", -0.3, take=101.0)),
        ("declared_class", target(BTC, "BUY", 0.3, asset_class="stocks")),
        ("model_age", target(BTC, "BUY", 0.3, trained_at=START - timedelta(days=100, seconds=9))),
        ("model_age", target(BTC, "BUY", 0.3, trained_at=START + HOUR)),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_by_name(check: str, wanted: Target) -> None:
    _, said = step(state(), portfolio("2500"), wanted)
    assert said.orders == ()
    assert refusals(said) == [(wanted.symbol, check)]
    assert said.refused[0].reason


def test_a_model_of_a_hundred_days_and_one_that_says_nothing_of_its_age_pass() -> None:
    for trained in (None, START, START - timedelta(days=100)):
        assert step(state(), portfolio("2500"), target(BTC, "BUY", 0.3, trained_at=trained))[1].refused == ()


def test_what_makes_no_sense_of_a_held_asset_is_refused_and_leaves_it_alone() -> None:
    held = portfolio("2500", position(BTC, "3", "100"))
    for weight in (math.nan, math.inf, 1e300):
        _, said = step(state(), held, target(BTC, "BUY", weight))
        assert (said.orders, refusals(said)) == ((), [(BTC, "figures")])


def test_books_that_are_no_numbers_halt_and_positions_can_still_be_left() -> None:
    books = msgspec.structs.replace(portfolio("2500", position(BTC, "3", "100")), equity=Decimal("NaN"))
    after, said = step(state(), books, target(BTC, "SELL", 0.0), target(ETH, "BUY", 0.3))
    assert said.halted == "books cannot be reckoned with: equity is NaN; resume by hand"
    assert [(o.symbol, o.reduce_only, o.quantity) for o in said.orders] == [(BTC, True, Decimal(3))]
    assert refusals(said) == [(ETH, "halt")]
    _, later = step(after, portfolio("2500", ts=START + HOUR), target(ETH, "BUY", 0.3))
    assert later.halted == said.halted


def test_an_account_that_owns_nothing_enters_nothing_and_leaves_what_it_holds() -> None:
    for equity in ("0", "-5"):
        held = portfolio(equity, position(BTC, "3", "100"))
        _, said = step(state(), held, target(BTC, "BUY", 0.3), target(ETH, "BUY", 0.3))
        assert [(o.symbol, o.reduce_only, o.quantity) for o in said.orders] == [(BTC, True, Decimal(3))]
        assert refusals(said) in ([(ETH, "books")], [(ETH, "halt")])


def test_an_increase_outside_the_collar_is_refused() -> None:
    held = portfolio("10000", position(BTC, "1", "100", "96"))
    assert refusals(step(state(), held, target(BTC, "BUY", 0.3, 110.5))[1]) == [(BTC, "price_collar")]
    assert refusals(step(state(), held, target(BTC, "BUY", 0.3, 89.0))[1]) == [(BTC, "price_collar")]
    (made,) = step(state(), held, target(BTC, "BUY", 0.3, 110.0))[1].orders
    assert line(made.checks, "price_collar").current == Decimal("0.1")


def test_what_is_restricted_is_not_entered_and_may_be_left() -> None:
    listed = replace(PARAMS, settings=PARAMS.settings.model_copy(update={"restricted": ("btcusdt",)}))
    assert refusals(step(state(), portfolio("2500"), target(BTC, "BUY", 0.3), params=listed)[1]) == [
        (BTC, "restricted")
    ]
    held = portfolio("2500", position(BTC, "3", "100"))
    assert step(state(), held, target(BTC, "SELL", 0.0), params=listed)[1].orders[0].reduce_only


def test_a_restricted_symbol_that_nobody_knows_is_an_error_at_the_start() -> None:
    with pytest.raises(BadSymbol, match="BTX"):
        replace(PARAMS, settings=PARAMS.settings.model_copy(update={"restricted": ("BTX",)}))


def stopped(symbol: str) -> Fill:
    one, nothing = Decimal(1), Decimal(0)
    name = decision_id(START, "fill", symbol)
    return Fill(name, None, symbol, "crypto", "sell", one, one, nothing, nothing, "stop", START - HOUR)


def test_an_asset_rests_for_three_bars_after_it_was_stopped_out() -> None:
    after, said = step(
        state(), portfolio("2500", fills=(stopped(BTC),)), target(BTC, "BUY", 0.2), target(ETH, "BUY", 0.2)
    )
    assert refusals(said) == [(BTC, "cooldown")]
    assert [o.symbol for o in said.orders] == [ETH]
    for bars, rests in ((1, True), (2, True), (3, False)):
        _, said = step(after, portfolio("2500", ts=START + bars * HOUR), target(BTC, "BUY", 0.2))
        assert (refusals(said) == [(BTC, "cooldown")]) is rests
    assert step(after, portfolio("2500", ts=START + 3 * HOUR))[0].stopped == {}, "what is over is forgotten"


def test_an_entry_that_still_waits_keeps_its_room_and_is_not_doubled() -> None:
    both = state(classes=("crypto", "stocks"))
    after, said = step(both, portfolio("10000"), target("NVDA", "BUY", 0.08))
    (nvda,) = said.orders
    waits = portfolio("10000", ts=START + HOUR, working=(nvda.id,))
    after, said = step(after, waits, target("NVDA", "BUY", 0.08), target("TSLA", "BUY", 0.08))
    assert refusals(said) == [("NVDA", "waiting")]
    assert line(said.orders[0].checks, "class_weight").current == 800
    assert line(said.orders[0].checks, "cash").limit == 9200 * Decimal("0.99")
    assert line(said.orders[0].checks, "open_orders").current == 1
    gone = portfolio("10000", ts=START + 2 * HOUR)
    after, said = step(after, gone, target("NVDA", "BUY", 0.08))
    assert [o.symbol for o in said.orders] == ["NVDA"], "it was cancelled: it may be asked for again"


def test_the_pace_is_throttled_by_slice_day_asset_and_position() -> None:
    two = (target(BTC, "BUY", 0.2), target(ETH, "BUY", 0.2))
    for name, check in (
        ("max_entries_per_slice", "entries_per_slice"),
        ("max_entries_per_day", "entries_per_day"),
        ("max_open_orders", "open_orders"),
    ):
        after, said = step(state(), portfolio("2500"), *two, params=bounded(**{name: 1}))
        assert ([o.symbol for o in said.orders], refusals(said)) == ([BTC], [(ETH, check)])
        later = portfolio("2500", position(BTC, "5", "100", "96"), ts=START + HOUR)
        _, said = step(after, later, two[1], params=bounded(**{name: 1}))
        assert bool(said.refused) is (name == "max_entries_per_day")
    for name, check in (("max_entries_per_asset", "entries_per_asset"), ("max_repeated_entries", "repeated_entries")):
        params = bounded(**{name: 1})
        after, _ = step(state(), portfolio("2500"), two[0], params=params)
        grows = portfolio("2500", position(BTC, "5", "100", "96"), ts=START + HOUR)
        after, said = step(after, grows, target(BTC, "BUY", 0.4), params=params)
        assert refusals(said) == [(BTC, check)]
        _, said = step(after, portfolio("2500", ts=START + 26 * HOUR), two[0], params=params)
        assert len(said.orders) == 1, "another day, and flat in between"


def test_assets_that_move_together_share_one_bound_long_and_short() -> None:
    held = portfolio("10000", position(AVAX, "-50", "100", "106"))
    params = bounded()
    _, said = step(state(), held, target(BTC, "BUY", 0.4), params=params, clusters=((AVAX, BTC), (ETH, "SOL/USDT")))
    (made,) = said.orders
    assert made.quantity * 100 == 1000
    assert made.notes[-1] == "cut from 4000.00 to 1000.00 by correlated"
    assert line(said.checks, f"correlated:{AVAX}+{BTC}").current == 6000
    (free,) = step(state(), held, target(BTC, "BUY", 0.4), params=params)[1].orders
    assert free.quantity * 100 == 4000


def test_long_and_short_together_stay_within_what_is_owned() -> None:
    held = portfolio("10000", position(AVAX, "-50", "100", "106"), cash=Decimal(15000))
    (made,) = step(state(), held, target(BTC, "BUY", 0.8), params=bounded())[1].orders
    assert made.quantity * 100 == 5000
    assert made.notes[-1].endswith("by leverage")


def test_a_stop_behind_a_level_sets_heat_and_protection_by_its_own_distance() -> None:
    wanted = target(BTC, "BUY", 0.8, stop=98.0, take=105.0)
    (made,) = step(state(), portfolio("2500"), wanted, params=bounded(max_heat=Decimal("0.01")))[1].orders
    assert (made.stop_price, made.target_price) == (Decimal(98), Decimal(105))
    assert made.quantity == Decimal("12.5"), "25 of heat over 2 a unit"
    after, said = step(state(), portfolio("2500"), wanted)
    assert line(said.checks, "heat").current == 10
    assert after.asked[0].heat == 10


def test_the_assets_own_stop_is_the_widest() -> None:
    (long,) = step(state(), portfolio("2500"), target(BTC, "BUY", 0.2, stop=50.0))[1].orders
    (short,) = step(state(), portfolio("2500"), target(AVAX, "SELL", -0.2, stop=150.0))[1].orders
    assert (long.stop_price, short.stop_price) == (Decimal(96), Decimal(106))
    assert (long.target_price, short.target_price) == (Decimal(106), Decimal(91))


def test_an_increase_counts_the_farther_of_its_own_and_the_positions_stop() -> None:
    held = portfolio("10000", position(BTC, "1", "100", "90"))
    (made,) = step(state(), held, target(BTC, "BUY", 0.2, stop=99.0), params=bounded())[1].orders
    assert made.reason == "increase"
    assert line(made.checks, "heat").allowed == (2500 - 10) / Decimal("0.1")


def test_nvda_gets_ten_percent_times_its_multiplier_whatever_its_stop() -> None:
    both = state(classes=("crypto", "stocks"))
    (made,) = step(both, portfolio("10000"), target("NVDA", "BUY", 0.45, stop=97.0))[1].orders
    assert made.quantity * made.reference_price == 800
    assert line(made.checks, "max_position") == LimitCheck(
        "max_position", Decimal(800), Decimal(0), False, Decimal(800)
    )


def test_a_wilder_market_than_usual_gets_less() -> None:
    wild = {"volatility": 0.04, "usual_volatility": 0.02}
    (made,) = step(state(), portfolio("2500"), target(BTC, "BUY", 0.1, **wild))[1].orders
    assert made.quantity * 100 == 125
    calm = {"volatility": 0.01, "usual_volatility": 0.02}
    (made,) = step(state(), portfolio("2500"), target(BTC, "BUY", 0.1, **calm))[1].orders
    assert made.quantity * 100 == 250


def test_of_two_wishes_for_one_asset_the_larger_reduction_holds_and_beats_any_entry() -> None:
    held = portfolio("2500", position(BTC, "10", "100", "96"))
    more, less, none = target(BTC, "BUY", 0.9), target(BTC, "BUY", 0.1), target(BTC, "SELL", 0.0)
    for wishes in ((more, less, none), (none, less, more), (less, none, more)):
        _, said = step(state(), held, *wishes)
        assert [(o.reduce_only, o.quantity) for o in said.orders] == [(True, Decimal(10))]
        assert refusals(said) == [(BTC, "duplicate")]


def test_the_score_is_the_largest_used_share_of_a_limit() -> None:
    books = portfolio("10000", position(BTC, "10", "100", "80"))
    figures = {c.name: c.current for c in step(state(), books)[1].checks}
    assert figures["risk_score"] == 8, "200 of 2,500 heat"
    _, said = step(state(), books, clusters=((BTC, ETH),))
    assert line(said.checks, "risk_score").current == Decimal("16.67"), "1,000 of 6,000 in the cluster"
    fallen = step(state(peak_equity=Decimal(12500), day="2024-01-01", day_start_equity=Decimal(10000)), books)[1]
    assert line(fallen.checks, "risk_score").current == 80, "a drawdown of 20 of 25 %"


def test_the_edge_weighs_what_is_wanted_and_what_is_kept() -> None:
    books = portfolio("10000", position(ETH, "10", "100", "80"))
    keep = target(ETH, "HOLD", None, expected_return=-0.001)
    _, said = step(state(), books, target(BTC, "BUY", 0.2, expected_return=0.01), keep)
    assert line(said.checks, "weighted_edge_bps").current == Decimal("19")  # 0.2 x 100 - 0.1 x 10


def test_trades_a_day_are_averaged_over_the_last_week() -> None:
    after = state()
    for day in range(9):
        books = portfolio("2500", ts=START + day * 24 * HOUR)
        after, said = step(after, books, target(BTC, "BUY", 0.2), target(ETH, "BUY", 0.2))
    assert line(said.checks, "trades_per_day").current == 2
    assert len(after.entries_by_day) == 7
    _, said = step(after, portfolio("2500", ts=START + 12 * 24 * HOUR))
    assert line(said.checks, "trades_per_day").current == Decimal("0.86"), "six in the last seven days"


def test_figures_refuse_only_where_a_bound_is_set() -> None:
    books = portfolio("10000", position(ETH, "10", "100", "50"))
    wish = target(BTC, "BUY", 0.2, expected_return=-0.01)
    assert step(state(), books, wish)[1].refused == ()
    for bound, check in (
        ({"max_risk_score": Decimal(20)}, "risk_score"),
        ({"min_weighted_edge_bps": Decimal(1)}, "weighted_edge_bps"),
    ):
        assert refusals(step(state(), books, wish, params=bounded(**bound))[1]) == [(BTC, check)]
    busy = state(first_slice=START, entries_by_day={"2024-01-01": 5}, day="2024-01-01")
    assert refusals(step(busy, books, wish, params=bounded(max_trades_per_day=Decimal(5)))[1]) == [
        (BTC, "trades_per_day")
    ]


def test_the_memory_stays_small_over_a_long_run() -> None:
    after, sizes = state(enabled=(BTC, ETH)), []
    for n in range(24 * 40):
        books = portfolio("2500", ts=START + n * HOUR, fills=(stopped(BTC),) if n % 7 == 0 else ())
        after, _ = step(after, books, target(BTC, "BUY", 0.2), target(ETH, "BUY", 0.2))
        sizes.append(len(msgspec.json.encode(after)))
    assert max(sizes) < 2000
    assert isinstance(after.asked[0], Entry)
    assert msgspec.json.decode(msgspec.json.encode(after), type=RiskState) == after
