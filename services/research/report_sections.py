"""The evaluation page's sections on forecasts: errors by month, calibration, edges, and every model in detail."""

from collections.abc import Sequence
from html import escape

from services.domain.regimes import REGIMES
from services.research import report_svg as svg
from services.research import report_words as words
from services.research.evaluation_edges import BUCKETS
from services.research.evaluation_report import ALL, Calibration, EdgeCell, EvaluationReport, ModelScore, MonthScore
from services.research.evaluation_rows import ENSEMBLE

HALF, WHOLE = (520.0, 340.0), (1040.0, 320.0)
COVERAGE_ASKED = (0.77, 0.83)


def errors(report: EvaluationReport, hours: int) -> str:
    """Compare the ensemble on every asset with the random walk."""
    scores = [one for one in report.models if one.horizon_hours == hours and one.model == ENSEMBLE]
    verdicts = {one.symbol: one for one in report.verdicts if one.horizon_hours == hours}
    rows = [
        [
            escape(one.symbol),
            verdicts[one.symbol].text.split(" on ")[0],
            _ratio(one),
            words.share(one.rmse, 2),
            words.share(one.rmse_random_walk, 2),
            words.share(one.mae, 2),
            words.share(one.mae_random_walk, 2),
            words.probability(one.p_holm),
            words.share(one.direction_right),
            words.between(one.direction_low, one.direction_high),
            f"{one.n:,}",
            f"{one.independent:,}",
        ]
        for one in scores
    ]
    head = ["asset", "verdict", "ratio", "RMSE", "walk's", "MAE", "walk's", "p (Holm)", "direction", "95 % interval"]
    shown = words.table([*head, "forecasts", "independent"], rows, text_columns=2)
    return (
        f"<section><h2>Every asset beside the random walk, {hours} hours ahead</h2>"
        '<p class="quiet">Ratio: the ensemble’s RMSE over the random walk’s on the same rows. Below 1 is better; '
        f"p says whether it is more than chance.</p>{shown}</section>"
    )


def months(report: EvaluationReport, hours: int) -> str:
    """Show the ratio month by month: every model over all assets, and the ensemble asset by asset."""
    found = [one for one in report.months if one.horizon_hours == hours]
    names = sorted({one.month for one in found})
    models = list(dict.fromkeys(one.model for one in found))
    if not names:
        return ""
    css = words.css_of(models)
    ratios = {
        (model, month): _mean_ratio([m for m in found if m.model == model and m.month == month])
        for model in models
        for month in names
    }
    # The ensemble last, so that it lies on top.
    drawn = [
        svg.Line(words.model_name(model), css[model], [ratios[model, month] for month in names])
        for model in sorted(models, key=lambda name: name == ENSEMBLE)
    ]
    title = f"Ratio to the random walk by month and model, {hours} hours ahead"
    chart = svg.lines(title, names, drawn, lambda v: f"{v:.3f}", 1.0, WHOLE)
    legend = [(words.model_name(model), css[model]) for model in models]
    return (
        "<section><h2>Skill by month</h2><p>A skill that comes from one lucky month is none. Below the dashed line the "
        "random walk was beaten.</p>"
        f"{words.figure(chart, 'Ratio to the random walk, mean over the assets.', legend, wide=True)}"
        f"{_month_table([one for one in found if one.model == ENSEMBLE], names)}</section>"
    )


