"""Several sources as one: the first that answers, by priority; each batch keeps the name of the source that gave it."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from services.domain.candles import Candles, Timeframe
from services.ingestion.adapters import CandleSource
from services.ingestion.errors import BadKey, Blocked, BudgetSpent, FeedError, NotEntitled, SourceDown
from services.kernel.logging import get

BENCH = timedelta(minutes=5)
LONG_BENCH = timedelta(hours=6)
"""How long a source is not asked after a failure; longer where only a person or tomorrow can mend it."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two sources' closes of one bar that lie further apart than the bound."""

    symbol: str
    ts: int
    first: tuple[str, float]
    second: tuple[str, float]
    bps: float

    def __str__(self) -> str:
        return f"{self.first[0]} {self.first[1]:g} and {self.second[0]} {self.second[1]:g} ({self.bps:.0f} bps)"


@dataclass(slots=True)
class Failover:
    """A `CandleSource` over several. A source that fails is left alone for a while; a symbol it lacks is no failure."""

    sources: Sequence[CandleSource]
    clock: Callable[[], datetime]
    benched: dict[str, datetime] = field(default_factory=dict)
    last: str = ""
    _noted: dict[str, list[tuple[str, FeedError]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The source that answered last, or the first."""
        return self.last or self.sources[0].name

    async def history(
        self, symbol: str, timeframe: Timeframe, since: datetime, until: datetime
    ) -> AsyncIterator[Candles]:
        """Pages of the first source that gives them; where it breaks off, the next one goes on from there."""
        cursor, errors = since, []
        for source in self._available():
            try:
                async for page in source.history(symbol, timeframe, cursor, until):
                    self.last = source.name
                    cursor = max(cursor, datetime.fromtimestamp(int(page.ts[-1]) + 1, since.tzinfo))
                    yield page
                return
            except FeedError as error:
                errors.append(self._failed(symbol, source.name, error))
        raise _all_failed(symbol, errors)

    async def latest(self, symbol: str, timeframe: Timeframe, since: datetime) -> Candles:
        """The newest bars of the first source that has them."""
        errors = []
        for source in self._available():
            try:
                found = await source.latest(symbol, timeframe, since)
                self.last = source.name
                return found
            except FeedError as error:
                errors.append(self._failed(symbol, source.name, error))
        raise _all_failed(symbol, errors)

    def failures(self, symbol: str) -> list[tuple[str, FeedError]]:
        """What the sources failed with for a symbol since the last call, though another may have stepped in."""
        return self._noted.pop(symbol, [])

    async def cross_check(
        self, symbol: str, timeframe: Timeframe, since: datetime, bound_bps: float
    ) -> Disagreement | None:
        """Compare the newest common closes of the first two available sources; None where they agree or only one is."""
        pair = self._available()[:2]
        if len(pair) < 2:
            return None
        try:
            first, second = [await source.latest(symbol, timeframe, since) for source in pair]
        except FeedError:
            return None
        _, rows, others = np.intersect1d(first.ts, second.ts, return_indices=True)
        if len(rows) == 0:
            return None
        gap = np.abs(first.close[rows] / second.close[others] - 1.0) * 1e4
        worst = int(np.argmax(gap))
        if gap[worst] <= bound_bps:
            return None
        a, b = rows[worst], others[worst]
        return Disagreement(
            symbol,
            int(first.ts[a]),
            (pair[0].name, float(first.close[a])),
            (pair[1].name, float(second.close[b])),
            float(gap[worst]),
        )

    async def close(self) -> None:
        """Close all."""
        for source in self.sources:
            await source.close()

    def _available(self) -> list[CandleSource]:
        now = self.clock()
        free = [s for s in self.sources if self.benched.get(s.name, now) <= now]
        return free or list(self.sources)

    def _failed(self, symbol: str, name: str, error: FeedError) -> str:
        self._noted.setdefault(symbol, []).append((name, error))
        if isinstance(error, (BadKey, NotEntitled, Blocked, BudgetSpent)):
            self._bench(name, LONG_BENCH, error)
        elif isinstance(error, SourceDown):
            self._bench(name, BENCH, error)
        return str(error)

    def _bench(self, name: str, how_long: timedelta, error: FeedError) -> None:
        if len(self.sources) < 2:
            return
        now = self.clock()
        known = self.benched.get(name, now) > now  # many symbols fail at once: one line for all
        self.benched[name] = now + how_long
        if not known:
            get("failover").warning("source left alone", source=name, minutes=how_long.seconds // 60, error=str(error))


def _all_failed(symbol: str, errors: list[str]) -> FeedError:
    return SourceDown("; ".join(errors) or f"{symbol}: no source is configured")
