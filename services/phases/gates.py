"""Evaluate gates and floors: each requirement with threshold, current value, sample, and what is missing. Pure."""

import math
import operator
from collections.abc import Callable, Mapping

from services.contracts.messages import Requirement
from services.phases.facts import Facts
from services.phases.measures import Asked, Comparison, Measured, asked, measure
from services.phases.settings import Rule
from services.phases.wording import missing

COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "is": operator.eq,
}
BOUND_PLACES = 6
"""An interval's ends claim no more; so every machine writes the same ones into the log."""
OPPOSITE: Mapping[Comparison, Comparison] = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "is": "is"}


def evaluate(
    rules: tuple[Rule, ...], facts: Facts, *, subject: str | None = None, since: str | None = None
) -> tuple[Requirement, ...]:
    """Evaluate a gate's rules, in their order.

    ``subject`` is what the scope ``self`` stands for. Of the record, only days from ``since`` (ISO) on count.
    """
    return tuple(_one(asked(rule, subject), facts, since) for rule in rules)


def broken(rules: tuple[Rule, ...], facts: Facts, *, subject: str, since: str | None = None) -> tuple[Requirement, ...]:
    """Return the floors that are broken now, each as the requirement that is not met: the opposite of its rule.

    What is not known, and what too few trades stand behind, breaks no floor.
    """
    found = []
    for rule in (asked(rule, subject) for rule in rules):
        seen = measure(rule, facts, since)
        if seen.current is None or seen.too_few or not COMPARE[rule.comparison](seen.current, rule.threshold):
            continue
        upheld = rule._replace(comparison=OPPOSITE[rule.comparison])
        found.append(_requirement(upheld, seen, False, missing(upheld, seen, facts), since))
    return tuple(found)


def _one(rule: Asked, facts: Facts, since: str | None) -> Requirement:
    seen = measure(rule, facts, since)
    met = seen.current is not None and not seen.too_few and COMPARE[rule.comparison](seen.current, rule.threshold)
    return _requirement(rule, seen, met, None if met else missing(rule, seen, facts), since)


def _requirement(rule: Asked, seen: Measured, met: bool, words: str | None, since: str | None) -> Requirement:
    return Requirement(
        name=_name(rule, since if seen.summary is not None else None),
        comparison=rule.comparison,
        threshold=rule.threshold,
        current=seen.current if seen.current is not None and math.isfinite(seen.current) else None,  # as JSON has it
        met=met,
        missing=words,
        n=seen.n,
        low=_bound(seen.low),
        high=_bound(seen.high),
    )


def _name(rule: Asked, since: str | None) -> str:
    window = f", last {rule.window_days} d" if rule.window_days else ""
    return f"{rule.metric} ({rule.scope}{window}{f', since {since}' if since else ''})"


def _bound(value: float | None) -> float | None:
    return None if value is None else round(value, BOUND_PLACES)
