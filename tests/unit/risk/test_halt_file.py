"""The halt file as it is looked at, and the command that follows from it."""

import os
from pathlib import Path
from uuid import UUID

import pytest

from services.risk.switch import Given, Seen, look, wanted


def test_no_file_no_halt(tmp_path: Path) -> None:
    assert look(tmp_path / "HALT") is None
    assert look(tmp_path / "nowhere" / "HALT") is None
    (tmp_path / "plain").write_text("x")
    assert look(tmp_path / "plain" / "HALT") is None
    assert wanted(None, Given()) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"exchange maintenance\nuntil noon\n", "exchange maintenance"),
        (b"", ""),
        (b"  \x1b[31mred\x00 \n", "[31mred"),
        (b"\xff\xfe broken", "\ufffd\ufffd broken"),
        (b"x" * 5000, "x" * 200),
    ],
)
def test_its_first_line_is_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "HALT").write_bytes(content)
    seen = look(tmp_path / "HALT")
    assert seen is not None
    assert seen.reason == reason


def test_what_is_there_and_cannot_be_read_halts_too(tmp_path: Path) -> None:
    (tmp_path / "HALT").mkdir()
    seen = look(tmp_path / "HALT")
    assert seen is not None
    assert seen.reason == "HALT cannot be read: Is a directory"


def test_the_same_file_makes_the_same_command_however_often_it_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "HALT").write_text("why")
    os.utime(tmp_path / "HALT", ns=(1, 1_700_000_000_000_000_000))
    first, again = wanted(look(tmp_path / "HALT"), Given()), wanted(look(tmp_path / "HALT"), Given())
    assert first is not None
    assert (first, first.name, first.note) == (again, "halt", "why")
    assert wanted(look(tmp_path / "HALT"), Given("halt", first.id)) is None


def test_writing_it_anew_is_another_halt_and_removing_it_resumes_once() -> None:
    first = wanted(Seen(1, "a"), Given())
    assert first is not None
    newer = wanted(Seen(2, "b"), Given("halt", first.id))
    assert newer is not None
    assert (newer.name, newer.note) == ("halt", "b")
    gone = wanted(None, Given("halt", newer.id))
    assert gone is not None
    assert (gone.name, gone.id != newer.id) == ("resume", True)
    assert wanted(None, Given("resume", gone.id, gone.id)) is None
    back = wanted(Seen(2, "b"), Given("resume", gone.id, gone.id))
    assert back is not None
    assert back.id not in (first.id, newer.id), "the same old file put back halts again"
    assert isinstance(back.id, UUID)
