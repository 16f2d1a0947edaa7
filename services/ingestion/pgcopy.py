"""PostgreSQL's binary COPY format for candles, written and read by numpy instead of a Python object per value.

Layout (PostgreSQL manual, "COPY", binary format): a 19-byte header, then per row a field count (int16) and per field
its length (int32) and bytes in network order, then -1 (int16). Within a batch every row has the same size, so a batch
is one structured array. Timestamps are microseconds since 2000-01-01.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.domain.candles import FIELDS, Candles, Timeframe, Times, epoch

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
PG_EPOCH_SECONDS = 946_684_800

COLUMNS = ("ts", "symbol", "timeframe", "asset_class", *FIELDS, "source", "revision", "received_at")
"""The columns that ``rows_for_copy`` writes, in order."""


def rows_for_copy(candles: Candles, revisions: NDArray[np.int64], asset_class: str, received_at: datetime) -> bytes:
    """The batch as a complete binary COPY stream of ``COLUMNS``."""
    columns: list[tuple[Any, str]] = [((candles.ts - PG_EPOCH_SECONDS) * 1_000_000, ">i8")]
    columns += [_text(candles.symbol), _text(candles.timeframe), _text(asset_class)]
    columns += [(getattr(candles, name), ">f8") for name in FIELDS]
    columns += [_text(candles.source), (revisions, ">i4"), (ticks(received_at), ">i8")]
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    for i, (_, kind) in enumerate(columns):
        layout += [(f"length{i}", ">i4"), (f"value{i}", kind)]
    rows = np.zeros(len(candles), dtype=layout)
    rows["fields"] = len(columns)
    for i, (values, _) in enumerate(columns):
        rows[f"length{i}"] = rows.dtype[f"value{i}"].itemsize
        rows[f"value{i}"] = values
    return HEADER + rows.tobytes() + TRAILER


def _text(value: str) -> tuple[np.void, str]:
    data = value.encode()
    # Raw bytes (V), because numpy's S type would cut trailing NULs and pad shorter values.
    return np.void(data), f"V{len(data)}"


def read_rows(data: bytes, columns: Sequence[tuple[str, str]]) -> NDArray[Any]:
    """Read a binary COPY stream without NULLs as a structured array; ``columns`` are names and big-endian types."""
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in columns:
        layout += [(f"length of {name}", ">i4"), (name, kind)]
    return np.frombuffer(memoryview(data)[len(HEADER) : len(data) - len(TRAILER)], dtype=np.dtype(layout))


def seconds(ticks: NDArray[Any]) -> Times:
    """PostgreSQL timestamps (µs since 2000) as whole epoch seconds."""
    whole: Times = ticks.astype(np.int64) // 1_000_000 + PG_EPOCH_SECONDS
    return whole


def ticks(moment: datetime) -> int:
    """An aware datetime as PostgreSQL's timestamp (µs since 2000)."""
    return (epoch(moment) - PG_EPOCH_SECONDS) * 1_000_000 + moment.microsecond


def candles_from_copy(data: bytes, symbol: str, timeframe: Timeframe, source: str) -> Candles:
    """Read a binary COPY stream of (ts, open, high, low, close, volume)."""
    rows = read_rows(data, [("ts", ">i8"), *((name, ">f8") for name in FIELDS)])
    return Candles(symbol, timeframe, source, seconds(rows["ts"]), *(rows[name].astype(np.float64) for name in FIELDS))
