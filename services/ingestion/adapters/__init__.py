"""One file per provider; each turns its replies into `Candles` behind one protocol."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from services.domain.candles import Candles, Timeframe


class CandleSource(Protocol):
    """Where candles come from. Errors are `services.ingestion.errors.FeedError`; only closed bars are ever given."""

    @property
    def name(self) -> str:
        """The name stored with each candle."""
        ...

    def history(self, symbol: str, timeframe: Timeframe, since: datetime, until: datetime) -> AsyncIterator[Candles]:
        """Pages of closed bars with opens in [since, until), ascending; none for a time without bars."""
        ...

    async def latest(self, symbol: str, timeframe: Timeframe, since: datetime) -> Candles:
        """Closed bars with opens at or after ``since``, ascending, as many as one request gives."""
        ...

    async def close(self) -> None:
        """Release connections; calling it twice does no harm."""
        ...
