"""How often the first gate opens for luck: ``python -m services.research.gate_simulation --into docs/gates.md``.

Made-up assets, half without and half with an edge, are judged at each day's end for a year: by the thresholds as they
stand in phases.yaml, and by those and strong evidence, as automatic activation asks. The table goes between two marks.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from services.domain.performance import periods_per_year
from services.inference.series import Flags, Floats, Ints
from services.kernel.errors import ChloeError, DataError
from services.phases.evidence import profit_factor_low
from services.phases.measures import OF_THE_RECORD
from services.phases.service import load_params
from services.phases.settings import Bar, PhasesSettings, Rule
from services.research.documents import put

BEGIN, END = "<!-- gates: begin -->", "<!-- gates: end -->"
PHASE = "phase_1_stocks"
DAYS = 365
ASSETS = 1_000
SEED = 7
EDGE = 2.0
"""Annual Sharpe ratio of the assets that have an edge."""
PERIODS = periods_per_year("crypto")
DAILY_DEVIATION = 0.01
FREEDOM = 4
"""Of Student's t: kurtosis without bound, as hourly returns of coins have it."""
NEVER = -1
ARRAY_COMPARE: Mapping[str, np.ufunc] = {
    ">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal, "is": np.equal,
}  # fmt: skip
NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Made-up assets by day, all (assets, days): return of the day, round trips closed and won, profits and losses."""

    returns: Floats
    trades: Ints
    wins: Ints
    profits: Floats
    losses: Floats


@dataclass(frozen=True, slots=True)
class Decided:
    """Of so many assets, on which day each was opened first; NEVER where it was not."""

    assets: int
    first: Ints

    @property
    def opened(self) -> int:
        """Count the assets that were opened within the year."""
        return int((self.first != NEVER).sum())

    @property
    def median_days(self) -> float | None:
        """Half of those opened waited no longer, in days from the first one on."""
        return float(np.median(self.first[self.first != NEVER] + 1)) if self.opened else None


def main() -> None:
    """Simulate and write the table; one line and exit code 1 for a document that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m services.research.gate_simulation")
    parser.add_argument("--into", type=Path, help="document to write the table into; without it the table is printed")
    asked = parser.parse_args()
    try:
        text = simulate(load_params().settings)
        if asked.into is None:
            sys.stdout.write(text)
        else:
            put(text, asked.into, BEGIN, END)
    except ChloeError as error:
        sys.exit(f"chloe: {error}")


def simulate(settings: PhasesSettings, assets: int = ASSETS, seed: int = SEED) -> str:
    """Send ``assets`` without and as many with the edge through both gates, and return the table."""
    lucky, able = world(assets, 0.0, [seed, 0]), world(assets, EDGE, [seed, 1])
    rows = [
        ("the plan's thresholds", by_thresholds(lucky, settings), by_thresholds(able, settings)),
        ("automatic: with strong evidence", automatic(lucky, settings), automatic(able, settings)),
    ]
    return table(rows, assets, seed)


def world(assets: int, annual_sharpe: float, seed: list[int]) -> World:
    """Make assets that close one or two round trips a day, with fat tails and the given Sharpe ratio after costs."""
    chance = np.random.default_rng(seed)
    count = chance.integers(1, 3, (assets, DAYS))
    # A trade's variance such that an average day (1.5 trades) has the declared deviation, the mean such that the
    # Sharpe ratio of days is as asked; the number of trades adds to a day's variance no more than its mean squared.
    mean = annual_sharpe / PERIODS**0.5 * DAILY_DEVIATION / 1.5
    deviation = DAILY_DEVIATION / 1.5**0.5
    drawn = chance.standard_t(FREEDOM, (assets, DAYS, 2)) * deviation / (FREEDOM / (FREEDOM - 2)) ** 0.5 + mean
    pnl = drawn * (np.arange(2) < count[..., None])
    return World(
        returns=pnl.sum(axis=2),
        trades=count,
        wins=(pnl > 0).sum(axis=2),
        profits=np.maximum(pnl, 0.0).sum(axis=2),
        losses=np.maximum(-pnl, 0.0).sum(axis=2),
    )


def by_thresholds(made: World, settings: PhasesSettings) -> Decided:
    """Open each asset on the first day on which the gate's requirements about the record are met."""
    return Decided(len(made.returns), _first(ready(made, rules(settings))))


def automatic(made: World, settings: PhasesSettings) -> Decided:
    """Open each asset on the first day on which the gate is met and the evidence is strong."""
    bar = settings.evidence.strong
    if made.returns.shape[1] > settings.evidence.window_days:
        raise DataError("the simulated time is longer than evidence.window_days, which it takes as the whole record")
    candidates = ready(made, rules(settings)) & enough(made, bar)
    first = np.full(len(made.returns), NEVER)
    for asset, days in enumerate(candidates):
        first[asset] = next((int(day) for day in np.flatnonzero(days) if _bounded(made, asset, int(day), bar)), NEVER)
    return Decided(len(first), first)


