"""Nightly research over history: the same measurement on recorded candles, and its hand-over to the running stage."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from services.contracts.messages import ForecastsMade
from services.domain.candles import SECONDS, moment
from services.ingestion.files import CandleFile
from services.ingestion.service import Span
from services.kernel.errors import DataError
from services.research.nightly import decide as nightly
from services.research.nightly.decide import NightlyParams
from services.research.nightly.state import AssetState, ResearchState
from services.research.nightly.sums import Tally, closed


def measure(made: Iterable[ForecastsMade], params: NightlyParams) -> ResearchState:
    """Take in all slices in order, as the stage would; days are not told apart."""
    state = nightly.start(params)
    for one in made:
        state = nightly.observe(state, one, params)
    return state


def handed(history: ResearchState, through: int, running: ResearchState | None) -> ResearchState:
    """Return the state that the stage goes on with: history alone, or before what it has measured itself.

    ``through`` is the epoch second of history's newest slice. What the stage has measured must begin after it.
    """
    if running is None:
        assets = {symbol: msgspec.structs.replace(own, fresh=0) for symbol, own in history.assets.items()}
        return ResearchState(timeframe=history.timeframe, through=through, assets=assets)
    assets = {
        symbol: msgspec.structs.replace(own, fresh=0, waiting=())
        for symbol, own in history.assets.items()
        if symbol not in running.assets
    }
    for symbol, own in running.assets.items():
        before = history.assets.get(symbol)
        assets[symbol] = own if before is None else _joined(before, own)
    return msgspec.structs.replace(running, through=through, assets=dict(sorted(assets.items())))


def _joined(before: AssetState, own: AssetState) -> AssetState:
    """Add the sums of an asset's history; where they are sums of something else, they are left out."""
    if (before.horizon, before.measured) != (own.horizon, own.measured):
        return own
    empty = (Tally(),) * max(len(before.tails), len(own.tails))
    return msgspec.structs.replace(
        own,
        since=before.since,
        cells={
            cell: _sum(before.cells.get(cell, Tally()), own.cells.get(cell, Tally()))
            for cell in sorted(before.cells.keys() | own.cells.keys())
        },
        profile=_sum(before.profile, own.profile) if before.of_profile == own.of_profile else own.profile,
        tails=tuple(_sum(a, b) for a, b in zip(before.tails or empty, own.tails or empty, strict=True)),
    )


def _sum(before: Tally, own: Tally) -> Tally:
    """Add the whole blocks of both; the block that is open goes on."""
    blocks, n, s, nn, ns, ss = closed(before)
    return Tally(
        own.blocks + blocks, own.n + n, own.s + s, own.nn + nn, own.ns + ns, own.ss + ss,
        own.block, own.open_n, own.open_s, own.independent + before.independent, max(own.until, before.until),
    )  # fmt: skip


def spanned(series: Sequence[CandleFile], since: datetime | None, until: datetime | None) -> Span:
    """Return the whole slices that stored candles cover; raises DataError where none lies in what is asked."""
    if not series:
        raise DataError("database: no stored candle")
    seconds = SECONDS[series[0].candles.timeframe]
    first = moment(min(int(one.candles.ts[0]) for one in series) // seconds * seconds)
    last = moment(-(-max(int(one.candles.ts[-1]) for one in series) // seconds) * seconds + seconds)
    span = Span(max(since or first, first), min(until or last, last))
    if span.begins >= span.until:
        raise DataError(f"database: its bars span {first:%Y-%m-%d} to {last:%Y-%m-%d}, nothing lies in what is asked")
    return span
