"""One week of the books in figures, each with what it is measured against. Pure."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

import numpy as np

from services.domain.performance import (
    max_drawdown,
    periods_per_year,
    profit_factor,
    sharpe_ratio,
    sortino_ratio,
    win_rate,
)
from services.research.significance import mean_of_trades
from services.research.trade_record import BPS
from services.research.weekly_ladder import LadderWeek

AT_LEAST_DAYS = 30
"""Daily returns below which a ratio of them says nothing yet."""
ALL = "all trades"


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A closed trade in account currency; ``notional`` is what was entered with, ``costs`` are fees and carry."""

    symbol: str
    side: str
    opened_at: datetime
    closed_at: datetime
    notional: float
    pnl: float
    costs: float
    exit_reason: str
    bucket: int
    regime: str

    @property
    def net(self) -> float:
        """Return after costs, as a fraction of the notional."""
        return self.pnl / self.notional

    @property
    def cost(self) -> float:
        """Costs as a fraction of the notional."""
        return self.costs / self.notional


@dataclass(frozen=True, slots=True)
class AssetDay:
    """What an asset earned, cost and took of the equity on one day; account currency, ``exposure`` a fraction."""

    symbol: str
    day: date
    pnl: float
    fees: float
    slippage: float
    exposure: float


@dataclass(frozen=True, slots=True)
class Books:
    """What is stored up to the end of the week; the week is [since, until)."""

    mode: str
    description: str
    since: datetime
    until: datetime
    equity: Sequence[tuple[datetime, float]]
    """At each close of the week, the value that it began with first."""
    day_equity: Mapping[date, float]
    """What each whole day of the record began with."""
    classes: Mapping[str, str]
    """The class of each asset that is enabled or has traded."""
    asset_days: Sequence[AssetDay]
    trades: Sequence[RoundTrip]
    closes: Mapping[str, Sequence[tuple[datetime, float]]]
    """Closes of each asset in the week, the one that it began with first."""
    daily_closes: Mapping[str, Mapping[date, float]]
    orders: int
    refused: Sequence[str]
    """For each refused order, the check that refused it."""
    ladder: LadderWeek


@dataclass(frozen=True, slots=True)
class AssetWeek:
    """One asset: the week, beside holding it, and the record to date."""

    symbol: str
    trades: int
    pnl: float
    profit_factor: float | None
    win_rate: float | None
    coin_win_rate: float | None
    """Share of wins of the same trades with a coin for the side, after the same fees and carry."""
    exposure: float
    fees: float
    slippage: float
    drawdown: float
    held: float | None
    held_drawdown: float | None
    days: int
    sharpe: float | None
    sortino: float | None
    drawdown_to_date: float
    held_sharpe: float | None
    held_drawdown_to_date: float | None


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """Trades of one regime or bucket: how many in the week, and the mean to date in bps with its interval."""

    name: str
    week: int
    week_bps: float | None
    trades: int
    mean_bps: float | None
    low_bps: float | None
    high_bps: float | None


@dataclass(frozen=True, slots=True)
class Weekly:
    """The week's figures, after costs; amounts in account currency."""

    name: str
    kind: str
    description: str
    since: datetime
    until: datetime
    seen_until: datetime
    begun: float
    ended: float
    drawdown: float
    curve: Sequence[tuple[datetime, float, float | None]]
    """(close, value of one unit of equity, the same of holding the assets in equal parts before costs)."""
    assets: Sequence[AssetWeek]
    regimes: Sequence[GroupRecord]
    buckets: Sequence[GroupRecord]
    trades: Sequence[RoundTrip]
    orders: int
    refused: Sequence[tuple[str, int]]
    ladder: LadderWeek


def figures(books: Books) -> Weekly:
    """Compute the week."""
    begun, ended = books.equity[0][1], books.equity[-1][1]
    week = [t for t in books.trades if books.since <= t.closed_at < books.until]
    year, number, _ = books.since.isocalendar()
    return Weekly(
        name=f"{year}-W{number:02d}",
        kind="replay of recorded candles, simulated fills"
        if books.mode == "replay"
        else "live candles, simulated fills",
        description=books.description,
        since=books.since,
        until=books.until,
        seen_until=books.equity[-1][0],
        begun=begun,
        ended=ended,
        drawdown=_drawdown([value for _, value in books.equity]),
        curve=_curve(books),
        assets=[_asset(books, symbol) for symbol in sorted(books.classes)],
        regimes=groups(books.trades, week, lambda t: t.regime),
        buckets=groups(books.trades, week, lambda t: f"bucket {t.bucket}"),
        trades=sorted(week, key=lambda t: (t.closed_at, t.symbol)),
        orders=books.orders,
        refused=sorted(Counter(books.refused).items(), key=lambda item: (-item[1], item[0])),
        ladder=books.ladder,
    )


