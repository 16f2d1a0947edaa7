"""The decision path alone, forecasts given: the sample year, one slice of 32 assets, and two years of them."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from bench.made_up_market import market
from services.contracts.messages import OrdersDecided
from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.execution.book import open_book
from services.execution.decide import Settle, settle
from services.inference import settings as inference_settings
from services.ingestion.replay import read
from services.kernel.config import load
from services.phases.settings import Floors
from services.research.backtest import backtest
from services.research.history import forecasts, slices
from services.research.parameters import Parameters, load_parameters
from services.risk.decide import decide as decide_orders
from services.risk.state import RiskEvent, RiskState
from services.signals.decide import SignalState
from services.signals.decide import decide as decide_targets

SAMPLE = Path(__file__).parents[2] / "sample"
YEARS_HOURS = 2 * 365 * 24
WARM_UP = 48
"""Slices before the first that counts: books have positions by then."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SliceSpeed:
    """Seconds of signals, allocation and risk for one slice of all assets, all of them enabled."""

    assets: int
    p50: float
    p99: float
    busy_p99: float
    """Of the processor's time alone: without what other programs took."""
    first: float
    """The first slice of a process reads the exchanges' calendars."""
    orders: int
    """Approved and refused in all slices together."""


@dataclass(frozen=True, slots=True)
class BacktestSpeed:
    """One back-test of all declared assets; its time without what making up the market took."""

    bars: int
    slices: int
    trades: int
    seconds: float
    busy: float
    """Seconds of the processor's time alone: without what other programs took."""


def measure() -> tuple[int, float]:
    """Return the number of slices of the sample year and the best of three runs in seconds."""
    parameters = load_parameters()
    recorded = read(SAMPLE, load(AssetsConfig, ASSETS_FILE), None, None)
    closed = slices(recorded.series, recorded.span)
    history = list(zip(closed, forecasts(recorded.series, closed, inference_settings.load(replay=True)), strict=True))
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        backtest(history, parameters, {"crypto": True})
        best = min(best, time.perf_counter() - begun)
    return len(closed), best


def one_slice(hours: int = 2000) -> SliceSpeed:
    """Time signals and risk slice by slice, with every declared asset enabled."""
    parameters = load_parameters()
    symbols = tuple(sorted(parameters.assets.assets))
    signalling = SignalState(enabled=symbols)
    risking = RiskState(enabled=symbols, classes=tuple(sorted(parameters.assets.classes)))
    book = open_book(parameters.starting_cash)
    orders: OrdersDecided | None = None
    took, busy, decided = [], [], 0
    for closed, made in market(parameters.assets, hours):
        book, portfolio = settle(book, Settle(closed, orders), parameters.venue)
        begun, worked = time.perf_counter(), time.thread_time()
        signalling, targets = decide_targets(signalling, made, (), parameters.signals)
        risking, orders = decide_orders(risking, RiskEvent(targets, portfolio), parameters.risk)
        took.append(time.perf_counter() - begun)
        busy.append(time.thread_time() - worked)
        decided += len(orders.orders) + len(orders.refused)
        if risking.halted is not None:  # a made-up market loses money; the path to measure is the one that trades
            risking = msgspec.structs.replace(risking, halted=None, flatten=False, peak_equity=None)
    p50, p99 = np.quantile(took[WARM_UP:], [0.50, 0.99])
    busy_p99 = float(np.quantile(busy[WARM_UP:], 0.99))
    return SliceSpeed(len(symbols), float(p50), float(p99), busy_p99, took[0], decided)


def two_years(hours: int = YEARS_HOURS) -> BacktestSpeed:
    """Run the back-test over two made-up years of every declared asset, all of which trade from the second day on."""
    parameters = all_open(load_parameters())
    source = _Timed(market(parameters.assets, hours))
    begun, worked = time.perf_counter(), time.thread_time()
    result = backtest(source, parameters, dict.fromkeys(parameters.assets.classes, True))
    seconds, busy = time.perf_counter() - begun - source.seconds, time.thread_time() - worked - source.busy
    return BacktestSpeed(hours * len(parameters.assets.assets), hours, len(result.trades), seconds, busy)


def all_open(parameters: Parameters) -> Parameters:
    """Ask nothing of any phase, let all assets come with theirs, and trade on through any loss."""
    assets = {s: one.model_copy(update={"enabled_with_phase": True}) for s, one in parameters.assets.assets.items()}
    ladder = parameters.phases.settings
    phases = {name: phase.model_copy(update={"requirements": ()}) for name, phase in ladder.phases.items()}
    demotion = ladder.demotion.model_copy(update={"assets": Floors(), "phases": Floors()})
    return replace(
        parameters,
        phases=replace(
            parameters.phases,
            settings=ladder.model_copy(update={"auto_activate": True, "phases": phases, "demotion": demotion}),
            assets=parameters.assets.model_copy(update={"assets": assets}),
        ),
        starting_cash=Decimal(1_000_000),  # enough for orders of a useful size through two years of costs
        risk=replace(
            parameters.risk, settings=parameters.risk.settings.model_copy(update={"max_drawdown": Decimal("0.99")})
        ),
    )


class _Timed(Iterable[T]):
    """Counts the time that the items themselves take."""

    def __init__(self, items: Iterator[T]) -> None:
        self.items, self.seconds, self.busy = items, 0.0, 0.0

    def __iter__(self) -> Iterator[T]:
        while True:
            begun, worked = time.perf_counter(), time.thread_time()
            item = next(self.items, None)
            self.seconds += time.perf_counter() - begun
            self.busy += time.thread_time() - worked
            if item is None:
                return
            yield item
