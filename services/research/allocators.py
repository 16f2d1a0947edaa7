"""The ways to divide the portfolio side by side: the same forecasts through the back-test, once by each method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, get_args

import msgspec
from rich.console import Console
from rich.table import Table

from services.contracts.messages import ForecastsMade, SliceClosed
from services.domain.ledger import fills_jsonl
from services.domain.performance import max_drawdown
from services.research.backtest import BacktestResult, backtest
from services.research.parameters import Parameters
from services.signals.optimisers import Method
from services.signals.settings import Parts

METHODS: tuple[Method, ...] = get_args(Method)
SIMULATED = (
    "Simulated on recorded candles, after costs, with the same forecasts for all. Turnover: what was bought and sold, "
    "as a multiple of the mean equity."
)
ALIKE = (
    "All methods traded alike: there never were two assets to divide between, or no two months of daily returns to do "
    "it by. Only signals beyond their thresholds are divided; what is explored on paper has a weight of its own."
)
EAGER = (
    "What if: thresholds of nothing, and neither costs nor the market asked before an entry, so that there is more to "
    "divide. It shows how the methods differ, not what anyone should trade."
)
SMALLEST = 1e-9


@dataclass(frozen=True, slots=True)
class MethodResult:
    """What one method came to, after costs; fractions, 0.12 is 12 %."""

    method: Method
    configured: bool
    """Whether it is the configuration's."""
    total_return: float
    max_drawdown: float
    turnover: float
    """Notional of all fills, as a multiple of the mean equity."""
    trades: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """All methods, in the order of :data:`METHODS`."""

    slices: int
    results: tuple[MethodResult, ...]
    alike: bool
    """Whether every method made the same fills, to the byte."""


def compare(
    history: Sequence[tuple[SliceClosed, ForecastsMade]], parameters: Parameters, configured: Mapping[str, bool]
) -> Comparison:
    """Run history once by each method; ``configured`` as in :func:`backtest`. Raises ConfigError without skfolio."""
    usual = parameters.signals.settings.allocation.method
    results, ledgers = [], set()
    for method in METHODS:
        found = backtest(history, with_method(parameters, method), configured)
        results.append(_result(method, method == usual, found, float(parameters.starting_cash)))
        ledgers.add(fills_jsonl(found.fills))
    return Comparison(len(history), tuple(results), len(ledgers) == 1)


def eager(parameters: Parameters) -> Parameters:
    """Return the parameters with next to nothing asked before an entry: whatever is expected to rise is wanted."""
    settings = parameters.signals.settings
    changed = settings.model_copy(
        update={
            "threshold_in_uncertainties": SMALLEST,
            "paper_exploration": None,
            "parts": Parts(**dict.fromkeys(Parts.model_fields, False)),
            "allocation": settings.allocation.model_copy(update={"cost_multiple": 0.0}),
        }
    )
    assets = {s: one.model_copy(update={"threshold": None}) for s, one in parameters.signals.assets.items()}
    return replace(parameters, signals=replace(parameters.signals, settings=changed, assets=assets))


def with_method(parameters: Parameters, method: Method) -> Parameters:
    """Return the parameters with another method of allocation."""
    settings = parameters.signals.settings
    allocation = settings.allocation.model_copy(update={"method": method})
    changed = settings.model_copy(update={"allocation": allocation})
    return replace(parameters, signals=replace(parameters.signals, settings=changed))


def show(comparison: Comparison, span: str, console: Console, *, what_if: bool = False) -> None:
    """Print one row a method, and what the figures are; ``what_if``: of :func:`eager` parameters."""
    table = Table(title=f"Ways to divide the portfolio ({span})", title_justify="left")
    table.add_column("method")
    for name in ("return", "deepest fall", "turnover", "trades"):
        table.add_column(name, justify="right")
    for one in comparison.results:
        name = f"{one.method} (configured)" if one.configured else one.method
        figures = (f"{one.total_return:+.2%}", f"{one.max_drawdown:.2%}", f"{one.turnover:.1f}", str(one.trades))
        table.add_row(name, *figures)
    console.print(table)
    for line in (*([EAGER] if what_if else []), SIMULATED, *([ALIKE] if comparison.alike else [])):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def as_json(comparison: Comparison, span: str, what_if: Comparison | None = None) -> str:
    """Write the same, unrounded."""
    content: dict[str, Any] = {"simulated": True, "span": span, **msgspec.to_builtins(comparison)}
    if what_if is not None:
        content["what_if"] = {"about": EAGER, **msgspec.to_builtins(what_if)}
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode()


def _result(method: Method, usual: bool, found: BacktestResult, cash: float) -> MethodResult:
    levels = [cash, *(float(value) for _, value in found.equity)]
    traded = sum(float(fill.quantity) * float(fill.price) * float(fill.fx) for fill in found.fills)
    return MethodResult(
        method=method,
        configured=usual,
        total_return=levels[-1] / cash - 1.0,
        max_drawdown=max_drawdown([after / before - 1.0 for before, after in pairwise(levels)]),
        turnover=traded / (sum(levels) / len(levels)),
        trades=len(found.trades),
    )
