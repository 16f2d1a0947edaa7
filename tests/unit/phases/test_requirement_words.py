"""What is missing, read aloud: every metric says in plain words what it lacks, and how long that takes."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from phases_cases import merged, record_of, record_of_days

from services.contracts.messages import Requirement
from services.phases.facts import Facts
from services.phases.gates import broken, evaluate
from services.phases.record import Closed, Record
from services.phases.settings import Rule

AVAX = "AVAX/USDT"


def rule(metric: Any, comparison: Any, threshold: float, scope: str = "self", **more: Any) -> Rule:
    return Rule(metric=metric, scope=scope, comparison=comparison, threshold=threshold, **more)


def told(one: Rule, facts: Facts | Record, since: str | None = None) -> Requirement:
    facts = Facts(facts) if isinstance(facts, Record) else facts
    (found,) = evaluate((one,), facts, subject=AVAX, since=since)
    assert found.met == (found.missing is None)
    return found


def days_of_trades(counts: list[int], pnl: float = 1.0) -> Record:
    """So many winning trades each day; a day with trades earns one, one without loses one."""
    closed: Closed = ("trend_down", 5, Decimal(repr(pnl)), False)
    return record_of_days([([closed] * n, 1.0 if n else -1.0) for n in counts], symbol=AVAX)


@pytest.mark.parametrize(
    ("comparison", "threshold", "words"),
    [
        (">=", 10, "1 more trade (about 5 days at the current rate)"),
        (">=", 13, "4 more trades (about 18 days at the current rate)"),
        (">", 9, "1 more trade (about 5 days at the current rate)"),
        (">", 9.5, "1 more trade (about 5 days at the current rate)"),
        (">=", 9.5, "1 more trade (about 5 days at the current rate)"),
        (">=", 10_000, "9991 more trades (never at the current rate: 7 in the last 30 days)"),
    ],
)
def test_missing_trades_are_whole_and_come_with_the_time_they_take(
    comparison: Any, threshold: float, words: str
) -> None:
    counts = [1, 1, *([0] * 10)] + [1 if n < 7 else 0 for n in range(30)]
    found = told(rule("trades", comparison, threshold), days_of_trades(counts))
    assert (found.name, found.current, found.n, found.missing) == (f"trades ({AVAX})", 9.0, 42, words)


def test_the_rate_counts_from_the_first_trade_of_an_asset_that_came_late() -> None:
    btc, avax = record_of([1.0] * 100), days_of_trades([2, 1, 0, 1])
    late = merged(btc, replace_first(avax, 96))
    found = told(rule("trades", ">=", 10), late)
    assert found.missing == "6 more trades (about 6 days at the current rate)"


def replace_first(record: Record, first: int) -> Record:
    """The same record of one symbol, begun so many days later."""
    kept = record.symbols[AVAX]
    later = msgspec.structs.replace(kept, first=first, closed_on=tuple(first + n for n in kept.closed_on))
    return msgspec.structs.replace(record, symbols={AVAX: later})


def test_an_asset_that_never_traded_says_so() -> None:
    nothing = record_of([1.0] * 20)
    assert told(rule("trades", ">=", 10), nothing).missing == "10 more trades (none so far)"
    assert told(rule("trades", ">=", 10, window_days=7), nothing).missing == "10 more trades (none in the last 7 days)"
    assert told(rule("profit_factor", ">", 0.9), nothing).missing == "no trade yet"
    assert told(rule("win_rate", ">", 0.5, window_days=60), nothing).missing == "no trade in the last 60 days"
    assert told(rule("sharpe_ratio", ">", 1.5), nothing).missing == "not defined yet: 0 days with a result"
    assert told(rule("max_drawdown", "<", 0.25), Record()).missing == "no day yet"


def test_an_asset_that_stopped_trading_has_no_rate() -> None:
    stopped = days_of_trades([1, 1, 1] + [0] * 40)
    assert told(rule("trades", ">=", 10), stopped).missing == "7 more trades (none in the last 30 days)"


def test_profitable_days_count_until_the_window_is_full_of_them() -> None:
    """Three days earn and one loses: 30 in 60 days are reached before the window drops its first day."""
    young = days_of_trades([1, 1, 1, 0] * 6)
    found = told(rule("profitable_days", ">=", 30, window_days=60), young)
    assert (found.current, found.n) == (18.0, 24)
    assert found.missing == "12 more profitable days (about 16 days at the current rate)"


def test_days_that_leave_a_full_window_meanwhile_are_taken_off() -> None:
    """The oldest thirty days earned less than the newest: each new day replaces a worse one."""
    better = days_of_trades([1, 0, 0] * 10 + [1, 1, 0] * 10)
    found = told(rule("profitable_days", ">=", 35, window_days=60), better)
    assert (found.current, found.missing) == (30.0, "5 more profitable days (about 15 days at the current rate)")
    worse = days_of_trades([1, 1, 0] * 10 + [1, 0, 0] * 10)
    found = told(rule("profitable_days", ">=", 35, window_days=60), worse)
    assert found.missing == "5 more profitable days (never at the current rate: 10 in the last 30 days)"


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (rule("profit_factor", ">", 1.5), "is 1.32, must be > 1.50"),
        (rule("win_rate", ">", 0.58), "is 58.0%, must be > 58.0%"),
        (rule("max_drawdown", "<", 0.02), "is 2.0%, must be < 2.0%"),
        (rule("stop_exits", "<=", 0.2), "is 30.0%, must be <= 20.0%"),
        (rule("slippage_bps", "<=", 10), "is 12.0 bps, must be <= 10.0 bps"),
        (rule("trades", "<=", 20), "is 50, must be <= 20"),
        (rule("trades", "is", 20), "is 50, must be exactly 20"),
    ],
)
def test_figures_say_what_they_are_and_what_they_must_be(one: Rule, words: str) -> None:
    days = [10.0] * 10 + [-20.0]
    record = record_of(days, symbol=AVAX, trades=50, wins=29, profit=132.0, loss=100.0, stops=15)
    assert told(one, record).missing == words


def test_a_record_without_a_loss_has_a_profit_factor_beyond_any_gate_and_no_interval() -> None:
    found = told(rule("profit_factor", ">", 1.5), record_of([1.0], symbol=AVAX, trades=3, wins=3))
    assert (found.met, found.current, found.n, found.low, found.high) == (True, None, 3, None, None)
    over = told(rule("profit_factor", "<", 1.5), record_of([1.0], symbol=AVAX, trades=3, wins=3))
    assert over.missing == "is without any loss, must be < 1.50"


def test_a_sortino_ratio_takes_a_losing_day() -> None:
    assert told(rule("sortino_ratio", ">", 1), record_of([1.0, 2.0], symbol=AVAX)).missing == "no losing day yet"
    assert told(rule("sortino_ratio", ">", 1), record_of([1.0, -2.0], symbol=AVAX)).missing is not None


def test_trades_that_neither_won_nor_lost_have_no_profit_factor() -> None:
    flat = record_of([1.0], symbol=AVAX, trades=1, loss=0.0)
    assert told(rule("profit_factor", ">", 1), flat).missing == "not defined: 1 trade without a gain or a loss"


def test_with_fewer_trades_than_it_takes_a_requirement_is_not_met_and_a_floor_not_broken() -> None:
    record = days_of_trades([1, 0] * 3, pnl=-1.0)
    low = rule("profit_factor", "<", 0.8, min_trades=5)
    assert told(low, record).missing == "2 more trades before it counts (about 4 days at the current rate)"
    assert broken((low,), Facts(record), subject=AVAX) == ()
    enough = rule("profit_factor", "<", 0.8, min_trades=3)
    assert told(enough, record).met
    (found,) = broken((enough,), Facts(record), subject=AVAX)
    assert (found.met, found.comparison, found.missing) == (False, ">=", "is 0.00, must be >= 0.80")


def test_a_feed_says_what_it_brought_and_on_how_many_days() -> None:
    fresh = rule("feed_fresh", ">=", 0.95, window_days=7)
    stale = Facts(Record(), fresh={AVAX: (1.0, 1.0, *([0.41] * 7))})
    found = told(fresh, stale)
    assert found.missing == "its feed brought 41.0% of the last 7 days' bars, must be >= 95.0%"
    assert (found.n, found.low) == (7, None)
    assert told(fresh, replace(stale, fresh={AVAX: (1.0,) * 7})).met
    one = told(fresh, replace(stale, fresh={AVAX: (0.5,)}))
    assert one.missing == "its feed brought 50.0% of the last day's bars, must be >= 95.0%"
    assert told(fresh, Facts(Record())).missing == "nothing is known of its feed yet"


def test_flags_are_named_whomever_they_block() -> None:
    none_up = rule("open_flags", "is", 0)
    facts = Facts(Record(), classes={AVAX: "crypto", "NVDA": "stocks"})
    assert told(none_up, facts).met
    assert told(none_up, replace(facts, flags={AVAX: ("feed_stale",)})).missing == "flag up: feed_stale"
    two = replace(facts, flags={"all": ("equity_mismatch",), "crypto": ("drift",), "stocks": ("slippage",)})
    found = told(none_up, two)
    assert (found.current, found.missing) == (2.0, "flags up: drift, equity_mismatch")
    assert evaluate((none_up,), two, subject="stocks")[0].missing == "flags up: slippage, equity_mismatch"
    assert evaluate((none_up,), two, subject="all")[0].missing == "flag up: equity_mismatch"


def test_the_platforms_state_is_told_in_words() -> None:
    facts = Facts(Record(), tiers={AVAX: 3, "BTC/USDT": 1}, audits={"BTC/USDT": True, "ETH/USDT": False})
    assert told(rule("enabled", "is", 1), facts).missing == f"{AVAX} is not enabled"
    assert told(rule("enabled", "is", 1), replace(facts, enabled=(AVAX,))).met
    assert told(rule("tier", "<=", 2), facts).missing == f"{AVAX} is in tier 3, must be <= 2"
    assert told(rule("tier", "<=", 2, scope="DOT/USDT"), facts).missing == "DOT/USDT is in no tier yet"
    assert told(rule("tier", "is", 1, scope="BTC/USDT"), facts).met
    assert told(rule("audit_ready", "is", 1), facts).missing == "not audited for live"
    assert told(rule("audit_ready", "is", 1, scope="ETH/USDT"), facts).missing == (
        "its audit for live says that it is not ready"
    )
    assert told(rule("audit_ready", "is", 1, scope="BTC/USDT"), facts).met
    assert told(rule("phase_active", "is", 1, scope="phase_1_stocks"), facts).missing == "phase_1_stocks is not active"
    assert told(rule("source_configured", "is", 1, scope="stocks"), facts).missing == (
        "no source for stocks is configured (none is declared)"
    )


def test_research_that_has_no_word_yet_is_waited_for() -> None:
    record = record_of([1.0], symbol=AVAX, trades=10, wins=5, cell=("trend_down", 5))
    near = rule("mix_distance", "<=", 0.5)
    assert told(near, record).missing == f"research expects no regimes and buckets of {AVAX} yet"
    facts = Facts(record, mixes={AVAX: {("chop", 0): 1.0}})
    found = told(near, facts)
    assert (found.current, found.n, found.missing) == (1.0, 10, "is 1.00, must be <= 0.50")
    assert told(near, replace(facts, mixes={AVAX: {("trend_down", 5): 1.0}})).met
    assert told(near, Facts(Record(), mixes=facts.mixes)).missing == "no trade yet"


def test_a_scope_of_self_is_the_subject_and_takes_one() -> None:
    with pytest.raises(ValueError, match="trades: scope self needs a subject"):
        evaluate((rule("trades", ">=", 1),), Facts(Record()))


def test_a_record_that_counts_from_a_day_on_says_so() -> None:
    record = days_of_trades([1] * 10)
    found = told(rule("trades", ">=", 10), record, since="2024-01-08")
    assert (found.name, found.current, found.n) == (f"trades ({AVAX}, since 2024-01-08)", 3.0, 3)
    assert found.missing == "7 more trades (about 7 days at the current rate)"
    assert told(rule("trades", ">=", 10, window_days=2), record, since="2024-01-08").current == 2.0
    assert told(rule("enabled", "is", 1), record, since="2024-01-08").name == f"enabled ({AVAX})"


def test_floors_that_are_broken_are_told_as_what_should_hold() -> None:
    facts = Facts(
        record_of([-100.0, 1.0], symbol=AVAX), fresh={AVAX: (0.4,) * 7}, flags={"all": ("stream_lag",)},
        classes={AVAX: "crypto"},
    )  # fmt: skip
    floors = (
        rule("max_drawdown", ">=", 0.05),
        rule("max_drawdown", ">=", 0.25),
        rule("feed_fresh", "<", 0.5, window_days=7),
        rule("open_flags", ">=", 1),
        rule("profit_factor", "<", 0.8),
        rule("mix_distance", ">", 0.5),
    )
    found = broken(floors, facts, subject=AVAX)
    assert [(r.name, r.comparison, r.met, r.missing) for r in found] == [
        (f"max_drawdown ({AVAX})", "<", False, "is 10.0%, must be < 5.0%"),
        (
            f"feed_fresh ({AVAX}, last 7 d)",
            ">=",
            False,
            "its feed brought 40.0% of the last 7 days' bars, must be >= 50.0%",
        ),
        (f"open_flags ({AVAX})", "<", False, "flag up: stream_lag"),
    ]
    assert broken(floors, Facts(Record()), subject=AVAX) == ()
    assert [r.name for r in broken(floors, facts, subject=AVAX, since="2024-01-02")] == [
        f"feed_fresh ({AVAX}, last 7 d)",
        f"open_flags ({AVAX})",
    ]


def test_figures_that_round_to_the_threshold_are_told_to_four_places() -> None:
    """``is 0.80, must be >= 0.80`` would explain nothing."""
    facts = Facts(record=record_of([1.0] * 5, trades=20, wins=10, profit=79.96, loss=100.0))
    (found,) = evaluate((rule("profit_factor", ">=", 0.80, scope="crypto"),), facts)
    assert found.missing == "is 0.7996, must be >= 0.8000"
