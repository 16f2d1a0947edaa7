"""How decisions are named, so that the same decision has the same id wherever and however often it is made."""

from datetime import datetime, tzinfo
from functools import lru_cache
from hashlib import sha1
from uuid import UUID

CHLOE_NAMESPACE = UUID("6f0d3a52-9d0b-5c3e-8f57-3c1f6f1f0c10")

# What RFC 9562, section 5.5, makes of a SHA-1: version 5 and its variant. `uuid.uuid5` does the same at twice the time,
# and dozens of these are made for every slice.
_NAMESPACE = sha1(CHLOE_NAMESPACE.bytes, usedforsecurity=False)
_KEPT = ~((0xF000 << 64) | (0xC000 << 48))
_FIXED = (5 << 76) | (0x8000 << 48)


def decision_id(ts: datetime, stage: str, subject: str) -> UUID:
    """Name a decision deterministically, so that redelivery can never create a second one."""
    named = _NAMESPACE.copy()
    named.update(f"{_written(ts, ts.tzinfo)}|{stage}|{subject}".encode())
    return UUID(int=int.from_bytes(named.digest()[:16], "big") & _KEPT | _FIXED)


@lru_cache(maxsize=64)
def _written(ts: datetime, zone: tzinfo | None) -> str:
    """Write a moment; the zone is asked for because equal moments of two zones are written differently."""
    return ts.isoformat()
