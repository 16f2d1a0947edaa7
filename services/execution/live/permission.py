"""Whether an asset may be entered with real money: everything that has to be true first, each by name. Pure."""

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec


class LiveFacts(msgspec.Struct, frozen=True):
    """What is known of one asset at a moment."""

    now: datetime
    symbol: str
    run_mode: str | None
    switch_in_config: bool
    switch_in_environment: bool
    broker: str | None
    """The one that its class goes to; None: no broker takes the class."""
    missing_keys: tuple[str, ...]
    phase_active: bool
    trading_enabled: bool
    live_enabled: bool
    audit_at: datetime | None
    """When it was last audited for live; None: never."""
    audit_ready: bool
    audit_valid: timedelta
    max_notional: Decimal | None
    reconciled_at: datetime | None
    """When books and broker were last found equal."""
    reconciled_within: timedelta
    flags: tuple[str, ...] = ()
    """Open flags that block: of the asset, its broker or the whole platform."""


def may_trade_live(facts: LiveFacts) -> tuple[str, ...]:
    """Return the reasons why not; an empty answer is a yes. Reductions never ask."""
    checks = (
        (facts.run_mode == "live", f"this database holds a {facts.run_mode or 'run of no'} mode, not live"),
        (facts.switch_in_config, "config/live.yaml says enabled: false"),
        (facts.switch_in_environment, "CHLOE_LIVE is not 'yes' in the environment"),
        (facts.broker is not None, "no broker takes its asset class"),
        (not facts.missing_keys, f"the broker's {', '.join(facts.missing_keys)} not set"),
        (facts.phase_active, "its phase is not active"),
        (facts.trading_enabled, "it is not enabled for trading, not even on paper"),
        (facts.live_enabled, "its live phase is not active"),
        (*_audited(facts),),
        (facts.max_notional is not None and facts.max_notional > 0, "no max_notional is set for it"),
        (*_reconciled(facts),),
        *((False, f"open flag: {flag}") for flag in facts.flags),
    )
    return tuple(words for holds, words in checks if not holds)


def _audited(facts: LiveFacts) -> tuple[bool, str]:
    if facts.audit_at is None:
        return False, "it has not been audited for live"
    if not facts.audit_ready:
        return False, f"its audit of {facts.audit_at:%Y-%m-%d} says not ready"
    fresh = facts.now - facts.audit_at <= facts.audit_valid
    return fresh, f"its audit of {facts.audit_at:%Y-%m-%d} is older than {facts.audit_valid.days} days"


def _reconciled(facts: LiveFacts) -> tuple[bool, str]:
    if facts.reconciled_at is None:
        return False, "books and broker have not been compared since the start"
    fresh = facts.now - facts.reconciled_at <= facts.reconciled_within
    return fresh, f"books and broker were last found equal at {facts.reconciled_at:%H:%M:%S}"
