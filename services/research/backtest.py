"""The back-test: slices and forecasts through the services' own decide functions, in the services' own order."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from services.contracts.messages import (
    DayEvaluated,
    Fill,
    ForecastsMade,
    OrdersDecided,
    PortfolioSettled,
    Readiness,
    SliceClosed,
    Trade,
)
from services.execution.book import open_book
from services.execution.decide import Settle, settle
from services.phases import decide as phases
from services.phases.chain import LogEntry
from services.phases.record import Record
from services.research.nightly import decide as nightly
from services.research.parameters import Parameters
from services.risk.decide import decide as decide_orders
from services.risk.state import RiskEvent, RiskState
from services.signals.decide import SignalState
from services.signals.decide import decide as decide_targets


@dataclass(slots=True)
class BacktestResult:
    """What a back-test leaves: the ledgers, the equity after every slice, and the last readiness."""

    fills: list[Fill] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    equity: list[tuple[datetime, Decimal]] = field(default_factory=list)
    orders: int = 0
    refused: int = 0
    readiness: tuple[Readiness, ...] = ()
    words: list[DayEvaluated] = field(default_factory=list)
    """Phases' word on each day."""
    log: list[LogEntry] = field(default_factory=list)
    record: Record = field(default_factory=Record)


def backtest(
    history: Iterable[tuple[SliceClosed, ForecastsMade]],
    parameters: Parameters,
    configured: Mapping[str, bool],
    *,
    tell: bool = False,
) -> BacktestResult:
    """Run history in order; ``configured`` says by class whether a data source is there, as the gates ask.

    With ``tell`` each day's word has readiness and standings, as in the services; nothing is decided by them.
    """
    result = BacktestResult()
    judging = phases.start(parameters.phases)
    classes = phases.active_classes(judging, parameters.phases)
    signalling = SignalState(enabled=judging.enabled)
    risking = RiskState(enabled=judging.enabled, classes=classes)
    book = open_book(parameters.starting_cash)
    researching = nightly.start(parameters.research)
    orders: OrdersDecided | None = None
    day: list[PortfolioSettled] = []
    fresh: tuple[DayEvaluated, ...] = ()
    for closed, forecasts in history:
        book, portfolio = settle(book, Settle(closed, orders), parameters.venue)
        signalling, targets = decide_targets(signalling, forecasts, fresh, parameters.signals)
        risking, orders = decide_orders(risking, RiskEvent(targets, portfolio, fresh), parameters.risk)
        fresh = ()
        day.append(portfolio)
        researching = nightly.observe(researching, forecasts, parameters.research)
        if phases.ends_day(closed.ts):
            researching, research = nightly.word(researching, forecasts.ts, parameters.research)
            ended = phases.DayEnded(tuple(day), configured, research, tell=tell)
            judging, verdict = phases.on_day(judging, ended, parameters.phases)
            fresh, day = (verdict.message,), []
            result.words.append(verdict.message)
            result.log.extend(verdict.log)
            result.record = judging.record
        _collect(result, portfolio, orders)
    if result.words:
        result.readiness = phases.readiness(judging, configured, parameters.phases)
    return result


def _collect(result: BacktestResult, portfolio: PortfolioSettled, orders: OrdersDecided) -> None:
    result.fills.extend(portfolio.fills)
    result.trades.extend(portfolio.trades)
    result.equity.append((portfolio.ts, portfolio.equity))
    result.orders += len(orders.orders)
    result.refused += len(orders.refused)
