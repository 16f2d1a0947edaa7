"""Figures through the record: they equal a known library's, and a slow reference that counts by hand."""

import warnings
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phases_cases import FIRST_DAY

from services.contracts.messages import encode
from services.domain.money import ZERO, money
from services.domain.performance import periods_per_year
from services.phases.record import Closed, Day, Record, SymbolRecord, units, with_day
from services.phases.summary import Summary, summarise

CLASSES = {"BTC/USDT": "crypto", "ETH/USDT": "crypto", "NVDA": "stocks"}
CELLS = [("high_vol", 2), ("high_vol", 3), ("chop", 8)]

moneys = st.decimals(-100, 100, places=8)
trades = st.tuples(st.sampled_from(CELLS), st.one_of(moneys, st.just(Decimal(0))), st.booleans())


@st.composite
def histories(draw: st.DrawFn) -> tuple[Record, dict[str, list[tuple[Day, list[Closed]]]]]:
    """A record, and what it was made of: by symbol each day (from its first one on) and its closed trades."""
    length = draw(st.integers(1, 25))
    begun = [draw(st.decimals(1000, 5000, places=8)) for _ in range(length)]
    made: dict[str, list[tuple[Day, list[Closed]]]] = {}
    symbols: dict[str, SymbolRecord] = {}
    for symbol, asset_class in CLASSES.items():
        first = draw(st.integers(0, length))
        if first == length:
            continue
        kept, made[symbol] = SymbolRecord(asset_class, first=first), [(Day(), [])] * first
        for n in range(first, length):
            closed: list[Closed] = [(*cell, money(pnl), stop) for cell, pnl, stop in draw(st.lists(trades, max_size=3))]
            day = Day(pnl=draw(moneys), traded=draw(st.decimals(0, 9, places=8)), slippage=Decimal("0.00000123"))
            kept = with_day(kept, n, day, closed)
            made[symbol].append((day, closed))
        symbols[symbol] = kept
    days = tuple((FIRST_DAY + timedelta(days=n)).date().isoformat() for n in range(length))
    return Record(days, tuple(units(one) for one in begun), begun[-1], symbols), made


