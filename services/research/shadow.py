"""The back-test that follows the running platform: the same slices, forecasts and words, its own states. Pure.

What the platform stored at a slice is compared with what follows from its input here. Two inputs come when they come:
operators' commands, and phases' evaluations of them. Which slice took one in stands in no message, so it counts from
the first slice whose stored decision cannot be had without it; the next daily evaluation settles what shows nowhere.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from services.contracts.messages import (
    CommandGiven,
    DayEvaluated,
    Fill,
    ForecastsMade,
    Message,
    OrdersDecided,
    PortfolioSettled,
    SliceClosed,
    TargetsSet,
    Trade,
    decode,
    encode,
)
from services.domain.lockstep import due
from services.execution.book import Book, open_book
from services.execution.decide import Settle, settle
from services.phases import decide as phases
from services.research.parameters import Parameters
from services.risk.decide import decide as decide_orders
from services.risk.state import RiskEvent, RiskState
from services.signals.decide import SignalState
from services.signals.decide import decide as decide_targets

OF_PHASES = frozenset({"activate", "enable", "disable"})
"""Commands that risk does not look at."""

LONGEST_VALUE = 120
"""Of a value in words; a whole position would hide what differs."""


class Difference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first thing that differs at a slice; ``stored`` and ``followed`` are JSON."""

    ts: datetime
    where: str
    field: str
    stored: str
    followed: str

    @property
    def words(self) -> str:
        """One line that names the slice, the field and both values."""
        at = f"slice {self.ts:%Y-%m-%dT%H:%M}, {self.where}: {self.field}"
        return f"{at} is {self.stored} on the platform, {self.followed} in the back-test that follows it"


