"""Splits in slices: which ones the bars that slices carried show raw. Pure; the clock and the back-test share it.

What the books remember stands on the terms of the bars that slices carried, so these decide, not what is stored today:
a source that restates its history after a split has still delivered the bars before it on the old terms.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from services.contracts.messages import SliceClosed, Split
from services.domain.candles import epoch
from services.domain.corporate_actions import DatedSplit, passed


class Carried(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newest bar of a symbol that a slice has carried."""

    opened: datetime
    close: float


def with_splits(
    closed: Iterable[SliceClosed],
    carried: Mapping[str, Carried],
    splits: Mapping[str, Sequence[DatedSplit]],
    step: timedelta,
) -> tuple[list[SliceClosed], dict[str, Carried]]:
    """Add to consecutive slices the splits that take effect in them; also returns what they have carried by then.

    A split stands in the slice of the first bar that opens on its terms, however late that comes. A symbol whose first
    bar this is has none: nothing can be held or decided in it.
    """
    newest = dict(carried)
    made: list[SliceClosed] = []
    for one in closed:
        found: list[Split] = []
        for bar in one.bars:
            opened = bar.opened_at or one.ts - step
            before = newest.get(bar.symbol)
            if before is not None and bar.symbol in splits:
                between = passed(splits[bar.symbol], epoch(before.opened), before.close, epoch(opened), bar.open)
                found += [Split(bar.symbol, split.action.new, split.action.old) for split in between]
            newest[bar.symbol] = Carried(opened, bar.close)
        made.append(msgspec.structs.replace(one, splits=tuple(found)) if found else one)
    return made, newest
