"""How assets rise by themselves: by their gate, in order, one a day; back from a fall; never against an order."""

from dataclasses import replace
from typing import Any

import pytest
from phases_cases import PARAMS, by_hand, record_of_trades
from standing_cases import AVAX, BTC, DOGE, ETH, LINK, MATIC, PAYS, SOL, XRP, Walk, proven, walk

from services.phases.chain import first_broken
from services.phases.decide import PhasesParams

COOL = PARAMS.settings.demotion.cool_down_days
TIER_1 = (BTC, ETH, AVAX, DOGE)


def automatic_live() -> PhasesParams:
    return replace(PARAMS, settings=PARAMS.settings.model_copy(update={"auto_live": True}))


def test_the_ladder_is_climbed_one_asset_at_a_time_in_the_declared_order() -> None:
    walked = walk(fresh={})
    walked.day()
    assert walked.changes == [], "AVAX waits for the trades of BTC and ETH"
    proven(walked)
    assert walked.changes == [(AVAX, "enabled")]
    assert walked.log[0].activation.note == "ready at the day's end (evidence: weak)"
    walked.days(2)
    assert walked.changes == [(AVAX, "enabled")], "DOGE waits for AVAX's own"
    proven(walked, (AVAX,))
    assert walked.changes[1:] == [(DOGE, "enabled")]
    proven(walked, (DOGE,))
    assert walked.changes[2:] == [(MATIC, "enabled")]
    walked.days(3)
    assert walked.changes[3:] == [(XRP, "enabled"), (SOL, "enabled")], "tier 2, one a day"
    assert walked.state.observed == (XRP, SOL)
    assert walked.log[-1].activation.note == "ready at the day's end; at observation size (evidence: weak)"
    walked.days(20)
    assert len(walked.log) == 5
    assert first_broken(walked.log) is None


def test_matic_is_held_back_by_its_feed_and_the_ladder_goes_on_without_it() -> None:
    walked = walk(fresh={})
    proven(walked, (BTC, ETH))
    for symbols in ((BTC,), (AVAX,), (DOGE,), (BTC,), (BTC,), (BTC,)):
        half = 10
        walked.day({symbol: [0.4] * half + [-0.2] * half for symbol in symbols}, fresh={MATIC: 0.0})
    assert MATIC not in walked.state.enabled
    assert walked.state.enabled == (BTC, ETH, AVAX, DOGE, XRP, SOL)
    told = next(one for one in walked.day(fresh={MATIC: 0.0}).message.assets if one.symbol == MATIC)
    assert told.why.startswith("waits for feed_fresh (MATIC/USDT, last 7 d): its feed brought ")


def test_nothing_opens_by_itself_where_that_is_declared_so() -> None:
    walked = walk(params=by_hand())
    proven(walked)
    assert walked.changes == []
    assert walked.ask("enable", AVAX).refusal is None


def test_a_flag_on_the_asset_its_class_or_all_keeps_it_off() -> None:
    for subject in (AVAX, "crypto", "all"):
        walked = walk(observed=(BTC, ETH))
        walked.ask("block", subject, note="drift: x")
        proven(walked)
        assert AVAX not in walked.state.enabled
        walked.ask("unblock", subject, note="drift")
        walked.day()
        assert AVAX in walked.state.enabled


def test_neither_an_order_nor_a_phase_opens_under_a_flag_but_by_force() -> None:
    walked = walk(record_of_trades([12.0 if n % 3 else -9.0 for n in range(200)]))
    walked.configured = {"crypto": True, "stocks": True}
    walked.ask("disable", BTC)
    walked.ask("block", "all", note="equity_mismatch: 12 USDT")
    assert walked.ask("enable", BTC).refusal == "BTC/USDT is not ready: flags are up: equity_mismatch"
    walked.day()
    assert "phase_1_stocks" not in walked.state.phases
    assert walked.ask("enable", BTC, forced=True).refusal is None
    walked.ask("unblock", "all", note="equity_mismatch")
    walked.day()
    assert "phase_1_stocks" in walked.state.phases


