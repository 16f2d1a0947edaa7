"""How assets and phases fall: observation first, then off, not for one bad day, and not back for a while."""

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from phases_cases import PARAMS
from standing_cases import AVAX, BTC, DOGE, ETH, SOL, XRP, proven, walk

from services.contracts.messages import Readiness
from services.phases.chain import first_broken
from services.phases.decide import Verdict

LOSING = [0.6] * 4 + [-0.5] * 8  # profit factor 0.6: below the floor to observation size, not below the one off
COOL = PARAMS.settings.demotion.cool_down_days


def told(verdict: Verdict, symbol: str) -> str:
    return next(one.why for one in verdict.message.assets if one.symbol == symbol)


def test_a_poor_profit_factor_takes_an_asset_to_observation_size_on_the_third_day() -> None:
    walked = walk()
    walked.day({BTC: LOSING})
    assert walked.state.standing(BTC).broken == {"observe.0": 1}
    walked.day()
    assert walked.state.level(BTC) == "full", "two days are weather"
    verdict = walked.day()
    assert walked.state.level(BTC) == "observed"
    assert walked.state.enabled == (BTC, ETH), "it still trades"
    assert (walked.changes, verdict.message.observed) == ([(BTC, "observed")], (BTC,))
    (entry,) = walked.log
    assert (entry.activation.by, entry.activation.forced) == ("chloe", False)
    assert entry.activation.note == "profit_factor (BTC/USDT, last 60 d): is 0.60, must be >= 0.80"
    rests_on = msgspec.json.decode(entry.evidence, type=Readiness)
    assert [(r.name, r.met) for r in rests_on.requirements] == [("profit_factor (BTC/USDT, last 60 d)", False)]
    assert told(verdict, BTC).startswith("profit_factor (BTC/USDT, last 60 d): is 0.60, must be >= 0.80; cools")


def test_one_good_day_in_between_starts_the_count_again() -> None:
    walked = walk()
    walked.day({BTC: LOSING})
    walked.day()
    walked.day({BTC: [3.0]})
    assert walked.state.standing(BTC).broken == {}
    walked.day({BTC: [-3.0, -3.0]})
    walked.day()
    assert walked.changes == []
    walked.day()
    assert walked.changes == [(BTC, "observed")]


def test_a_drawdown_does_not_wait() -> None:
    walked = walk()
    walked.day({BTC: [-260.0]})  # 5.2 % of the account
    assert walked.changes == [(BTC, "observed")]


def test_a_worse_record_takes_it_off_and_its_position_is_wound_down_until_the_books_are_flat() -> None:
    walked = walk()
    walked.day({BTC: [0.2] * 10 + [-0.5] * 12, ETH: [6.0, -0.1]})  # ETH keeps the class above its floor
    walked.day(held=[BTC])
    verdict = walked.day(held=[BTC])
    assert walked.state.level(BTC) == "off"
    assert walked.changes == [(BTC, "disabled")]
    assert (verdict.message.enabled, verdict.message.winding) == ((ETH,), (BTC,))
    assert walked.day(held=[BTC]).message.winding == (BTC,)
    assert walked.day().message.winding == ()
    assert BTC not in walked.state.enabled


def test_nothing_is_wound_down_where_that_is_declared_so_nor_by_a_persons_order() -> None:
    demotion = PARAMS.settings.demotion.model_copy(update={"wind_down": False})
    params = replace(PARAMS, settings=PARAMS.settings.model_copy(update={"demotion": demotion}))
    walked = walk(params=params)
    walked.day({BTC: [-1300.0]}, held=[BTC])
    assert (walked.state.level(BTC), walked.state.winding) == ("off", ())
    walked = walk()
    assert walked.ask("disable", BTC).message.winding == ()


def test_an_observed_asset_still_falls_off() -> None:
    walked = walk()
    walked.days(4, {BTC: [0.6] * 4 + [-0.9] * 4, ETH: [6.0]})  # ETH keeps the class above its floor
    assert walked.changes == [(BTC, "observed")]
    walked.days(3, {BTC: [-3.0], ETH: [6.0]})
    assert walked.changes == [(BTC, "observed"), (BTC, "disabled")]


def test_a_stale_feed_takes_down_first_to_observation_size_then_off() -> None:
    walked = walk()
    for _ in range(12):
        walked.day(fresh={BTC: 0.0})
    assert [change for change in walked.changes if change[0] == BTC] == [(BTC, "observed"), (BTC, "disabled")]
    assert "feed_fresh (BTC/USDT" in walked.log[0].activation.note
    assert walked.state.level(ETH) == "full"


def test_a_flag_takes_to_observation_size_at_once_and_a_flag_on_the_class_all_of_it() -> None:
    walked = walk()
    assert walked.ask("block", "crypto", note="sources_disagree: binance and bybit").refusal is None
    assert walked.changes == []
    walked.day()
    assert walked.state.observed == (BTC, ETH)
    walked.ask("unblock", "crypto", note="sources_disagree: agree again")
    assert walked.state.flags == {}


