"""The evaluation report as data: what ``chloe evaluate --json`` writes and the page is drawn from.

Returns are log returns over the horizon unless a name says bps. ``None`` means: not given, or not enough to tell.
"""

from datetime import datetime

import msgspec

VERSION = 1
ALL = "*"
"""Stands for all assets, or all regimes."""


class Part(msgspec.Struct, frozen=True):
    """A frozen part of the report."""


class ModelScore(Part, frozen=True):
    """One model on one asset beside the random walk on the same rows."""

    symbol: str
    horizon_hours: int
    model: str
    n: int
    independent: int
    """Rows that share no bar: what intervals count."""
    rmse: float
    mae: float
    rmse_random_walk: float
    mae_random_walk: float
    ratio: float
    direction_n: int
    direction_right: float | None
    direction_low: float | None
    direction_high: float | None
    p_value: float | None
    """Diebold-Mariano against the random walk, two-sided."""
    p_holm: float | None
    """The same after Holm: over the assets for the ensemble, over all assets and parts for the parts."""
    coverage: float | None
    """Share of outcomes inside the 80 % interval; of a part's normal one, for parts give a deviation only."""
    coverage_low: float | None
    coverage_high: float | None
    width_bps: float | None


class MonthScore(Part, frozen=True):
    """One model in one month (UTC, by slice): below 1 the random walk was beaten."""

    symbol: str
    horizon_hours: int
    model: str
    month: str
    n: int
    ratio: float


class ReliabilityBin(Part, frozen=True):
    """Forecasts whose p_up lay in [low, high): what they said, and how often the price rose."""

    low: float
    high: float
    n: int
    said: float | None
    rose: float | None
    rose_low: float | None
    rose_high: float | None


class Calibration(Part, frozen=True):
    """How p_up kept its word. ``bins`` are tenths of the scale; ``tenths`` hold a tenth of the forecasts each."""

    symbol: str
    horizon_hours: int
    n: int
    independent: int
    base_rate: float
    """Share of the rows in which the price rose."""
    brier: float
    brier_base_rate: float
    """Of always saying the base rate, which nobody knew beforehand."""
    expected_error: float
    """Expected calibration error over the tenths of the scale."""
    expected_error_of_tenths: float
    bins: tuple[ReliabilityBin, ...]
    tenths: tuple[ReliabilityBin, ...]


class EdgeCell(Part, frozen=True):
    """What following the forecast's sign over the horizon paid after costs, by regime and confidence bucket."""

    symbol: str
    horizon_hours: int
    regime: str
    bucket: int | None
    """None: all buckets."""
    n: int
    independent: int
    gross_bps: float
    edge_bps: float
    low_bps: float | None
    high_bps: float | None
    p_value: float | None
    """One-sided: that the edge is not above zero."""
    q_value: float | None
    """After Benjamini-Hochberg over the whole table of the report."""
    significant: bool


class TradeRecord(Part, frozen=True):
    """Round trips after costs. A win rate never stands alone: see the one that random entries would have."""

    trades: int
    win_rate: float | None
    random_win_rate: float | None
    """Of entries at random under the same exits on a price without drift, before costs."""
    payoff_ratio: float | None
    """Mean win over mean loss."""
    expectancy_bps: float | None
    expectancy_low_bps: float | None
    expectancy_high_bps: float | None
    profit_factor: float | None
    verdict: str


class StrategyResult(Part, frozen=True):
    """The simple rule: follow the forecast's sign for one horizon, one position at a time, after costs."""

    symbol: str
    horizon_hours: int
    model: str
    at_least: float
    """Least confidence to enter."""
    days: int
    record: TradeRecord
    total_return: float
    max_drawdown: float
    sharpe: float | None
    """Annualised, of daily returns."""
    probabilistic_sharpe: float | None
    deflated_sharpe: float | None
    """Probability that it is not merely the best of ``trials`` without skill."""
    trials: int


class OverfittingResult(Part, frozen=True):
    """Combinatorially symmetric cross-validation over the configurations looked at (models by thresholds)."""

    symbol: str
    horizon_hours: int
    configurations: int
    days: int
    splits: int
    probability: float
    loss: float
    rank_low: float
    rank_median: float
    rank_high: float


class EquityCurve(Part, frozen=True):
    """Daily value of one unit: the rule after costs, and holding."""

    symbol: str
    horizon_hours: int
    name: str
    days: tuple[str, ...]
    values: tuple[float, ...]


class LedgerResult(Part, frozen=True):
    """Trades that somebody brought along, judged the same way."""

    name: str
    record: TradeRecord


class AssetVerdict(Part, frozen=True):
    """One plain sentence about one asset and horizon."""

    symbol: str
    horizon_hours: int
    skill: bool
    text: str


class EvaluationReport(Part, frozen=True):
    """Everything ``chloe evaluate`` found. ``kind`` says that nothing here was traded for real."""

    version: int
    kind: str
    source: str
    since: datetime | None
    until: datetime | None
    cost_bps: dict[str, float]
    yardstick: str
    verdict: str
    verdicts: tuple[AssetVerdict, ...]
    models: tuple[ModelScore, ...]
    months: tuple[MonthScore, ...]
    calibration: tuple[Calibration, ...]
    edges: tuple[EdgeCell, ...]
    edge_verdict: str
    strategies: tuple[StrategyResult, ...]
    overfitting: tuple[OverfittingResult, ...]
    equity: tuple[EquityCurve, ...]
    ledgers: tuple[LedgerResult, ...]
    notes: tuple[str, ...]


def as_json(report: EvaluationReport) -> str:
    """Write the report as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode()
