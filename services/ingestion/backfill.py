"""Bring what is stored up to what a source has: history first, then each new bar, gaps named and repaired.

Both ways are one: what is expected and not stored is asked for. So a back-fill that was cut off goes on where it was,
and a bar that the source delivers late is fetched at the next look.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from services.domain.calendars import expected_opens
from services.domain.candles import (
    SECONDS,
    Candles,
    ExpectedOpens,
    Gap,
    Timeframe,
    Times,
    epoch,
    moment,
    rules_for,
    validate,
)
from services.ingestion import store
from services.ingestion.adapters import CandleSource
from services.ingestion.errors import LIMITS, FeedError
from services.kernel.database import Connection

OnStored = Callable[[Connection, Candles, store.Stored], Awaitable[None]]
"""Called in the transaction that stored a batch; ``Stored.written`` names the bars that are new or changed."""

OVERLAP_BARS = 2
"""How many stored bars each look asks for again, to see whether the source has changed them."""

Failures = Callable[[str], Sequence[tuple[str, FeedError]]]
"""Which sources failed for a symbol since the last call, of a source that is several."""

RECENT_BARS = 48
"""How far back, in bars, each poll tries again to repair a gap."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look at one symbol found. ``known`` are the oldest and newest open stored before it, ``repaired`` the
    new bars between those, ``missing`` the gaps left, ``owed`` the bars that should be there, ``source`` who delivered
    last, ``error`` why the look was cut short, ``limited`` whether by the source's limit.
    """

    symbol: str
    known: tuple[datetime, datetime] | None = None
    new: int = 0
    revised: int = 0
    refused: int = 0
    repaired: int = 0
    missing: tuple[Gap, ...] = ()
    oldest: datetime | None = None
    newest: datetime | None = None
    owed: int = 0
    source: str | None = None
    error: str | None = None
    limited: bool = False

    def had_around(self, ts: int) -> bool:
        """Whether bars before and after this open (epoch s) were stored already."""
        return self.known is not None and epoch(self.known[0]) < ts < epoch(self.known[1])


@dataclass(frozen=True, slots=True)
class Feed:
    """Where candles come from and go to: what each look needs."""

    pool: Any
    source: CandleSource
    timeframe: Timeframe
    clock: Callable[[], datetime]
    on_stored: OnStored | None = None
    failures: Failures = lambda _: ()

    def expected(self, asset_class: str) -> ExpectedOpens:
        """The opens that this asset class owes."""
        return lambda since, until: expected_opens(asset_class, self.timeframe, since, until)

    def closed_until(self) -> datetime:
        """End of the opens whose bars have closed by now."""
        return moment(epoch(self.clock()) - SECONDS[self.timeframe] + 1)


async def backfill(feed: Feed, symbols: Mapping[str, str], since: datetime) -> list[Looked]:
    """Fetch all bars from ``since`` that are expected and not stored. ``symbols`` maps symbols to asset classes.

    A source that fails for one symbol is noted in ``feed_health`` and in the result; the others go on.
    """
    looks = []
    for symbol, asset_class in symbols.items():
        looked = await _begun(feed, symbol)
        looks.append(await _repair(feed, asset_class, looked, since, ask_all=True))
    return looks


async def poll_once(feed: Feed, symbols: Mapping[str, str], since: datetime) -> list[Looked]:
    """Fetch what is new for every symbol and repair recent gaps; what is missing is counted from ``since``.

    Requests run at the same time, storing one symbol after the other, so that messages have one order.
    """
    begun = [await _begun(feed, symbol) for symbol in symbols]
    fetched = await asyncio.gather(*(_fetch_newest(feed, looked, since) for looked in begun))
    looks = []
    for looked, asset_class, fresh in zip(begun, symbols.values(), fetched, strict=True):
        if isinstance(fresh, FeedError):
            failed = replace(looked, error=str(fresh), limited=isinstance(fresh, LIMITS))
            looks.append(await _noted(feed, asset_class, failed))
            continue
        kept = await _keep(feed, asset_class, looked, fresh, polled=True)
        looks.append(await _repair(feed, asset_class, kept, since, ask_all=False))
    return looks


async def _begun(feed: Feed, symbol: str) -> Looked:
    async with feed.pool.acquire() as conn:
        known = await store.stored_span(conn, symbol, feed.timeframe)
    return Looked(symbol, known, oldest=known[0] if known else None, newest=known[1] if known else None)


async def _fetch_newest(feed: Feed, looked: Looked, since: datetime) -> Candles | FeedError:
    overlap = timedelta(seconds=SECONDS[feed.timeframe] * (OVERLAP_BARS - 1))
    start = since if looked.newest is None else looked.newest - overlap
    try:
        return await feed.source.latest(looked.symbol, feed.timeframe, start)
    except FeedError as error:
        return error


async def _repair(feed: Feed, asset_class: str, looked: Looked, since: datetime, *, ask_all: bool) -> Looked:
    """Ask the source for gaps in what is stored; what it cannot give stays counted as missing.

    With ``ask_all`` for every gap. Else only for recent ones: an old gap that could not be filled is not asked for
    each hour, nor the time after the newest bar of a source that had nothing new.
    """
    gaps, owed = await _missing(feed, asset_class, looked.symbol, since)
    recent = feed.clock() - timedelta(seconds=SECONDS[feed.timeframe] * RECENT_BARS)
    asked = [
        gap
        for gap in gaps
        if ask_all
        or (looked.newest is not None and (looked.new > 0 or gap.until <= looked.newest) and gap.until > recent)
    ]
    for gap in asked:
        try:
            async for page in feed.source.history(looked.symbol, feed.timeframe, gap.since, gap.until):
                looked = await _keep(feed, asset_class, looked, page)
        except FeedError as error:
            looked = replace(looked, error=str(error), limited=isinstance(error, LIMITS))
            break
    if asked:
        gaps, owed = await _missing(feed, asset_class, looked.symbol, since)
    return await _noted(feed, asset_class, _measured(replace(looked, missing=tuple(gaps)), owed))


def _measured(looked: Looked, owed: Times) -> Looked:
    """Count what is owed since the oldest bar; what lies before it is an earlier listing and makes no gap."""
    if looked.oldest is None:
        return looked
    missing = tuple(gap for gap in looked.missing if gap.since > looked.oldest)
    return replace(looked, missing=missing, owed=int((owed >= epoch(looked.oldest)).sum()))


async def _missing(feed: Feed, asset_class: str, symbol: str, since: datetime) -> tuple[list[Gap], Times]:
    """Gaps in what is stored from ``since`` to now, and the opens owed; with nothing stored, all of that time."""
    until = feed.closed_until()
    owed = feed.expected(asset_class)(since, until)
    async with feed.pool.acquire() as conn:
        gaps = await store.missing_bars(conn, symbol, feed.timeframe, lambda _, __: owed, since, until)
    return gaps, owed


async def _keep(feed: Feed, asset_class: str, looked: Looked, delivered: Candles, *, polled: bool = False) -> Looked:
    """Validate and store one delivery, with whatever must be published, in one transaction.

    A ``polled`` one says how late its newest bar came; what history brings was not waited for.
    """
    now = feed.clock()
    checked = validate(delivered, now, rules_for(asset_class, feed.timeframe))
    good = checked.good
    async with feed.pool.acquire() as conn, conn.transaction():
        refused = await store.store_refused(conn, looked.symbol, feed.timeframe, delivered.source, checked.refused)
        stored = await store.store_candles(conn, good, asset_class, now)
        between = [ts for ts, revision in stored.written.items() if revision == 0 and looked.had_around(ts)]
        delta = store.FeedDelta(
            looked.symbol, delivered.source, asset_class, feed.timeframe,
            last_ts=moment(int(good.ts[-1])) if len(good) else None,
            bars=stored.new, repaired=len(between), refused=refused, revisions=stored.revised,
            latency_s=_lateness(good, stored, now) if polled else None,
        )  # fmt: skip
        await store.update_feed_health(conn, delta, now)
        if feed.on_stored is not None and stored.written:
            await feed.on_stored(conn, good, stored)
    opens = [moment(int(ts)) for ts in good.ts[[0, -1]]] if len(good) else []
    return replace(
        looked,
        source=delivered.source,
        new=looked.new + stored.new,
        revised=looked.revised + stored.revised,
        refused=looked.refused + refused,
        repaired=looked.repaired + len(between),
        oldest=min([*opens, *filter(None, [looked.oldest])], default=None),
        newest=max([*opens, *filter(None, [looked.newest])], default=None),
    )


def _lateness(good: Candles, stored: store.Stored, now: datetime) -> float | None:
    """Seconds from the newest bar's close to now, if it is new."""
    if len(good) == 0 or stored.written.get(int(good.ts[-1])) != 0:
        return None
    return max(0.0, now.timestamp() - int(good.ts[-1]) - SECONDS[good.timeframe])


async def _noted(feed: Feed, asset_class: str, looked: Looked) -> Looked:
    """Write what is missing now, or what went wrong, to the health of the sources that it concerns."""
    missing = sum(gap.bars for gap in looked.missing)
    lines = [
        store.FeedDelta(
            looked.symbol, name, asset_class, feed.timeframe, error=str(error), limited=isinstance(error, LIMITS)
        )
        for name, error in feed.failures(looked.symbol)
    ]
    if looked.error is None or not lines:
        delta = store.FeedDelta(
            looked.symbol, looked.source or feed.source.name, asset_class, feed.timeframe,
            gaps=None if looked.error else missing, error=looked.error, limited=looked.limited,
            completeness=None if looked.error or not looked.owed else max(0.0, 1.0 - missing / looked.owed),
        )  # fmt: skip
        lines.append(delta)
    async with feed.pool.acquire() as conn:
        for line in lines:
            await store.update_feed_health(conn, line, feed.clock())
    return looked