class Following(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The back-test's own states after a slice, and what waits to be taken in."""

    signals: SignalState
    risk: RiskState
    book: Book
    orders: OrdersDecided | None = None
    for_signals: tuple[DayEvaluated, ...] = ()
    for_risk: tuple[DayEvaluated, ...] = ()
    commands: tuple[CommandGiven, ...] = ()
    adopted: datetime | None = None
    """The slice whose states were taken over from the platform; None: it began with the run."""
    compared: int = 0
    """Slices since then."""
    until: datetime | None = None
    differs: Difference | None = None
    """The first difference that was found."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What the tables of the ledger hold of one slice, fills and trades in any order."""

    fills: tuple[Fill, ...]
    trades: tuple[Trade, ...]
    cash: Decimal | None
    equity: Decimal | None


@dataclass(frozen=True, slots=True)
class Stored:
    """One slice as the platform stored it: its inputs, and its decisions byte for byte."""

    slice: SliceClosed
    forecasts: ForecastsMade
    targets: str
    orders: str
    portfolio: str
    rows: Rows


def begin(params: Parameters) -> Following:
    """Begin where a run begins."""
    judging = phases.start(params.phases)
    classes = phases.active_classes(judging, params.phases)
    return Following(
        SignalState(enabled=judging.enabled),
        RiskState(enabled=judging.enabled, classes=classes),
        open_book(params.starting_cash),
    )


def hear(state: Following, evaluations: Sequence[DayEvaluated], commands: Sequence[CommandGiven]) -> Following:
    """Take note of what phases and operators have said since; it is taken in at its slice."""
    return msgspec.structs.replace(
        state,
        for_signals=(*state.for_signals, *evaluations),
        for_risk=(*state.for_risk, *evaluations),
        commands=(*state.commands, *(c for c in commands if c.name not in OF_PHASES)),
    )


def follow(state: Following, stored: Stored, params: Parameters) -> tuple[Following, Difference | None]:
    """Decide the slice anew and return the first difference from what was stored; None where all is equal."""
    ts = stored.slice.ts
    book, portfolio = settle(state.book, Settle(stored.slice, state.orders), params.venue)
    signals, for_signals, targets = _signals(state, stored, params)
    risk, for_risk, commands, orders = _risk(state, stored, targets, portfolio, params)
    found = (
        _message(ts, "books", stored.portfolio, portfolio)
        or _rows(ts, stored.rows, portfolio)
        or _message(ts, "targets", stored.targets, targets)
        or _message(ts, "orders", stored.orders, orders)
    )
    return msgspec.structs.replace(
        state,
        signals=signals,
        risk=risk,
        book=book,
        orders=orders,
        for_signals=for_signals,
        for_risk=for_risk,
        commands=commands,
        compared=state.compared + 1,
        until=ts,
        differs=state.differs or found,
    ), found


def _signals(
    state: Following, stored: Stored, params: Parameters
) -> tuple[SignalState, tuple[DayEvaluated, ...], TargetsSet]:
    waiting = state.for_signals
    counts = _possible(waiting, stored.slice.ts)
    for count in (*counts, counts[0]):  # where none explains what is stored, only what must be in is taken in
        after, targets = decide_targets(state.signals, stored.forecasts, waiting[:count], params.signals)
        if encode(targets).decode() == stored.targets:
            break
    return after, waiting[count:], targets


def _risk(
    state: Following, stored: Stored, targets: TargetsSet, portfolio: PortfolioSettled, params: Parameters
) -> tuple[RiskState, tuple[DayEvaluated, ...], tuple[CommandGiven, ...], OrdersDecided]:
    waiting, commands = state.for_risk, state.commands
    counts = _possible(waiting, stored.slice.ts)
    tries = [(count, given) for count in counts for given in range(len(commands) + 1)]
    for count, given in (*tries, (counts[0], len(commands))):
        event = RiskEvent(targets, portfolio, waiting[:count], commands[:given])
        after, orders = decide_orders(state.risk, event, params.risk)
        if encode(orders).decode() == stored.orders:
            break
    return after, waiting[count:], commands[given:], orders


def _possible(waiting: Sequence[DayEvaluated], ts: datetime) -> range:
    """Count how many evaluations the slice may have taken in: daily ones from before it have to be among them."""
    most = due(ts, deque(waiting))
    least = max((i for i, e in enumerate(waiting[:most], start=1) if e.command_id is None), default=0)
    return range(least, most + 1)


def _message(ts: datetime, where: str, stored: str, followed: Message) -> Difference | None:
    body = encode(followed).decode()
    if body == stored:
        return None
    # Both as JSON would have them, so that values that are written alike are alike.
    values = msgspec.json.decode(encode(decode(stored))), msgspec.json.decode(body)
    return _difference(ts, where, *values) or Difference(ts, where, "its bytes", f"{len(stored)}", f"{len(body)}")


def _rows(ts: datetime, rows: Rows, portfolio: PortfolioSettled) -> Difference | None:
    stored, followed = _ledger(rows), _ledger(portfolio)
    if stored == followed:
        return None
    plain = [msgspec.json.decode(msgspec.json.encode(values)) for values in (stored, followed)]
    return _difference(ts, "ledger", *plain)


def _ledger(of: Rows | PortfolioSettled) -> dict[str, Any]:
    fills, trades = (sorted(some, key=lambda one: str(one.id)) for some in (of.fills, of.trades))
    return {"fills": fills, "trades": trades, "cash": of.cash, "equity": of.equity}


def _difference(ts: datetime, where: str, stored: Any, followed: Any) -> Difference | None:
    found = _first(stored, followed, "")
    return None if found is None else Difference(ts, where, found[0], _words(found[1]), _words(found[2]))


def _first(stored: Any, followed: Any, path: str) -> tuple[str, Any, Any] | None:
    """Return the path of the first value that differs, and both values."""
    if isinstance(stored, dict) and isinstance(followed, dict):
        for key in [*stored, *(key for key in followed if key not in stored)]:
            found = _first(stored.get(key), followed.get(key), f"{path}.{key}" if path else key)
            if found is not None:
                return found
        return None
    if isinstance(stored, list) and isinstance(followed, list):
        if len(stored) != len(followed):
            return f"{path}, their number,", len(stored), len(followed)
        found_at = (_first(a, b, f"{path}[{i}]") for i, (a, b) in enumerate(zip(stored, followed, strict=True)))
        return next((found for found in found_at if found is not None), None)
    return None if stored == followed else (path, stored, followed)


def _words(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"
