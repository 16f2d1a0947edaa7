"""The evaluation's main figures as Markdown tables: ``python -m services.research.report_tables REPORT --into FILE``.

REPORT is what ``chloe evaluate --json`` wrote. The tables go between two marks of the document, which stay there.
"""

import argparse
import sys
from pathlib import Path

import msgspec

from services.kernel.errors import ChloeError, DataError
from services.research.evaluation_report import EvaluationReport, ModelScore

BEGIN, END = "<!-- skill: begin -->", "<!-- skill: end -->"
ENSEMBLE = "ensemble"


def main() -> None:
    """Write the tables; one line and exit code 1 for a report or document that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m services.research.report_tables")
    parser.add_argument("report", type=Path)
    parser.add_argument("--into", type=Path, required=True)
    asked = parser.parse_args()
    try:
        write(asked.report, asked.into)
    except ChloeError as error:
        sys.exit(f"chloe: {error}")


def write(source: Path, document: Path) -> None:
    """Put the report's tables between the document's marks; raises DataError where either is not as it should be."""
    try:
        report = msgspec.json.decode(source.read_bytes(), type=EvaluationReport)
        text = document.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise DataError(f"{source}: not a report of chloe evaluate ({error})") from None
    before, found, rest = text.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise DataError(f"{document}: has no place for the tables between {BEGIN} and {END}")
    document.write_text(f"{before}{BEGIN}\n{tables(report)}{END}{after}", encoding="utf-8")


def tables(report: EvaluationReport) -> str:
    """Return the verdict, the ensemble by asset, and every model's ratio to the random walk."""
    since, until = report.since, report.until
    span = f"{since:%Y-%m-%d} to {until:%Y-%m-%d}" if since and until else "all that was recorded"
    return "\n".join(
        [
            f"Span: {span}. Forecasts: {report.source}.",
            "",
            f"**{report.verdict}** {report.edge_verdict}",
            "",
            *_ensemble(report),
            "",
            *_parts(report),
            "",
        ]
    )


def _ensemble(report: EvaluationReport) -> list[str]:
    errors = {one.symbol: one for one in report.calibration}
    lines = [
        "| asset | hours | ratio to the random walk | p | p (Holm) | direction right (95 %) "
        "| in the 80 % interval (95 %) | calibration error of p_up |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in report.models:
        if one.model == ENSEMBLE:
            known = errors.get(one.symbol)
            error = "–" if known is None else f"{known.expected_error:.3f}"
            lines.append(
                f"| {one.symbol} | {one.n:,} | {one.ratio:.4f} | {_p(one.p_value)} | {_p(one.p_holm)} "
                f"| {_range(one.direction_right, one.direction_low, one.direction_high)} "
                f"| {_range(one.coverage, one.coverage_low, one.coverage_high)} | {error} |"
            )
    return lines


def _parts(report: EvaluationReport) -> list[str]:
    ratios: dict[str, dict[str, ModelScore]] = {}
    for one in report.models:
        ratios.setdefault(one.model, {})[one.symbol] = one
    symbols = sorted({one.symbol for one in report.models})
    lines = [f"| ratio of | {' | '.join(symbols)} |", f"|---{'|---' * len(symbols)}|"]
    for model, of_model in ratios.items():
        cells = [f"{of_model[symbol].ratio:.4f}" if symbol in of_model else "–" for symbol in symbols]
        lines.append(f"| {model} | {' | '.join(cells)} |")
    return lines


def _p(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _range(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1%}" if low is None or high is None else f"{value:.1%} ({low:.1%} to {high:.1%})"


if __name__ == "__main__":
    main()
