"""Which tickers are named far more than they usually are. Pure: counts in, places out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import sqrt

RECENT = timedelta(hours=24)
TRAILING = timedelta(days=14)
"""What is compared: the last day with the two weeks before it."""
LEAST_LISTENED = timedelta(hours=24)
"""A shorter trailing time says nothing about what is usual."""
LEAST_MENTIONS = 5
"""Fewer are chance, whatever the average."""
LEAST_SCORE = 2.0
"""So are two standard deviations, among thousands of tickers."""
MOST = 20


@dataclass(frozen=True, slots=True)
class Heard:
    """How often something was named, and for how many seconds was listened."""

    mentions: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Standout:
    """A ticker named more than usual; ``usual`` is what its average gives for the time listened to of the last day."""

    ticker: str
    mentions: int
    usual: float
    score: float


def standing_out(recent: Mapping[str, Heard], before: Mapping[str, Heard], most: int = MOST) -> list[Standout]:
    """Rank tickers by how far their recent mentions stand above their trailing average, the farthest first.

    Both maps hold under '' how long was listened in all; a ticker that was never named has none. The score is
    (mentions - usual) / sqrt(usual + 1), about the standard deviations of a Poisson count.
    """
    now_s = recent[""].seconds if "" in recent else 0.0
    then_s = before[""].seconds if "" in before else 0.0
    if then_s < LEAST_LISTENED.total_seconds() or now_s <= 0:
        return []
    found = []
    for ticker, heard in recent.items():
        if not ticker or heard.mentions < LEAST_MENTIONS:
            continue
        usual = (before[ticker].mentions if ticker in before else 0) * now_s / then_s
        score = (heard.mentions - usual) / sqrt(usual + 1.0)
        if score >= LEAST_SCORE:
            found.append(Standout(ticker, heard.mentions, usual, score))
    return sorted(found, key=lambda one: (-one.score, one.ticker))[:most]