def calibration(report: EvaluationReport, hours: int) -> str:
    """Show whether p_up and the 80 % interval kept their word."""
    kept = [one for one in report.calibration if one.horizon_hours == hours]
    scores = [one for one in report.models if one.horizon_hours == hours and one.model == ENSEMBLE]
    left = _reliability(kept[0]) if kept else "<p>No probability of a rise was given.</p>"
    rows = [
        [
            escape(words.asset_name(one.symbol)),
            words.share(one.expected_error, 2),
            words.share(one.expected_error_of_tenths, 2),
            words.number(one.brier, 4),
            words.number(one.brier_base_rate, 4),
            words.share(one.base_rate),
            f"{one.n:,}",
        ]
        for one in kept
    ]
    head = ["p_up on", "calibration error", "over tenths", "Brier", "base rate's", "rose", "forecasts"]
    shown = words.table(head, rows, "Calibration error below 5 % is asked. A Brier score of 0.25 is a coin’s.")
    return (
        "<section><h2>Do the probabilities and intervals mean what they say?</h2>"
        f'<div class="pair"><div>{left}</div><div>{_coverage(scores)}</div></div>{shown if rows else ""}</section>'
    )


def edges(report: EvaluationReport, hours: int) -> str:
    """Show what following the forecasts paid after costs, by bucket and by regime."""
    cells = [one for one in report.edges if one.horizon_hours == hours]
    symbols = list(dict.fromkeys(one.symbol for one in cells))
    whole = ALL if ALL in symbols else symbols[0] if symbols else None
    if whole is None:
        return ""
    points = [
        svg.Point(str(c.bucket), c.edge_bps, c.low_bps, c.high_bps, "s0", f"{c.edge_bps:+.1f} bps, {c.n} forecasts")
        for c in cells
        if c.symbol == whole and c.regime == ALL and c.bucket is not None
    ]
    title = f"Edge after costs by confidence bucket, {words.asset_name(whole)}"
    chart = svg.intervals(title, points, lambda v: words.minus(f"{v:+g}") if v else "0", 0.0, WHOLE) if points else ""
    said = (
        f"Edge in bps a forecast after costs, by confidence bucket (0 least sure, 9 most), {words.asset_name(whole)}; "
        "95 % intervals. The expected value of no skill is the cost, below zero."
    )
    tables = "".join(
        f"<details{' open' if symbol == whole else ''}><summary>{escape(words.asset_name(symbol))}</summary>"
        f"{_heat([c for c in cells if c.symbol == symbol])}</details>"
        for symbol in sorted(symbols, key=lambda name: name != whole)
    )
    return (
        f"<section><h2>What the forecasts were worth after costs</h2><p>{escape(report.edge_verdict)}</p>"
        f"{words.figure(chart, said, wide=True)}{tables}</section>"
    )


def models(report: EvaluationReport, hours: int) -> str:
    """List every model on every asset."""
    found = [one for one in report.models if one.horizon_hours == hours]
    head = ["model", "ratio", "RMSE", "MAE", "p", "p (Holm)", "direction", "95 % interval", "coverage of 80 %"]
    parts = []
    for symbol in dict.fromkeys(one.symbol for one in found):
        mine = [one for one in found if one.symbol == symbol]
        rows = [_model_row(one) for one in mine]
        walk = [words.share(mine[0].rmse_random_walk, 2), words.share(mine[0].mae_random_walk, 2)]
        rows.append(["random walk", "1.0000", *walk, *[words.NONE] * 6, f"{mine[0].n:,}"])
        shown = words.table([*head, "width, bps", "forecasts"], rows)
        parts.append(f"<details><summary>{escape(symbol)}</summary>{shown}</details>")
    return f"<section><h2>Every model on every asset</h2>{''.join(parts)}</section>"


def _model_row(one: ModelScore) -> list[str]:
    return [
        escape(words.model_name(one.model)),
        _ratio(one),
        words.share(one.rmse, 2),
        words.share(one.mae, 2),
        words.probability(one.p_value),
        words.probability(one.p_holm),
        words.share(one.direction_right),
        words.between(one.direction_low, one.direction_high),
        words.share(one.coverage),
        words.number(one.width_bps, 0),
        f"{one.n:,}",
    ]


def _ratio(one: ModelScore) -> str:
    sure = one.p_holm is not None and one.p_holm < 0.05
    css = (' class="good"' if one.ratio < 1.0 else ' class="bad"') if sure else ""
    return f"<span{css}>{one.ratio:.4f}</span>"


