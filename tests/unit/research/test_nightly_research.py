"""Nightly research: outcomes are known in their time, sums agree with an evaluation's table, words follow rules."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from nightly_cases import BOTH, FIRST, HORIZON, PARAMS, SETTINGS, asset, declared, last, messages, run

from services.contracts.messages import ForecastsMade
from services.contracts.research import EdgeMeasured
from services.research.evaluation_edges import edges
from services.research.evaluation_rows import AssetForecasts
from services.research.nightly import decide as nightly
from services.research.nightly import words as nightly_words
from services.research.nightly.state import ResearchState

BTC, ETH = "BTC/USDT", "ETH/USDT"
HOUR = 3_600


def planted(n: int = 3_000, bucket: int = 7, gain: float = 0.006, others: float = -0.001) -> AssetForecasts:
    """Make forecasts of the next hour that pay ``gain`` in one bucket and ``others`` elsewhere, but for noise."""
    rows = asset(BTC, n=n, seed=5)
    paid = np.where(rows.bucket == bucket, gain, others) * np.sign(rows.ensemble.expected)
    step = paid + np.random.default_rng(6).normal(0.0, 0.004, n)
    close = np.exp(np.concatenate(([0.0], np.cumsum(step)[:-1])))
    return replace(rows, horizon_hours=1, horizon_bars=1, close=close, realised=np.append(step[:-1], np.nan))


def table(state: ResearchState, params: nightly.NightlyParams) -> dict[tuple[str, int], EdgeMeasured]:
    return {(one.regime, one.bucket): one for one in nightly_words.table(state, params)}


def test_cells_are_those_of_an_evaluation_of_the_same_rows() -> None:
    rows = asset(n=8_760, seed=3, skill=0.02)
    params = declared(BTC)
    state, _ = run(messages(rows), params)
    batch = {(one.regime, one.bucket): one for one in edges([rows], seed=1) if one.bucket is not None}
    told = table(state, params)
    assert len(told) == 40
    ratios = []
    for key, one in told.items():
        same = batch[key]
        if key != ("chop", 0):  # the least sure forecast of all has confidence 0.0 in a message: it counts as unsure
            assert one.n == same.n
            assert one.edge_bps == pytest.approx(same.edge_bps, abs=1e-6)
        assert one.low_bps is not None
        assert one.high_bps is not None
        assert same.low_bps is not None
        assert same.high_bps is not None
        ratios.append((one.high_bps - one.low_bps) / (same.high_bps - same.low_bps))
    # Whole blocks in place of resampled ones: the same width, give or take what a dozen blocks can tell of it.
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.1)
    assert 0.6 < min(ratios) <= max(ratios) < 1.6
    agreed = [(told[key].q_value or 1.0) < 0.05 for key in told], [(batch[key].q_value or 1.0) < 0.05 for key in told]
    assert np.mean(np.array(agreed[0]) == np.array(agreed[1])) >= 0.85


def test_an_outcome_is_known_when_its_bar_has_closed_and_no_sooner() -> None:
    rows = asset(n=60, seed=2)
    params, made = declared(BTC), messages(rows)
    state, _ = run(made[:HORIZON], params)
    assert state.assets[BTC].cells == {}
    state, _ = run(messages(replace(rows, regime=np.full(60, "chop"))), params)
    gains = np.sign(rows.ensemble.expected) * np.expm1(rows.realised) * 1e4 - 24.0
    sure = np.isfinite(rows.realised) & (rows.confidence > 0.0)
    counted = state.assets[BTC].profile
    assert counted.rows == sure.sum() > 40
    assert counted.s + counted.open_s == pytest.approx(gains[sure].sum())


def test_what_comes_later_changes_no_earlier_word() -> None:
    made = messages(planted(), asset(ETH, n=3_000, seed=9))
    params = declared(BTC, ETH)
    _, whole = run(made, params)
    for cut in (1_000, 2_000):
        _, part = run(made[:cut], params)
        assert part == whole[: len(part)]
        assert len(part) == -(-cut // 24)


def test_a_restart_between_any_two_slices_changes_no_byte() -> None:
    made, params = messages(planted(n=1_200), asset(ETH, n=1_200, seed=9)), declared(BTC, ETH)
    whole, said = run(made, params)
    state, again = nightly.start(params), []
    for i, one in enumerate(made):
        state = nightly.observe(state, one, params)
        if nightly.ends_day(one.ts):
            state, word = nightly.word(state, one.ts, params)
            again.append(word)
        if i % 7 == 0:
            state = msgspec.json.decode(msgspec.json.encode(state), type=ResearchState)
    assert msgspec.json.encode(state) == msgspec.json.encode(whole)
    assert msgspec.json.encode(again) == msgspec.json.encode(said)


def test_a_planted_edge_in_one_bucket_is_the_one_that_a_tier_3_asset_is_spoken_for() -> None:
    params = declared(BTC, tier=3)
    _, said = run(messages(planted()), params)
    word = last(said)[BTC]
    assert {cell.bucket for cell in word.cells} >= {7}
    assert word.tier == 1
    assert "alone" in word.tier_why
    assert all(cell.q_value is not None and cell.q_value < 0.05 for cell in word.cells)
    assert sum(one.share for one in word.mix) == pytest.approx(1.0)
    assert {(one.regime, one.bucket) for one in word.mix} == {(one.regime, one.bucket) for one in word.cells}


@pytest.mark.parametrize(("gain", "tier"), [(0.006, 1), (-0.006, 3)])
def test_an_asset_with_a_profile_is_judged_by_all_of_it(gain: float, tier: int) -> None:
    cells = {regime: [7] for regime in ("high_vol", "trend_up", "trend_down", "chop")}
    params = declared(BTC, tier=2, profile={"cells": cells})
    _, said = run(messages(planted(gain=gain)), params)
    word = last(said)[BTC]
    assert word.tier == tier
    assert word.edge_bps is not None
    assert {one.bucket for one in word.mix} == {7}
    assert f"{word.n} forecasts" in word.tier_why


def test_little_data_speaks_for_no_tier_and_says_so() -> None:
    _, said = run(messages(planted(n=60)), declared(BTC, tier=1, profile={"cells": {"chop": [7]}}))
    word = last(said)[BTC]
    assert (word.tier, word.threshold, word.mix) == (None, None, ())
    assert "too little to tell" in word.tier_why or "no forecast" in word.tier_why


def test_only_the_sides_that_an_asset_is_traded_on_are_measured() -> None:
    rows = asset(n=2_000, seed=4)
    long, _ = run(messages(rows), declared(BTC, sides=("long",)))
    both, _ = run(messages(rows), declared(BTC))
    short, _ = run(messages(rows), declared(BTC, sides=BOTH, profile={"cells": {"chop": []}, "sides": ["short"]}))
    counts = [sum(t.rows for t in state.assets[BTC].cells.values()) for state in (long, short, both)]
    assert counts[0] > 0
    assert counts[1] > 0
    assert counts[0] + counts[1] == counts[2]


def test_a_threshold_is_told_where_only_greater_forecasts_paid() -> None:
    rows = planted()
    size = np.where(rows.bucket == 7, 0.004, 0.0006)
    rows = replace(rows, ensemble=replace(rows.ensemble, expected=np.sign(rows.ensemble.expected) * size))
    params = declared(BTC, settings=SETTINGS.model_copy(update={"thresholds": (0.0005, 0.003)}))
    _, said = run(messages(rows), params)
    assert last(said)[BTC].threshold == 0.003
    _, said = run(messages(replace(rows, close=planted(gain=-0.001).close)), params)
    assert last(said)[BTC].threshold is None


def test_forecasts_that_no_model_has_a_say_in_or_that_are_unsure_do_not_count() -> None:
    rows = asset(n=500, seed=4)
    params = declared(BTC)

    def changed(**fields: object) -> list[ForecastsMade]:
        return [
            msgspec.structs.replace(one, forecasts=tuple(msgspec.structs.replace(f, **fields) for f in one.forecasts))
            for one in messages(rows)
        ]

    walk = msgspec.structs.replace(messages(rows)[0].forecasts[0].parts[0], model="random_walk")
    for made in (changed(confidence=0.0), changed(expected_return=0.0), changed(parts=(walk,))):
        state, _ = run(made, params)
        assert state.assets[BTC].cells == {}
    state, _ = run(messages(replace(rows, regime=np.full(500, "unclassified"))), params)
    assert state.assets[BTC].cells == {}


def test_no_outcome_reaches_over_a_split_or_a_hole() -> None:
    rows = replace(asset(n=200, seed=4), regime=np.full(200, "chop"))
    made, params = messages(rows), declared(BTC)
    whole, _ = run(made, params)
    begins = FIRST + 100 * HOUR
    measures = {BTC: replace(params.measures[BTC], splits=(begins,))}
    split, _ = run(made, replace(params, measures=measures))
    holed, _ = run([one for i, one in enumerate(made) if not 100 <= i < 110], params)
    rows_of = [state.assets[BTC].profile.rows for state in (whole, split, holed)]
    assert rows_of[0] - rows_of[1] == HORIZON
    assert rows_of[0] - rows_of[2] == 20, "ten forecasts were not made, of ten the outcome never came"


def test_where_markets_close_the_outcome_is_so_many_bars_of_their_own_later() -> None:
    session = [FIRST + 86_400 * day + HOUR * hour for day in (0, 1, 2) for hour in range(15, 22)]
    rows = asset("NVDA", n=len(session), seed=4)
    rows = replace(
        rows, asset_class="stocks", close_ts=np.array(session, dtype=np.int64), regime=np.full(len(session), "chop")
    )
    state, said = run(messages(rows), declared("NVDA", asset_class="stocks", tier=None))
    own = state.assets["NVDA"]
    assert own.bars == len(session)
    sure = rows.confidence[: len(session) - HORIZON] > 0.0
    assert own.profile.rows == int(sure.sum())
    assert said == [], "no slice of theirs ends a day"


def test_a_day_counts_the_bars_that_the_market_owed() -> None:
    rows = asset(n=72, seed=4)
    made = [one for i, one in enumerate(messages(rows)) if i not in (30, 31, 32)]
    gap = msgspec.structs.replace(made[30], forecasts=(), readings=())
    _, said = run([*made[:30], gap, *made[31:]], declared(BTC, ETH))
    told = [(last([one])[BTC].slices, last([one])[BTC].fresh) for one in said]
    assert told[0] == (1, 1), "the first slice ends a day: it is all there was of it"
    assert told[1] == (24, 24)
    assert told[2] == (24, 20)
    assert all((last([one])[ETH].slices, last([one])[ETH].fresh) == (0, 0) for one in said), "it never had a bar"


def test_an_asset_that_stops_is_told_as_stale() -> None:
    made = messages(asset(n=120, seed=4), asset(ETH, n=120, seed=5))
    stopped = [
        msgspec.structs.replace(
            one,
            forecasts=tuple(f for f in one.forecasts if f.symbol != ETH or i < 49),
            readings=tuple(r for r in one.readings if r.symbol != ETH or i < 49),
        )
        for i, one in enumerate(made)
    ]
    _, said = run(stopped, declared(BTC, ETH))
    assert [(last([one])[ETH].slices, last([one])[ETH].fresh) for one in said[-2:]] == [(24, 0), (24, 0)]


def test_what_is_no_longer_measured_as_declared_begins_anew() -> None:
    made = messages(asset(n=1_000, seed=4))
    before = declared(BTC, profile={"cells": {"chop": [1]}})
    state, _ = run(made[:-1], before)
    assert state.assets[BTC].profile.rows > 0
    other = nightly.observe(state, made[-1], declared(BTC, profile={"cells": {"chop": [2]}}))
    assert other.assets[BTC].profile.rows == 0
    assert sum(t.rows for t in other.assets[BTC].cells.values()) > 200
    long = nightly.observe(state, made[-1], declared(BTC, sides=("long",), profile={"cells": {"chop": [1]}}))
    assert sum(t.rows for t in long.assets[BTC].cells.values()) == 0


def test_words_name_every_declared_asset_in_order_and_speak_of_tiers_only_where_there_are_any() -> None:
    _, said = run(messages(asset(n=100, seed=1)), PARAMS)
    names = [one.symbol for one in said[-1].assets]
    assert names == sorted(PARAMS.assets.assets)
    assert last(said)["NVDA"].tier_why == "stocks have no tiers"
    assert last(said)["ADA/USDT"].tier_why == "no forecast of its profile has an outcome yet"


def test_the_plans_profiles_are_the_cells_that_are_measured() -> None:
    cells = sorted(PARAMS.measures[BTC].profile or ())
    assert [nightly_words.NAMES[cell] for cell in cells] == [("high_vol", b) for b in (0, 1, 2)]
    assert PARAMS.measures["AVAX/USDT"].ways == frozenset({-1})
    assert len(PARAMS.measures[ETH].profile or ()) == 10
    assert PARAMS.measures["ADA/USDT"].profile is None


def test_the_plans_table_is_the_starting_value_and_names_only_declared_assets() -> None:
    plan = {one.symbol: one for one in SETTINGS.starting_edges}
    assert plan.keys() == {s for s, a in PARAMS.assets.assets.items() if a.asset_class == "crypto"}
    for symbol, one in plan.items():
        profile = PARAMS.assets.assets[symbol].profile
        if one.regime is not None:
            assert profile is not None
            assert profile.cells[one.regime] == one.buckets
        else:
            assert profile is None
        tier = 1 if one.edge_bps > SETTINGS.tier_1_bps else 2 if one.edge_bps > 0 else 3
        assert PARAMS.assets.assets[symbol].tier == tier
