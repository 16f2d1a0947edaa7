"""The measured record: per symbol what each day earned and every round trip; all gates are computed from it. Pure.

It is kept as columns of whole numbers, for it travels in the stage's state: five years of 32 assets are some megabytes.
Amounts are in units of 0.00000001 of the account currency, as exact as the ledger.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from services.contracts.messages import PortfolioSettled, Trade
from services.domain.money import ZERO, convert, money, times

PLACES = 8
"""Of an amount, behind the point."""

Closed = tuple[str, int, Decimal, bool]
"""A closed trade: regime and bucket it was entered in, result, and whether a stop ended it."""


class Day(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One symbol's day: change of value after costs, and its closed trades. Amounts in account currency."""

    pnl: Decimal = ZERO
    trades: int = 0
    wins: int = 0
    gross_profit: Decimal = ZERO
    gross_loss: Decimal = ZERO
    fees: Decimal = ZERO
    slippage: Decimal = ZERO
    traded: Decimal = ZERO
    """Notional of all fills."""
    stops: int = 0
    """Closed trades that a stop ended."""
    exposure: float = 0.0
    """Mean share of equity held over the day's slices."""


class SymbolRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """One symbol's history; ``worth`` is its cash flow so far plus the value it holds.

    The columns by day (``pnl``, ``traded``, ``slippage``) begin with the record's day number ``first``; those by closed
    trade (``closed_on``: the number of its day, ``closed_in``: that of its cell, ``closed_pnl``) are in order of time.
    """

    asset_class: str
    worth: Decimal = ZERO
    flow: Decimal = ZERO
    fees: Decimal = ZERO
    """To date."""
    first: int = 0
    pnl: tuple[int, ...] = ()
    traded: tuple[int, ...] = ()
    slippage: tuple[int, ...] = ()
    closed_on: tuple[int, ...] = ()
    closed_in: tuple[int, ...] = ()
    closed_pnl: tuple[int, ...] = ()
    stopped: tuple[int, ...] = ()
    """The numbers of the closed trades that a stop ended."""
    cells: tuple[tuple[str, int], ...] = ()
    """Regimes and buckets in which its trades were entered."""
    newest: Day = Day()


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """All symbols, the days of the run (ISO, in order), and the equity that each began with."""

    days: tuple[str, ...] = ()
    begun: tuple[int, ...] = ()
    last_equity: Decimal | None = None
    symbols: dict[str, SymbolRecord] = {}


def units(amount: Decimal) -> int:
    """Count an amount in units of 0.00000001."""
    return int(money(amount).scaleb(PLACES))


def amount(counted: int) -> Decimal:
    """Return what ``counted`` units are, with 8 decimal places."""
    return Decimal(counted).scaleb(-PLACES)


def add_day(record: Record, day: str, portfolios: Sequence[PortfolioSettled]) -> Record:
    """Add one day's slices; ``portfolios`` are in time order and the last one is the day's close."""
    last = portfolios[-1]
    names: dict[str, str] = {s: r.asset_class for s, r in record.symbols.items()}
    for portfolio in portfolios:
        names.update({p.symbol: p.asset_class for p in portfolio.positions})
        names.update({f.symbol: f.asset_class for f in portfolio.fills})
    begun = record.last_equity if record.last_equity is not None else last.starting_cash
    number = len(record.days)
    symbols = {
        symbol: _settle_day(
            record.symbols.get(symbol, SymbolRecord(asset_class, first=number)), symbol, number, portfolios
        )
        for symbol, asset_class in sorted(names.items())
    }
    return Record((*record.days, day), (*record.begun, units(begun)), last.equity, symbols)


def with_day(before: SymbolRecord, number: int, day: Day, closed: Sequence[Closed]) -> SymbolRecord:
    """Add the day of that number and its closed trades."""
    cells = tuple(dict.fromkeys((*before.cells, *((regime, bucket) for regime, bucket, _, _ in closed))))
    place = {cell: n for n, cell in enumerate(cells)}
    earlier = len(before.closed_on)
    return msgspec.structs.replace(
        before,
        fees=before.fees + day.fees,
        pnl=(*before.pnl, units(day.pnl)),
        traded=(*before.traded, units(day.traded)),
        slippage=(*before.slippage, units(day.slippage)),
        closed_on=before.closed_on + (number,) * len(closed),
        closed_in=before.closed_in + tuple(place[regime, bucket] for regime, bucket, _, _ in closed),
        closed_pnl=before.closed_pnl + tuple(units(pnl) for _, _, pnl, _ in closed),
        stopped=before.stopped + tuple(earlier + n for n, (_, _, _, stop) in enumerate(closed) if stop),
        cells=cells,
        newest=day,
    )


def _settle_day(before: SymbolRecord, symbol: str, number: int, portfolios: Sequence[PortfolioSettled]) -> SymbolRecord:
    fills = [f for p in portfolios for f in p.fills if f.symbol == symbol]
    trades = [t for p in portfolios for t in p.trades if t.symbol == symbol]
    flow, traded = before.flow, ZERO
    for f in fills:
        notional = times(f.quantity, f.price)
        traded += convert(notional, f.fx)
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
        fees=_sum(f.fee for f in fills),
        slippage=_sum(f.slippage for f in fills),
        traded=traded,
        exposure=sum(held) / len(portfolios),
        **_closed(trades),
    )
    closed = [(t.regime, t.bucket, t.pnl, t.exit_reason == "stop") for t in trades]
    return msgspec.structs.replace(with_day(before, number, entry, closed), worth=flow + value, flow=flow)


def _closed(trades: Sequence[Trade]) -> dict[str, Any]:
    return {
        "trades": len(trades),
        "wins": sum(t.pnl > 0 for t in trades),
        "gross_profit": _sum(t.pnl for t in trades if t.pnl > 0),
        "gross_loss": -_sum(t.pnl for t in trades if t.pnl <= 0),
        "stops": sum(t.exit_reason == "stop" for t in trades),
    }


def _sum(values: Iterable[Decimal]) -> Decimal:
    return sum(values, ZERO)