def groups(
    trades: Sequence[RoundTrip], week: Sequence[RoundTrip], named: Callable[[RoundTrip], str]
) -> list[GroupRecord]:
    """Measure the trades by name, all of them first; those of one day count as one for the interval."""
    if not trades:
        return []
    names = sorted({named(t) for t in trades})
    return [
        _group(ALL, trades, week),
        *(
            _group(name, [t for t in trades if named(t) == name], [t for t in week if named(t) == name])
            for name in names
        ),
    ]


def _group(name: str, trades: Sequence[RoundTrip], week: Sequence[RoundTrip]) -> GroupRecord:
    net = np.array([t.net for t in trades])
    mean = mean_of_trades(net, np.array([t.closed_at.toordinal() for t in trades], dtype=np.int64))
    assert mean is not None  # a name comes from at least one trade
    low, high = (None, None) if mean.low is None or mean.high is None else (mean.low * BPS, mean.high * BPS)
    of_week = sum(t.net for t in week) / len(week) * BPS if week else None
    return GroupRecord(name, len(week), of_week, len(trades), mean.mean * BPS, low, high)


def _asset(books: Books, symbol: str) -> AssetWeek:
    week = [t for t in books.trades if t.symbol == symbol and books.since <= t.closed_at < books.until]
    by_day = {d.day: d for d in books.asset_days if d.symbol == symbol}
    days = sorted(books.day_equity)
    within = [day for day in days if books.since.date() <= day < books.until.date()]
    returns = {day: by_day[day].pnl / books.day_equity[day] if day in by_day else 0.0 for day in days}
    of_week = [by_day[day] for day in within if day in by_day]
    periods, enough = periods_per_year(books.classes[symbol]), len(days) >= AT_LEAST_DAYS
    values = [value for _, value in books.closes.get(symbol, ())]
    held = _daily_returns(books.daily_closes.get(symbol, {}), days)
    won, lost = sum(t.pnl for t in week if t.pnl > 0), -sum(t.pnl for t in week if t.pnl <= 0)
    return AssetWeek(
        symbol=symbol,
        trades=len(week),
        pnl=sum(d.pnl for d in of_week),
        profit_factor=profit_factor(won, lost),
        win_rate=win_rate(sum(t.pnl > 0 for t in week), len(week)),
        coin_win_rate=_coin(week),
        exposure=sum(d.exposure for d in of_week) / len(within) if within else 0.0,
        fees=sum(d.fees for d in of_week),
        slippage=sum(d.slippage for d in of_week),
        drawdown=max_drawdown([returns[day] for day in within]),
        held=values[-1] / values[0] - 1 if len(values) > 1 else None,
        held_drawdown=_drawdown(values) if len(values) > 1 else None,
        days=len(days),
        sharpe=sharpe_ratio(list(returns.values()), periods) if enough else None,
        sortino=sortino_ratio(list(returns.values()), periods) if enough else None,
        drawdown_to_date=max_drawdown(list(returns.values())),
        held_sharpe=sharpe_ratio(held, periods) if len(held) >= AT_LEAST_DAYS else None,
        held_drawdown_to_date=max_drawdown(held) if held else None,
    )


def _coin(trades: Sequence[RoundTrip]) -> float | None:
    """Share of wins if a coin had chosen each trade's side."""
    if not trades:
        return None
    moves = [(t.net + t.cost, t.cost) for t in trades]
    return sum(0.5 * ((move > cost) + (-move > cost)) for move, cost in moves) / len(moves)


def _daily_returns(closes: Mapping[date, float], days: Sequence[date]) -> list[float]:
    """Return the daily returns of holding over these days; a closed market's days have none."""
    if not days:
        return []
    known = [day for day in sorted(closes) if day <= days[-1]]
    return [closes[day] / closes[before] - 1 for before, day in pairwise(known) if day >= days[0]]


def _drawdown(values: Sequence[float]) -> float:
    return max_drawdown([after / before - 1 for before, after in pairwise(values)])


def _curve(books: Books) -> list[tuple[datetime, float, float | None]]:
    """Value of one unit of equity and of the assets held in equal parts, at the books' closes."""
    prices = {symbol: dict(rows) for symbol, rows in books.closes.items() if len(rows) > 1}
    first = {symbol: rows[0][1] for symbol, rows in books.closes.items() if len(rows) > 1}
    last, begun, found = dict(first), books.equity[0][1], []
    for at, equity in books.equity:
        last = {symbol: prices[symbol].get(at, before) for symbol, before in last.items()}
        held = sum(last[symbol] / first[symbol] for symbol in last) / len(last) if last else None
        found.append((at, equity / begun, held))
    return found
