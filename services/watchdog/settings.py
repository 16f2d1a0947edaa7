"""What the watchdog looks at, from when on it is wrong, and what that blocks (``config/watchdog.yaml``)."""

from decimal import Decimal

from pydantic import Field

from services.domain.assets import Section
from services.domain.flags import Blocks, Severity

WATCHDOG_FILE = "watchdog.yaml"


class Check(Section):
    """A flag: how grave, what it blocks, and for how long its condition must hold, and be over, without a break."""

    severity: Severity
    blocks: Blocks
    raise_after_seconds: float = Field(ge=0)
    clear_after_seconds: float = Field(ge=0)


class StageLag(Check):
    """Seconds that a stage may owe a slice (or, where it works once a day, a day) that is there for it."""

    behind_seconds: float = Field(gt=0)
    day_behind_seconds: float = Field(gt=0)


class StaleFeed(Check):
    """Bars that the market owes an enabled asset."""

    bars: int = Field(ge=1)


class ErrorRate(Check):
    """So many errors within the window."""

    at_least: int = Field(ge=1)
    window_seconds: float = Field(gt=0)


class SenselessOrders(ErrorRate):
    """Refusals by these of risk's checks are errors: no honest wish fails them."""

    checks: tuple[str, ...]


class DriftLasting(Check):
    """Days that an asset's ``model_drift`` may stand."""

    days: float = Field(gt=0)


class DriftWidespread(Check):
    """Share of the enabled assets whose ``model_drift`` is up; fewer assets than ``assets`` prove nothing."""

    share: float = Field(gt=0, le=1)
    assets: int = Field(ge=1)


class AbnormalSlippage(Check):
    """The newest fills' median beside the usual one of an asset, basis points of the notional."""

    window_hours: float = Field(gt=0)
    history_days: float = Field(gt=0)
    fills: int = Field(ge=1)
    usual_fills: int = Field(ge=1)
    times: float = Field(gt=1)
    above_bps: float = Field(ge=0)


class EquityMismatch(Check):
    """Account currency by which two ways of reckoning may differ."""

    tolerance: Decimal = Field(ge=0)


class Notify(Section):
    """How often and how patiently people are told."""

    poll_seconds: float = Field(gt=0)
    tries: int = Field(ge=1)
    timeout_seconds: float = Field(gt=0)
    retry_seconds: float = Field(gt=0)
    retry_longest_seconds: float = Field(gt=0)


class Checks(Section):
    """Every flag of the watchdog's own, by its name in ``system_flags``."""

    stage_lag: StageLag
    stale_feed: StaleFeed
    dead_letters: ErrorRate
    refused_candles: ErrorRate
    refused_commands: ErrorRate
    senseless_orders: SenselessOrders
    drift_lasting: DriftLasting
    drift_widespread: DriftWidespread
    abnormal_slippage: AbnormalSlippage
    equity_mismatch: EquityMismatch

    def of(self, name: str) -> Check:
        """Return a flag's settings; raises AttributeError where it is none of ours."""
        found: Check = getattr(self, name)
        return found


NAMES = tuple(Checks.model_fields)


class WatchdogSettings(Section):
    """The whole file."""

    every_seconds: float = Field(gt=0)
    forget_after_seconds: float = Field(gt=0)
    checks: Checks
    notify: Notify
