"""How the paper venue fills and what the account starts with (``config/execution.yaml``)."""

from decimal import Decimal

from pydantic import Field

from services.domain.assets import Section


class PaperSettings(Section):
    """The paper venue. Basis points are of the price; ``participation`` is a share of the bar's volume."""

    starting_cash: Decimal = Field(gt=0)
    max_participation: Decimal = Field(gt=0, le=1)
    slippage_bps: Decimal = Field(ge=0)
    impact_bps: Decimal = Field(ge=0)
    """Extra slippage at 100 % participation; it grows with the square root of participation (Almgren et al. 2005)."""


class ExecutionSettings(Section):
    """The whole file."""

    paper: PaperSettings
