"""What people should know about a slice's decision: refusals, cuts, halts and resumptions. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from uuid import UUID

from services.contracts.messages import LimitCheck, OrdersDecided, decision_id
from services.risk.halts import DAILY_LOSS, EMERGENCY


@dataclass(frozen=True, slots=True)
class Remark:
    """One row of ``risk_events``."""

    id: UUID
    symbol: str | None
    name: str
    severity: Literal["info", "critical"]
    limit: Decimal | None
    current: Decimal | None
    detail: str


def remarks(decided: OrdersDecided, halted_before: str | None) -> list[Remark]:
    """List the remarks, the halt switch first."""
    made = _switched(decided, halted_before)
    for order in decided.orders:
        cut = _cut_by(order.checks)
        if cut is not None:
            subject = decision_id(decided.ts, "risk_event", f"cut|{order.symbol}")
            made.append(Remark(subject, order.symbol, cut.name, "info", cut.limit, cut.current, order.notes[-1]))
    for refused in decided.refused:
        line = next((c for c in refused.checks if c.name == refused.check), LimitCheck(refused.check))
        subject = decision_id(decided.ts, "risk_event", str(refused.id))
        made.append(Remark(subject, refused.symbol, line.name, "info", line.limit, line.current, refused.reason))
    return made


def _switched(decided: OrdersDecided, before: str | None) -> list[Remark]:
    now = decided.halted
    if now == before:
        return []
    if now is None:
        subject = decision_id(decided.ts, "risk_event", "resume")
        return [Remark(subject, None, "resume", "info", None, None, f"trading goes on; it was halted: {before}")]
    causes = {DAILY_LOSS: "daily_loss", EMERGENCY: "drawdown"}
    name = next((check for cause, check in causes.items() if now.startswith(cause)), None)
    line = next((c for c in decided.checks if c.name == name), LimitCheck("halt"))
    subject = decision_id(decided.ts, "risk_event", "halt")
    return [Remark(subject, None, "halt", "critical", line.limit, line.current, now)]


def _cut_by(checks: tuple[LimitCheck, ...]) -> LimitCheck | None:
    """Return the check that left least; an approved order's failed lines are those that cut it."""
    cutting = [(c.allowed, n) for n, c in enumerate(checks) if not c.passed and c.allowed is not None]
    return checks[min(cutting)[1]] if cutting else None
