"""Summaries of the record: a scope's figures over a window of days, after costs. Pure.

What was computed is kept with its record, which never changes: many gates ask about the same scopes.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from services.domain.candles import Values
from services.domain.mix import Cell
from services.domain.performance import (
    max_drawdown,
    periods_per_year,
    profit_factor,
    sharpe_ratio,
    sortino_ratio,
    win_rate,
)
from services.domain.sharpe import Moments, moments
from services.phases.record import PLACES, Record, SymbolRecord

BPS = 10_000.0
SCALE = 10.0**PLACES
"""Units of one of the account currency; sums of units are exact in floats up to ninety million."""

Column = Literal["pnl", "closed_on", "closed_in", "closed_pnl"]


class CellFigures(NamedTuple):
    """The closed trades of one cell; ``pnl`` in units."""

    trades: int
    wins: int
    pnl: int
    profit_factor: float | None


@dataclass(frozen=True)
class Part:
    """One symbol's share of a summary, from its day number ``day`` and its closed trade number ``trade`` on."""

    kept: SymbolRecord
    day: int
    trade: int

    def column(self, name: Column) -> Values:
        """Return a column from the window's begin on."""
        return _column(self.kept, name)[self.day if name == "pnl" else self.trade :]


@dataclass(frozen=True)
class Summary:
    """A scope's figures over a window, each computed when it is first asked for; ``begin`` is a day of the record."""

    record: Record
    begin: int
    days: int
    periods: int
    """Days in a year, for annual figures."""
    parts: tuple[Part, ...]

    @cached_property
    def pnl(self) -> Values:
        """Sum each day's result of the scope, in units."""
        earned = np.zeros(self.days)
        for part in self.parts:
            earned[max(part.kept.first - self.begin, 0) :] += part.column("pnl")
        return earned

    @cached_property
    def returns(self) -> Values:
        """Return each day's result by the whole account's equity that it began with; 0 without any."""
        begun = _begun(self.record)[self.begin :]
        return np.divide(self.pnl, begun, out=np.zeros(self.days), where=begun > 0)

    @cached_property
    def closed_pnl(self) -> Values:
        """Return each closed trade's result, in units; symbol by symbol."""
        return _joined([part.column("closed_pnl") for part in self.parts])

    @cached_property
    def closed_on(self) -> Values:
        """Return each closed trade's day of the window, in the order of ``closed_pnl``."""
        return _joined([part.column("closed_on") for part in self.parts]) - self.begin

    @property
    def age(self) -> int:
        """Count days of the window since the scope was first traded."""
        return max((self.begin + self.days - max(p.kept.first, self.begin) for p in self.parts), default=0)

    @cached_property
    def profitable_days(self) -> int:
        """Count days that earned something."""
        return int(np.count_nonzero(self.pnl > 0))

    @property
    def active_days(self) -> int:
        """Count days on which the scope's worth changed."""
        return int(np.count_nonzero(self.pnl))

    @cached_property
    def trades(self) -> int:
        """Count closed trades."""
        return sum(len(part.kept.closed_on) - part.trade for part in self.parts)

    @cached_property
    def stops(self) -> int:
        """Count closed trades that a stop ended."""
        return sum(len(p.kept.stopped) - bisect_left(p.kept.stopped, p.trade) for p in self.parts)

    @cached_property
    def wins(self) -> int:
        """Count closed trades with a profit after costs."""
        return int(np.count_nonzero(self.closed_pnl > 0))

    @cached_property
    def gross_profit(self) -> float:
        """Sum what the winning trades won, account currency."""
        return float(self.closed_pnl[self.closed_pnl > 0].sum()) / SCALE

    @cached_property
    def gross_loss(self) -> float:
        """Sum what the others lost, account currency, positive."""
        return float(-self.closed_pnl[self.closed_pnl <= 0].sum()) / SCALE + 0.0

    @cached_property
    def sharpe_ratio(self) -> float | None:
        """Annualised Sharpe ratio of the daily returns."""
        return sharpe_ratio(self.returns, self.periods)

    @cached_property
    def sortino_ratio(self) -> float | None:
        """Annualised Sortino ratio of the daily returns."""
        return sortino_ratio(self.returns, self.periods)

    @cached_property
    def max_drawdown(self) -> float:
        """Largest fall from a peak, as a positive fraction."""
        return max_drawdown(self.returns)

    @cached_property
    def moments(self) -> Moments | None:
        """Measure the daily returns' shape."""
        return moments(self.returns)

    @property
    def win_rate(self) -> float | None:
        """Share of trades with a profit."""
        return win_rate(self.wins, self.trades)

    @property
    def profit_factor(self) -> float | None:
        """Gross profit over gross loss."""
        return profit_factor(self.gross_profit, self.gross_loss)

    @property
    def stop_exits(self) -> float | None:
        """Share of trades that a stop ended."""
        return self.stops / self.trades if self.trades else None

    @property
    def slippage_bps(self) -> float | None:
        """Slippage and spread paid, in basis points of the traded notional."""
        traded = sum(sum(part.kept.traded[part.day :]) for part in self.parts)
        paid = sum(sum(part.kept.slippage[part.day :]) for part in self.parts)
        return paid / traded * BPS if traded > 0 else None

    @cached_property
    def closed_by_day(self) -> tuple[Values, Values]:
        """Return profits and losses of the round trips closed on each day that closed one, account currency."""
        days, at = np.unique(self.closed_on, return_inverse=True)
        won = np.bincount(at, np.maximum(self.closed_pnl, 0.0), len(days)) / SCALE
        lost = np.bincount(at, np.maximum(-self.closed_pnl, 0.0), len(days)) / SCALE
        return won, lost

    @cached_property
    def mix(self) -> Mapping[Cell, int]:
        """Count the closed trades of each cell that has any."""
        counts: dict[Cell, int] = {}
        for part in self.parts:
            counted = np.bincount(part.column("closed_in").astype(np.int64), minlength=len(part.kept.cells))
            for cell, count in zip(part.kept.cells, counted.tolist(), strict=True):
                if count:
                    counts[cell] = counts.get(cell, 0) + count
        return counts

    @cached_property
    def by_cell(self) -> Mapping[Cell, CellFigures]:
        """Give the figures of the closed trades of each cell that has any."""
        closed: dict[Cell, list[Values]] = {}
        for part in self.parts:
            where, pnl = part.column("closed_in"), part.column("closed_pnl")
            for n in np.unique(where):
                closed.setdefault(part.kept.cells[int(n)], []).append(pnl[where == n])
        return {cell: _figures(np.concatenate(pnls)) for cell, pnls in closed.items()}


