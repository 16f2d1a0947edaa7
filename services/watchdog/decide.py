"""When a condition becomes a flag and a flag is over, and what blocks that takes. Pure.

A flag goes up once its condition has held long enough without a break, and comes down once it has been over for long
enough: neither can happen twice within those times, so nothing flaps.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid5

import msgspec

from services.contracts.messages import CHLOE_NAMESPACE
from services.domain.flags import EVERYTHING
from services.watchdog.conditions import Found, Key
from services.watchdog.settings import WatchdogSettings


class WatchState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When it last looked, and since when conditions and flags differ, by ``name|subject``."""

    looked_at: datetime | None = None
    since: dict[str, datetime] = {}


@dataclass(frozen=True, slots=True)
class Change:
    """A flag to raise (``detail`` set) or to take down."""

    name: str
    subject: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class FlagRow:
    """A flag that blocks entries, as stored."""

    id: UUID
    name: str
    subject: str | None
    detail: str
    up: bool


@dataclass(frozen=True, slots=True)
class Block:
    """A command to give; ``id`` is the flag's, so that it is given once however often it is wanted."""

    id: UUID
    name: Literal["block", "unblock"]
    subject: str
    note: str


def decide(
    state: WatchState, now: datetime, found: Found, up: Collection[Key], settings: WatchdogSettings
) -> tuple[WatchState, tuple[Change, ...]]:
    """Return the flags to raise and to take down; ``up`` are those of the watchdog's own that are up."""
    paused = (
        state.looked_at is None or not 0 <= (now - state.looked_at).total_seconds() <= settings.forget_after_seconds
    )
    since: dict[str, datetime] = {}
    changes = []
    for key in sorted({*found.wrong, *up}):
        name, subject = key
        if (key in found.wrong) == (key in up) or name in found.blind:
            continue
        place = f"{name}|{subject}"
        begun = now if paused else state.since.get(place, now)
        check = settings.checks.of(name)
        wait = check.clear_after_seconds if key in up else check.raise_after_seconds
        if (now - begun).total_seconds() >= wait:
            changes.append(Change(name, subject, found.wrong.get(key)))
        else:
            since[place] = begun
    return WatchState(now, since), tuple(changes)


def blocks(flags: Sequence[FlagRow], given: Collection[UUID], known: Collection[str]) -> list[Block]:
    """Return the commands that bring the blocks to what the flags say; ``known`` are all symbols and classes.

    What was lifted comes first: a flag that came again must not be lifted by the end of the one before.
    """
    lifted = [_command(one, "unblock", known) for one in flags if not one.up and _id(one, "block") in given]
    put = [_command(one, "block", known) for one in flags if one.up]
    return [command for command in lifted + put if command.id not in given]


def _command(flag: FlagRow, name: Literal["block", "unblock"], known: Collection[str]) -> Block:
    """Make the command; what names no asset and no class blocks everything, under a name of its own."""
    subject, label = flag.subject or EVERYTHING, flag.name
    if subject != EVERYTHING and subject not in known:
        subject, label = EVERYTHING, f"{flag.name} of {subject}"
    return Block(_id(flag, name), name, subject, f"{label.replace(':', ' ')}: {flag.detail}")


def _id(flag: FlagRow, name: str) -> UUID:
    return uuid5(CHLOE_NAMESPACE, f"watchdog|{flag.id}|{name}")
