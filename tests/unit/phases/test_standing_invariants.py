"""Whatever days and commands come: what must never be, never is; and the same inputs give the same bytes."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from phases_cases import PARAMS
from standing_cases import BTC, ETH, LINK, PAYS, XRP, Walk, walk

from services.contracts.messages import DayEvaluated, decode, encode
from services.phases.chain import first_broken
from services.phases.decide import PhasesState, active_classes
from services.phases.state import ceiling

ROLLOUT = [
    "BTC/USDT",
    "ETH/USDT",
    "AVAX/USDT",
    "DOGE/USDT",
    "MATIC/USDT",
    "XRP/USDT",
    "SOL/USDT",
    "LINK/USDT",
    "BNB/USDT",
]
SUBJECTS = [*ROLLOUT, "NVDA", "phase_0_crypto", "phase_1_stocks", "crypto", "all"]
RESULTS: list[list[float]] = [[], [0.4] * 10 + [-0.2] * 10, [0.2] * 10 + [-0.5] * 12, [-260.0], [-800.0], [500.0]]

days = st.fixed_dictionaries(
    {
        "results": st.dictionaries(st.sampled_from(ROLLOUT), st.sampled_from(RESULTS), max_size=3),
        "fresh": st.dictionaries(st.sampled_from(ROLLOUT), st.sampled_from([0.0, 0.93]), max_size=2),
        "tiers": st.dictionaries(st.sampled_from(ROLLOUT), st.sampled_from([1, 2, 3, None]), max_size=3),
        "held": st.lists(st.sampled_from(ROLLOUT), unique=True, max_size=3),
        "pays": st.booleans(),
        "times": st.sampled_from([1, 2, 4, 8, 15]),
    }
)
orders = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["activate", "enable", "disable", "block", "unblock"]),
        "subject": st.sampled_from(SUBJECTS),
        "forced": st.booleans(),
        "live": st.booleans(),
    }
)
steps = st.lists(st.one_of(days, orders), min_size=1, max_size=14)


def carry_out(walked: Walk, step: dict[str, Any]) -> None:
    """Make one step, checking each day and command."""
    if "name" in step:
        before = walked.state
        verdict = walked.ask(**step, note="drift: made up")
        check(walked, verdict.message)
        if verdict.refusal is not None:
            assert (verdict.log, walked.state) == ((), before)
        return
    for _ in range(step["times"]):
        before = walked.state
        cells = {LINK: (PAYS,)} if step["pays"] else {}
        verdict = walked.day(step["results"], held=step["held"], fresh=step["fresh"], tiers=step["tiers"], cells=cells)
        check(walked, verdict.message)
        check_day(before, walked.state, walked.ends.date().isoformat(), step["held"])


def check(walked: Walk, said: DayEvaluated) -> None:
    """What holds after anything."""
    state, assets = walked.state, PARAMS.assets
    assert set(said.observed) <= set(said.enabled)
    assert set(said.live) <= set(said.enabled)
    assert not set(said.winding) & set(said.enabled)
    assert len(set(state.enabled)) == len(state.enabled)
    for symbol in state.enabled:
        assert assets.phase_of(symbol) in state.phases
        assert ceiling(symbol, state, PARAMS) != "off", "tier 3 is never enabled"
        assert state.level(symbol) == "observed" or ceiling(symbol, state, PARAMS) == "full"
        assert assets.assets[symbol].role != "research_only" or state.cells[symbol]
    for symbol in state.live:
        subjects = (symbol, assets.assets[symbol].asset_class, "all")
        assert not any(state.flags.get(subject) for subject in subjects)
    assert (said.enabled, said.observed, said.live) == (state.enabled, state.observed, state.live)
    assert said.classes == active_classes(state, PARAMS)
    assert [one.level for one in said.assets] == [state.level(one.symbol) for one in said.assets]
    assert decode(encode(said)) == said


def check_day(before: PhasesState, after: PhasesState, today: str, held: Sequence[str]) -> None:
    """What holds from one day's end to the next."""
    rank = {"off": 0, "observed": 1, "full": 2}
    risen = [s for s in PARAMS.assets.assets if rank[after.level(s)] > rank[before.level(s)]]
    for symbol in risen:
        kept = before.standing(symbol)
        assert kept.cool_until is None or today >= kept.cool_until, "nothing that cools down rises"
        assert kept.held is None, "nor what a person took off"
    opened = [s for s in risen if before.level(s) == "off"]
    if after.phases == before.phases:
        assert len(opened) <= 1
    assert set(after.live) <= set(before.live), "live phases open by order only"
    for symbol in before.winding:
        assert symbol not in after.winding or symbol in held or symbol in before.enabled


def walked_through(made: list[dict[str, Any]]) -> Walk:
    walked = walk(enabled=(BTC, ETH, XRP), observed=(XRP,))
    walked.audits = {BTC: True, ETH: True, XRP: True}
    walked.configured = {"crypto": True, "stocks": True}
    for step in made:
        carry_out(walked, step)
    return walked


@settings(max_examples=60, deadline=None)
@given(steps)
def test_whatever_comes_the_ladder_keeps_its_promises_and_its_log_holds(made: list[dict[str, Any]]) -> None:
    walked = walked_through(made)
    assert first_broken(walked.log) is None
    assert walked.state.log_seq == len(walked.log)
    again = walked_through(made)
    assert encode(again.state) == encode(walked.state)
    assert again.log == walked.log
