"""What a venue that fills inside recorded bars is asked and answers. Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol

from services.contracts.books import PAR
from services.contracts.messages import Bar, Side
from services.domain.fx import Currencies
from services.domain.money import ZERO, money
from services.execution.carry import Carry


@dataclass(frozen=True, slots=True)
class Quote:
    """A closed bar in ledger decimals; ``volume`` in units of the asset."""

    symbol: str
    asset_class: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    opened: datetime
    taken: Decimal = ZERO
    """How much of the bar's volume our own orders have used up already."""
    fx: Decimal = PAR
    """Account currency for one unit of the prices' currency, as the bar opened."""
    seconds: int = 3600
    """How long the bar is."""


@dataclass(frozen=True, slots=True)
class Execution:
    """What the venue gives for a wish: quantity, price with costs, and fee and cost of spread and slippage.

    ``price`` is in the quote's currency, ``fee`` and ``slippage`` are in the account's.
    """

    quantity: Decimal
    price: Decimal
    fee: Decimal
    slippage: Decimal
    detail: str = ""
    more: bool = False
    """Whether the bar's volume alone cut it, so that the rest may fill in a later bar."""
    liquidity: Literal["maker", "taker"] = "taker"


class Venue(Protocol):
    """A venue that fills inside recorded bars; pure, so that back-test and paper trading share it."""

    currencies: Currencies
    carry: Carry

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
        """Fill a market order near ``price``; buys cost at most ``cash`` (None: a reduction, always allowed).

        ``late`` orders were decided at the bar's open and arrive after the venue's latency; ``worst`` bounds the price.
        """
        ...

    def at_limit(
        self, side: Side, quantity: Decimal, price: Decimal, quote: Quote, cash: Decimal | None = None
    ) -> Execution:
        """Fill a resting order at ``price``: no spread, no slippage, the maker's fee."""
        ...


def quote_of(bar: Bar, opened: datetime, fx: Decimal, seconds: int) -> Quote:
    """Bring a bar into ledger decimals; ``opened`` is for bars that do not say when they opened."""
    return Quote(
        bar.symbol,
        bar.asset_class,
        money(bar.open),
        money(bar.high),
        money(bar.low),
        money(bar.close),
        money(bar.volume),
        bar.opened_at or opened,
        ZERO,
        fx,
        seconds,
    )
