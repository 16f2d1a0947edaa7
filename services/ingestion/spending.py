"""Money set aside for a provider that bills per item: asked before each request, settled after it."""

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec

from services.kernel.provider_errors import BudgetSpent


class _Kept(msgspec.Struct):
    day: str
    spent_usd: Decimal


class Spending:
    """At most ``cap_usd`` a UTC day. ``path`` keeps the sum over restarts; an unreadable file counts as all spent."""

    def __init__(self, name: str, cap_usd: Decimal, clock: Callable[[], datetime], path: Path | None = None) -> None:
        self.name, self.cap_usd = name, cap_usd
        self._clock, self._path = clock, path
        self._kept = self._read()

    @property
    def spent_usd(self) -> Decimal:
        """What was spent on the present UTC day, requests under way at their dearest."""
        today = self._clock().date().isoformat()
        if self._kept.day != today:
            self._kept = _Kept(today, Decimal(0))
        return self._kept.spent_usd

    def reserve(self, usd: Decimal) -> None:
        """Set aside the most that a request can cost. Raises BudgetSpent where that is over the cap."""
        now, spent = self._clock(), self.spent_usd
        if spent + usd > self.cap_usd:
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            raise BudgetSpent(
                f"{self.name}: {spent} of {self.cap_usd} USD a day are spent and the next request may cost {usd}",
                (midnight - now).total_seconds(),
            )
        self._add(usd)

    def settle(self, reserved_usd: Decimal, actual_usd: Decimal) -> None:
        """Replace what was set aside by what the request cost. A failed request stays at its dearest."""
        self._add(min(actual_usd, reserved_usd) - reserved_usd)

    def _add(self, usd: Decimal) -> None:
        self._kept.spent_usd = max(Decimal(0), self.spent_usd + usd)
        if self._path is not None:
            beside = self._path.with_suffix(".part")
            beside.write_bytes(msgspec.json.encode(self._kept))
            os.replace(beside, self._path)

    def _read(self) -> _Kept:
        today = self._clock().date().isoformat()
        if self._path is None or not self._path.exists():
            return _Kept(today, Decimal(0))
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except (msgspec.DecodeError, OSError):
            return _Kept(today, self.cap_usd)
