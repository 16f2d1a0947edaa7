"""The paper venue: spread by asset and hour, slippage, latency, fees, a participation cap. Pure.

``docs/paper-trading.md`` has every formula and where its numbers come from.
"""

from collections.abc import Mapping
from decimal import Context, Decimal

from services.contracts.messages import Side
from services.domain.assets import Asset, AssetClass
from services.domain.money import PLACES, ZERO, convert, floor, money, times
from services.execution.settings import PaperSettings
from services.execution.venue import Execution, Quote

BPS = Decimal("0.0001")
MOST = Decimal("0.5")
"""No order fills worse than this fraction from its price: beyond it the formulas say nothing."""
_CONTEXT = Context(prec=28)
# Parkinson (1980): the standard deviation of a bar is ln(high / low) / (2 sqrt(ln 2)).
_PARKINSON = _CONTEXT.divide(Decimal(1), 2 * _CONTEXT.sqrt(_CONTEXT.ln(Decimal(2))))
# The mean of the absolute value of a normal move of standard deviation one: sqrt(2 / pi).
_MEAN_MOVE = Decimal("0.7978845608028654")


class PaperVenue:
    """Fills inside recorded bars; see :class:`services.execution.venue.Venue`. ConfigError for a missing rate."""

    def __init__(
        self, settings: PaperSettings, classes: Mapping[str, AssetClass], assets: Mapping[str, Asset] | None = None
    ) -> None:
        self.settings = settings
        self.classes = classes
        self.assets = assets or {}
        self.currencies = settings.fx.currencies()
        self.currencies.check(self.assets)
        self.carry = settings.carry.carry()

    def at_market(
        self,
        side: Side,
        quantity: Decimal,
        price: Decimal,
        quote: Quote,
        cash: Decimal | None,
        *,
        late: bool = True,
        worst: Decimal | None = None,
    ) -> Execution:
        """Fill near ``price``, worse by half the spread, slippage, impact and, if ``late``, the move in the latency."""
        if quote.volume <= 0:
            return Execution(ZERO, price, ZERO, ZERO, "no volume in the bar", more=True)
        size, cut = self._allowed(quantity, quote)
        sign = 1 if side == "buy" else -1
        paid = money(price * (1 + sign * self._worse(quote, quote.taken + size, late=late)))
        if worst is not None:
            paid = min(paid, worst) if side == "buy" else max(paid, worst)
        affordable = self._affordable(side, size, paid, quote, cash, self._fee_rate(quote, maker=False))
        slippage = convert(times(abs(paid - price), affordable), quote.fx)
        return self._priced(affordable, size, paid, quote, cut, slippage, maker=False)

    def at_limit(
        self, side: Side, quantity: Decimal, price: Decimal, quote: Quote, cash: Decimal | None = None
    ) -> Execution:
        """Fill a resting order at its price, within the participation cap."""
        if quote.volume <= 0:
            return Execution(ZERO, price, ZERO, ZERO, "no volume in the bar", more=True, liquidity="maker")
        size, cut = self._allowed(quantity, quote)
        affordable = self._affordable(side, size, price, quote, cash, self._fee_rate(quote, maker=True))
        return self._priced(affordable, size, price, quote, cut, ZERO, maker=True)

    def spread_bps(self, quote: Quote) -> Decimal:
        """Return the whole spread at the hour in which the bar opened."""
        asset = self.assets.get(quote.symbol)
        usual = self.classes[quote.asset_class].spread_bps
        if asset is not None and asset.spread_bps is not None:
            usual = asset.spread_bps
        hours = self.settings.spread_by_hour.get(quote.asset_class)
        return usual if hours is None else usual * hours[quote.opened.hour]

    def _allowed(self, quantity: Decimal, quote: Quote) -> tuple[Decimal, bool]:
        allowed = max(floor(quote.volume * self.settings.max_participation) - quote.taken, ZERO)
        return min(quantity, allowed), quantity > allowed

    def _worse(self, quote: Quote, taken: Decimal, *, late: bool) -> Decimal:
        """Return by what fraction the price paid is worse than the price looked at."""
        settings = self.settings
        sigma_bps = sigma(quote) / BPS
        impact = max(settings.impact_bps, settings.impact_sigmas * sigma_bps)
        participation = _CONTEXT.divide(taken, quote.volume)
        worse = self.spread_bps(quote) / 2 + settings.slippage_bps + impact * _CONTEXT.sqrt(participation)
        if late and settings.latency_ms:
            waited = _CONTEXT.divide(Decimal(settings.latency_ms), Decimal(1000 * quote.seconds))
            worse += sigma_bps * _MEAN_MOVE * _CONTEXT.sqrt(waited)
        return min(worse * BPS, MOST)

    def _fee_rate(self, quote: Quote, *, maker: bool) -> Decimal:
        fees = self.settings.fees.get(quote.asset_class)
        if fees is None:
            return self.classes[quote.asset_class].fee_bps * BPS
        return (fees.maker_bps if maker else fees.taker_bps) * BPS

    def _affordable(
        self, side: Side, size: Decimal, paid: Decimal, quote: Quote, cash: Decimal | None, fee_rate: Decimal
    ) -> Decimal:
        """Return how much of ``size`` the cash buys, fee included."""
        if side == "sell" or cash is None:
            return size
        # Notional, its conversion and fee are rounded to 8 places one after the other: up to these last places.
        spare = (2 if quote.fx == 1 else 3 + quote.fx) * PLACES
        return min(size, floor(max(cash - spare, ZERO) / (paid * quote.fx * (1 + fee_rate))))

    def _priced(
        self, filled: Decimal, size: Decimal, paid: Decimal, quote: Quote, cut: bool, slippage: Decimal, *, maker: bool
    ) -> Execution:
        fee = times(convert(times(filled, paid), quote.fx), self._fee_rate(quote, maker=maker))
        poor = filled < size
        detail = "cut to the cash there is" if poor else "cut by the participation cap" if cut else ""
        return Execution(filled, paid, fee, slippage, detail, cut and not poor, "maker" if maker else "taker")


def sigma(quote: Quote) -> Decimal:
    """Estimate the standard deviation of the bar's return from its range; zero for a bar that did not move."""
    if quote.high <= quote.low or quote.low <= 0:
        return ZERO
    return _CONTEXT.multiply(_CONTEXT.ln(_CONTEXT.divide(quote.high, quote.low)), _PARKINSON)