def empyrical() -> Any:
    """The library we check against; it imports slowly and reads deprecated names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import empyrical as library
    return library


def in_scope(scope: str, made: dict[str, Any]) -> list[str]:
    return [symbol for symbol in made if scope in (symbol, CLASSES[symbol])]


@settings(max_examples=150, deadline=None)
@given(histories(), st.sampled_from([*CLASSES, "crypto", "stocks", "meme"]), st.integers(1, 30), st.integers(0, 25))
def test_every_figure_is_what_counting_by_hand_gives(
    history: tuple[Record, dict[str, list[tuple[Day, list[Closed]]]]], scope: str, window: int, skipped: int
) -> None:
    record, made = history
    since = (FIRST_DAY + timedelta(days=skipped)).date().isoformat()
    begin = max(len(record.days) - window, min(skipped, len(record.days)))
    summary = summarise(record, scope, window, since)
    whole = [made[symbol][begin:] for symbol in in_scope(scope, made)]
    earned = [sum((days[n][0].pnl for days in whole), ZERO) for n in range(len(record.days) - begin)]
    begun = [Decimal(one) / 10**8 for one in record.begun[begin:]]
    closed = [one for days in whole for _, some in days for one in some]
    assert summary.days == len(record.days) - begin
    assert summary.returns.tolist() == [float(pnl / had) for pnl, had in zip(earned, begun, strict=True)]
    assert summary.profitable_days == sum(pnl > 0 for pnl in earned)
    assert summary.active_days == sum(pnl != 0 for pnl in earned)
    assert summary.trades == len(closed)
    assert summary.wins == sum(pnl > 0 for _, _, pnl, _ in closed)
    assert summary.stops == sum(stop for *_, stop in closed)
    won, lost = sum(p for _, _, p, _ in closed if p > 0), -sum(p for _, _, p, _ in closed if p <= 0)
    assert (summary.gross_profit, summary.gross_loss) == (float(won), float(lost))
    assert summary.win_rate == (summary.wins / len(closed) if closed else None)
    assert summary.profit_factor == (pytest.approx(float(won / lost), rel=1e-12) if lost > 0 else None)
    assert summary.stop_exits == (summary.stops / len(closed) if closed else None)
    traded = sum((day.traded for days in whole for day, _ in days), ZERO)
    paid = sum((day.slippage for days in whole for day, _ in days), ZERO)
    assert summary.slippage_bps == (pytest.approx(float(paid / traded) * 1e4, rel=1e-12) if traded > 0 else None)
    check_cells(summary, closed)
    check_days(summary, whole)


def check_cells(summary: Summary, closed: list[Closed]) -> None:
    """By regime and bucket: each cell that closed a trade, and no other."""
    assert set(summary.by_cell) == {(regime, bucket) for regime, bucket, _, _ in closed}
    assert summary.mix == {cell: figures.trades for cell, figures in summary.by_cell.items()}
    for cell, figures in summary.by_cell.items():
        pnls = [pnl for regime, bucket, pnl, _ in closed if (regime, bucket) == cell]
        assert (figures.trades, figures.wins) == (len(pnls), sum(p > 0 for p in pnls))
        assert figures.pnl == units(sum(pnls, ZERO))
        lost = -sum((p for p in pnls if p <= 0), ZERO)
        won = sum((p for p in pnls if p > 0), ZERO)
        assert figures.profit_factor == (pytest.approx(float(won / lost), rel=1e-12) if lost > 0 else None)


def check_days(summary: Summary, whole: list[list[tuple[Day, list[Closed]]]]) -> None:
    """By day that closed a trade, in order: what was won and what was lost."""
    by_day = [[one for days in whole for one in days[n][1]] for n in range(summary.days)]
    profits, losses = summary.closed_by_day
    wanted = [some for some in by_day if some]
    assert profits.tolist() == pytest.approx([float(sum(p for _, _, p, _ in some if p > 0)) for some in wanted])
    assert losses.tolist() == pytest.approx([-float(sum(p for _, _, p, _ in some if p <= 0)) for some in wanted])


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.decimals(-300, 300, places=8), min_size=2, max_size=120),
    st.decimals(1000, 100_000, places=8),
    st.sampled_from([("BTC/USDT", "crypto"), ("NVDA", "stocks")]),
    st.integers(2, 130),
)
def test_ratios_through_the_record_agree_with_empyrical(
    pnls: list[Decimal], equity: Decimal, asset: tuple[str, str], window: int
) -> None:
    kept = SymbolRecord(asset[1])
    for n, pnl in enumerate(pnls):
        kept = with_day(kept, n, Day(pnl=pnl), [])
    days = tuple((FIRST_DAY + timedelta(days=n)).date().isoformat() for n in range(len(pnls)))
    record = Record(days, (units(equity),) * len(pnls), equity, {asset[0]: kept})
    summary = summarise(record, asset[0], window)
    returns = np.array([float(pnl / equity) for pnl in pnls[-window:]])
    library, periods = empyrical(), periods_per_year(asset[1])
    assert summary.periods == periods
    assert summary.max_drawdown == pytest.approx(-library.max_drawdown(returns), rel=1e-9, abs=1e-9)
    if returns.std(ddof=1) > 1e-6:
        theirs = library.sharpe_ratio(returns, annualization=periods)
        assert summary.sharpe_ratio == pytest.approx(theirs, rel=1e-9, abs=1e-9)
        volatility = library.annual_volatility(returns, annualization=periods)
        ours = summary.sharpe_ratio or 0.0
        assert ours * volatility == pytest.approx(returns.mean() * periods, rel=1e-9, abs=1e-9)
    if returns.min() < -1e-6:
        theirs = library.sortino_ratio(returns, annualization=periods)
        assert summary.sortino_ratio == pytest.approx(theirs, rel=1e-9, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(histories())
def test_a_record_comes_back_from_its_json_and_gives_the_same_figures(
    history: tuple[Record, dict[str, list[tuple[Day, list[Closed]]]]],
) -> None:
    record = history[0]
    before = {scope: summarise(record, scope, 7).by_cell for scope in ("crypto", "NVDA")}
    stored = encode(record)
    again = msgspec.json.decode(stored, type=Record)
    assert again == record
    assert encode(again) == stored, "what was computed from a record is not stored with it"
    assert {scope: summarise(again, scope, 7).by_cell for scope in before} == before


def test_what_was_computed_for_one_day_is_not_used_for_the_next() -> None:
    kept = with_day(SymbolRecord("crypto"), 0, Day(pnl=Decimal(1)), [("chop", 1, Decimal(1), False)])
    one = Record(("2024-01-01",), (units(Decimal(10)),), Decimal(11), {"BTC/USDT": kept})
    assert summarise(one, "crypto", None) is summarise(one, "crypto", None)
    assert summarise(one, "crypto", None).returns.tolist() == [0.1]
    later = with_day(kept, 1, Day(pnl=Decimal(-1)), [("chop", 2, Decimal(-2), True)])
    two = Record(("2024-01-01", "2024-01-02"), (*one.begun, units(Decimal(11))), Decimal(10), {"BTC/USDT": later})
    assert summarise(two, "crypto", None).returns.tolist() == [0.1, -1 / 11]
    assert summarise(two, "crypto", None).trades == 2
    assert summarise(one, "crypto", None).trades == 1


def test_five_years_of_one_busy_asset_are_less_than_a_hundred_kilobytes() -> None:
    kept, days = SymbolRecord("crypto"), 5 * 365
    for n in range(days):
        closed: list[Closed] = [("trend_down", n % 10, Decimal("-12.34567891"), n % 3 == 0)] * (n % 2)
        day = Day(
            pnl=Decimal("12.34567891"), traded=Decimal("456.12345678") * (n % 2), slippage=Decimal("0.4") * (n % 2)
        )
        kept = with_day(kept, n, day, closed)
    assert len(encode(kept)) < 100_000
