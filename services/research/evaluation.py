"""Judge forecasts: from columns to the report, with a plain sentence for each asset and one over all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.inference.series import Floats, Ints
from services.research import evaluation_edges as edge_table
from services.research import evaluation_scores as scores
from services.research.evaluation_report import (
    VERSION,
    AssetVerdict,
    Calibration,
    EvaluationReport,
    LedgerResult,
    ModelScore,
)
from services.research.evaluation_rows import ENSEMBLE, AssetForecasts
from services.research.simple_rule import THRESHOLDS, Tried, try_rule
from services.research.trade_record import trade_record

SURE = 0.05
TOO_GOOD = 0.60
"""Direction right more often than this, surely, is what a leak looks like; honest hourly models lie near one half."""

KIND = "replayed: every forecast by walk-forward, nothing was traded"


@dataclass(frozen=True, slots=True, eq=False)
class Ledger:
    """Round trips that somebody brought along: net returns (n,) as fractions.

    ``random_wins`` is the win rate of random entries with the same exits (see :func:`random_win_rate`), ``days`` (n,)
    what trades have in common that are not independent of each other.
    """

    name: str
    net: Floats
    random_wins: float | None = None
    days: Ints | None = None


def evaluate(
    assets: Sequence[AssetForecasts],
    *,
    source: str,
    since: datetime | None = None,
    until: datetime | None = None,
    ledgers: Sequence[Ledger] = (),
    seed: int = 7,
) -> EvaluationReport:
    """Judge all assets, horizon by horizon; ``source`` says in words where the data came from."""
    horizons = [
        [one for one in assets if one.horizon_hours == hours and len(one.close_ts)]
        for hours in sorted({one.horizon_hours for one in assets if len(one.close_ts)})
    ]
    tried = [try_rule(group) for group in horizons]
    models = [score for group in horizons for score in scores.with_holm(_scored(group))]
    cells = [cell for group in horizons for cell in edge_table.edges(group, seed)]
    verdicts = [asset_verdict(one, _ensemble(models, one)) for group in horizons for one in group]
    return EvaluationReport(
        version=VERSION,
        kind=KIND,
        source=source,
        since=since,
        until=until,
        cost_bps={one.symbol: one.cost_bps for one in assets},
        yardstick=_yardstick(models),
        verdict=overall_verdict(verdicts, models) if verdicts else _nothing(assets),
        verdicts=tuple(verdicts),
        models=tuple(models),
        months=tuple(month for group in horizons for one in group for month in scores.month_scores(one)),
        calibration=tuple(found for group in horizons for found in _calibrations(group)),
        edges=tuple(cells),
        edge_verdict=edge_table.edge_verdict(cells),
        strategies=tuple(result for one in tried for result in one.strategies),
        overfitting=tuple(result for one in tried for result in one.overfitting),
        equity=tuple(curve for one in tried for curve in one.equity),
        ledgers=tuple(judge(ledger) for ledger in ledgers),
        notes=_notes(assets, models, tried),
    )


def judge(ledger: Ledger) -> LedgerResult:
    """Judge round trips beside the win rate that random entries with the same exits would have."""
    return LedgerResult(ledger.name, trade_record(ledger.net, ledger.random_wins, clusters=ledger.days))


def asset_verdict(rows: AssetForecasts, score: ModelScore | None) -> AssetVerdict:
    """Say in one plain sentence whether the forecasts of an asset showed skill."""
    where = f"{rows.symbol} at {rows.horizon_hours} h"
    if score is None:
        text = f"nothing known about {where}: no forecast could be compared with what came"
        return AssetVerdict(rows.symbol, rows.horizon_hours, False, text)
    skill = _skilled(score)
    if skill:
        word = f"evidence of skill on {where}"
    elif score.ratio > 1.0 and _sure(score):
        word = f"worse than the random walk on {where}"
    else:
        word = f"no evidence of skill on {where}"
    text = f"{word}: {_figures(score)}"
    if _too_good(score):
        text += "; too good to be true: direction this often right is what a leak looks like"
    return AssetVerdict(rows.symbol, rows.horizon_hours, skill, text)


def overall_verdict(verdicts: Sequence[AssetVerdict], models: Sequence[ModelScore]) -> str:
    """Say in a sentence or two what holds over all assets, each horizon by itself."""
    said = []
    for hours in sorted({one.horizon_hours for one in verdicts}):
        ensembles = [one for one in models if one.model == ENSEMBLE and one.horizon_hours == hours]
        mine = [one for one in verdicts if one.horizon_hours == hours]
        if len(mine) == 1:
            said.append(f"{mine[0].text[:1].upper()}{mine[0].text[1:]}.")
            continue
        skilled = [one.symbol for one in mine if one.skill]
        worse = [one.symbol for one in ensembles if one.ratio > 1.0 and _sure(one)]
        level = sum(one.ratio <= 1.0 for one in ensembles)
        if skilled:
            text = f"Evidence of skill at {hours} h on {len(skilled)} of {len(mine)} assets ({', '.join(skilled)})"
        else:
            text = f"No evidence of skill at {hours} h on any of {len(mine)} assets"
        text += f": the ensemble's error is at or below the random walk's on {level} of {len(ensembles)}, "
        text += f"significantly so on {len(skilled) or 'none'}"
        text += f", and significantly above it on {', '.join(worse)}." if worse else "."
        leaky = [one.symbol for one in ensembles if _too_good(one)]
        if leaky:
            text += f" Too good to be true on {', '.join(leaky)}: direction this often right is what a leak looks like."
        said.append(text)
    return " ".join(said)


def _nothing(assets: Sequence[AssetForecasts]) -> str:
    early = sum(one.untrained for one in assets)
    if early:
        return f"Nothing to judge: no model was trained by any of {early:,} slices, for there is too little history."
    return "Nothing to judge: no forecast could be compared with what came."


def _scored(group: Sequence[AssetForecasts]) -> list[ModelScore]:
    return [score for one in group for score in scores.model_scores(one)]


def _calibrations(group: Sequence[AssetForecasts]) -> list[Calibration]:
    found = [scores.calibration([one]) for one in group]
    pooled = scores.calibration(group) if len(group) > 1 else None
    return [one for one in (pooled, *found) if one is not None]


def _ensemble(models: Sequence[ModelScore], rows: AssetForecasts) -> ModelScore | None:
    wanted = (rows.symbol, rows.horizon_hours, ENSEMBLE)
    return next((one for one in models if (one.symbol, one.horizon_hours, one.model) == wanted), None)


def _sure(score: ModelScore) -> bool:
    return score.p_holm is not None and score.p_holm < SURE


def _skilled(score: ModelScore) -> bool:
    return score.ratio < 1.0 and _sure(score)


def _too_good(score: ModelScore) -> bool:
    return score.direction_low is not None and score.direction_low > TOO_GOOD


def _figures(score: ModelScore) -> str:
    p = "not testable" if score.p_holm is None else f"p {score.p_holm:.2f} after Holm"
    text = f"RMSE {score.rmse:.2%} beside the random walk's {score.rmse_random_walk:.2%}, ratio {score.ratio:.3f}, {p}"
    if score.direction_right is not None:
        text += (
            f"; direction right {score.direction_right:.1%} ({score.direction_low:.1%} to {score.direction_high:.1%})"
        )
    return f"{text}; {score.n:,} forecasts, {score.independent:,} independent"


def _yardstick(models: Sequence[ModelScore]) -> str:
    walks = ", ".join(
        f"{one.symbol} {one.rmse_random_walk:.2%} ({one.horizon_hours} h)" for one in models if one.model == ENSEMBLE
    )
    return (
        f"The yardstick is the random walk, which forecasts no move. Its RMSE of log returns on the same rows: {walks}."
    )


def _notes(assets: Sequence[AssetForecasts], models: Sequence[ModelScore], tried: Sequence[Tried]) -> tuple[str, ...]:
    trials = max((one.trials for each in tried for one in each.strategies), default=0)
    thresholds = ", ".join(f"{one:.1f}" for one in THRESHOLDS)
    parts = len({one.model for one in models})
    early = ", ".join(f"{one.symbol} {one.untrained:,}" for one in assets if one.untrained)
    left_out = (f"Left out, for no model was trained by then: {early} slices.",) if early else ()
    return (
        *left_out,
        "Hourly forecasts over a longer horizon overlap: intervals and p-values count stretches that share no bar.",
        "p: Diebold-Mariano, two-sided, adjusted by Holm over the assets (the parts: over all assets and parts).",
        "Edges: sign of the forecast times the return over the horizon less the cost of a round trip; intervals from "
        "resampled blocks of eight horizons, q-values by Benjamini-Hochberg over the whole table.",
        "The ensemble's 80 % interval is its own; a part's is the normal one around its forecast.",
        f"The simple rule was tried with {parts} models and {len(THRESHOLDS)} thresholds ({thresholds}) on every "
        f"asset: {trials} trials with trades, which the deflated Sharpe ratio counts. Earlier tries are not counted.",
        "The rule enters at the slice's close and may go short; fills come at the next open, and size moves the price.",
        "On pure noise the probability of back-test overfitting scatters widely around one half.",
    )
