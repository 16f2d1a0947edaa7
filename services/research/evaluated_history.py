"""Evaluate on recorded candles: train by walk-forward, forecast every slice, judge what came."""

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np

from services.contracts.messages import ForecastsMade, Trade
from services.domain.assets import AssetsConfig
from services.execution.settings import PaperSettings
from services.inference.parallel import cores
from services.inference.settings import ModelsSettings
from services.inference.walk_forward import walk_forward
from services.ingestion.files import CandleFile
from services.ingestion.replay import Recorded
from services.ingestion.service import Span
from services.kernel.errors import DataError
from services.research.evaluation import Ledger, evaluate
from services.research.evaluation_report import EvaluationReport
from services.research.evaluation_rows import round_trip_bps, rows_of
from services.research.history import for_inference, forecasts, market_of, slices
from services.research.trade_record import random_win_rate

Tell = Callable[[int, int, str], None]
"""Hears how many models are done, how many there are, and the newest one's name."""


def evaluate_recorded(
    recorded: Recorded,
    settings: ModelsSettings,
    assets: AssetsConfig,
    paper: PaperSettings,
    *,
    symbols: Collection[str] = (),
    tell: Tell | None = None,
    ledgers: Sequence[Ledger] = (),
) -> EvaluationReport:
    """Judge the forecasts of the recorded span, of all symbols or those named; raises DataError for an absent one."""
    wanted, made = forecast_recorded(recorded, settings, symbols=symbols, tell=tell)
    costs = {name: round_trip_bps(of_class, paper) for name, of_class in assets.classes.items()}
    return evaluate(
        rows_of(for_inference(wanted), made, settings.horizon_bars, costs),
        source=f"recorded candles of {len(wanted)} {'asset' if len(wanted) == 1 else 'assets'}; {settings.says}",
        since=recorded.span.begins,
        until=recorded.span.until,
        ledgers=ledgers,
        seed=settings.seed,
    )


def forecast_recorded(
    recorded: Recorded, settings: ModelsSettings, *, symbols: Collection[str] = (), tell: Tell | None = None
) -> tuple[list[CandleFile], list[ForecastsMade]]:
    """Train by walk-forward and forecast the recorded span, of all symbols or those named, beside their candles.

    Slices before the span are forecast too, as far as confidence looks back, and then left out. Raises DataError for a
    symbol that is not recorded.
    """
    there = {one.symbol for one in recorded.series}
    absent = sorted(set(symbols) - there)
    if absent:
        raise DataError(f"no candles of {', '.join(absent)}; there are those of {', '.join(sorted(there))}")
    wanted = [one for one in recorded.series if not symbols or one.symbol in symbols]
    market = market_of(recorded.series, settings)

    def heard(done: int, total: int, model: object) -> None:
        if tell is not None:
            tell(done, total, f"{getattr(model, 'symbol', '')} {getattr(model, 'model', '')}")

    names = sorted(one.symbol for one in wanted)
    before = timedelta(seconds=settings.confidence.history * settings.bar_seconds)
    # What the first blend learns from: older windows than that say nothing about the span.
    since = recorded.span.begins - before - timedelta(days=settings.ensemble.history_days)
    trained = list(walk_forward(market, settings, heard, symbols=names, workers=cores(), since=since))
    closed = slices(wanted, Span(recorded.span.begins - before, recorded.span.until))
    made = forecasts(recorded.series, closed, settings, trained)
    return wanted, [one for one in made if one.ts > recorded.span.begins]


def read_ledger(path: Path, assets: AssetsConfig) -> Ledger:
    """Read round trips as ``chloe backtest --ledger`` writes them; raises DataError naming file and line.

    Random entries are given each asset's own stop and target.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    trades: list[Trade] = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            trades.append(msgspec.json.decode(line, type=Trade))
        except msgspec.MsgspecError as error:
            raise DataError(f"{path}, line {number}: not a round trip ({error})") from None
    unknown = sorted({trade.symbol for trade in trades} - set(assets.assets))
    if unknown:
        raise DataError(f"{path}: {', '.join(unknown)} not declared in assets_config.yaml")
    net = [float(trade.pnl / (trade.entry_price * trade.quantity)) for trade in trades]
    exits = [assets.assets[trade.symbol] for trade in trades]
    wins = [random_win_rate(asset.take_profit, asset.stop_loss) for asset in exits]
    days = np.array([trade.closed_at.toordinal() for trade in trades], dtype=np.int64)
    return Ledger(path.name, np.array(net, dtype=np.float64), float(np.mean(wins)) if wins else None, days)
