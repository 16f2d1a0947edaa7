"""The slice clock: closes each bar for the whole platform once every source has delivered it, or the grace has passed.

Run it with ``python -m services.ingestion.clock``. In a replay there is no grace: slices close in data order.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from services.contracts.messages import FeedAdvanced, Message, Missing, SliceClosed, encode
from services.contracts.topics import CANDLES, SLICES, Topic
from services.domain.calendars import expects_bar
from services.domain.candles import SECONDS, Timeframe
from services.ingestion import clock_store
from services.kernel.database import Connection
from services.kernel.inbox import Inbox, pop_as
from services.kernel.process import main, run_stage
from services.kernel.settings import Settings

BATCH = 96
GRACE = timedelta(seconds=20)


class ClockState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far each source has promised, which have ended, and the last slice that was closed."""

    through: dict[str, datetime] = {}
    ended: tuple[str, ...] = ()
    last: datetime | None = None


def advance(state: ClockState, promise: FeedAdvanced) -> ClockState:
    """Take in a source's promise. Pure."""
    through = {**state.through, promise.source: max(promise.ts, state.through.get(promise.source, promise.ts))}
    others = tuple(name for name in state.ended if name != promise.source)
    begins = promise.begins or promise.ts
    return ClockState(
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


class ClockStage:
    """See :class:`services.kernel.stage.Stage`."""

    name = "clock"
    inputs: tuple[Topic, ...] = (CANDLES,)
    output = SLICES

    def __init__(self, timeframe: Timeframe = "1h", now: Callable[[], datetime] | None = None) -> None:
        self.timeframe: Timeframe = timeframe
        self.step = timedelta(seconds=SECONDS[timeframe])
        self.now = now
        self.state = ClockState()

    def take(self, inbox: Inbox) -> list[datetime]:
        """Take in promises and return the slices that can close now."""
        while inbox.peek(CANDLES.name, FeedAdvanced) is not None:
            self.state = advance(self.state, pop_as(inbox, CANDLES.name, FeedAdvanced))
        return closable(self.state, self.step, self.now() if self.now else None)

    async def handle(self, conn: Connection, events: list[datetime]) -> list[Message]:
        """Close the slices with the stored bars; what should be there and is not is named."""
        symbols = await clock_store.collecting(conn)
        found = await clock_store.bars(
            conn, self.timeframe, list(symbols), events[0] - self.step, events[-1] - self.step
        )
        closed = []
        for ts in events:
            bars = found.get(ts - self.step, [])
            present = {bar.symbol for bar in bars}
            missing = tuple(
                Missing(symbol, "no candle by the close")
                for symbol, asset_class in symbols.items()
                if symbol not in present and expects_bar(asset_class, ts - self.step, self.timeframe)
            )
            closed.append(SliceClosed(ts=ts, timeframe=self.timeframe, bars=tuple(bars), missing=missing))
        await clock_store.save(conn, self.timeframe, closed)
        self.state = msgspec.structs.replace(self.state, last=events[-1])
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


async def serve(settings: Settings) -> None:
    """Run the clock until stopped."""
    await run_stage(settings, ClockStage(now=None if settings.source == "replay" else wall_clock))


if __name__ == "__main__":
    main(serve)