def rules(settings: PhasesSettings) -> tuple[Rule, ...]:
    """Return the requirements about the record; sources and earlier phases are taken as given."""
    return tuple(rule for rule in settings.phases[PHASE].requirements if rule.metric in OF_THE_RECORD)


def ready(made: World, asked: tuple[Rule, ...]) -> Flags:
    """Say for each asset and day whether all requirements are met, (assets, days)."""
    met = np.ones(made.returns.shape, dtype=np.bool_)
    for rule in asked:
        # Not a number compares as False: what is not defined is not met.
        met &= ARRAY_COMPARE[rule.comparison](MEASURES[rule.metric](made, rule.window_days or DAYS), rule.threshold)
    return met


def enough(made: World, bar: Bar) -> Flags:
    """Say for each asset and day whether days, trades and the probabilistic Sharpe ratio reach the bar."""
    n = np.arange(1, made.returns.shape[1] + 1, dtype=np.float64)
    one, two, three, four = (np.cumsum(made.returns**power, axis=1) / n for power in (1, 2, 3, 4))
    with np.errstate(divide="ignore", invalid="ignore"):
        second = two - one**2
        sharpe = one / np.sqrt(second * n / (n - 1))
        skew = (three - 3 * one * two + 2 * one**3) / second**1.5
        kurtosis = (four - 4 * one * three + 6 * one**2 * two - 3 * one**4) / second**2
        spread = np.maximum(1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2, 1e-12)
        sure = sharpe * np.sqrt(n - 1) / np.sqrt(spread) >= NORMAL.inv_cdf(bar.sharpe_probability)
    moved = np.cumsum(made.returns != 0.0, axis=1) >= bar.days
    met: Flags = sure & (n >= 3) & moved & (np.cumsum(made.trades, axis=1) >= bar.trades)
    return met


def _bounded(made: World, asset: int, day: int, bar: Bar) -> bool:
    low = profit_factor_low(made.profits[asset, : day + 1], made.losses[asset, : day + 1])
    return low is not None and low > bar.profit_factor_low


def _rolling(values: npt.NDArray[np.generic], window: int) -> Floats:
    """Sum the newest ``window`` days, (assets, days)."""
    whole = np.cumsum(values, axis=1, dtype=np.float64)
    whole[:, window:] -= whole[:, :-window].copy()
    return whole


def _sharpe_ratio(made: World, window: int) -> Floats:
    n = np.minimum(np.arange(1, made.returns.shape[1] + 1), window)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = _rolling(made.returns, window) / n
        variance = (_rolling(made.returns**2, window) - n * mean**2) / (n - 1)
        return np.where(n > 1, mean / np.sqrt(variance) * PERIODS**0.5, np.nan)


def _max_drawdown(made: World, window: int) -> Floats:
    worst = np.empty_like(made.returns)
    for day in range(made.returns.shape[1]):
        value = np.cumprod(1.0 + made.returns[:, max(0, day + 1 - window) : day + 1], axis=1)
        peak = np.maximum(np.maximum.accumulate(value, axis=1), 1.0)
        worst[:, day] = (1.0 - value / peak).max(axis=1)
    return worst


def _profit_factor(made: World, window: int) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return _rolling(made.profits, window) / _rolling(made.losses, window)


MEASURES: Mapping[str, Callable[[World, int], Floats]] = {
    "profitable_days": lambda made, window: _rolling(made.returns > 0, window),
    "sharpe_ratio": _sharpe_ratio,
    "max_drawdown": _max_drawdown,
    "win_rate": lambda made, window: _rolling(made.wins, window) / _rolling(made.trades, window),
    "profit_factor": _profit_factor,
    "trades": lambda made, window: _rolling(made.trades, window),
}


def _first(met: Flags) -> Ints:
    return np.where(met.any(axis=1), met.argmax(axis=1), NEVER)


def table(rows: list[tuple[str, Decided, Decided]], assets: int, seed: int) -> str:
    """Write the rates with their 95 % intervals."""
    lines = [
        f"{assets:,} assets without an edge and {assets:,} with an annual Sharpe ratio of {EDGE:.1f} after costs, "
        f"{DAYS} days each, one or two round trips a day, Student's t with {FREEDOM} degrees of freedom, seed {seed}:",
        "",
        "| gate | without an edge: opened (95 %) | median day | with the edge: not opened (95 %) | median day |",
        "|---|---|---|---|---|",
    ]
    for name, lucky, able in rows:
        missed = able.assets - able.opened
        lines.append(
            f"| {name} | {_rate(lucky.opened, lucky.assets)} | {_day(lucky)} "
            f"| {_rate(missed, able.assets)} | {_day(able)} |"
        )
    return "\n".join([*lines, ""])


def _rate(count: int, of: int) -> str:
    """Write a share with its Wilson interval (1927)."""
    z = NORMAL.inv_cdf(0.975)
    share = count / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * (share * (1 - share) / of + z * z / (4 * of * of)) ** 0.5
    return f"{share:.1%} ({max(middle - half, 0.0):.1%} to {min(middle + half, 1.0):.1%})"


def _day(decided: Decided) -> str:
    return "–" if decided.median_days is None else f"{decided.median_days:.0f}"


if __name__ == "__main__":
    main()
