"""The evaluation report as one HTML file that needs nothing else: the verdict first, its yardstick beside it."""

import re
from html import escape

from services.research import report_sections as sections
from services.research import report_trading as trading
from services.research import report_words as words
from services.research.evaluation_report import EvaluationReport
from services.research.evaluation_rows import ENSEMBLE
from services.research.report_style import STYLE


def as_html(report: EvaluationReport) -> str:
    """Write the page."""
    hours = sorted({one.horizon_hours for one in report.models})
    body = [_header(report), _hero(report)]
    for one in hours:
        body += [
            sections.errors(report, one),
            sections.months(report, one),
            sections.calibration(report, one),
            sections.edges(report, one),
            trading.rule(report, one),
            sections.models(report, one),
        ]
    body += [trading.ledgers(report), _notes(report)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Chloe: evaluation of forecasts</title><style>{STYLE}</style></head>"
        f"<body>{_spaced(''.join(body))}</body></html>\n"
    )


def _spaced(text: str) -> str:
    """Write per cent signs alike, with a space that does not break."""
    return re.sub(r"(\d) ?%", "\\1\u00a0%", text)


def _header(report: EvaluationReport) -> str:
    span = ""
    if report.since is not None and report.until is not None:
        span = f"<span>{report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} UTC</span>"
    return (
        f"<header><b>Chloe</b><span>evaluation of forecasts</span>{span}<span>{escape(report.source)}</span>"
        f'<span class="badge">{escape(report.kind)}</span></header>'
    )


def _hero(report: EvaluationReport) -> str:
    ensembles = [one for one in report.models if one.model == ENSEMBLE]
    rows = [
        [
            f"{escape(one.symbol)}, {one.horizon_hours} h",
            words.share(one.rmse_random_walk, 2),
            words.share(one.rmse, 2),
            f"{one.ratio:.4f}",
        ]
        for one in ensembles
    ]
    first, _, rest = report.verdict.partition(": ")
    detail = f"<p>{escape(rest[:1].upper() + rest[1:])}</p>" if rest else ""
    ledger = "".join(f"<p>{escape(one.name)}: {escape(one.record.verdict)}.</p>" for one in report.ledgers)
    return (
        f'<div class="hero"><section><h1>{escape(first.removesuffix("."))}.</h1>{detail}'
        f"<p>{escape(report.edge_verdict)}</p>{ledger}</section>"
        "<section><h2>The yardstick: the random walk</h2>"
        '<p class="quiet">It forecasts no move. An error means something only beside its error on the same rows.</p>'
        f"{words.table(['RMSE of log returns', 'walk', 'ensemble', 'ratio'], rows)}</section></div>"
    )


def _notes(report: EvaluationReport) -> str:
    costs = ", ".join(f"{symbol} {cost:g}" for symbol, cost in sorted(report.cost_bps.items()))
    items = [*report.notes, f"Cost of a round trip in bps (fees, spread, slippage): {costs}."]
    listed = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f'<section><h2>How to read this</h2><ul class="notes">{listed}</ul></section>'
