"""The measured record: per symbol and day what was earned, from which every gate is computed. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from services.contracts.messages import PortfolioSettled
from services.domain.money import ZERO, times
from services.domain.performance import max_drawdown, periods_per_year, profit_factor, sharpe_ratio, win_rate


class Day(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One symbol's day: change of value after costs, and its closed trades. Amounts in account currency."""

    pnl: Decimal = ZERO
    trades: int = 0
    wins: int = 0
    gross_profit: Decimal = ZERO
    gross_loss: Decimal = ZERO
    fees: Decimal = ZERO
    slippage: Decimal = ZERO
    exposure: float = 0.0
    """Mean share of equity held over the day's slices."""


class SymbolRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One symbol's history; ``worth`` is its cash flow so far plus the value it holds."""

    asset_class: str
    worth: Decimal = ZERO
    flow: Decimal = ZERO
    days: dict[str, Day] = {}


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All symbols, and the equity that each day began with."""

    start_equity: dict[str, Decimal] = {}
    last_equity: Decimal | None = None
    symbols: dict[str, SymbolRecord] = {}


@dataclass(frozen=True, slots=True)
class Summary:
    """A scope's figures over a window, after costs."""

    days: int
    profitable_days: int
    trades: int
    wins: int
    gross_profit: float
    gross_loss: float
    returns: tuple[float, ...]
    periods: int

    @property
    def sharpe_ratio(self) -> float | None:
        """Annualised Sharpe ratio of the daily returns."""
        return sharpe_ratio(self.returns, self.periods)

    @property
    def max_drawdown(self) -> float:
        """Largest fall from a peak, as a positive fraction."""
        return max_drawdown(self.returns)

    @property
    def win_rate(self) -> float | None:
        """Share of trades with a profit."""
        return win_rate(self.wins, self.trades)

    @property
    def profit_factor(self) -> float | None:
        """Gross profit over gross loss."""
        return profit_factor(self.gross_profit, self.gross_loss)


def add_day(record: Record, day: str, portfolios: Sequence[PortfolioSettled]) -> Record:
    """Add one day's slices; ``portfolios`` are in time order and the last one is the day's close."""
    last = portfolios[-1]
    names: dict[str, str] = {s: r.asset_class for s, r in record.symbols.items()}
    for portfolio in portfolios:
        names.update({p.symbol: p.asset_class for p in portfolio.positions})
        names.update({f.symbol: f.asset_class for f in portfolio.fills})
    begun = record.last_equity if record.last_equity is not None else last.starting_cash
    symbols = {
        symbol: _add_symbol_day(record.symbols.get(symbol, SymbolRecord(asset_class)), symbol, day, portfolios)
        for symbol, asset_class in sorted(names.items())
    }
    return Record(start_equity={**record.start_equity, day: begun}, last_equity=last.equity, symbols=symbols)


def summarise(record: Record, scope: str, window_days: int | None) -> Summary:
    """Summarise an asset class or a symbol over its newest days."""
    days = list(record.start_equity)
    if window_days is not None:
        days = days[-window_days:]
    within = [r for s, r in record.symbols.items() if scope in (s, r.asset_class)]
    entries = [(day, r.days[day]) for r in within for day in days if day in r.days]
    earned = dict.fromkeys(days, ZERO)
    for day, entry in entries:
        earned[day] += entry.pnl
    begun = record.start_equity
    return Summary(
        days=len(days),
        profitable_days=sum(pnl > 0 for pnl in earned.values()),
        trades=sum(d.trades for _, d in entries),
        wins=sum(d.wins for _, d in entries),
        gross_profit=float(_sum(d.gross_profit for _, d in entries)),
        gross_loss=float(_sum(d.gross_loss for _, d in entries)),
        returns=tuple(float(pnl / begun[day]) if pnl and begun[day] > 0 else 0.0 for day, pnl in earned.items()),
        periods=periods_per_year(within[0].asset_class if within else scope),
    )


def _add_symbol_day(
    before: SymbolRecord, symbol: str, day: str, portfolios: Sequence[PortfolioSettled]
) -> SymbolRecord:
    fills = [f for p in portfolios for f in p.fills if f.symbol == symbol]
    trades = [t for p in portfolios for t in p.trades if t.symbol == symbol]
    flow = before.flow
    for f in fills:
        notional = times(f.quantity, f.price)
        flow += ((notional if f.side == "sell" else -notional) if f.cash is None else f.cash) - f.fee
    flow -= _sum(c.amount for p in portfolios for c in p.charges if c.symbol == symbol)
    value = _sum(p.market_value for p in portfolios[-1].positions if p.symbol == symbol)
    held = [
        float(abs(position.market_value) / p.equity)
        for p in portfolios
        for position in p.positions
        if position.symbol == symbol and p.equity > 0
    ]
    entry = Day(
        pnl=flow + value - before.worth,
        trades=len(trades),
        wins=sum(t.pnl > 0 for t in trades),
        gross_profit=_sum(t.pnl for t in trades if t.pnl > 0),
        gross_loss=-_sum(t.pnl for t in trades if t.pnl <= 0),
        fees=_sum(f.fee for f in fills),
        slippage=_sum(f.slippage for f in fills),
        exposure=sum(held) / len(portfolios),
    )
    return SymbolRecord(before.asset_class, worth=flow + value, flow=flow, days={**before.days, day: entry})


def _sum(values: Iterable[Decimal]) -> Decimal:
    return sum(values, ZERO)
