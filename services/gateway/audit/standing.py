"""The audit of where an asset stands: its limits as they are configured, its place on the ladder, open flags. Pure."""

from decimal import Decimal

from services.gateway.audit.facts import AuditFacts, FlagFacts
from services.gateway.audit.lines import Line, judged, listed, percent
from services.gateway.audit.settings import AuditParams

STOPS = (0.05, 0.20)
POSITIONS = (0.02, 0.10)
"""Bounds of the plan outside crypto."""
CRYPTO = "crypto"


def limits(facts: AuditFacts, params: AuditParams) -> tuple[Line, ...]:
    """Judge whether what may be lost and held is configured, and within the plan."""
    asset, crypto = facts.asset, facts.asset.asset_class == CRYPTO
    pips = asset.rules.stop_pips
    stop = crypto or pips is not None or STOPS[0] <= asset.stop_loss <= STOPS[1]
    account = params.accounts.get(asset.asset_class)
    return (
        judged(
            "stop", stop, percent(asset.stop_loss, 1) + ("" if pips is None else f", {pips:.0f} pips"),
            "named" if crypto else f"{percent(STOPS[0])} to {percent(STOPS[1])}",
            f"its stop of {percent(asset.stop_loss, 1)} is outside {percent(STOPS[0])} to {percent(STOPS[1])}",
            good="configured", asked_by="paper",
        ),
        _position(facts),
        _notionals(facts),
        judged(
            "live account", account is not None, account or "–", "one takes its class",
            f"no broker of live.yaml takes {asset.asset_class}", good="its class goes there",
        ),
        _max_notional(facts, params),
    )  # fmt: skip


def standing(facts: AuditFacts) -> tuple[Line, ...]:
    """Judge its place on the ladder."""
    only = facts.asset.role == "research_only" and not facts.trading_enabled
    waits = f": {facts.waits_for}" if facts.waits_for else ""
    next_step = waits if facts.trading_enabled else ""
    return (
        judged(
            "phase", facts.phase_active, facts.phase, "active", f"its phase {facts.phase} is not active",
            good="active", asked_by="paper",
        ),
        judged(
            "role", not only, facts.asset.role.replace("_", " "), "not research only",
            "its role is research_only: only research can change that", good="may trade once it has earned it",
            asked_by="paper",
        ),
        judged(
            "enabled on paper", facts.trading_enabled, facts.level, "observed or full",
            f"it is not enabled for trading, not even on paper{waits}", good="it trades on paper",
        ),
        judged(
            "size on paper", None if not facts.trading_enabled else facts.level == "full", facts.level, "full",
            f"it is only observed, at part of its size{waits}", good="its own size",
            unknown="its size, for it does not trade", soft=True, asked_by="nobody",
        ),
        # Its live phase is opened on the strength of this audit, so the audit cannot ask for it.
        judged(
            "live phase", True, "active" if facts.live_enabled else "not active", "–", "", asked_by="nobody",
            good="real money may be traded" if facts.live_enabled else f"no real money is traded{next_step}",
        ),
        *flags(facts),
    )  # fmt: skip


def flags(facts: AuditFacts) -> tuple[Line, ...]:
    """Judge the open flags: those that block fail; what is only seen warns once a person has acknowledged it."""
    entries = [f for f in facts.flags if f.blocks == "entries"]
    others = [f for f in facts.flags if f.blocks != "entries"]
    serious = [f for f in others if f.blocks or (f.severity != "info" and f.acknowledged_by is None)]
    return (
        judged(
            "flags that block entries", not entries, _told(entries) or "none", "none",
            f"open system flag: {_told(entries)}", good="none is up", asked_by="paper",
        ),
        judged(
            "other flags", not others, _told(others) or "none", "none, or acknowledged",
            f"open system flag: {_told(others)}", good="none is up", soft=not serious,
        ),
    )  # fmt: skip


def _position(facts: AuditFacts) -> Line:
    share, crypto = facts.asset.max_position, facts.asset.asset_class == CRYPTO
    low, high = POSITIONS
    if crypto and share is None:
        words = "crypto is bounded by its notional limits and the cash reserve"
        return judged("position cap", True, "–", "not asked of crypto", "", good=words, asked_by="paper")
    within = share is not None and (crypto or low <= share <= high)
    told = "–" if share is None else percent(share, 1)
    bad = f"its position cap of {told} is outside {percent(low)} to {percent(high)}"
    return judged(
        "position cap", within, told, f"{percent(low)} to {percent(high)}",
        "no max_position is configured for it" if share is None else bad, good="configured", asked_by="paper",
    )  # fmt: skip


def _notionals(facts: AuditFacts) -> Line:
    trade, day = facts.asset.notional_per_trade, facts.asset.notional_per_day
    if facts.asset.asset_class != CRYPTO:
        return judged("notional limits", True, "–", "asked of crypto", "", good="its position cap bounds it")
    figure = f"{_amount(trade)} a trade, {_amount(day)} a day"
    return judged(
        "notional limits", trade is not None and day is not None, figure, "both named",
        f"its notional limits are not complete: {figure}", good="configured",
    )  # fmt: skip


def _max_notional(facts: AuditFacts, params: AuditParams) -> Line:
    most, small = params.max_notional.get(facts.symbol), params.settings.small_account
    if most is None or most <= 0:
        return judged(
            "live max_notional", False, "–", f"named, up to {small}", "no max_notional is set for it in live.yaml"
        )
    return judged(
        "live max_notional", most <= small, _amount(most), f"named, up to {small}",
        f"its live max_notional of {_amount(most)} is above the small account's {small}", good="configured", soft=True,
    )  # fmt: skip


def _told(found: list[FlagFacts]) -> str:
    return listed((f"{f.name} ({f.subject}): {f.detail}" if f.subject else f"{f.name}: {f.detail}" for f in found), 3)


def _amount(value: Decimal | None) -> str:
    return "–" if value is None else f"{value:,.0f}"
