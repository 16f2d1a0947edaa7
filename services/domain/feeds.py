"""Is a feed fit to trade on, and why not, in plain words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

STALE_AFTER_BARS = 2
MANY_GAPS = 0.01
"""Share of the bars owed in the looked-at time whose absence makes a feed unfit."""


@dataclass(frozen=True, slots=True)
class FeedFacts:
    """What is known of an asset's feed. ``owed`` and ``missing`` count bars over the looked-at time."""

    symbol: str
    role: str
    note: str
    renamed_to: str | None
    collecting: bool
    newest_close: datetime | None
    """Close of the newest stored bar."""
    last_owed_close: datetime | None
    """Close of the newest bar that the market owed by ``now``."""
    bar: timedelta
    owed: int
    missing: int
    errors: Sequence[str]
    sources: Sequence[str]
    """Configured sources of the asset's class."""
    disagreement: str | None
    now: datetime


NOT_BARS = frozenset({"quotes", "stream", "values"})
"""What a line of a feed's health is about besides bars of some timeframe."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The verdict and its reasons, each a plain sentence."""

    symbol: str
    fit: bool
    state: str
    reasons: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """One line for people."""
        verdict = "fit to trade on" if self.fit else "not fit to trade on"
        return f"{self.symbol}: {verdict}; {', '.join((self.state, *self.reasons))}"


def diagnose(facts: FeedFacts) -> Diagnosis:
    """Judge a feed by freshness, completeness, errors and what the asset's declaration says."""
    state, fit = _freshness(facts)
    reasons: list[str] = []
    if facts.renamed_to is not None:
        reasons.append(f"renamed {facts.renamed_to}")
    if facts.role == "research_only" or (facts.renamed_to is not None and not fit):  # its gate asks for a fresh feed
        reasons.append("research only")
        fit = False
    if not facts.sources:
        reasons.append("no source for its class is configured")
        fit = False
    if not facts.collecting:
        reasons.append("not collected: its phase is not active")
        fit = False
    if facts.owed and facts.missing / facts.owed > MANY_GAPS:
        reasons.append(f"{facts.missing} of {facts.owed} bars are missing")
        fit = False
    elif facts.missing:
        reasons.append(f"{facts.missing} of {facts.owed} bars are missing, few enough")
    if facts.disagreement is not None:
        reasons.append(f"sources disagree: {facts.disagreement}")
        fit = False
    reasons += [f"last error: {error}" for error in facts.errors]
    return Diagnosis(facts.symbol, fit, state, tuple(reasons))


def _freshness(facts: FeedFacts) -> tuple[str, bool]:
    if facts.newest_close is None:
        return "no candle is stored", False
    if facts.last_owed_close is None:
        return "its market has been closed throughout", True
    if facts.last_owed_close - facts.newest_close > STALE_AFTER_BARS * facts.bar:
        return f"stale since {facts.newest_close:%Y-%m-%d}", False
    if facts.last_owed_close > facts.newest_close:
        late = round((facts.last_owed_close - facts.newest_close) / facts.bar)
        return f"{late} bar{'s' if late > 1 else ''} late", True
    return "fresh", True