def _mean_ratio(found: Sequence[MonthScore]) -> float | None:
    return sum(one.ratio for one in found) / len(found) if found else None


def _month_table(found: Sequence[MonthScore], names: Sequence[str]) -> str:
    ratios = {(one.symbol, one.month): one for one in found}
    rows = ""
    for symbol in dict.fromkeys(one.symbol for one in found):
        rows += f'<tr><th scope="row">{escape(symbol)}</th>'
        for month in names:
            one = ratios.get((symbol, month))
            if one is None:
                rows += f"<td>{words.NONE}</td>"
                continue
            rows += f'<td style="{words.tint(1.0 - one.ratio, 0.03)}" title="{one.n} forecasts">{one.ratio:.3f}</td>'
        rows += "</tr>"
    head = "".join(f'<th scope="col">{month}</th>' for month in names)
    return (
        '<div class="scroll table"><table class="heat"><caption>The ensemble’s ratio by asset and month.</caption>'
        f'<thead><tr><th scope="col">asset</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _reliability(kept: Calibration) -> str:
    pairs = [
        (
            one.said,
            svg.Point("", one.rose, one.rose_low, one.rose_high, "s0", f"said {one.said:.1%}, rose {one.rose:.1%}"),
        )
        for one in kept.tenths
        if one.said is not None and one.rose is not None
    ]
    title = f"Reliability of p_up, {words.asset_name(kept.symbol)}"
    caption = (
        f"Reliability of p_up, {words.asset_name(kept.symbol)}: said (across) against came true (up). Each point is a "
        f"tenth of the forecasts, with an interval for {kept.independent:,} independent ones in all. On the dashed "
        "line it kept its word."
    )
    return words.figure(svg.reliability(title, pairs, HALF), caption)


def _coverage(scores: Sequence[ModelScore]) -> str:
    points = [
        svg.Point(
            one.symbol.split("/")[0], one.coverage, one.coverage_low, one.coverage_high, "s0", f"{one.coverage:.1%}"
        )
        for one in scores
        if one.coverage is not None
    ]
    if not points:
        return "<p>No interval was given.</p>"
    chart = svg.intervals("Coverage of the 80 % interval", points, svg.percent, 0.80, HALF, COVERAGE_ASKED)
    return words.figure(chart, "Coverage of the 80 % interval by asset. Asked: 77 to 83 %, the shaded band.")


def _heat(cells: Sequence[EdgeCell]) -> str:
    by_place = {(one.regime, one.bucket): one for one in cells}
    columns: tuple[int | None, ...] = (*range(BUCKETS), None)
    rows = ""
    for regime in (*REGIMES, ALL):
        name = "all regimes" if regime == ALL else regime.replace("_", " ")
        rows += (
            f'<tr><th scope="row">{name}</th>' + "".join(_cell(by_place.get((regime, b))) for b in columns) + "</tr>"
        )
    head = "".join(f'<th scope="col">{"all" if b is None else b}</th>' for b in columns)
    return (
        '<div class="scroll table"><table class="heat"><caption>Edge in bps after costs by regime and confidence '
        "bucket. Framed: stays above zero once the whole table is looked at.</caption>"
        f'<thead><tr><th scope="col">regime</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _cell(one: EdgeCell | None) -> str:
    if one is None:
        return f"<td>{words.NONE}</td>"
    tip = f"{one.n} forecasts, {one.independent} independent, {words.between(one.low_bps, one.high_bps, 'bps')} bps"
    tip += f", q {words.probability(one.q_value)}"
    css = ' class="sure"' if one.significant else ""
    few = one.p_value is None
    style = "color: var(--quiet)" if few else words.tint(one.edge_bps, 60.0)
    return f'<td{css} style="{style}" title="{tip}">{words.whole_bps(one.edge_bps)}</td>'
