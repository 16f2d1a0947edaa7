from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from inference_cases import START, market, quick_settings, walk

from services.inference import ensemble, models, retraining
from services.inference.challenge import Challenge, challenge
from services.inference.parallel import Bench
from services.inference.registry import TrainedModel, digest
from services.inference.retraining import challenges, next_run, retrain, start_of
from services.inference.series import moment
from services.inference.walk_forward import walk_forward

SETTINGS = quick_settings()
BTC = "BTC/USDT"
CANDLES = {BTC: walk(700), "ETH/USDT": walk(700, seed=2, symbol="ETH/USDT")}
NOW = moment(START + 696 * 3_600) + timedelta(hours=2)
"""Two in the morning after 29 days."""
MIDNIGHT = NOW - timedelta(hours=2)
KNOWN = [
    row
    for row in walk_forward(market({s: c.between(0, 480) for s, c in CANDLES.items()}), SETTINGS)
    if row.valid_from < MIDNIGHT
]


def silent(_done: int, _of: int, _name: str) -> None:
    return


def rerun(known: list[TrainedModel], now: datetime = NOW) -> list[TrainedModel]:
    return retrain(market(CANDLES), known, list(CANDLES), now, SETTINGS, silent, workers=1).models


def test_the_night_s_hour_is_kept() -> None:
    assert start_of(NOW) == MIDNIGHT
    assert next_run(MIDNIGHT, SETTINGS) == NOW
    assert next_run(NOW, SETTINGS) == NOW + timedelta(days=1)
    every_other = SETTINGS.model_copy(update={"retraining": SETTINGS.retraining.model_copy(update={"every_days": 2})})
    assert {
        (next_run(NOW + timedelta(days=d), every_other) - datetime(1970, 1, 1, tzinfo=UTC)).days % 2 for d in range(4)
    } == {0}


def test_every_model_in_use_is_challenged_and_the_figures_are_kept() -> None:
    made = [row for row in rerun(KNOWN) if row.model != ensemble.NAME]
    assert {(row.symbol, row.model) for row in made} == {(s, m) for s in CANDLES for m in SETTINGS.models}
    for row in made:
        assert row.valid_from == MIDNIGHT
        assert row.standing in ("in use", "refused")
        assert "RMSE" in row.note
        assert row.trained_through + timedelta(hours=12) <= row.valid_from


def test_a_challenger_that_is_worse_is_refused_and_one_that_is_not_takes_over_trained_on_everything() -> None:
    bench = Bench(market(CANDLES), SETTINGS)
    incumbent = next(row for row in reversed(KNOWN) if (row.symbol, row.model) == (BTC, "lightgbm"))
    strict = SETTINGS.model_copy(update={"retraining": SETTINGS.retraining.model_copy(update={"tolerance": 10.0})})
    job = Challenge(BTC, "lightgbm", MIDNIGHT, incumbent)
    taken = challenge(Bench(market(CANDLES), strict), job)
    assert taken is not None
    assert taken.standing == "in use"
    assert taken.trained_through == MIDNIGHT - timedelta(hours=12)
    perfect = challenge(bench, replace(job, incumbent=oracle(incumbent, bench)))
    assert perfect is not None
    assert perfect.standing == "refused"
    assert perfect.note.startswith("worse: RMSE")
    assert perfect.trained_through == MIDNIGHT - timedelta(days=2, hours=12)


def oracle(row: TrainedModel, bench: Bench) -> TrainedModel:
    """The same row with trees that have seen the days held out."""
    from services.inference.training import window_at

    rows = bench.rows(BTC)
    window = window_at(rows, int(MIDNIGHT.timestamp()), SETTINGS)
    assert window is not None
    strong = models.build(
        "lightgbm",
        {**SETTINGS.models["lightgbm"].params, "rounds": 200, "l2": 0.0, "rows_per_leaf": 1, "leaves": 31},
        12,
    )
    artefact = strong.fit(rows.table, window.train, rows.y[window.train], 1)
    return replace(row, artefact=artefact, artefact_sha256=digest(artefact))


def test_what_was_trained_for_tonight_is_not_trained_again() -> None:
    once = rerun(KNOWN)
    again = [row for row in rerun([*KNOWN, *once]) if row.model != ensemble.NAME]
    used = {(row.symbol, row.model) for row in once if row.standing == "in use"}
    assert used
    assert not used & {(row.symbol, row.model) for row in again}


def test_a_version_too_young_to_be_judged_stays() -> None:
    young = [replace(row, valid_from=MIDNIGHT - timedelta(days=1)) for row in KNOWN[-2:]]
    grouped = {(row.symbol, row.model): [row] for row in young}
    named = {(job.symbol, job.name) for job in challenges(grouped, [BTC, "ETH/USDT"], MIDNIGHT, SETTINGS)}
    assert not named & set(grouped)


def test_an_asset_without_models_walks_forward_first() -> None:
    only_btc = [row for row in KNOWN if row.symbol == BTC]
    made = rerun(only_btc)
    fresh = [row for row in made if row.symbol == "ETH/USDT" and row.model == "lightgbm"]
    assert len(fresh) > 3
    assert all(row.standing == "in use" for row in fresh)


def test_the_new_blend_rests_on_forecasts_made_out_of_sample() -> None:
    blends = [row for row in rerun(KNOWN) if row.model == ensemble.NAME]
    assert {row.symbol for row in blends} == set(CANDLES)
    for row in blends:
        assert row.valid_from == MIDNIGHT
        first = min(one.valid_from for one in KNOWN if one.symbol == row.symbol)
        assert row.trained_from >= first
        assert ensemble.load(row.artefact).evidence > 0


@pytest.mark.parametrize("workers", [2])
def test_two_processes_give_the_same_rows_as_one(workers: int) -> None:
    one = [(r.model, r.version, r.artefact) for r in walk_forward(market(CANDLES), SETTINGS)]
    two = [(r.model, r.version, r.artefact) for r in walk_forward(market(CANDLES), SETTINGS, workers=workers)]
    assert one == two
    assert retraining.span(SETTINGS) > timedelta(days=30)