def summarise(record: Record, scope: str, window_days: int | None = None, since: str | None = None) -> Summary:
    """Summarise an asset class or a symbol over its newest days; those before the ISO day ``since`` are left out."""
    known: dict[tuple[str, int, int], Summary] = record.__dict__.setdefault("summaries", {})
    end = len(record.days)
    begin = 0 if window_days is None else max(0, end - window_days)
    if since is not None:
        begin = max(begin, bisect_left(record.days, since))
    found = known.get((scope, begin, end))
    if found is None:
        found = known[scope, begin, end] = _summarise(record, scope, begin, end)
    return found


def _summarise(record: Record, scope: str, begin: int, end: int) -> Summary:
    one = record.symbols.get(scope)
    within = [one] if one is not None else [kept for kept in record.symbols.values() if kept.asset_class == scope]
    parts = tuple(Part(kept, max(begin - kept.first, 0), bisect_left(kept.closed_on, begin)) for kept in within)
    periods = periods_per_year(within[0].asset_class if within else scope)
    return Summary(record, begin, end - begin, periods, parts)


def _begun(record: Record) -> Values:
    found: Values | None = record.__dict__.get("begun_array")
    if found is None:
        found = record.__dict__["begun_array"] = _array(record.begun)
    return found


def _column(kept: SymbolRecord, name: Column) -> Values:
    found: Values | None = kept.__dict__.get(name + "_array")
    if found is None:
        found = kept.__dict__[name + "_array"] = _array(getattr(kept, name))
    return found


def _joined(columns: list[Values]) -> Values:
    return np.concatenate(columns) if columns else np.zeros(0)


def _array(column: tuple[int, ...]) -> Values:
    return np.fromiter(column, dtype=np.float64, count=len(column))


def _figures(pnl: Values) -> CellFigures:
    won, lost = float(pnl[pnl > 0].sum()), float(-pnl[pnl <= 0].sum())
    return CellFigures(len(pnl), int(np.count_nonzero(pnl > 0)), int(pnl.sum()), profit_factor(won, lost))
