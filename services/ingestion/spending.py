"""Money set aside for a provider that bills per item: asked before each request, settled after it.

What is spent is on disk before a request leaves, under a lock that all processes of this machine share: neither a
crash, a restart nor a second process can spend a day's money twice. A request that never comes back stays at its
dearest.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec

from services.kernel.provider_errors import BudgetSpent


class _Kept(msgspec.Struct):
    day: str
    spent_usd: Decimal


class Spending:
    """At most ``cap_usd`` a UTC day. ``path`` keeps the sum over restarts.

    Nothing may be spent that is not written down: a file that cannot be read counts as all spent, and one that cannot
    be written raises BudgetSpent.
    """

    def __init__(self, name: str, cap_usd: Decimal, clock: Callable[[], datetime], path: Path | None = None) -> None:
        self.name, self.cap_usd = name, cap_usd
        self._clock, self._path = clock, path
        self._kept = _Kept("", Decimal(0))

    @property
    def spent_usd(self) -> Decimal:
        """What was spent on the present UTC day, requests under way at their dearest."""
        with self._locked():
            return self._today().spent_usd

    def reserve(self, usd: Decimal) -> None:
        """Set aside the most that a request can cost. Raises BudgetSpent where that is over the cap."""
        with self._locked():
            spent = self._today().spent_usd
            if spent + usd > self.cap_usd:
                now = self._clock()
                midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
                raise BudgetSpent(
                    f"{self.name}: {spent} of {self.cap_usd} USD a day are spent and the next request may cost {usd}",
                    (midnight - now).total_seconds(),
                )
            self._write(spent + usd)

    def settle(self, reserved_usd: Decimal, actual_usd: Decimal) -> None:
        """Replace what was set aside by what the request cost. A failed request stays at its dearest."""
        with self._locked():
            spent = self._today().spent_usd
            self._write(max(Decimal(0), spent + min(actual_usd, reserved_usd) - reserved_usd))

    def _today(self) -> _Kept:
        """What is kept, with a new day begun where one has; a clock that was set back begins none."""
        kept, today = self._read(), self._clock().date().isoformat()
        self._kept = kept if kept.day >= today else _Kept(today, Decimal(0))
        return self._kept

    def _read(self) -> _Kept:
        if self._path is None:
            return self._kept
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return _Kept("", Decimal(0))
        except (msgspec.DecodeError, UnicodeDecodeError, OSError):
            return self._all_spent()
        return kept if kept.spent_usd.is_finite() and kept.spent_usd >= 0 else self._all_spent()

    def _all_spent(self) -> _Kept:
        return _Kept(self._clock().date().isoformat(), self.cap_usd)

    def _write(self, spent_usd: Decimal) -> None:
        self._kept = _Kept(self._kept.day, spent_usd)
        if self._path is None:
            return
        beside = self._path.with_name(f"{self._path.name}.part")
        try:
            with beside.open("wb") as file:
                file.write(msgspec.json.encode(self._kept))
                file.flush()
                os.fsync(file.fileno())  # a power cut must not give the money back
            os.replace(beside, self._path)
        except OSError as error:
            raise self._unwritable(error) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._path is None:
            yield
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock = self._path.with_name(f"{self._path.name}.lock").open("wb")
        except OSError as error:
            raise self._unwritable(error) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # let go when the file is closed, or when the process dies
            yield

    def _unwritable(self, error: OSError) -> BudgetSpent:
        return BudgetSpent(
            f"{self.name}: {self._path}: the day's spending cannot be kept there ({error.strerror}): name another file"
        )
