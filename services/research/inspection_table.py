"""An inspection for people: one table of all files, then what is remarkable about each; and the same as JSON."""

from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table

from services.research.file_report import FileReport

SHOWN_GAPS = 3


def as_json(reports: Sequence[FileReport]) -> str:
    """All that was found, gap by gap."""
    return msgspec.json.format(msgspec.json.encode(list(reports)), indent=2).decode()


def show(reports: Sequence[FileReport], console: Console) -> None:
    """Print the table, then each file's largest gaps, refusals and remarks."""
    console.print(table(reports))
    for report in reports:
        lines = [*_gap_lines(report), *_refusal_lines(report), *report.remarks]
        if lines:
            console.print(f"[bold]{report.file}[/bold]")
        for line in lines:
            console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)


def table(reports: Sequence[FileReport]) -> Table:
    """One row a file, narrow enough for a terminal of 80 columns; the rest stands in JSON and in the remarks."""
    shown = Table("file", "from", "to")
    for name in ("bars", "missing", "refused", "splits"):
        shown.add_column(name, justify="right")
    for one in reports:
        name = one.file.removesuffix(".parquet").removesuffix(".csv")
        shown.add_row(
            name if one.symbol else f"{name}: unknown symbol {one.spelled}",
            f"{one.first:%Y-%m-%d}" if one.first else "",
            f"{one.last:%Y-%m-%d}" if one.last else "",
            f"{one.bars:,}",
            "?" if one.missing is None else str(one.missing),
            str(sum(count for _, count, _ in one.refused)),
            str(len(one.splits)),
        )
    return shown


def _gap_lines(report: FileReport) -> list[str]:
    largest = sorted(report.gaps, key=lambda gap: (-gap.bars, gap.since))[:SHOWN_GAPS]
    if not largest:
        return []
    listed = ", ".join(f"{gap.bars} from {gap.since:%Y-%m-%d %H:%M}" for gap in largest)
    return [f"largest of {len(report.gaps)} gaps: {listed}"]


def _refusal_lines(report: FileReport) -> list[str]:
    return [f"{count} rows refused, {reason}: first {place}" for reason, count, place in report.refused]
