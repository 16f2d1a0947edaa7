"""A made-up run of the platform, slice by slice, with words that come when they come: what the shadow follows."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec
from decision_cases import CONFIGURED, History, command, made_up_history, parameters

from services.contracts.messages import (
    CommandGiven,
    DayEvaluated,
    ForecastsMade,
    OrdersDecided,
    PortfolioSettled,
    SliceClosed,
    TargetsSet,
    decision_id,
    encode,
)
from services.execution.book import Book, open_book
from services.execution.decide import Settle, settle
from services.phases import decide as phases
from services.research.parameters import Parameters
from services.research.shadow import Rows, Stored
from services.risk.decide import decide as decide_orders
from services.risk.state import RiskEvent, RiskState
from services.signals.decide import SignalState
from services.signals.decide import decide as decide_targets

HOURS = 96
PARAMS: Parameters = parameters()


@dataclass(frozen=True, slots=True)
class Words:
    """What a slice took in of what comes at any time."""

    signals: tuple[DayEvaluated, ...] = ()
    risk: tuple[DayEvaluated, ...] = ()
    commands: tuple[CommandGiven, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """One slice as every stage left it; ``said`` is phases' daily word, where it ended a day."""

    closed: SliceClosed
    forecasts: ForecastsMade
    targets: TargetsSet
    orders: OrdersDecided
    portfolio: PortfolioSettled
    signals: SignalState
    risk: RiskState
    book: Book
    words: Words
    said: DayEvaluated | None

    def stored(self, **changes: str | Rows) -> Stored:
        """Return it as the platform would have stored it, with changes."""
        p = self.portfolio
        of = {
            "targets": encode(self.targets).decode(),
            "orders": encode(self.orders).decode(),
            "portfolio": encode(p).decode(),
            "rows": Rows(p.fills, p.trades, p.cash, p.equity),
        }
        return Stored(self.closed, self.forecasts, **(of | changes))  # type: ignore[arg-type]


def history(hours: int = HOURS) -> History:
    """Bars and forecasts that know nothing, from a fixed seed."""
    return made_up_history(random.Random(11), hours)


def platform(taken: Mapping[int, Words] = {}, hours: int = HOURS, params: Parameters = PARAMS) -> Iterator[Moment]:
    """Run the decision path; ``taken`` says by slice what it took in beside the daily words."""
    judging = phases.start(params.phases)
    signals = SignalState(enabled=judging.enabled)
    risk = RiskState(enabled=judging.enabled, classes=phases.active_classes(judging, params.phases))
    book, orders, said = open_book(params.starting_cash), None, None
    day: list[PortfolioSettled] = []
    for at, (closed, forecasts) in enumerate(history(hours)):
        words = taken.get(at, Words())
        daily = () if said is None else (said,)
        book, portfolio = settle(book, Settle(closed, orders), params.venue)
        signals, targets = decide_targets(signals, forecasts, (*daily, *words.signals), params.signals)
        event = RiskEvent(targets, portfolio, (*daily, *words.risk), words.commands)
        risk, orders = decide_orders(risk, event, params.risk)
        day.append(portfolio)
        said = None
        if phases.ends_day(closed.ts):
            judging, verdict = phases.on_day(judging, phases.DayEnded(tuple(day), CONFIGURED), params.phases)
            said, day = verdict.message, []
        yield Moment(closed, forecasts, targets, orders, portfolio, signals, risk, book, words, said)


def enabling(at: int, enabled: tuple[str, ...]) -> DayEvaluated:
    """Phases' word on a person's command that came in slice ``at``: from then on these symbols may be entered."""
    moments = list(platform(hours=at + 1))
    daily = next(m.said for m in moments if m.said is not None)
    ts = moments[at].closed.ts
    return msgspec.structs.replace(
        daily, ts=ts, command_id=decision_id(ts, "gateway", "enable"), enabled=enabled, changes=()
    )


HALT = command("halt", note="to see whether it is followed")
RESUME = command("resume")
