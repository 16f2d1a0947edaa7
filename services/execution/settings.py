"""How the paper venue fills and what the account starts with (``config/execution.yaml``)."""

from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import Field, model_validator

from services.contracts.books import ChargeKind
from services.domain.assets import Section
from services.domain.fx import Currencies
from services.domain.money import ZERO, exchange_rate
from services.execution import carry

Multiple = Annotated[Decimal, Field(gt=0, le=20)]
Hours = Annotated[tuple[Multiple, ...], Field(min_length=24, max_length=24)]
"""A multiple of the spread for each UTC hour, from midnight on."""


class VenueFees(Section):
    """What a class's venue charges, basis points of the notional: ``maker`` for limit fills, ``taker`` for others."""

    venue: str
    maker_bps: Decimal = Field(ge=0, le=1000)
    taker_bps: Decimal = Field(ge=0, le=1000)


class CarryTerm(Section):
    """A cost of holding: ``rate`` at each due moment or ``annual`` a year; negative pays the holder."""

    kind: ChargeKind
    rate: Decimal | None = Field(default=None, ge=-1, le=1)
    annual: Decimal | None = Field(default=None, ge=-10, le=10)
    every_hours: int = Field(default=24, ge=1, le=168)
    at_hour: int = Field(ge=0, le=23)

    @model_validator(mode="after")
    def _one_rate(self) -> "CarryTerm":
        if (self.rate is None) == (self.annual is None):
            raise ValueError("needs either rate or annual")
        return self

    def term(self) -> carry.Term:
        """Return it for the books."""
        annual = carry.yearly(self.annual or ZERO, self.every_hours)
        rate = annual if self.rate is None else exchange_rate(self.rate)
        return carry.Term(self.kind, rate, self.every_hours, self.at_hour)


class CarryTerms(Section):
    """What a long and a short position cost to hold; absent: nothing."""

    long: CarryTerm | None = None
    short: CarryTerm | None = None

    def terms(self) -> carry.Terms:
        """Return them for the books."""
        return carry.Terms(self.long.term() if self.long else None, self.short.term() if self.short else None)


class CarrySettings(Section):
    """Costs of holding by class, and of single assets in place of their class's."""

    classes: dict[str, CarryTerms] = Field(default_factory=dict)
    assets: dict[str, CarryTerms] = Field(default_factory=dict)

    def carry(self) -> carry.Carry:
        """Return them for the books."""
        return carry.Carry(
            {name: one.terms() for name, one in self.classes.items()},
            {name: one.terms() for name, one in self.assets.items()},
        )


class DeclaredRate(Section):
    """A rate for when no bar shows one: units of the currency for one unit of the account's, as pairs are quoted."""

    units: Decimal = Field(gt=0)
    as_of: date
    source: str


class FxSettings(Section):
    """The account's currency, what counts as the same, and rates for currencies that no pair of ours shows."""

    account: str = "USD"
    same: tuple[str, ...] = ("USDT", "USDC")
    rates: dict[str, DeclaredRate] = Field(default_factory=dict)

    def currencies(self) -> Currencies:
        """Return them for the books."""
        return Currencies(self.account, self.same, {name: one.units for name, one in self.rates.items()})


class PaperSettings(Section):
    """The paper venue. Basis points are of the price; ``participation`` is a share of the bar's volume."""

    starting_cash: Decimal = Field(gt=0)
    max_participation: Decimal = Field(gt=0, le=1)
    slippage_bps: Decimal = Field(ge=0)
    impact_bps: Decimal = Field(ge=0)
    """The least impact at 100 % participation; it grows with the square root of participation."""
    impact_sigmas: Decimal = Field(default=Decimal(0), ge=0, le=10)
    """Impact at 100 % participation in standard deviations of the bar, where that is more."""
    latency_ms: int = Field(default=0, ge=0, le=60_000)
    """From the bar's close to the order's arrival; what the market moves meanwhile counts against us."""
    spread_by_hour: dict[str, Hours] = Field(default_factory=dict)
    fees: dict[str, VenueFees] = Field(default_factory=dict)
    """By class; one that is not named pays its ``fee_bps`` for everything."""
    carry: CarrySettings = CarrySettings()
    fx: FxSettings = FxSettings()


class ExecutionSettings(Section):
    """The whole file."""

    paper: PaperSettings