def test_an_observed_asset_gets_its_size_back_by_its_record_since_then_after_the_cool_down() -> None:
    walked = walk()
    walked.day({BTC: [-260.0]})
    proven(walked, (BTC,), trades=10)
    assert walked.state.level(BTC) == "observed", "it cools down"
    walked.days(COOL - 2)
    assert walked.state.level(BTC) == "observed"
    assert walked.state.standing(BTC).cool_until == "2024-01-16"
    walked.day()
    assert walked.state.level(BTC) == "full"
    assert walked.changes == [(BTC, "observed"), (BTC, "restored")]
    walked.days(10)
    assert walked.state.level(BTC) == "full", "the fall is not held against it again"


def test_what_it_did_before_it_was_observed_does_not_count_for_it() -> None:
    walked = walk()
    walked.day({BTC: [20.0] * 20})
    walked.day({BTC: [-280.0]})
    walked.days(COOL + 5)
    assert walked.state.level(BTC) == "observed"
    told = next(one for one in walked.day().message.assets if one.symbol == BTC)
    assert (told.step, told.ready) == ("restored", False)
    assert told.requirements[0].name == "trades (BTC/USDT, since 2024-01-03)"
    assert told.why.startswith("max_drawdown (BTC/USDT, last 60 d): is 5.2%, must be < 5.0%; waits for trades")


def test_it_is_not_restored_while_a_floor_is_broken() -> None:
    walked = walk()
    walked.day({BTC: [300.0]})
    walked.day({BTC: [-280.0]})
    proven(walked, (BTC,))
    walked.ask("block", BTC, note="drift: x")
    walked.days(COOL)
    assert walked.state.level(BTC) == "observed"
    walked.ask("unblock", BTC, note="drift")
    walked.day()
    assert walked.state.level(BTC) == "full"


def test_an_asset_that_was_off_by_rule_comes_back_observed_after_the_cool_down() -> None:
    walked = walk()
    walked.day({BTC: [-1010.0], ETH: [900.0]})
    walked.day({BTC: [-300.0]})
    assert walked.state.level(BTC) == "off"
    since = len(walked.log)
    walked.days(COOL - 1)
    assert walked.state.level(BTC) == "off"
    walked.day()
    assert walked.state.level(BTC) == "observed", "BTC has no gate of its own"
    assert walked.changes[since:] == [(BTC, "enabled")]
    walked.days(30)
    assert walked.state.level(BTC) == "observed", "its floors count from its return on, and it has to earn its size"


def test_one_that_has_a_gate_comes_back_only_while_that_holds() -> None:
    walked = walk(enabled=(BTC, ETH, AVAX))
    proven(walked)
    walked.days(12, fresh={AVAX: 0.0})
    assert walked.state.level(AVAX) == "off"
    walked.days(COOL, fresh={AVAX: 0.0})
    assert walked.state.level(AVAX) == "off"
    walked.days(6)
    assert walked.state.level(AVAX) == "off"
    walked.days(2)
    assert walked.state.level(AVAX) == "observed"


def test_what_a_person_took_off_stays_off_until_a_person_enables_it() -> None:
    walked = walk()
    assert walked.ask("disable", BTC, note="a doubt").refusal is None
    walked.days(30)
    assert BTC not in walked.state.enabled
    told = next(one for one in walked.day().message.assets if one.symbol == BTC)
    assert (told.ready, told.why) == (False, "taken off by ada: a doubt; only an order enables it again")
    assert walked.ask("enable", BTC).refusal is None
    assert walked.state.level(BTC) == "full"


def test_a_person_can_keep_an_asset_from_opening_before_it_does() -> None:
    walked = walk()
    assert walked.ask("disable", AVAX, note="not while I travel").refusal is None
    assert walked.changes == [(AVAX, "disabled")]
    proven(walked)
    walked.days(3)
    assert AVAX not in walked.state.enabled
    told = next(one for one in walked.day().message.assets if one.symbol == AVAX)
    assert told.why == "taken off by ada: not while I travel; only an order enables it again"
    assert walked.ask("disable", AVAX).refusal == "AVAX/USDT is off already, by ada: not while I travel"
    assert walked.ask("enable", AVAX).refusal is None
    assert walked.state.level(AVAX) == "full"


def test_what_can_never_be_enabled_by_order_needs_no_order_to_stay_off() -> None:
    walked = walk()
    assert "research" in (walked.ask("disable", LINK).refusal or "")
    assert walked.ask("disable", "XXX").refusal == "no asset 'XXX' is declared"
    assert walked.changes == []


