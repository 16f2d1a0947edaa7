"""What the live desk may do (``config/live.yaml``); everything is off as delivered."""

from decimal import Decimal
from typing import Literal

from pydantic import Field

from services.domain.assets import Section

LIVE_FILE = "live.yaml"
SWITCH = "CHLOE_LIVE"
"""Environment variable that must be ``yes`` beside the switch in the file."""


class BrokerSettings(Section):
    """One account."""

    environment: Literal["testnet", "paper", "practice", "live"]
    currency: str = "USD"
    classes: tuple[str, ...]
    """Asset classes whose orders go there."""
    options: dict[str, str] = Field(default_factory=dict)
    """What else its adapter's ``connect`` takes, by name."""


class Timing(Section):
    """Seconds; see the file for their reasons."""

    poll_seconds: float = Field(gt=0)
    idle_poll_seconds: float = Field(gt=0)
    reconcile_seconds: float = Field(gt=0)
    reconciled_within_seconds: float = Field(gt=0)
    in_flight_seconds: float = Field(gt=0)
    entry_fresh_seconds: float = Field(gt=0)
    fills_overlap_seconds: float = Field(gt=0)
    retry_seconds: float = Field(gt=0)
    retry_longest_seconds: float = Field(gt=0)


class LiveSettings(Section):
    """The whole file. Amounts are in account currency."""

    enabled: bool
    max_notional: dict[str, Decimal]
    """Per asset: the most that a live position may be worth at entry; an asset without one never trades live."""
    max_notional_per_day: Decimal = Field(gt=0)
    mirror_exploration: bool = False
    cash_tolerance: Decimal = Field(ge=0)
    mismatch_checks: int = Field(ge=1)
    audit_days: int = Field(gt=0)
    timing: Timing
    brokers: dict[str, BrokerSettings]

    def account_of(self, asset_class: str) -> str | None:
        """Return the account that a class's orders go to."""
        found = [account(name, one.environment) for name, one in self.brokers.items() if asset_class in one.classes]
        return found[0] if found else None


def account(broker: str, environment: str) -> str:
    """Name an account: ``bybit/testnet``. Books of play money never become books of real money."""
    return f"{broker}/{environment}"
