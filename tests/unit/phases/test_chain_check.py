"""The audit log's check says which row does not hold and why, in one line."""

from datetime import UTC, datetime, timedelta
from uuid import uuid5

import msgspec
import pytest

from services.contracts.messages import CHLOE_NAMESPACE, Activation
from services.kernel.errors import DataError
from services.phases.chain import GENESIS, LogEntry, chained
from services.phases.chain_check import ChainBroken, Head, as_lines, read_lines, verify


def log(n: int = 5) -> list[LogEntry]:
    """Make a chain."""
    rows: list[LogEntry] = []
    for seq in range(1, n + 1):
        made = Activation(uuid5(CHLOE_NAMESPACE, f"row {seq}"), "BTC/USDT", "disabled", "ada", "näme, a\nnote", False)
        ts = datetime(2024, 6, seq, 12, 0, 0, 120000, tzinfo=UTC)
        rows.append(chained(seq, ts, made, None, rows[-1].hash if rows else GENESIS))
    return rows


ROWS = log()
HEAD = Head(5, ROWS[-1].hash)


def said(entries: list[LogEntry], head: Head | None = None) -> str:
    with pytest.raises(ChainBroken) as caught:
        verify("log", entries, head)
    return str(caught.value)


def test_an_intact_log_holds_with_and_without_the_stages_memory() -> None:
    assert verify("log", ROWS, HEAD) == verify("log", ROWS, None) == 5
    assert verify("log", [], Head(0, GENESIS)) == 0


def test_an_altered_field_is_named_by_seq_time_and_subject() -> None:
    rows = list(ROWS)
    rows[2] = msgspec.structs.replace(rows[2], ts=rows[2].ts + timedelta(hours=1))
    assert said(rows) == (
        "log: broken at seq 3 (2024-06-03T13:00:00+0000, BTC/USDT disabled): "
        "its content is not what its hash was made of"
    )


def test_a_row_made_anew_breaks_the_next_one() -> None:
    rows = list(ROWS)
    rows[2] = chained(3, rows[2].ts, msgspec.structs.replace(rows[2].activation, by="eve"), None, rows[1].hash)
    assert said(rows).endswith("disabled): it does not name the hash of the row before it")
    assert "broken at seq 4" in said(rows)


def test_a_removed_row_is_named_by_the_one_after_it() -> None:
    assert said([*ROWS[:1], *ROWS[2:]]).endswith("seq 2 is not before it")
    assert "broken at seq 5" in said([*ROWS[:1], ROWS[4]])
    assert said([*ROWS[:1], ROWS[4]]).endswith("seq 2 to 4 is not before it")


def test_swapped_rows_and_rows_there_twice_are_found_where_they_stand() -> None:
    assert "broken at seq 3" in said([ROWS[0], ROWS[2], ROWS[1], *ROWS[3:]])
    assert said([*ROWS[:3], ROWS[1], *ROWS[3:]]).endswith("seq 4 should stand here")


def test_rows_cut_off_at_the_end_are_known_by_what_the_stage_remembers() -> None:
    assert said(ROWS[:3], HEAD) == "log: broken after seq 3: rows up to seq 5 were written and are missing"
    assert said([], HEAD).startswith("log: broken after seq 0")


def test_rows_added_by_another_hand_are_not_the_stages_last() -> None:
    added = chained(6, ROWS[-1].ts, ROWS[-1].activation, None, ROWS[-1].hash)
    assert said([*ROWS, added], HEAD).startswith("log: broken at seq 6: not the row")
    assert said(ROWS, Head(5, "0" * 64)).startswith("log: broken at seq 5: not the row")


def test_exported_lines_read_back_as_the_same_rows() -> None:
    assert read_lines("f", as_lines(ROWS)) == ROWS
    verify("f", read_lines("f", as_lines(ROWS)), None)


@pytest.mark.parametrize("line", [b"", b"{}", b"\xff", b'{"seq": "1"}', as_lines(ROWS[:1]).replace(b"Z", b"")])
def test_a_line_that_is_no_row_is_named(line: bytes) -> None:
    with pytest.raises(DataError, match=r"^f: line 2 is not a row of the audit log \("):
        read_lines("f", as_lines(ROWS[:1]) + line.strip() + b"\n" + as_lines(ROWS[1:]))
