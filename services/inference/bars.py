"""Slices' bars by asset, and where each stands in the asset's candles."""

from collections.abc import Mapping, Sequence

import numpy as np

from services.contracts.messages import Bar, SliceClosed
from services.inference.series import Candles, Ints, epoch, row_at


def bars_by_symbol(slices: Sequence[SliceClosed]) -> dict[str, dict[int, Bar]]:
    """Gather each asset's bars by the number of their slice."""
    found: dict[str, dict[int, Bar]] = {}
    for i, one in enumerate(slices):
        for bar in one.bars:
            found.setdefault(bar.symbol, {})[i] = bar
    return found


def rows_of_bars(series: Candles, bars: Mapping[int, Bar], slices: Sequence[SliceClosed], bar_seconds: int) -> Ints:
    """Find each bar's row in the asset's candles (n,); -1 where its candle is not there."""
    opened = [
        epoch(slices[i].ts) - bar_seconds if bar.opened_at is None else epoch(bar.opened_at) for i, bar in bars.items()
    ]
    return row_at(series.ts, np.array(opened, dtype=np.int64))
