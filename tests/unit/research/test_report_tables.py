from pathlib import Path

import pytest
from evaluation_cases import asset

from services.kernel.errors import DataError
from services.research import report_tables
from services.research.evaluation import evaluate
from services.research.evaluation_report import as_json

MARKED = f"before\n{report_tables.BEGIN}\nold\n{report_tables.END}\nafter\n"


def test_tables_replace_what_stood_between_the_marks_and_nothing_else(tmp_path: Path) -> None:
    report = evaluate([asset(n=1_000)], source="made up", since=None, until=None)
    source, document = tmp_path / "report.json", tmp_path / "skill.md"
    source.write_text(as_json(report))
    document.write_text(MARKED)
    report_tables.write(source, document)
    text = document.read_text()
    assert text.startswith(f"before\n{report_tables.BEGIN}\n")
    assert text.endswith(f"{report_tables.END}\nafter\n")
    assert "old" not in text
    for one in report.models:
        assert f"{one.ratio:.4f}" in text
    assert report.verdict in text
    report_tables.write(source, document)
    assert document.read_text() == text


@pytest.mark.parametrize(("content", "text"), [("{}", "not a report of chloe evaluate"), (None, "cannot be read")])
def test_a_report_that_is_none_is_refused_and_the_document_kept(tmp_path: Path, content: str | None, text: str) -> None:
    source, document = tmp_path / "report.json", tmp_path / "skill.md"
    document.write_text(MARKED)
    if content is not None:
        source.write_text(content)
    with pytest.raises(DataError, match=text):
        report_tables.write(source, document)
    assert document.read_text() == MARKED


def test_a_document_without_a_place_is_refused(tmp_path: Path) -> None:
    report = evaluate([asset(n=1_000)], source="made up", since=None, until=None)
    source, document = tmp_path / "report.json", tmp_path / "skill.md"
    source.write_text(as_json(report))
    document.write_text("no marks")
    with pytest.raises(DataError, match="has no place for the tables"):
        report_tables.write(source, document)
