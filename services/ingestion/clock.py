"""The slice clock: closes each bar for the whole platform once every source has delivered it, or the grace has passed.

Run it with ``python -m services.ingestion.clock``. In a replay there is no grace: slices close in data order.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from services.contracts.messages import Bar, FeedAdvanced, Message, Missing, SliceClosed, encode
from services.contracts.topics import CANDLES, SLICES, Topic
from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.domain.calendars import expected_opens
from services.domain.candles import SECONDS, Timeframe
from services.domain.corporate_actions import CORPORATE_ACTIONS_FILE, CorporateActions, dated_splits
from services.ingestion import clock_store, flags
from services.ingestion.slice_splits import Carried, with_splits
from services.kernel.config import load
from services.kernel.database import Connection
from services.kernel.inbox import Inbox, pop_as
from services.kernel.process import main, run_stage
from services.kernel.settings import Settings

BATCH = 96
GRACE = timedelta(seconds=20)
SECOND = timedelta(seconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ClockState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far each source has promised, which have ended, the last slice that was closed, and its newest bars."""

    through: dict[str, datetime] = {}
    ended: tuple[str, ...] = ()
    last: datetime | None = None
    carried: dict[str, Carried] = {}
    """By symbol, over all slices: what splits are measured from."""


def advance(state: ClockState, promise: FeedAdvanced) -> ClockState:
    """Take in a source's promise. Pure."""
    through = {**state.through, promise.source: max(promise.ts, state.through.get(promise.source, promise.ts))}
    others = tuple(name for name in state.ended if name != promise.source)
    begins = promise.begins or promise.ts
    return msgspec.structs.replace(
        state,
        through=through,
        ended=(*others, promise.source) if promise.ended else others,
        last=state.last if state.last is not None else begins,
    )


def closable(state: ClockState, step: timedelta, now: datetime | None) -> list[datetime]:
    """Return the slices that can close, oldest first. ``now`` None: a replay, no grace. Pure."""
    if state.last is None or not state.through:
        return []
    newest = max(state.through.values())
    waited_for = [t for name, t in state.through.items() if name not in state.ended]
    safe = min(waited_for, default=newest)
    slices: list[datetime] = []
    ts = state.last + step
    while len(slices) < BATCH and ts <= newest and (ts <= safe or (now is not None and now >= ts + GRACE)):
        slices.append(ts)
        ts += step
    return slices


def by_slice(bars: Iterable[tuple[datetime, Bar]], step: timedelta) -> dict[datetime, dict[str, Bar]]:
    """Put each bar into the first slice at or after its close; of two in one slice the later one counts. Pure."""
    found: dict[datetime, dict[str, Bar]] = {}
    for opened, bar in bars:
        late = (opened - EPOCH) % step  # how long after the grid it opened
        if late:
            ts = opened - late + 2 * step
            bar = msgspec.structs.replace(bar, opened_at=opened)  # noqa: PLW2901 - the same bar, with its own time
        else:
            ts = opened + step
        found.setdefault(ts, {})[bar.symbol] = bar
    return found


def close_slice(
    ts: datetime, timeframe: Timeframe, bars: Mapping[str, Bar], symbols: Mapping[str, str], step: timedelta
) -> SliceClosed:
    """Close a slice with its bars, naming each symbol (mapped to its class) that owes one and has none. Pure."""
    window = (ts - 2 * step + SECOND, ts - step + SECOND)
    missing = tuple(
        Missing(symbol, "no candle by the close")
        for symbol, asset_class in sorted(symbols.items())
        if symbol not in bars and len(expected_opens(asset_class, timeframe, *window))
    )
    return SliceClosed(ts, timeframe, tuple(bars[symbol] for symbol in sorted(bars)), missing)


class ClockStage:
    """See :class:`services.kernel.stage.Stage`."""

    name = "clock"
    inputs: tuple[Topic, ...] = (CANDLES,)
    output = SLICES

    def __init__(
        self,
        timeframe: Timeframe = "1h",
        now: Callable[[], datetime] | None = None,
        actions: CorporateActions | None = None,
    ) -> None:
        self.timeframe: Timeframe = timeframe
        self.step = timedelta(seconds=SECONDS[timeframe])
        self.now = now
        self.splits = dated_splits(actions.actions if actions else (), timeframe)
        self.state = ClockState()

    def take(self, inbox: Inbox) -> list[datetime]:
        """Take in promises and return the slices that can close now."""
        while inbox.peek(CANDLES.name, FeedAdvanced) is not None:
            self.state = advance(self.state, pop_as(inbox, CANDLES.name, FeedAdvanced))
        return closable(self.state, self.step, self.now() if self.now else None)

    async def handle(self, conn: Connection, events: list[datetime]) -> list[Message]:
        """Close the slices with the stored bars, their splits, and what is missing or suspect by name."""
        symbols = await clock_store.collecting(conn)
        stored = await clock_store.bars(
            conn, self.timeframe, list(symbols), events[0] - 2 * self.step, events[-1] - self.step
        )
        found = by_slice(stored, self.step)
        suspect = tuple(Missing(symbol, how) for symbol, how in await flags.disagreeing(conn, list(symbols)))
        plain = [close_slice(ts, self.timeframe, found.get(ts, {}), symbols, self.step) for ts in events]
        closed, carried = with_splits(plain, self.state.carried, self.splits, self.step)
        closed = [msgspec.structs.replace(one, suspect=suspect) for one in closed] if suspect else closed
        await clock_store.save(conn, self.timeframe, closed)
        self.state = msgspec.structs.replace(self.state, last=events[-1], carried=carried)
        return list(closed)

    def dump(self) -> str:
        """Return the state as JSON."""
        return encode(self.state).decode()

    async def restore(self, conn: Connection, state: str | None) -> None:
        """Take the stored state back."""
        self.state = ClockState() if state is None else msgspec.json.decode(state, type=ClockState)


def wall_clock() -> datetime:
    """Return the time now, aware."""
    return datetime.now(UTC)


def load_stage(now: Callable[[], datetime] | None, folder: Path | None = None) -> ClockStage:
    """Read what the clock needs to know; ``now`` None: a replay. Raises ConfigError."""
    timeframe = load(AssetsConfig, ASSETS_FILE, folder).timeframe
    return ClockStage(timeframe, now, load(CorporateActions, CORPORATE_ACTIONS_FILE, folder))


async def serve(settings: Settings) -> None:
    """Run the clock until stopped."""
    await run_stage(settings, load_stage(None if settings.source == "replay" else wall_clock))


if __name__ == "__main__":
    main(serve)
