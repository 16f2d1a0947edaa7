"""The one table of all checks of an entry, in the order in which they are asked. ``docs/risk.md`` explains each.

Closing and reducing are asked nothing: they are always allowed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from services.contracts.messages import LimitCheck
from services.domain.money import ZERO
from services.risk import caps, gates
from services.risk.room import Figures, Proposal, Room
from services.risk.settings import RiskSettings
from services.risk.verdicts import Verdict

GATES: tuple[Callable[[Room, Proposal, RiskSettings], Verdict], ...] = (
    gates.enabled,
    gates.class_active,
    gates.declared_class,
    gates.research_only,
    gates.restricted,
    gates.no_flag,
    gates.side_allowed,
    gates.not_halted,
    gates.books_sound,
    gates.fresh_data,
    gates.sources_agree,
    gates.price_collar,
    gates.model_age,
    gates.one_order,
    gates.none_waiting,
    gates.cooled_down,
    gates.entries_per_slice,
    gates.entries_per_day,
    gates.entries_per_asset,
    gates.repeated_entries,
    gates.open_orders,
    gates.risk_score,
    gates.weighted_edge,
    gates.trades_per_day,
)

CAPS: tuple[Callable[[Room, Proposal, RiskSettings], LimitCheck], ...] = (
    caps.position_cap,
    caps.per_trade,
    caps.per_day,
    caps.order_notional,
    caps.order_quantity,
    caps.class_weight,
    caps.correlated,
    caps.leverage,
    caps.heat,
    caps.cash,
    caps.volatility,
)


@dataclass(frozen=True, slots=True)
class Judged:
    """The whole table on one entry: what it may be at most, and which check says so."""

    checks: tuple[LimitCheck, ...]
    notional: Decimal
    refused_by: str | None
    """The first gate that says no; None where all said yes."""
    refusal: str | None
    cut_by: str | None
    """The cap that leaves least, where that is less than what was asked."""


def judge(room: Room, p: Proposal, settings: RiskSettings) -> Judged:
    """Ask every check, also after one has said no: the table shows them all as they stood."""
    lines: list[LimitCheck] = []
    refused_by = refusal = cut_by = None
    for gate in GATES:
        line, why = gate(room, p, settings)
        lines.append(line)
        if refused_by is None and why is not None:
            refused_by, refusal = line.name, why
    notional = p.notional
    if room.broken is None:  # no amount can be computed on books that are not numbers
        for cap in CAPS:
            line = cap(room, p, settings)
            lines.append(line)
            if line.allowed is not None and line.allowed < notional:
                cut_by, notional = line.name, line.allowed
    return Judged(tuple(lines), notional, refused_by, refusal, cut_by)


def portfolio_checks(
    room: Room, settings: RiskSettings, drawdown: Decimal, daily_loss: Decimal
) -> tuple[LimitCheck, ...]:
    """List the portfolio-wide limits as they stand, whether or not an order was asked for."""
    checks = [
        LimitCheck("drawdown", settings.max_drawdown, drawdown, drawdown < settings.max_drawdown),
        LimitCheck("daily_loss", settings.max_daily_loss, daily_loss, daily_loss < settings.max_daily_loss),
        _within("heat", settings.max_heat * room.equity, room.heat),
        _within("leverage", settings.max_leverage * room.equity, room.gross),
    ]
    for name, used in sorted(room.class_exposure.items()):
        limit = caps.class_bound(room, name, settings)
        if limit is not None:
            checks.append(_within(f"class_weight:{name}", limit, used))
    for cluster in room.clusters:
        used = room.exposure(cluster)
        if used > 0:
            checks.append(_within("correlated:" + "+".join(cluster), settings.max_correlated * room.equity, used))
    waiting, today = len(room.waiting) + room.entries, sum(room.entries_today.values())
    checks.append(_within("open_orders", Decimal(settings.max_open_orders), Decimal(waiting)))
    checks.append(_within("entries_per_day", Decimal(settings.max_entries_per_day), Decimal(today)))
    return tuple(checks)


def figure_checks(figures: Figures, settings: RiskSettings) -> tuple[LimitCheck, ...]:
    """List the portfolio's figures, with their bounds where ``risk.yaml`` sets them."""
    least = settings.min_weighted_edge_bps
    return (
        _figure("risk_score", settings.max_risk_score, figures.score),
        LimitCheck("weighted_edge_bps", least, figures.edge_bps, least is None or figures.edge_bps >= least),
        _figure("trades_per_day", settings.max_trades_per_day, figures.trades_per_day),
    )


def score(checks: tuple[LimitCheck, ...]) -> Decimal:
    """Return the risk score: 100 x the largest used share of any of the portfolio's limits, at most 100."""
    shares = [
        Decimal(1) if c.limit <= 0 else c.current / c.limit
        for c in checks
        if c.limit is not None and c.current is not None and c.current > 0 and not c.name.startswith(UNSCORED)
    ]
    return round(100 * min(max(shares, default=ZERO), Decimal(1)), 2)


UNSCORED = ("open_orders", "entries_per_day", "leverage")
"""How busy and how invested an account is says little about how much it can lose."""


def _within(name: str, limit: Decimal, used: Decimal) -> LimitCheck:
    return LimitCheck(name, limit, used, used <= limit)


def _figure(name: str, limit: Decimal | None, now: Decimal) -> LimitCheck:
    return LimitCheck(name, limit, now, limit is None or now < limit)
