"""Win rates never stand alone, and the simple rule is what it says."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from evaluation_cases import HORIZON, asset

from services.contracts.messages import Trade
from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.domain.ledger import trades_jsonl
from services.inference.series import Floats
from services.kernel.config import load
from services.kernel.errors import DataError
from services.research.evaluated_history import read_ledger
from services.research.evaluation import Ledger, evaluate
from services.research.report_page import as_html
from services.research.simple_rule import THRESHOLDS, try_rule
from services.research.trade_record import random_win_rate, random_win_rate_at, trade_record

TARGET, STOP, COST = 0.003, 0.027, 0.0024


def random_entries(trades: int, seed: int) -> Floats:
    """Enter a driftless walk at random and leave at the target or the stop; returns after costs."""
    chance = np.random.default_rng(seed)
    place = np.zeros(trades)
    open_ = np.ones(trades, dtype=bool)
    while open_.any():
        place[open_] += chance.normal(0.0, 0.0008, int(open_.sum()))
        open_ &= (place < TARGET) & (place > -STOP)
    return np.where(place > 0.0, TARGET, -STOP) - COST


def test_random_entries_with_a_near_target_and_a_far_stop_win_often_and_are_called_no_edge() -> None:
    net = random_entries(4_000, seed=9)
    ledger = Ledger("random entries, target 0.3 %, stop 2.7 %", net, random_win_rate(TARGET, STOP))
    report = evaluate([asset(n=1_200)], source="made-up prices", ledgers=[ledger])
    (judged,) = report.ledgers
    assert judged.record.win_rate == pytest.approx(0.89, abs=0.015)
    assert judged.record.random_win_rate == pytest.approx(0.90)
    assert judged.record.expectancy_bps is not None
    assert judged.record.expectancy_bps < -15.0
    assert judged.record.payoff_ratio is not None
    assert judged.record.payoff_ratio < 0.1
    assert judged.record.verdict.startswith("no edge: each trade loses ")
    page = as_html(report)
    assert "no edge: each trade loses" in page
    assert page.index("no edge: each trade loses") < page.index("Skill by month")


def test_a_mean_that_may_be_chance_is_no_evidence_and_a_sure_one_is_an_edge() -> None:
    chance = np.random.default_rng(1)
    assert trade_record(0.0005 + np.tile([0.02, -0.02], 50), 0.5).verdict.startswith("no evidence of an edge: +")
    sure = chance.normal(0.01, 0.02, 400)
    assert trade_record(sure, 0.5).verdict.startswith("edge: +")
    assert trade_record(sure, 0.5, deflated_sharpe=0.4).verdict.startswith("no evidence of an edge: +")
    assert "may be the best of many tries" in trade_record(sure, 0.5, deflated_sharpe=0.4).verdict
    assert trade_record(np.array([]), None).verdict == "no trades"


def test_a_record_has_expectancy_payoff_and_profit_factor() -> None:
    record = trade_record(np.array([0.02, -0.01, 0.04, -0.02, -0.01]), 0.5)
    assert record.trades == 5
    assert record.win_rate == pytest.approx(0.4)
    assert record.expectancy_bps == pytest.approx(40.0)
    assert record.payoff_ratio == pytest.approx(0.03 / (0.04 / 3))
    assert record.profit_factor == pytest.approx(1.5)


def test_trades_of_one_day_do_not_make_the_interval_narrower() -> None:
    one_each = np.random.default_rng(2).normal(0.002, 0.01, 60)
    copies, days = np.repeat(one_each, 8), np.repeat(np.arange(60), 8)
    alone, copied = trade_record(one_each, None), trade_record(copies, None, clusters=days)
    assert copied.expectancy_low_bps == pytest.approx(alone.expectancy_low_bps)


def test_a_coin_for_the_side_pays_the_costs_too() -> None:
    gross = np.array([0.01, -0.01, 0.001, -0.001])
    assert random_win_rate_at(gross, 0.0) == 0.5
    assert random_win_rate_at(gross, 0.002) == 0.25
    assert random_win_rate_at(np.array([]), 0.0) is None


def test_the_rule_holds_one_position_for_one_horizon_and_pays_once_for_it() -> None:
    rows = asset(n=600, parts=1)
    tried = try_rule([rows])
    (whole,) = [one for one in tried.strategies if one.model == "ensemble" and one.at_least == 0.0]
    entries = np.arange(0, 588, HORIZON)
    signs = np.sign(rows.ensemble.expected[entries])
    net = signs * np.expm1(rows.realised[entries]) - 24e-4
    assert whole.record.trades == len(entries)
    assert whole.record.expectancy_bps == pytest.approx(float(net.mean()) * 1e4)
    curve = next(one for one in tried.equity if one.name == "rule, every forecast")
    assert curve.values[-1] == pytest.approx(1.0 + whole.total_return, abs=1e-5)
    holding = next(one for one in tried.equity if one.name == "holding")
    assert holding.values[-1] == pytest.approx(float(rows.close[-1] / rows.close[0]), abs=1e-5)


def test_a_surer_threshold_trades_less_and_every_try_counts() -> None:
    tried = try_rule([asset(parts=3), asset("ETH/USDT", parts=3, seed=2)])
    mine = [one for one in tried.strategies if one.symbol == "BTC/USDT"]
    assert {one.trials for one in mine} == {2 * 4 * len(THRESHOLDS)}
    for model in {one.model for one in mine}:
        counts = [one.record.trades for one in mine if one.model == model]
        assert counts == sorted(counts, reverse=True)
    assert {one.symbol for one in tried.overfitting} == {"BTC/USDT", "ETH/USDT", "*"}
    assert all(0.0 <= one.probability <= 1.0 for one in tried.overfitting)


def test_an_asset_that_is_never_traded_has_no_figures() -> None:
    rows = asset(n=600, parts=1)
    silent = replace(rows, confidence=np.full(600, np.nan))
    found = [one for one in try_rule([silent]).strategies if one.model == "ensemble"]
    assert all(one.record.verdict == "no trades" and one.sharpe is None for one in found)


def trade(pnl: str, symbol: str = "BTC/USDT") -> Trade:
    when = datetime(2024, 3, 1, tzinfo=UTC)
    return Trade(
        id=uuid4(),
        symbol=symbol,
        asset_class="crypto",
        side="long",
        opened_at=when,
        closed_at=when,
        quantity=Decimal("0.01"),
        entry_price=Decimal(50_000),
        exit_price=Decimal(50_000),
        fees=Decimal(1),
        slippage=Decimal(0),
        pnl=Decimal(pnl),
        exit_reason="target",
        bucket=3,
        regime="chop",
    )


def test_a_ledger_is_judged_beside_its_own_stops_and_targets(tmp_path: Path) -> None:
    path = tmp_path / "trades.jsonl"
    path.write_bytes(trades_jsonl([trade("5"), trade("-10")]))
    assets = load(AssetsConfig, ASSETS_FILE)
    ledger = read_ledger(path, assets)
    assert sorted(ledger.net.tolist()) == pytest.approx([-0.02, 0.01])
    of_btc = assets.assets["BTC/USDT"]
    assert ledger.random_wins == pytest.approx(of_btc.stop_loss / (of_btc.stop_loss + of_btc.take_profit))


def test_a_ledger_that_is_none_is_refused_with_its_line(tmp_path: Path) -> None:
    assets = load(AssetsConfig, ASSETS_FILE)
    path = tmp_path / "trades.jsonl"
    with pytest.raises(DataError, match="no such file"):
        read_ledger(path, assets)
    path.write_bytes(trades_jsonl([trade("5")]) + b'{"type":"Trade"}\n')
    with pytest.raises(DataError, match="line 2: not a round trip"):
        read_ledger(path, assets)
    path.write_bytes(trades_jsonl([trade("5", symbol="XYZ/USDT")]))
    with pytest.raises(DataError, match="XYZ/USDT not declared"):
        read_ledger(path, assets)
