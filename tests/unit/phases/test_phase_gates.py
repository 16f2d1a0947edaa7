"""The gates: who is ready, who is not and why; activation; the rollout of single assets."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from decision_cases import command, portfolio
from hypothesis import given, settings
from hypothesis import strategies as st
from phases_cases import (
    NOW,
    PARAMS,
    STOCKS_READY,
    by_hand,
    earning_days,
    merged,
    record_of,
    record_of_trades,
    state_with,
    without_floors,
)

from services.contracts.messages import Readiness
from services.phases.decide import (
    Commanded,
    DayEnded,
    PhasesState,
    Verdict,
    active_classes,
    collecting,
    on_command,
    on_day,
    readiness,
    start,
)
from services.phases.record import Record
from services.phases.summary import summarise

PHASE_1 = "phase_1_stocks"
GOOD = record_of(earning_days(drop=0.12), trades=100, wins=58, profit=300.0, loss=150.0)
PROFITABLE = record_of_trades([12.0 if n % 3 else -9.0 for n in range(200)])


def judged(record: Record, configured: dict[str, bool] = STOCKS_READY, phase: str = PHASE_1) -> Readiness:
    return next(r for r in readiness(state_with(record), configured, PARAMS) if r.phase == phase)


def ask(
    name: str, subject: str, state: PhasesState, configured: dict[str, bool] = STOCKS_READY, **changes: Any
) -> tuple[PhasesState, Verdict]:
    return on_command(state, Commanded(command(name, subject, ts=NOW, **changes), configured), PARAMS)


def test_the_example_of_the_plan_opens_stocks() -> None:
    """35 profitable days, a Sharpe ratio above 1.8, 12 % drawdown, 58 % of trades won."""
    summary = summarise(GOOD, "crypto", 60)
    assert summary.profitable_days == 35
    assert summary.sharpe_ratio is not None
    assert summary.sharpe_ratio > 1.8
    assert 0.11 < summary.max_drawdown < 0.15
    assert summary.win_rate == 0.58
    phase = judged(GOOD)
    assert phase.ready
    assert all(r.met and r.missing is None for r in phase.requirements)
    assert not phase.active


@pytest.mark.parametrize(
    ("record", "configured", "unmet", "words"),
    [
        (
            record_of(earning_days(29, scale=3.0), trades=100, wins=58),
            STOCKS_READY,
            "profitable_days (crypto, last 60 d)",
            "1 more profitable day",
        ),
        (
            record_of(earning_days(35, scale=0.4), trades=100, wins=58),
            STOCKS_READY,
            "sharpe_ratio (crypto, last 60 d)",
            "must be > 1.50",
        ),
        (
            record_of(earning_days(35, scale=2.0, drop=0.16), trades=100, wins=58),
            STOCKS_READY,
            "max_drawdown (crypto, last 60 d)",
            "must be < 15.0%",
        ),
        (
            record_of(earning_days(35), trades=100, wins=50),
            STOCKS_READY,
            "win_rate (crypto, last 60 d)",
            "is 50.0%, must be > 50.0%",
        ),
        (
            record_of(earning_days(35), trades=100, wins=58),
            {"crypto": True},
            "source_configured (stocks)",
            "no source for stocks is configured (polygon, alpha_vantage, alpaca)",
        ),
        (
            record_of(earning_days(35)),
            STOCKS_READY,
            "win_rate (crypto, last 60 d)",
            "no trade in the last 60 days",
        ),
    ],
)
def test_each_single_shortfall_keeps_stocks_closed_and_is_named(
    record: Record, configured: dict[str, bool], unmet: str, words: str
) -> None:
    phase = judged(record, configured)
    assert not phase.ready
    assert [r.name for r in phase.requirements if not r.met] == [unmet]
    missing = next(r.missing for r in phase.requirements if not r.met)
    assert missing is not None
    assert words in missing
    _, verdict = ask("activate", PHASE_1, state_with(record), configured)
    assert verdict.refusal is not None
    assert verdict.refusal.startswith(f"{PHASE_1} is not ready: {unmet}: ")
    assert words in verdict.refusal
    assert verdict.log == ()


def test_each_requirement_says_threshold_current_and_met() -> None:
    days = next(r for r in judged(GOOD).requirements if r.name.startswith("profitable_days"))
    assert (days.comparison, days.threshold, days.current, days.met) == (">=", 30.0, 35.0, True)


def test_a_ready_phase_is_activated_once_and_takes_its_assets_along() -> None:
    state, verdict = ask("activate", PHASE_1, state_with(GOOD), note="seen the record")
    assert verdict.refusal is None
    assert state.phases == ("phase_0_crypto", PHASE_1)
    assert set(state.enabled) == {"BTC/USDT", "ETH/USDT", "NVDA", "TSLA", "AMD"}
    assert active_classes(state, PARAMS) == ("crypto", "stocks")
    assert {"NVDA", "TSLA", "AMD"} <= set(collecting(state, PARAMS))
    (entry,) = verdict.log
    assert (entry.activation.subject, entry.activation.change, entry.activation.by) == (PHASE_1, "activated", "ada")
    assert not entry.activation.forced
    assert verdict.message.changes == (entry.activation,)
    assert verdict.message.command_id is not None
    again, second = ask("activate", PHASE_1, state)
    assert second.refusal == f"{PHASE_1} is active already"
    assert second.log == ()
    assert again == state


def test_a_forced_activation_is_carried_out_and_recorded_as_forced_with_the_evidence() -> None:
    state, verdict = ask("activate", PHASE_1, state_with(Record()), {}, forced=True)
    assert PHASE_1 in state.phases
    (entry,) = verdict.log
    assert entry.activation.forced
    evidence = msgspec.json.decode(entry.evidence, type=Readiness)
    assert not evidence.ready
    assert len([r for r in evidence.requirements if not r.met]) == 5


def test_an_unknown_phase_is_refused_by_name() -> None:
    _, verdict = ask("activate", "phase_9_moon", state_with(GOOD), forced=True)
    assert verdict.refusal == "no phase 'phase_9_moon' is declared"


def test_at_the_days_end_nothing_is_activated_unless_declared_so() -> None:
    event = DayEnded((portfolio("5000", ts=NOW),), STOCKS_READY)
    state, verdict = on_day(state_with(PROFITABLE), event, by_hand())
    assert state.phases == ("phase_0_crypto",)
    assert verdict.log == ()
    assert next(r for r in verdict.message.readiness if r.phase == PHASE_1).ready
    state, verdict = on_day(state_with(PROFITABLE), event, PARAMS)
    assert state.phases == ("phase_0_crypto", PHASE_1)
    assert (verdict.log[0].activation.by, verdict.log[0].activation.note) == (
        "chloe", "ready at the day's end (evidence: strong)",
    )  # fmt: skip


def test_what_is_ready_on_weak_evidence_waits_for_a_person_and_the_log_says_so() -> None:
    event = DayEnded((portfolio("5000", ts=NOW),), STOCKS_READY)
    state, verdict = on_day(state_with(GOOD), event, without_floors())
    assert (state.phases, verdict.log) == (("phase_0_crypto",), ())
    phase = next(r for r in verdict.message.readiness if r.phase == PHASE_1)
    assert (phase.ready, phase.evidence) == (True, "weak")
    assert phase.evidence_why.startswith("crypto: 60 days, 100 trades, true Sharpe ratio above 0: ")
    state, verdict = on_command(
        state, Commanded(command("activate", PHASE_1, ts=NOW, note="seen"), STOCKS_READY), without_floors()
    )
    assert PHASE_1 in state.phases
    assert verdict.log[0].activation.note == "seen (evidence: weak)"
    assert msgspec.json.decode(verdict.log[0].evidence, type=Readiness).evidence == "weak"


def test_a_gate_that_asks_nothing_of_a_record_needs_no_evidence() -> None:
    first = readiness(state_with(GOOD), STOCKS_READY, PARAMS)[0]
    assert (first.evidence, first.evidence_why) == ("weak", "")
    settings = PARAMS.settings
    asks_nothing = settings.phases[PHASE_1].model_copy(update={"requirements": ()})
    ladder = settings.model_copy(update={"phases": {**settings.phases, PHASE_1: asks_nothing}})
    event = DayEnded((portfolio("5000", ts=NOW),), {})
    state, _ = on_day(state_with(Record()), event, replace(PARAMS, settings=ladder))
    assert state.phases == ("phase_0_crypto", PHASE_1)


def test_a_ready_phase_waits_for_the_capital_and_says_what_is_there() -> None:
    poor = state_with(PROFITABLE, equity="2452.80")
    _, verdict = ask("activate", PHASE_1, poor)
    assert verdict.refusal == f"{PHASE_1} needs 3,000.00 in the account, has 2,452.80"
    told = next(r for r in verdict.message.readiness if r.phase == PHASE_1)
    assert (told.ready, told.capital_needed, told.capital) == (True, Decimal(3000), Decimal("2452.80"))
    state, verdict = on_day(poor, DayEnded((portfolio("2452.80", ts=NOW),), STOCKS_READY), PARAMS)
    assert PHASE_1 not in state.phases, "ready on strong evidence, but not paid for"
    state, verdict = ask("activate", PHASE_1, poor, forced=True)
    assert PHASE_1 in state.phases
    assert verdict.log[0].activation.forced


def test_phase_2_waits_for_phase_1() -> None:
    rich = record_of(earning_days(80, 120), symbol="NVDA", asset_class="stocks", trades=50, wins=30)
    phase = judged(rich, {"stocks": True, "leveraged_etfs": True}, "phase_2_leveraged_etfs")
    assert [r.name for r in phase.requirements if not r.met] == ["phase_active (phase_1_stocks)"]


def test_later_phases_are_at_least_as_strict_as_the_one_before() -> None:
    phases = sorted(PARAMS.settings.phases.values(), key=lambda p: p.order)
    for earlier, later in pairwise(phases[1:]):
        wanted = {r.metric: r.threshold for r in later.requirements}
        for rule in earlier.requirements:
            if rule.metric == "max_drawdown":
                assert wanted[rule.metric] <= rule.threshold
            elif rule.metric not in ("phase_active", "source_configured"):
                assert wanted[rule.metric] >= rule.threshold
        assert later.min_capital >= earlier.min_capital


PROVEN = {"trades": 10, "wins": 6, "profit": 20.0, "loss": 20.0}


def proving(btc: dict[str, Any], eth: dict[str, Any]) -> PhasesState:
    return state_with(merged(record_of([1.0], symbol="BTC/USDT", **btc), record_of([1.0], symbol="ETH/USDT", **eth)))


def test_avax_waits_for_the_trades_of_btc_and_eth() -> None:
    _, verdict = ask("enable", "AVAX/USDT", proving(PROVEN | {"trades": 9}, PROVEN))
    assert verdict.refusal is not None
    assert verdict.refusal.startswith("AVAX/USDT is not ready: trades (BTC/USDT): 1 more trade")
    _, verdict = ask("enable", "AVAX/USDT", proving(PROVEN, PROVEN | {"profit": 19.0}))
    assert verdict.refusal == "AVAX/USDT is not ready: profit_factor (ETH/USDT): is 0.95, must be >= 1.00"
    state, verdict = ask("enable", "AVAX/USDT", proving(PROVEN, PROVEN))
    assert verdict.refusal is None
    assert "AVAX/USDT" in state.enabled
    assert verdict.log[0].activation.change == "enabled"
    _, verdict = ask("enable", "AVAX/USDT", state)
    assert verdict.refusal == "AVAX/USDT is enabled already"


def test_doge_waits_for_avax() -> None:
    _, verdict = ask("enable", "DOGE/USDT", proving(PROVEN, PROVEN))
    assert verdict.refusal is not None
    assert "trades (AVAX/USDT): 10 more trades" in verdict.refusal


@pytest.mark.parametrize("forced", [False, True])
def test_matic_is_held_back_by_its_stale_feed_and_named(forced: bool) -> None:
    stale = proving(PROVEN, PROVEN)
    stale = msgspec.structs.replace(stale, fresh={**stale.fresh, "MATIC/USDT": (0.0,) * 7})
    state, verdict = ask("enable", "MATIC/USDT", stale, forced=forced)
    assert verdict.refusal is not None
    assert verdict.refusal.startswith("MATIC/USDT is not ready")
    assert "feed_fresh (MATIC/USDT, last 7 d): its feed brought 0.0%" in verdict.refusal
    assert "MATIC/USDT" not in state.enabled
    told = next(one for one in verdict.message.assets if one.symbol == "MATIC/USDT")
    assert (told.level, told.step, told.ready) == ("off", "enabled", False)
    assert told.why.startswith("waits for feed_fresh (MATIC/USDT, last 7 d): its feed brought 0.0%")


@pytest.mark.parametrize("symbol", ["BNB/USDT", "DOT/USDT", "ADA/USDT", "LINK/USDT", "ATOM/USDT"])
@pytest.mark.parametrize("forced", [False, True])
def test_tier_3_never_trades(symbol: str, forced: bool) -> None:
    state, verdict = ask("enable", symbol, proving(PROVEN, PROVEN), forced=forced)
    assert verdict.refusal == f"{symbol} is research-only: Tier 3 never trades until research says otherwise"
    assert symbol not in state.enabled


def test_an_asset_of_a_closed_phase_cannot_be_enabled_even_by_force() -> None:
    _, verdict = ask("enable", "NVDA", proving(PROVEN, PROVEN), forced=True)
    assert verdict.refusal == "its phase phase_1_stocks is not active"


def test_a_disabled_asset_can_be_enabled_again_and_both_are_logged() -> None:
    state, verdict = ask("disable", "BTC/USDT", start(PARAMS))
    assert state.enabled == ("ETH/USDT",)
    assert verdict.log[0].activation.change == "disabled"
    _, verdict = ask("disable", "BTC/USDT", state)
    assert verdict.refusal == "BTC/USDT is off already, by ada"
    state, verdict = ask("enable", "BTC/USDT", state)
    assert set(state.enabled) == {"BTC/USDT", "ETH/USDT"}
    assert state.log_seq == 2


def test_trading_starts_with_bitcoin_and_ether_only() -> None:
    assert start(PARAMS).enabled == ("BTC/USDT", "ETH/USDT")
    assert len(collecting(start(PARAMS), PARAMS)) == 12


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["activate", "enable", "disable"]), st.data()), max_size=12))
def test_no_command_ever_enables_a_research_only_asset_or_one_of_a_closed_phase(asked: list[Any]) -> None:
    state = start(PARAMS)
    subjects = [*PARAMS.assets.assets, *PARAMS.settings.phases]
    for name, data in asked:
        subject = data.draw(st.sampled_from(subjects))
        state, verdict = ask(name, subject, state, {}, forced=data.draw(st.booleans()))
        assert (verdict.refusal is None) == bool(verdict.log)
        for symbol in state.enabled:
            assert PARAMS.assets.assets[symbol].role != "research_only"
            assert PARAMS.assets.phase_of(symbol) in state.phases
        assert verdict.message.enabled == state.enabled
        assert verdict.message.ts == NOW


def test_the_day_a_record_begins_is_judged_on_the_account_and_not_on_the_class() -> None:
    record = record_of([1.0], equity=2500)
    assert summarise(record, "crypto", None).returns.tolist() == [1.0 / 2500]