def test_too_few_trades_break_no_floor() -> None:
    walked = walk()
    walked.days(5, {BTC: [-0.5]})
    assert walked.changes == []


def test_a_phases_floor_takes_all_its_assets_down_first_to_observation_size() -> None:
    walked = walk(enabled=(BTC, ETH, AVAX, DOGE))
    walked.day({symbol: [-190.0] for symbol in walked.state.enabled})  # 15.2 % of the account, no asset 5 % of it
    assert walked.state.phases == ("phase_0_crypto",)
    assert walked.state.observed == (BTC, ETH, AVAX, DOGE)
    assert {entry.activation.note.split(":")[0] for entry in walked.log} == {"phase_0_crypto"}
    walked.days(5)
    assert len(walked.log) == 4, "the class is measured anew from then on"


def test_then_the_phase_is_demoted_and_its_assets_are_off() -> None:
    walked = walk(enabled=(BTC, ETH, AVAX))
    verdict = walked.day({BTC: [-700.0], ETH: [-650.0]}, held=[BTC])
    assert walked.changes == [
        ("phase_0_crypto", "demoted"), (BTC, "disabled"), (ETH, "disabled"), (AVAX, "disabled"),
    ]  # fmt: skip
    assert (verdict.message.enabled, verdict.message.classes) == ((), ())
    assert set(verdict.message.winding) == {BTC, ETH, AVAX}
    assert not verdict.message.readiness[0].active
    assert told(verdict, BTC).startswith("phase_0_crypto was demoted; cools down until")


def test_a_demoted_phase_comes_back_at_observation_size_after_its_cool_down() -> None:
    walked = walk()
    walked.day({BTC: [-700.0], ETH: [-650.0]})
    walked.days(COOL - 1)
    refused = walked.ask("activate", "phase_0_crypto").refusal
    assert refused is not None
    assert refused.startswith("phase_0_crypto cools down until 2024-01-16: max_drawdown (crypto): is 27.0%")
    assert walked.state.phases == ()
    walked.day()
    assert [*walked.state.phases] == ["phase_0_crypto"]
    assert walked.state.observed == (BTC, ETH)
    walked.days(5)
    assert walked.state.enabled == (BTC, ETH), "what it fell by is behind it"


@pytest.mark.parametrize("fall", ["a floor", "a flag", "an order", "research"])
def test_live_standing_is_lost_at_once_with_any_fall(fall: str) -> None:
    walked = walk(enabled=(BTC, ETH, XRP), observed=(XRP,), live=(BTC, ETH))
    if fall == "a floor":
        walked.day({BTC: [-260.0]})
    elif fall == "a flag":
        walked.ask("block", BTC, note="abnormal_slippage: 60 bps")
    elif fall == "an order":
        walked.ask("disable", BTC)
    else:
        walked.days(7, tiers={BTC: 3})
    assert walked.state.live == (ETH,)
    assert (BTC, "live_disabled") in walked.changes
    walked.days(40)
    assert walked.state.live == (ETH,), "only a person gives it back"


def test_a_flag_on_all_ends_every_live_phase() -> None:
    walked = walk(enabled=(BTC, ETH, SOL), observed=(SOL,), live=(BTC, SOL))
    verdict = walked.ask("block", "all", note="equity_mismatch: 12 USDT")
    assert walked.changes == [(BTC, "live_disabled"), (SOL, "live_disabled")]
    assert verdict.message.live == ()
    assert walked.state.flags == {"all": ("equity_mismatch",)}


@pytest.mark.parametrize(
    ("subject", "note", "words"),
    [("moon", "x: y", "no asset or class 'moon' is declared"), (BTC, "", "its note names no flag")],
)
def test_a_flag_on_nothing_or_without_a_name_is_refused(subject: str, note: str, words: str) -> None:
    verdict = walk().ask("block", subject, note=note)
    assert (verdict.refusal, verdict.log) == (words, ())


def test_a_flag_is_lifted_by_its_own_name_only() -> None:
    walked = walk()
    walked.ask("block", BTC, note="drift: x")
    walked.ask("block", BTC, note="drift: again")
    walked.ask("block", BTC, note="stale_feed: x")
    assert walked.state.flags == {BTC: ("drift", "stale_feed")}
    walked.ask("unblock", BTC, note="drift: gone")
    assert walked.state.flags == {BTC: ("stale_feed",)}


def test_every_fall_is_in_the_chain_and_since_says_when() -> None:
    walked = proven(walk(enabled=(BTC, ETH, AVAX, DOGE)))
    walked.day({BTC: [-260.0], AVAX: [-1300.0]})
    assert first_broken(walked.log) is None
    assert walked.state.standing(BTC).since == datetime(2024, 1, 3, tzinfo=UTC)
    assert walked.state.log_hash == walked.log[-1].hash
