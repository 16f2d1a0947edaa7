"""One file per provider; each turns its replies into our own shapes behind one set of methods."""

import importlib
import pkgutil
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from types import ModuleType
from typing import Protocol

from services.domain.candles import Candles, Timeframe

NOT_PROVIDERS = frozenset({"ccxt_candles", "ccxt_stream", "replay_files"})
"""Files of this folder with another shape: exchanges go through ccxt, which has its own client; replay reads files."""


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


def utc_now() -> datetime:
    """The clock of a live source."""
    return datetime.now(UTC)


class _Adapters(Mapping[str, ModuleType]):
    """Module name to module, imported when asked for: a client library loads only where its source is configured."""

    def __init__(self) -> None:
        found = (module.name for module in pkgutil.iter_modules(__path__))
        self._names = tuple(sorted(name for name in found if name not in NOT_PROVIDERS))

    def __getitem__(self, name: str) -> ModuleType:
        if name not in self._names:
            raise KeyError(name)
        return importlib.import_module(f"{__name__}.{name}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def adapters() -> Mapping[str, ModuleType]:
    """Every provider's adapter by the name of its file, which is its ``NAME``."""
    return _Adapters()
