"""The entry that is being considered: what every gate, level and rule is asked about."""

from dataclasses import dataclass
from datetime import datetime

from services.contracts.messages import Forecast
from services.contracts.readings import Reading
from services.domain.assets import Asset
from services.domain.candles import Timeframe


@dataclass(frozen=True, slots=True)
class Entry:
    """A position that could be opened at the slice's close, long or short."""

    ts: datetime
    timeframe: Timeframe
    forecast: Forecast
    reading: Reading
    asset: Asset
    long: bool

    @property
    def name(self) -> str:
        """The asset's short name: BTC of BTC/USDT; other symbols whole."""
        return short_name(self.forecast.symbol, self.asset)


def short_name(symbol: str, asset: Asset) -> str:
    """Return BTC for BTC/USDT; currency pairs and tickers stay whole."""
    return symbol.partition("/")[0] if asset.asset_class == "crypto" else symbol
