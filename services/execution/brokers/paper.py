"""The paper venue: spread, slippage that grows with the root of participation, fees, a participation cap. Pure."""

from collections.abc import Mapping
from decimal import Context, Decimal

from services.contracts.messages import Side
from services.domain.assets import AssetClass
from services.domain.money import PLACES, ZERO, floor, money, times
from services.execution.decide import Execution, Quote
from services.execution.settings import PaperSettings

BPS = Decimal("0.0001")
_CONTEXT = Context(prec=28)


class PaperVenue:
    """Fills inside recorded bars. Orders are immediate-or-cancel: what the participation cap leaves is cancelled."""

    def __init__(self, settings: PaperSettings, classes: Mapping[str, AssetClass]) -> None:
        self.settings = settings
        self.classes = classes

    def at_market(self, side: Side, quantity: Decimal, price: Decimal, quote: Quote, cash: Decimal | None) -> Execution:
        """Fill near ``price``, worse by half the spread and slippage; see :class:`services.execution.decide.Venue`."""
        costs = self.classes[quote.asset_class]
        if quote.volume <= 0:
            return Execution(ZERO, price, ZERO, ZERO, "no volume in the bar")
        allowed = max(floor(quote.volume * self.settings.max_participation) - quote.taken, ZERO)
        size = min(quantity, allowed)
        detail = "cut by the participation cap" if size < quantity else ""
        participation = _CONTEXT.divide(quote.taken + size, quote.volume)
        worse_bps = (
            costs.spread_bps / 2 + self.settings.slippage_bps + self.settings.impact_bps * _CONTEXT.sqrt(participation)
        )
        sign = 1 if side == "buy" else -1
        paid = money(price * (1 + sign * worse_bps * BPS))
        fee_rate = costs.fee_bps * BPS
        if side == "buy" and cash is not None:
            # Notional and fee are rounded to 8 places one after the other, which can cost up to two of the last place.
            affordable = floor(max(cash - 2 * PLACES, ZERO) / (paid * (1 + fee_rate)))
            if affordable < size:
                size, detail = affordable, "cut to the cash there is"
        return Execution(size, paid, times(times(size, paid), fee_rate), times(abs(paid - price), size), detail)

    def at_limit(self, side: Side, quantity: Decimal, price: Decimal, quote: Quote) -> Execution:
        """Fill a resting order in full at its price."""
        fee_rate = self.classes[quote.asset_class].fee_bps * BPS
        return Execution(quantity, price, times(times(quantity, price), fee_rate), ZERO)
