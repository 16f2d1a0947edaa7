"""The audit chain: whatever is changed, removed, added or moved, the first broken row is named."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from decision_cases import command
from hypothesis import given
from hypothesis import strategies as st
from phases_cases import NOW, PARAMS

from services.contracts.messages import decision_id
from services.phases.chain import GENESIS, LogEntry, chained, entry_hash, first_broken
from services.phases.decide import Commanded, on_command, start


def chain(n: int = 8) -> list[LogEntry]:
    """A chain as phases makes it: an asset disabled and enabled in turn."""
    state = start(PARAMS)
    rows: list[LogEntry] = []
    for k in range(n):
        name = "enable" if k % 2 else "disable"
        asked = command(name, "BTC/USDT", ts=NOW + timedelta(hours=k), note=f"note {k}")
        state, verdict = on_command(state, Commanded(asked, {}), PARAMS)
        rows.extend(verdict.log)
    assert state.log_hash == rows[-1].hash
    return rows


ROWS = chain()
CHANGES = {
    "seq": 99,
    "ts": NOW - timedelta(seconds=1),
    "evidence": '{"ready":true}',
    "previous_hash": "f" * 64,
    "hash": "e" * 64,
}
ACTIVATION = {
    "id": decision_id(NOW, "x", "y"),
    "subject": "ETH/USDT",
    "change": "demoted",
    "by": "eve",
    "note": "nothing to see",
    "forced": True,
}


def test_an_untouched_chain_holds() -> None:
    assert ROWS[0].previous_hash == GENESIS
    assert [row.seq for row in ROWS] == list(range(1, 9))
    assert first_broken(ROWS) is None
    assert first_broken([]) is None


@pytest.mark.parametrize("field", CHANGES)
@given(at=st.integers(0, len(ROWS) - 1))
def test_a_changed_field_breaks_the_chain_at_its_row(field: str, at: int) -> None:
    tampered = list(ROWS)
    tampered[at] = msgspec.structs.replace(ROWS[at], **{field: CHANGES[field]})
    assert first_broken(tampered) == tampered[at].seq


@pytest.mark.parametrize("field", ACTIVATION)
@given(at=st.integers(0, len(ROWS) - 1))
def test_a_changed_activation_breaks_the_chain_at_its_row(field: str, at: int) -> None:
    tampered = list(ROWS)
    said = msgspec.structs.replace(ROWS[at].activation, **{field: ACTIVATION[field]})
    tampered[at] = msgspec.structs.replace(ROWS[at], activation=said)
    assert first_broken(tampered) == at + 1


@given(at=st.integers(0, len(ROWS) - 2))
def test_a_row_with_a_hash_made_to_fit_breaks_the_next_one(at: int) -> None:
    said = msgspec.structs.replace(ROWS[at].activation, by="eve")
    row = msgspec.structs.replace(ROWS[at], activation=said)
    fitting = entry_hash(row.seq, row.ts, said, row.evidence, row.previous_hash)
    tampered = [*ROWS[:at], msgspec.structs.replace(row, hash=fitting), *ROWS[at + 1 :]]
    assert first_broken(tampered) == at + 2


@given(at=st.integers(0, len(ROWS) - 2))
def test_a_removed_row_breaks_the_chain_at_the_next(at: int) -> None:
    assert first_broken([*ROWS[:at], *ROWS[at + 1 :]]) == at + 2


@given(a=st.integers(0, len(ROWS) - 1), b=st.integers(0, len(ROWS) - 1))
def test_rows_cannot_change_places(a: int, b: int) -> None:
    moved = list(ROWS)
    moved[a], moved[b] = moved[b], moved[a]
    assert (first_broken(moved) is None) == (a == b)


def test_the_hash_is_of_the_moment_whatever_zone_it_was_written_in() -> None:
    """PostgreSQL gives times back in UTC."""
    row = ROWS[0]
    elsewhere = row.ts.astimezone(timezone(timedelta(hours=5, minutes=30)))
    made = chained(1, elsewhere, row.activation, None, GENESIS)
    assert first_broken([msgspec.structs.replace(made, ts=elsewhere.astimezone(UTC))]) is None
    assert isinstance(made.ts, datetime)
