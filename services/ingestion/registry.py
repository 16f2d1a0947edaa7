"""Which declared sources are configured, and their construction. A source without its keys is no error."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType
from typing import Any

from services.domain.assets import AssetsConfig
from services.domain.candles import Timeframe
from services.ingestion.adapters import CandleSource, adapters, ccxt_stream
from services.ingestion.adapters.ccxt_candles import CcxtCandles, Patience, connect
from services.ingestion.adapters.ccxt_stream import CcxtStream, OnClosed
from services.ingestion.settings import DataSources, SourceSettings
from services.kernel.errors import ConfigError

CCXT_GIVES = frozenset({"candles", "quotes"})
# The loop asks again by itself, so one request gives up early: a slice must not wait long for a source that is down.
CCXT_TIMEOUT_SECONDS = 8.0
CCXT_PATIENCE = Patience(attempts=2, wait_max_s=2.0)
KEPT_AT_HOME = {"X_SPEND_FILE": os.path.expanduser("~/.chloe/x_spend.json")}
"""Where a source keeps what must outlast a restart, unless the environment names another place."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One line of ``data_sources.yaml`` with what its adapter says of itself."""

    name: str
    settings: SourceSettings
    module: ModuleType | None
    """The adapter; None for exchanges behind ccxt."""
    missing: tuple[str, ...]
    """Environment variables that it needs and that are not set."""

    @property
    def configured(self) -> bool:
        """Whether it can be asked."""
        return not self.missing

    @property
    def gives(self) -> frozenset[str]:
        """What it delivers: candles, quotes, indicators, …"""
        return CCXT_GIVES if self.module is None else frozenset(self.module.GIVES)

    @property
    def detail(self) -> str:
        """Say in words whether it is configured."""
        if self.missing:
            return f"not configured: {', '.join(self.missing)} not set"
        needs = () if self.module is None else self.module.NEEDS
        return "configured" if needs else "public, no key needed"

    @property
    def limits(self) -> str:
        """Say in words how often it is asked at most."""
        if self.module is None:
            return "the exchange's own, kept by ccxt" + ("; its stream is followed too" if self.settings.stream else "")
        policy = self.module.POLICY
        day = f", {policy.per_day:,} a day" if policy.per_day else ""
        return f"{policy.requests} in {policy.per_seconds:g} s{day}"


def declared(sources: DataSources, environment: Mapping[str, str]) -> list[Declared]:
    """List all declared sources in order of family and priority; raises ConfigError for an unknown adapter."""
    known = adapters()
    found = []
    for name, settings in sources.sources.items():
        module = known.get(settings.adapter)
        if settings.adapter != "ccxt" and module is None:
            names = ", ".join(["ccxt", *sorted(known)])
            raise ConfigError(f"data_sources.yaml: sources.{name}.adapter: no adapter '{settings.adapter}' ({names})")
        needs = () if module is None else module.NEEDS
        found.append(Declared(name, settings, module, tuple(n for n in needs if not environment.get(n))))
    return sorted(found, key=lambda d: (d.settings.family, d.settings.priority, d.name))


def build(one: Declared, assets: AssetsConfig, environment: Mapping[str, str], clock: Callable[[], datetime]) -> Any:
    """Construct a configured source; to be called where clients are constructed."""
    symbols = _told(one, assets)
    settings = one.settings
    if one.module is None:
        client = connect(settings.exchange or one.name, settings.base_url, CCXT_TIMEOUT_SECONDS)
        return CcxtCandles(client, symbols, clock, CCXT_PATIENCE)
    more = {"base_url": settings.base_url} if settings.base_url else {}
    return one.module.connect({**KEPT_AT_HOME, **environment}, symbols=symbols, clock=clock, **more)


def open_stream(
    one: Declared, assets: AssetsConfig, timeframe: Timeframe, clock: Callable[[], datetime], on_closed: OnClosed
) -> CcxtStream:
    """Construct the stream of an exchange; to be called where clients are constructed, anew for each connection."""
    client = ccxt_stream.connect(one.settings.exchange or one.name, one.settings.base_url, CCXT_TIMEOUT_SECONDS)
    return CcxtStream(client, timeframe, on_closed, _told(one, assets), clock)


def _told(one: Declared, assets: AssetsConfig) -> dict[str, str]:
    """Our symbols to the source's, where they differ."""
    return {s: a.venue_symbols[one.name] for s, a in assets.assets.items() if one.name in a.venue_symbols}


def candle_sources(
    found: list[Declared],
    family: str,
    assets: AssetsConfig,
    environment: Mapping[str, str],
    clock: Callable[[], datetime],
) -> list[CandleSource]:
    """Construct a family's configured sources of candles, the first to ask first."""
    wanted = [d for d in found if d.settings.family == family and d.configured and "candles" in d.gives]
    return [build(d, assets, environment, clock) for d in wanted]
