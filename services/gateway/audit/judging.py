"""The audit of one asset: all sections, in the order in which a person asks. Pure."""

from services.gateway.audit import forecasts, inputs, standing, trades
from services.gateway.audit.facts import AuditFacts
from services.gateway.audit.lines import Audit, AuditSection
from services.gateway.audit.settings import AuditParams


def judge(facts: AuditFacts, params: AuditParams) -> Audit:
    """Judge what is known of an asset; what is not known is never good."""
    return Audit(
        (
            AuditSection("standing", standing.standing(facts)),
            AuditSection("data", inputs.data(facts, params)),
            AuditSection("feed", inputs.feed(facts, params)),
            AuditSection("models", forecasts.models(facts, params)),
            AuditSection("research", forecasts.research(facts, params)),
            AuditSection("trades", trades.trades(facts, params)),
            AuditSection("behaviour", trades.behaviour(facts, params)),
            AuditSection("risk configuration", standing.limits(facts, params)),
            AuditSection("indicators", inputs.indicators(facts, params)),
        )
    )
