"""The audit chain: every activation row carries the hash of the one before it. Pure."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from services.contracts.messages import Activation, encode

GENESIS = "0" * 64


class LogEntry(msgspec.Struct, frozen=True):
    """One row of ``phase_activation_log``; ``evidence`` is what it rests on, as JSON text."""

    seq: int
    ts: datetime
    activation: Activation
    evidence: str
    previous_hash: str
    hash: str


def chained(
    seq: int, ts: datetime, activation: Activation, evidence: msgspec.Struct | None, previous_hash: str
) -> LogEntry:
    """Make the next row of the chain; ``evidence`` is what the change rests on (a Readiness, research's word)."""
    text = encode(evidence).decode() if evidence is not None else "{}"
    return LogEntry(seq, ts, activation, text, previous_hash, entry_hash(seq, ts, activation, text, previous_hash))


def entry_hash(seq: int, ts: datetime, activation: Activation, evidence: str, previous_hash: str) -> str:
    """SHA-256 over everything the row says, in a canonical form."""
    content = json.dumps(
        {
            "seq": seq,
            "ts": ts.astimezone(UTC).isoformat(),  # as the database gives it back
            "activation": encode(activation).decode(),
            "evidence": evidence,
            "previous": previous_hash,
        },
        sort_keys=True,
        separators=(",", ":"),
    )
    return hashlib.sha256(content.encode()).hexdigest()


def first_broken(entries: Sequence[LogEntry]) -> int | None:
    """Return the ``seq`` of the first row whose content or link is wrong; None if the chain holds."""
    at = broken_at(entries)
    return None if at is None else entries[at].seq


def broken_at(entries: Sequence[LogEntry]) -> int | None:
    """Return the position of the first row whose content or link is wrong; None if the chain holds."""
    previous = GENESIS
    for at, entry in enumerate(entries):
        computed = entry_hash(entry.seq, entry.ts, entry.activation, entry.evidence, previous)
        if entry.seq != at + 1 or entry.previous_hash != previous or entry.hash != computed:
            return at
        previous = entry.hash
    return None
