"""What the desk asks of its store: PostgreSQL in service, memory in the thousand seeded runs of the tests."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from services.execution.live.state import Change, Stored


class Standing(msgspec.Struct, frozen=True):
    """What the platform says of an asset; see :class:`services.execution.live.permission.LiveFacts`."""

    run_mode: str | None
    phase_active: bool = False
    trading_enabled: bool = False
    live_enabled: bool = False
    audit_at: datetime | None = None
    audit_ready: bool = False
    flags: tuple[str, ...] = ()
    """Open flags of other parts that block entries in the asset or everywhere."""


class LiveStore(Protocol):
    """Durable memory."""

    async def load(self) -> Stored:
        """Read everything that a start needs."""
        ...

    async def save(self, change: Change, now: datetime) -> None:
        """Store a change, all of it or nothing; known fills and charges stay as they are."""
        ...

    async def standings(self, symbols: Sequence[str]) -> dict[str, Standing]:
        """Read what the platform says of assets now."""
        ...
