"""Judge round trips after costs: a win rate beside the one that random entries would have, never alone."""

import numpy as np

from services.inference.series import Floats, Ints
from services.research.evaluation_report import TradeRecord
from services.research.significance import mean_of_trades

BPS = 1e4
CONVINCING = 0.95
"""Deflated Sharpe ratio below which a good mean may be the luck of the best among many."""


def random_win_rate(target: float, stop: float) -> float:
    """Share of wins of random entries on a price without drift: the stop's distance over both (gambler's ruin).

    ``target`` and ``stop`` are distances from the entry as fractions.
    """
    return stop / (target + stop)


def random_win_rate_at(gross: Floats, cost: float) -> float | None:
    """Share of wins after ``cost`` if each of these returns (n,) had been traded with a coin for the side."""
    if len(gross) == 0:
        return None
    return 0.5 * float(np.mean(gross > cost) + np.mean(-gross > cost))


def trade_record(
    net: Floats, random_wins: float | None, deflated_sharpe: float | None = None, clusters: Ints | None = None
) -> TradeRecord:
    """Judge returns of round trips after costs (n,), as fractions; ``random_wins`` is the random entry's win rate.

    ``clusters`` (n,) names what trades have in common, such as their day, where several assets are traded.
    """
    average = mean_of_trades(net, clusters)
    if average is None:
        return TradeRecord(0, None, random_wins, None, None, None, None, None, "no trades")
    wins, losses = net[net > 0.0], net[net <= 0.0]
    lost = -float(losses.sum())
    win_rate = len(wins) / len(net)
    return TradeRecord(
        trades=len(net),
        win_rate=win_rate,
        random_win_rate=random_wins,
        payoff_ratio=float(wins.mean()) * len(losses) / lost if len(wins) and lost > 0.0 else None,
        expectancy_bps=average.mean * BPS,
        expectancy_low_bps=None if average.low is None else average.low * BPS,
        expectancy_high_bps=None if average.high is None else average.high * BPS,
        profit_factor=float(wins.sum()) / lost if lost > 0.0 else None,
        verdict=_verdict(average.mean, average.low, win_rate, random_wins, deflated_sharpe),
    )


def _verdict(
    mean: float, low: float | None, win_rate: float, random_wins: float | None, deflated_sharpe: float | None
) -> str:
    beside = "" if random_wins is None else f", random entries {random_wins:.0%}"
    wins = f"wins {win_rate:.0%}{beside}"
    if mean <= 0.0:
        return f"no edge: each trade loses {-mean * BPS:.1f} bps after costs ({wins})"
    if low is None or low <= 0.0:
        return f"no evidence of an edge: {mean * BPS:+.1f} bps a trade may be chance ({wins})"
    if deflated_sharpe is not None and deflated_sharpe < CONVINCING:
        return f"no evidence of an edge: {mean * BPS:+.1f} bps a trade may be the best of many tries ({wins})"
    return f"edge: {mean * BPS:+.1f} bps a trade after costs ({wins})"