def test_an_order_does_not_shorten_the_cool_down_and_force_is_recorded() -> None:
    walked = walk()
    walked.day({BTC: [-260.0]})
    refused = walked.ask("enable", BTC).refusal
    assert (
        refused == "BTC/USDT cools down until 2024-01-16: max_drawdown (BTC/USDT, last 60 d): is 5.2%, must be < 5.0%"
    )
    walked.ask("disable", BTC)
    assert walked.ask("enable", BTC).refusal == refused, "not by the way of an order off either"
    assert walked.ask("enable", BTC, forced=True).refusal is None
    assert (walked.state.level(BTC), walked.log[-1].activation.forced) == ("observed", True)
    assert walked.ask("enable", BTC, forced=True).refusal is None
    assert (walked.state.level(BTC), walked.changes[-1]) == ("full", (BTC, "restored"))
    assert walked.ask("enable", BTC, forced=True).refusal == "BTC/USDT is enabled already"


def test_an_observation_asset_goes_no_further_by_order() -> None:
    walked = walk(enabled=(BTC, ETH, XRP), observed=(XRP,))
    refused = walked.ask("enable", XRP, forced=True).refusal
    assert refused == "XRP/USDT is enabled already, at observation size, and goes no further by its tier"


@pytest.mark.parametrize("nights", [6, 7])
def test_a_tier_changes_after_seven_nights_of_the_same_word(nights: int) -> None:
    walked = walk()
    walked.days(nights, tiers={BTC: 2})
    assert walked.changes == ([] if nights == 6 else [(BTC, "tier_changed"), (BTC, "observed")])
    assert walked.state.tiers == ({} if nights == 6 else {BTC: 2})


@pytest.mark.parametrize("other", [1, 3, None])
def test_another_word_in_between_starts_the_nights_again(other: int | None) -> None:
    walked = walk()
    walked.days(6, tiers={BTC: 2})
    walked.day(tiers={BTC: other})
    walked.days(6, tiers={BTC: 2})
    assert walked.changes == []
    walked.day(tiers={BTC: 2})
    assert walked.changes[0] == (BTC, "tier_changed")
    (row, *_) = walked.log
    assert (row.activation.by, row.activation.note) == ("research", "tier 2 instead of 1, 7 nights in a row: made up")


def test_an_asset_shown_to_lose_falls_to_tier_3_and_is_taken_off() -> None:
    walked = walk(live=(ETH,))
    walked.days(7, tiers={ETH: 3}, held=[ETH])
    assert walked.changes == [(ETH, "tier_changed"), (ETH, "disabled"), (ETH, "live_disabled")]
    assert (walked.state.enabled, walked.state.winding) == ((BTC,), (ETH,))
    for forced in (False, True):
        refused = walked.ask("enable", ETH, forced=forced).refusal
        assert refused == "ETH/USDT is in tier 3 by research: no order can enable it, only research"
    walked.days(30, tiers={ETH: 3})
    assert walked.state.enabled == (BTC,)
    walked.days(8)
    assert walked.state.tiers == {}, "back where the configuration has it"
    assert walked.state.level(ETH) == "observed"


def promoted(walked: Walk, **word: Any) -> Walk:
    proven(walked)
    walked.days(7, tiers={LINK: 2}, **word)
    return walked


def test_a_tier_3_asset_that_research_promotes_enters_at_observation_size_in_the_cells_that_pay() -> None:
    walked = promoted(walk(fresh={}), cells={LINK: (PAYS,)})
    assert walked.changes[0] == (AVAX, "enabled")
    assert walked.changes[1:] == [(LINK, "tier_changed"), (LINK, "enabled")]
    verdict = walked.day(tiers={LINK: 2})
    assert (walked.state.level(LINK), verdict.message.cells) == ("observed", (PAYS,))
    told = next(one for one in verdict.message.assets if one.symbol == LINK)
    assert (told.tier, told.level, told.step) == (2, "observed", "live_enabled")
    walked.days(7)
    assert walked.changes[3:] == [(LINK, "tier_changed"), (LINK, "disabled")], "and leaves as it came"
    assert walked.day().message.cells == ()


def test_without_a_cell_that_pays_nothing_opens_a_promoted_asset() -> None:
    walked = promoted(walk())
    walked.days(5, tiers={LINK: 2})
    assert LINK not in walked.state.enabled
    refused = walked.ask("enable", LINK, forced=True).refusal
    assert refused == "LINK/USDT is in tier 2 by research, which names no regime and bucket that pays"


