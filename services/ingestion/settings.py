"""The declared data sources (``config/data_sources.yaml``)."""

from typing import Literal

from pydantic import Field

from services.domain.assets import Section

Family = Literal["crypto", "stocks", "forex", "sentiment", "macro"]
FAMILIES: tuple[Family, ...] = ("crypto", "stocks", "forex", "sentiment", "macro")


class SourceSettings(Section):
    """One source: a line of the file. ``asset_classes`` are those whose candles it gives."""

    family: Family
    gives: str
    adapter: Literal["ccxt"]
    exchange: str
    asset_classes: tuple[str, ...]
    priority: int = Field(ge=1)
    history_days: int = Field(gt=0)
    base_url: str | None = None
    """Where to send requests instead of the exchange, for tests and proxies."""


class DataSources(Section):
    """The whole file."""

    sources: dict[str, SourceSettings]

    def of_family(self, family: str) -> list[tuple[str, SourceSettings]]:
        """Return a family's sources, the first to ask first."""
        found = [(name, s) for name, s in self.sources.items() if s.family == family]
        return sorted(found, key=lambda item: item[1].priority)
