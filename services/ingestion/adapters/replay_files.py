"""Recorded candles as a source: what was read from a folder, given out as if a provider were asked."""

from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime

from services.domain.candles import Candles, Timeframe, epoch
from services.ingestion.errors import SymbolNotOffered
from services.ingestion.files import CandleFile

PAGE_BARS = 10_000


class ReplayFiles:
    """A `CandleSource` over recorded series; bars that close after ``clock()`` do not exist yet."""

    def __init__(
        self,
        series: Iterable[CandleFile],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        name: str = "files",
        page_bars: int = PAGE_BARS,
    ) -> None:
        self.name = name
        self._series = {(one.symbol, one.candles.timeframe): one.candles for one in series}
        self._clock = clock
        self._page_bars = page_bars

    async def history(
        self, symbol: str, timeframe: Timeframe, since: datetime, until: datetime
    ) -> AsyncIterator[Candles]:
        """Pages of recorded bars with opens in [since, until)."""
        wanted = self._closed(symbol, timeframe).between(since, until)
        for start in range(0, len(wanted), self._page_bars):
            yield wanted.take(slice(start, start + self._page_bars))

    async def latest(self, symbol: str, timeframe: Timeframe, since: datetime) -> Candles:
        """The first page of recorded bars with opens at or after ``since``."""
        closed = self._closed(symbol, timeframe)
        return closed.take(closed.ts >= epoch(since)).take(slice(0, self._page_bars))

    async def close(self) -> None:
        """Nothing is held."""

    def _closed(self, symbol: str, timeframe: Timeframe) -> Candles:
        recorded = self._series.get((symbol, timeframe))
        if recorded is None:
            raise SymbolNotOffered(f"{self.name}: no recorded {timeframe} candles of {symbol}")
        return recorded.closed_by(self._clock())