def test_an_observation_asset_in_tier_1_by_research_can_earn_its_full_size() -> None:
    walked = walk(enabled=(BTC, ETH, XRP), observed=(XRP,))
    walked.days(7, tiers={XRP: 1})
    assert walked.state.level(XRP) == "observed"
    walked.day({XRP: [0.4] * 10}, tiers={XRP: 1})
    assert walked.changes[-1] == (XRP, "restored")


def test_a_live_phase_opens_by_itself_only_where_that_is_declared_with_an_audit_and_strong_evidence() -> None:
    results = {BTC: [12.0, 3.0, -4.0]}
    walked = walk()
    walked.audits = {BTC: True}
    walked.days(80, results)
    assert walked.state.live == ()
    walked = walk(params=automatic_live())
    walked.days(80, results)
    assert walked.state.live == (), "without an audit"
    walked.audits = {BTC: True, ETH: True}
    verdict = walked.day(results)
    assert verdict.message.live == (BTC,), "and ETH has no record"
    assert (walked.changes[-1], walked.log[-1].activation.note) == (
        (BTC, "live_enabled"), "ready at the day's end (evidence: strong)",
    )  # fmt: skip


def test_a_live_phase_takes_an_order_the_gate_and_the_audit() -> None:
    walked = walk()
    assert walked.ask("enable", AVAX, live=True).refusal == "AVAX/USDT is not enabled on paper"
    for forced in (False, True):
        refused = walked.ask("enable", BTC, live=True, forced=forced).refusal
        assert refused is not None
        assert refused.startswith("BTC/USDT is not ready for live: its newest audit does not say ready")
    walked.audits = {BTC: True}
    refused = walked.ask("enable", BTC, live=True).refusal
    assert refused is not None
    assert refused.startswith("BTC/USDT is not ready for live: trades (BTC/USDT): 20 more trades")
    proven(walked)
    verdict = walked.ask("enable", BTC, live=True, note="seen")
    assert (verdict.refusal, verdict.message.live, walked.changes[-1]) == (None, (BTC,), (BTC, "live_enabled"))
    assert walked.ask("enable", BTC, live=True).refusal == "BTC/USDT is live already"
    assert walked.ask("disable", BTC, live=True).message.live == ()
    assert walked.ask("disable", BTC, live=True).refusal == "BTC/USDT is not live"
    assert walked.state.level(BTC) == "full", "on paper it trades on"


def test_force_stands_for_the_record_of_a_live_phase_but_for_no_flag_and_no_tier() -> None:
    walked = walk()
    walked.audits = dict.fromkeys(PARAMS.assets.assets, True)
    walked.ask("block", BTC, note="drift: x")
    assert walked.ask("enable", BTC, live=True, forced=True).refusal == (
        "BTC/USDT is not ready for live: flags are up: drift"
    )
    assert walked.ask("enable", ETH, live=True, forced=True).refusal is None
    assert walked.log[-1].activation.forced
    refused = walked.ask("enable", LINK, live=True, forced=True).refusal
    assert refused is not None
    assert refused.startswith("LINK/USDT is research-only")


def test_a_repeated_command_is_carried_out_once() -> None:
    walked = walk()
    first = walked.ask("disable", BTC)
    assert first.message.command_id is not None
    walked.ask("enable", BTC)
    again = walked.ask("disable", BTC, id=first.message.command_id)
    assert (again.refusal, again.log) == ("this command was carried out already", ())
    assert BTC in walked.state.enabled


def test_every_assets_standing_is_told_in_the_order_of_the_configuration() -> None:
    verdict = walk().day()
    assert [one.symbol for one in verdict.message.assets] == list(PARAMS.assets.assets)
    by_symbol = {one.symbol: one for one in verdict.message.assets}
    assert (by_symbol[BTC].level, by_symbol[BTC].step) == ("full", "live_enabled")
    assert (by_symbol["NVDA"].level, by_symbol["NVDA"].step, by_symbol["NVDA"].ready) == ("off", "enabled", False)
    assert by_symbol["NVDA"].why == "waits for phase_active (phase_1_stocks): phase_1_stocks is not active"
    assert (by_symbol[LINK].step, by_symbol[LINK].why) == (
        None, "LINK/USDT is research-only: Tier 3 never trades until research says otherwise",
    )  # fmt: skip
    assert by_symbol[AVAX].requirements[0].missing is not None
