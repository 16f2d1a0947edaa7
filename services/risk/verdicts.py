"""What a check says: its line in the table, and why it refuses."""

from decimal import Decimal
from functools import cache
from typing import TypeAlias

from services.contracts.messages import LimitCheck

Verdict: TypeAlias = tuple[LimitCheck, str | None]
"""The line, and the refusal in words (None: it lets the order pass)."""


@cache
def yes(name: str) -> Verdict:
    """Pass a check that has no figures; always the same object, for there are many."""
    return LimitCheck(name, None, None, True), None


def no(name: str, refusal: str) -> Verdict:
    """Refuse."""
    return LimitCheck(name, None, None, False), refusal


def count(name: str, limit: Decimal | int, current: Decimal | int, refusal: str, *, ok: bool) -> Verdict:
    """Pass or refuse with the figures."""
    return LimitCheck(name, Decimal(limit), Decimal(current), ok), None if ok else refusal
