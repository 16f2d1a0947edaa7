"""What an audit says: lines in sections, each with a verdict, and one verdict of them all. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warn", "fail", "unknown"]
AskedBy = Literal["paper", "live", "nobody"]
"""Paper: fit to trade at all, which live asks too; live: real money only; nobody: shown, for people to weigh."""

WORST_FIRST: tuple[Verdict, ...] = ("fail", "unknown", "warn", "ok")
STOPS: frozenset[Verdict] = frozenset({"fail", "unknown"})
"""What nobody knows is no better than what is known to be bad."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at: what is, what is asked, and the verdict in words that stand for themselves."""

    name: str
    verdict: Verdict
    figure: str
    yardstick: str
    words: str
    asked_by: AskedBy
    n: int | None = None
    """Trades, forecasts or bars that the figure rests on, where it is a sample's."""
    low: float | None = None
    """With ``high`` the interval of the true value, where one can be given."""
    high: float | None = None


@dataclass(frozen=True, slots=True)
class AuditSection:
    """Lines about one part of an asset."""

    name: str
    lines: tuple[Line, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of its lines."""
        return worst(self.lines)


@dataclass(frozen=True, slots=True)
class Audit:
    """All sections and what follows from them."""

    sections: tuple[AuditSection, ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        """Every line, in order."""
        return tuple(line for section in self.sections for line in section.lines)

    @property
    def verdict(self) -> Verdict:
        """Whether it is fit to trade on paper: the worst of the lines that paper asks for."""
        return worst(line for line in self.lines if line.asked_by == "paper")

    @property
    def paper_reasons(self) -> tuple[str, ...]:
        """What speaks against trading it on paper."""
        return tuple(_reason(line) for line in self.lines if line.asked_by == "paper" and line.verdict in STOPS)

    @property
    def reasons(self) -> tuple[str, ...]:
        """What speaks against trading it with real money."""
        return tuple(_reason(line) for line in self.lines if line.asked_by != "nobody" and line.verdict in STOPS)

    @property
    def ready_for_live(self) -> bool:
        """Whether nothing that real money asks for fails or is unknown."""
        return not self.reasons


def worst(lines: Iterable[Line]) -> Verdict:
    """Return the worst verdict; unknown where there are no lines."""
    found = {line.verdict for line in lines}
    return next((verdict for verdict in WORST_FIRST if verdict in found), "unknown")


def judged(
    name: str,
    met: bool | None,
    figure: str,
    yardstick: str,
    bad: str,
    *,
    good: str = "",
    unknown: str = "",
    soft: bool = False,
    asked_by: AskedBy = "live",
    n: int | None = None,
    low: float | None = None,
    high: float | None = None,
) -> Line:
    """Make a line: ``met`` None is unknown; not met fails, or only warns where it is ``soft``."""
    if met is None:
        return Line(name, "unknown", figure, yardstick, unknown or name, asked_by, n, low, high)
    verdict: Verdict = "ok" if met else "warn" if soft else "fail"
    return Line(name, verdict, figure, yardstick, good if met else bad, asked_by, n, low, high)


def percent(share: float, digits: int = 0) -> str:
    """Write a fraction for people."""
    return f"{share * 100:.{digits}f} %"


def listed(names: Iterable[str], most: int = 6) -> str:
    """Write names in one line, the first ones where they are many."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def _reason(line: Line) -> str:
    return f"not known: {line.words}" if line.verdict == "unknown" else line.words
