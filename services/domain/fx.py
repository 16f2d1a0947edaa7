"""Which currency a symbol is quoted in, and what that is worth in the account's. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from services.contracts.books import PAR, Rate
from services.contracts.messages import Bar
from services.domain.errors import ConfigError
from services.domain.money import exchange_rate


class Currencies:
    """The account's currency, those that count as it, and the declared rates of others.

    ``declared`` says how many units of a currency one unit of the account's buys, as pairs such as USD/JPY are quoted.
    """

    def __init__(self, account: str, same: Iterable[str] = (), declared: Mapping[str, Decimal] | None = None) -> None:
        self.account = account
        self._par = frozenset({account, *same})
        self._declared = {
            name: Rate(name, exchange_rate(units, inverse=True), None) for name, units in (declared or {}).items()
        }
        self._quoted: dict[str, str | None] = {}

    def foreign(self, symbol: str) -> str | None:
        """Return the currency that a symbol is quoted in; None where that is the account's. ``BTC/USDT``: USDT."""
        if symbol not in self._quoted:
            currency = symbol.rpartition("/")[2] if "/" in symbol else self.account
            self._quoted[symbol] = None if currency in self._par else currency
        return self._quoted[symbol]

    def check(self, symbols: Iterable[str]) -> None:
        """Refuse symbols whose currency has no declared rate, for a rate must be there before the first bar is."""
        for symbol in symbols:
            currency = self.foreign(symbol)
            if currency is not None and currency not in self._declared:
                raise ConfigError(f"execution.yaml: paper.fx.rates has no {currency}, the currency of {symbol}")

    def observed(
        self, bars: Iterable[Bar], ts: datetime, known: Mapping[str, Rate], *, at_open: bool
    ) -> dict[str, Rate]:
        """Take the rates that bars of pairs with the account's currency show; the others stay as they were known."""
        seen: dict[str, Rate] = {}
        for bar in bars:
            if "/" not in bar.symbol or bar.asset_class != "forex":
                continue
            base, _, quoted = bar.symbol.partition("/")
            price = bar.open if at_open else bar.close
            if base in self._par and quoted not in self._par:
                seen[quoted] = Rate(quoted, exchange_rate(price, inverse=True), ts)
            elif quoted in self._par and base not in self._par:
                seen[base] = Rate(base, exchange_rate(price), ts)
        return {**known, **seen} if seen else dict(known)

    def rate(self, currency: str, known: Mapping[str, Rate]) -> Rate:
        """Return the newest rate of a foreign currency: observed, else declared; raises ConfigError for neither."""
        found = known.get(currency) or self._declared.get(currency)
        if found is None:
            raise ConfigError(f"execution.yaml: paper.fx.rates has no {currency}")
        return found


def rate_of(symbol: str, rates: Iterable[Rate]) -> Decimal:
    """Return account currency for one unit of the currency of ``symbol``'s prices; par where ``rates`` names none.

    ``rates`` are those of ``PortfolioSettled``: a size in units is ``notional / (price * rate)``.
    """
    currency = symbol.rpartition("/")[2] if "/" in symbol else ""
    return next((one.rate for one in rates if one.currency == currency and is_sound(one)), PAR)


def is_sound(one: Rate) -> bool:
    """Whether a rate can be reckoned with."""
    return one.rate.is_finite() and one.rate > 0
