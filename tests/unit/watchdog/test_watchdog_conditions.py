"""Each check of the watchdog on moments made up for it: what is wrong, in which words, and what is not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from decision_cases import portfolio, position
from watchdog_cases import CALM, CHECKS, HOUR, NOON, ROOT, SETTINGS, fresh, seen

from services.domain.money import money
from services.risk.sense import SENSE
from services.watchdog import conditions as made
from services.watchdog.conditions import conditions
from services.watchdog.observation import BooksSeen, FeedSeen, FillsSeen, StageSeen
from services.watchdog.settings import NAMES, Check

MINUTE = timedelta(minutes=1)


def wrong(**changes: Any) -> dict[tuple[str, str], str]:
    return dict(conditions(seen(**changes), CHECKS).wrong)


def test_where_all_is_well_nothing_is_wrong() -> None:
    assert conditions(CALM, CHECKS) == made.Found({}, frozenset())


def test_every_check_of_the_file_is_made_and_explained_on_the_page() -> None:
    assert tuple(made.CHECKS) == NAMES
    page = (ROOT / "docs" / "watchdog.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"`{name}`" not in page] == []
    assert all(isinstance(CHECKS.of(name), Check) for name in NAMES)


def test_the_checks_that_no_honest_wish_fails_include_all_of_risks_sense() -> None:
    assert {check.__name__ for check in SENSE} < set(CHECKS.senseless_orders.checks)


def test_flags_stand_longer_than_two_looks_apart() -> None:
    assert SETTINGS.forget_after_seconds > 2 * SETTINGS.every_seconds
    assert all(CHECKS.of(name).clear_after_seconds >= 2 * SETTINGS.every_seconds for name in NAMES)


@pytest.mark.parametrize(("late_seconds", "late"), [(0, False), (120, False), (121, True)])
def test_the_clock_lags_once_the_next_slice_is_overdue(late_seconds: int, late: bool) -> None:
    now = NOON + HOUR + timedelta(seconds=late_seconds)
    found = wrong(now=now, feeds=())
    assert found == ({("stage_lag", "clock"): "the slice of 2026-03-04 13:00 has not been closed"} if late else {})


def test_a_run_that_has_only_begun_gets_two_bars_for_its_first_slice() -> None:
    begun = {"newest_slice": None, "started_at": NOON, "feeds": ()}
    assert wrong(**begun, now=NOON + 2 * HOUR) == {}
    assert list(wrong(**begun, now=NOON + 2 * HOUR + 3 * MINUTE)) == [("stage_lag", "clock")]


@pytest.mark.parametrize(
    ("stage", "minutes", "late"),
    [("risk", 2, False), ("risk", 3, True), ("research", 30, False), ("research", 31, True), ("phases", 31, True)],
)
def test_a_stage_lags_once_it_owes_a_slice_for_too_long(stage: str, minutes: int, late: bool) -> None:
    owes = StageSeen(stage, NOON, NOON + timedelta(seconds=20))
    found = wrong(stages=(owes, StageSeen("signals", None, None)), now=NOON + timedelta(seconds=20) + minutes * MINUTE)
    words = "it has not handled the slice of 2026-03-04 12:00, which was there at 12:00:20"
    assert found == ({("stage_lag", stage): words} if late else {})


def test_a_feed_is_stale_once_three_bars_are_owed() -> None:
    now = NOON + timedelta(seconds=30)
    feeds = tuple(FeedSeen(f"A{n}", "crypto", NOON - HOUR - n * HOUR) for n in range(5))
    assert wrong(feeds=feeds, now=now) == {
        ("stale_feed", "A3"): "3 bars of 1h are missing; its newest opened at 2026-03-04 08:00",
        ("stale_feed", "A4"): "4 bars of 1h are missing; its newest opened at 2026-03-04 07:00",
    }


def test_a_closed_market_owes_nothing() -> None:
    friday = datetime(2026, 3, 6, 20, tzinfo=UTC)
    sunday = datetime(2026, 3, 8, 12, tzinfo=UTC)
    feeds = (FeedSeen("NVDA", "stocks", friday),)
    assert wrong(feeds=feeds, now=sunday, newest_slice=sunday) == {}
    monday = datetime(2026, 3, 9, 18, tzinfo=UTC)
    assert list(wrong(feeds=feeds, now=monday, newest_slice=monday)) == [("stale_feed", "NVDA")]


def test_an_enabled_asset_that_never_had_a_bar_is_stale() -> None:
    found = wrong(feeds=(FeedSeen("BTC/USDT", "crypto", None),))
    assert found == {("stale_feed", "BTC/USDT"): "719 bars of 1h are missing; it has none"}


def test_errors_are_flagged_by_where_they_come_from() -> None:
    found = wrong(
        dead_letters={"risk.orders": 3, "ingestion.slices": 2},
        refused_candles={"bybit": 20, "binance": 19},
        refused_commands=10,
        senseless_orders={"BTC/USDT": 1},
    )
    assert found == {
        ("dead_letters", "risk.orders"): "3 unreadable or forged messages within 1:00:00",
        ("refused_candles", "bybit"): "20 impossible candles within 1:00:00",
        ("refused_commands", "all"): "10 refused commands within 0:10:00",
        ("senseless_orders", "BTC/USDT"): "1 wishes that make no sense, which risk refused within 1 day, 0:00:00",
    }


def test_while_redis_does_not_answer_no_word_on_dead_letters_is_taken() -> None:
    assert conditions(seen(dead_letters=None), CHECKS).blind == {"dead_letters"}


def test_drift_is_wrong_once_it_lasts_or_is_everywhere() -> None:
    week = NOON - timedelta(days=7)
    assert wrong(drifting={"BTC/USDT": week + HOUR}) == {}
    assert wrong(drifting={"BTC/USDT": week - HOUR, "MATIC/USDT": NOON}) == {
        ("drift_lasting", "BTC/USDT"): "model_drift has been up since 2026-02-25, and training anew has not ended it"
    }
    half = {"BTC/USDT": NOON - HOUR, "SOL/USDT": NOON - HOUR}
    assert wrong(drifting=half) == {("drift_widespread", "all"): "2 of 4 enabled assets drift: BTC/USDT, SOL/USDT"}
    assert wrong(drifting=half, feeds=fresh("BTC/USDT", "SOL/USDT", "ETH/USDT")) == {}, "three are no market"
    assert wrong(drifting={"NVDA": NOON, "TSLA": NOON}) == {}, "assets that are not enabled do not count"


@pytest.mark.parametrize(
    ("fills", "bps", "usual_fills", "usual", "abnormal"),
    [
        (3, 6.0, 20, 2.0, False),
        (3, 7.0, 20, 2.0, True),
        (2, 70.0, 20, 2.0, False),
        (3, 70.0, 19, 2.0, False),
        (3, 12.0, 20, 6.0, False),
        (0, None, 20, 2.0, False),
        (3, 70.0, 0, None, False),
    ],
)
def test_slippage_is_abnormal_where_both_the_ratio_and_the_difference_say_so(
    fills: int, bps: float | None, usual_fills: int, usual: float | None, abnormal: bool
) -> None:
    found = wrong(fills=(FillsSeen("AVAX/USDT", fills, bps, usual_fills, usual),))
    words = "7.0 bps, median of 3 in 24 hours, against 2.0 usually (20 fills)"
    assert found == ({("abnormal_slippage", "AVAX/USDT"): words} if abnormal else {})


TOLD = portfolio("2500", position("BTC/USDT", "0.5", "1000"), ts=NOON)
BOOKS = BooksSeen(TOLD, TOLD.cash, TOLD.equity, money("500"), TOLD.cash - TOLD.starting_cash, money(0), money(0))


def reckoned(**changes: Any) -> dict[tuple[str, str], str]:
    return wrong(books=replace(BOOKS, **changes))


def test_books_that_add_up_every_way_are_no_news() -> None:
    assert reckoned() == {}
    assert reckoned(fills_cash=None) == {}, "fills of before their cash was stored prove nothing"
    assert wrong(books=None) == {}


def test_books_that_differ_by_the_smallest_amount_are_named_with_it() -> None:
    smallest = Decimal("0.00000001")
    assert reckoned(held=money("500") + smallest) == {
        ("equity_mismatch", "all"): "books of 2026-03-04 12:00: the table's positions differ from the books' by 1E-8"
    }
    (words,) = reckoned(fills_fees=money("1.5")).values()
    assert words.endswith("the cash that all fills and charges give differs from the books' by -1.50000000")
    (words,) = reckoned(cash=TOLD.cash + 1, equity=TOLD.equity - 1).values()
    assert "the table's cash differs from the books' by 1.0" in words
    assert "the table's equity differs from the books' by -1.0" in words


@pytest.mark.parametrize("field", ["equity", "cash", "realised_pnl", "fees", "carry"])
@pytest.mark.parametrize("by", [Decimal("0.01"), Decimal("NaN")])
def test_a_message_whose_own_figures_do_not_add_up_is_a_mismatch(field: str, by: Decimal) -> None:
    told = msgspec.structs.replace(TOLD, **{field: getattr(TOLD, field) + by})
    assert list(reckoned(told=told)) == [("equity_mismatch", "all")]
