"""What each asset's features read besides its own candles, picked out of what is there."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from services.inference.context import Context, Observed
from services.inference.series import Candles

LEADERS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """All candles by symbol, which of them lead each class, and observed values of the whole market and of symbols."""

    candles: Mapping[str, Candles]
    leaders: Mapping[str, Sequence[str]] = field(default_factory=dict)
    values: Mapping[str, Observed] = field(default_factory=dict)
    values_of: Mapping[str, Mapping[str, Observed]] = field(default_factory=dict)

    def context(self, symbol: str) -> Context:
        """Return what the asset's features may read; the values' own times keep it from seeing ahead."""
        own = self.candles.get(symbol)
        if own is None:
            return Context()
        leading = [self.candles[name] for name in self.led_by(symbol, own.asset_class) if name in self.candles]
        return Context(tuple(leading), {**self.values, **self.values_of.get(symbol, {})})

    def led_by(self, symbol: str, asset_class: str) -> list[str]:
        """Name the assets that lead it, the most important first, never itself."""
        return [name for name in self.leaders.get(asset_class, ()) if name != symbol][:LEADERS]


def with_leaders(
    symbols: Collection[str], classes: Mapping[str, str], leaders: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return the symbols and all that lead their classes: whose candles are needed to forecast them."""
    wanted = set(symbols)
    for symbol in symbols:
        wanted.update(leaders.get(classes.get(symbol, ""), ()))
    return sorted(wanted)
