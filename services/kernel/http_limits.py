"""How often a provider may be asked, and when to leave it alone: counts of requests, and the circuit breaker."""

from collections import deque
from collections.abc import Callable

DAY_S = 86_400.0


class RateWindow:
    """At most ``requests`` in any stretch of ``per_seconds``. It only counts; the caller does the waiting."""

    def __init__(self, requests: int, per_seconds: float, monotonic: Callable[[], float]) -> None:
        if requests < 1 or per_seconds <= 0:
            raise ValueError(f"a rate of {requests} requests in {per_seconds} s allows nothing")
        self._requests = requests
        self._per_seconds = per_seconds
        self._monotonic = monotonic
        self._taken: deque[float] = deque()

    def wait_s(self) -> float:
        """Seconds until the next request is allowed; 0 if it is now."""
        now = self._monotonic()
        while self._taken and self._taken[0] + self._per_seconds <= now:
            self._taken.popleft()
        return self._taken[0] + self._per_seconds - now if len(self._taken) >= self._requests else 0.0

    def take(self) -> None:
        """Count one request that is made now."""
        self._taken.append(self._monotonic())


class Breaker:
    """Opens after ``failures`` in a row for ``seconds``; then one trial decides whether it closes or opens again."""

    def __init__(self, failures: int, seconds: float, monotonic: Callable[[], float]) -> None:
        self._limit = failures
        self._seconds = seconds
        self._monotonic = monotonic
        self._failed = 0
        self._open_until = 0.0

    def open_s(self) -> float:
        """Seconds for which nothing may be asked; 0 if asking is allowed."""
        return max(0.0, self._open_until - self._monotonic()) if self._failed >= self._limit else 0.0

    def succeeded(self) -> None:
        """The provider answered."""
        self._failed = 0

    def failed(self) -> None:
        """The provider could not be reached or failed."""
        self._failed += 1
        if self._failed >= self._limit:
            self._open_until = self._monotonic() + self._seconds
