"""Venues for tests: one that costs nothing, and the declared one with parts of it changed."""

from decimal import Decimal
from typing import Any

from services.domain.assets import AssetClass
from services.execution.brokers.paper import PaperVenue
from services.execution.settings import PaperSettings


def venue(
    *, classes: tuple[str, ...] = ("crypto", "stocks", "meme", "forex"), spread: str = "0", **changes: Any
) -> PaperVenue:
    """A venue without any cost but those named; fills take at most ``max_participation`` (all) of a bar."""
    fields: dict[str, Any] = {"starting_cash": 100_000, "max_participation": 1, "slippage_bps": 0, "impact_bps": 0}
    declared = AssetClass(phase="p", sources=(), spread_bps=Decimal(spread), fee_bps=Decimal(0), max_weight=1.0)
    return PaperVenue(PaperSettings.model_validate(fields | changes), dict.fromkeys(classes, declared))


COSTLESS = venue()
