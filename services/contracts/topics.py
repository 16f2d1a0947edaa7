"""The flow table, in flow order: which stream exists, who writes it, who reads it, what it carries.

This is the first page to read. A test keeps it, ``docker-compose.yml`` and the README's diagram in agreement.
"""

from dataclasses import dataclass

from services.contracts import messages as m


@dataclass(frozen=True, slots=True)
class Topic:
    """One Redis stream: its name is ``<writer>.<noun>``."""

    name: str
    writer: str
    readers: tuple[str, ...]
    carries: tuple[type[m.Message], ...]
    per_slice: bool
    """True where the writer publishes exactly one message a slice, so that readers can join on its time."""


CANDLES = Topic("ingestion.candles", "ingestion", ("clock",), (m.CandleClosed, m.FeedAdvanced), False)
INDICATORS = Topic("ingestion.indicators", "ingestion", (), (m.IndicatorObserved,), False)
SLICES = Topic("ingestion.slices", "clock", ("inference", "execution"), (m.SliceClosed,), True)
FORECASTS = Topic("inference.forecasts", "inference", ("signals", "research"), (m.ForecastsMade,), True)
TARGETS = Topic("signals.targets", "signals", ("risk",), (m.TargetsSet,), True)
ORDERS = Topic("risk.orders", "risk", ("execution",), (m.OrdersDecided,), True)
PORTFOLIO = Topic("execution.portfolio", "execution", ("risk", "phases"), (m.PortfolioSettled,), True)
RESEARCH = Topic("research.edges", "research", ("phases",), (m.ResearchMade,), False)
ACTIVATIONS = Topic("phases.activations", "phases", ("signals", "risk"), (m.DayEvaluated,), False)
COMMANDS = Topic("gateway.commands", "gateway", ("risk", "phases"), (m.CommandGiven,), False)

FLOW: tuple[Topic, ...] = (
    CANDLES,
    INDICATORS,
    SLICES,
    FORECASTS,
    TARGETS,
    ORDERS,
    PORTFOLIO,
    RESEARCH,
    ACTIVATIONS,
    COMMANDS,
)

BY_NAME: dict[str, Topic] = {topic.name: topic for topic in FLOW}
