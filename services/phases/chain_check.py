"""Say what is wrong with the first row of the audit log that does not hold. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from services.contracts.ladder import Activation, Change
from services.kernel.errors import ChloeError, DataError
from services.phases.chain import GENESIS, LogEntry, broken_at


class ChainBroken(ChloeError):
    """The audit log is not what was written."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest row as the phases stage remembers it, apart from the log."""

    seq: int
    hash: str


class LogRow(msgspec.Struct, frozen=True):
    """One row of ``phase_activation_log`` as a file of JSON lines holds it."""

    seq: int
    id: UUID
    ts: datetime
    subject: str
    change: Change
    given_by: str
    note: str
    forced: bool
    evidence: str
    previous_hash: str
    hash: str


def read_lines(name: str, content: bytes) -> list[LogEntry]:
    """Read exported rows in the order of the file; raises DataError naming the line that is none."""
    entries = []
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            row = msgspec.json.decode(line, type=LogRow)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DataError(f"{name}: line {number} is not a row of the audit log ({error})") from None
        if row.ts.tzinfo is None:
            raise DataError(f"{name}: line {number} is not a row of the audit log (ts has no time zone)")
        activation = Activation(row.id, row.subject, row.change, row.given_by, row.note, row.forced)
        entries.append(LogEntry(row.seq, row.ts, activation, row.evidence, row.previous_hash, row.hash))
    return entries


def as_lines(entries: Sequence[LogEntry]) -> bytes:
    """Write rows as :func:`read_lines` reads them, one JSON line each."""
    rows = [
        LogRow(e.seq, a.id, e.ts, a.subject, a.change, a.by, a.note, a.forced, e.evidence, e.previous_hash, e.hash)
        for e, a in ((e, e.activation) for e in entries)
    ]
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def verify(name: str, entries: Sequence[LogEntry], head: Head | None) -> int:
    """Return how many rows hold; raises ChainBroken naming the first that does not, or what ``head`` proves missing."""
    at = broken_at(entries)
    if at is not None:
        found, before = entries[at], entries[at - 1] if at else None
        what = f"{found.ts:%Y-%m-%dT%H:%M:%S%z}, {found.activation.subject} {found.activation.change}"
        raise ChainBroken(f"{name}: broken at seq {found.seq} ({what}): {_why(found, before)}")
    last = entries[-1].seq if entries else 0
    if head is not None and last < head.seq:
        raise ChainBroken(f"{name}: broken after seq {last}: rows up to seq {head.seq} were written and are missing")
    if head is not None and (last > head.seq or head.hash != (entries[-1].hash if entries else GENESIS)):
        raise ChainBroken(f"{name}: broken at seq {last}: not the row that the phases stage wrote last ({head.seq})")
    return len(entries)


def _why(found: LogEntry, before: LogEntry | None) -> str:
    expected = before.seq + 1 if before is not None else 1
    if found.seq > expected:
        missing = f"seq {expected}" if found.seq == expected + 1 else f"seq {expected} to {found.seq - 1}"
        return f"{missing} is not before it"
    if found.seq < expected:
        return f"seq {expected} should stand here"
    if found.previous_hash != (before.hash if before is not None else GENESIS):
        return "it does not name the hash of the row before it"
    return "its content is not what its hash was made of"
