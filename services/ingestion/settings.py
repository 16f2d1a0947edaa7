"""The declared data sources (``config/data_sources.yaml``)."""

from typing import Literal

from pydantic import Field, model_validator

from services.domain.assets import Section

Family = Literal["crypto", "stocks", "forex", "sentiment", "macro"]
FAMILIES: tuple[Family, ...] = ("crypto", "stocks", "forex", "sentiment", "macro")


class SourceSettings(Section):
    """One source: a line of the file. ``asset_classes`` are those whose candles it gives."""

    family: Family
    adapter: str
    """``ccxt``, or the name of a file in ``services/ingestion/adapters``."""
    exchange: str | None = None
    """The exchange's name in ccxt; only for that adapter."""
    asset_classes: tuple[str, ...] = ()
    priority: int = Field(default=1, ge=1)
    history_days: int = Field(default=400, gt=0)
    every_seconds: int = Field(default=900, ge=5)
    """How often values other than candles are asked for."""
    stream: bool = False
    """Whether its WebSocket is followed too; only for the adapter ccxt."""
    quote_seconds: float = Field(default=1.0, ge=1.0)
    """A streamed quote of a symbol is stored at most this often."""
    base_url: str | None = None
    """Where to send requests instead of the provider, for tests and proxies."""

    @model_validator(mode="after")
    def _exchange_belongs_to_ccxt(self) -> "SourceSettings":
        if (self.adapter == "ccxt") != (self.exchange is not None):
            raise ValueError("'exchange' is for the adapter ccxt, which needs it")
        if self.stream and self.exchange is None:
            raise ValueError("'stream' is for the adapter ccxt")
        return self


class DataSources(Section):
    """The whole file. ``disagreement_bps``: how far two sources' closes of one bar may lie apart."""

    disagreement_bps: float = Field(default=50.0, gt=0)
    sources: dict[str, SourceSettings]
