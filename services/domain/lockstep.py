"""Which daily evaluation a slice must have seen, so that activations take effect at the same slice everywhere."""

from collections import deque
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

MICROSECOND = timedelta(microseconds=1)


class Evaluated(Protocol):
    """The part of ``DayEvaluated`` that the rule needs."""

    @property
    def ts(self) -> datetime:
        """The slice that ended the day, or a command's time."""
        ...

    @property
    def command_id(self) -> object:
        """Set for an evaluation that a command caused."""
        ...


V = TypeVar("V", bound=Evaluated)


def required_evaluation(slice_ts: datetime, first_slice: datetime | None) -> datetime | None:
    """Return the last midnight before the slice; None where the run had not begun by then."""
    midnight = (slice_ts - MICROSECOND).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if first_slice is not None and midnight >= first_slice else None


def due(slice_ts: datetime, waiting: deque[V]) -> int:
    """Count the waiting evaluations that the slice takes in: daily ones from before it, and all commands' between."""
    count = 0
    for evaluation in waiting:
        if evaluation.command_id is None and evaluation.ts >= slice_ts:
            break
        count += 1
    return count


def satisfied(required: datetime | None, evaluated: datetime | None, taking: list[V]) -> bool:
    """Say whether the required evaluation has been taken in or is about to be."""
    if required is None or (evaluated is not None and evaluated >= required):
        return True
    return any(e.command_id is None and e.ts >= required for e in taking)
