"""ETTh1 as Informer's paper uses it: 12, 4 and 4 months of 30 days, z-scored on the first twelve.

The file is ``ETTh1.parquet`` with a column ``date`` and seven loads and temperatures of a transformer, hour by hour.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.kernel.errors import DataError

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

FILE = "ETTh1.parquet"
COLUMNS = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
TASKS = {"multivariate": COLUMNS, "univariate": ("OT",)}
MONTH = 30 * 24
SPLITS = {"train": (0, 12 * MONTH), "validation": (12 * MONTH, 16 * MONTH), "test": (16 * MONTH, 20 * MONTH)}
HISTORY, HORIZON = 48, 24


@dataclass(frozen=True, slots=True, eq=False)
class EttData:
    """The hours of one task."""

    values: Floats
    """(N, C) in standard deviations of the training part."""
    time: Floats
    """(N, 4) hour, weekday, day of the month and day of the year, each in [-0.5, 0.5]."""
    lookback: int = HISTORY
    """Hours that a forecast may read; the windows to forecast stay the same."""

    def starts(self, split: str) -> Rows:
        """Return the first forecast hour of every window of a split; all hours to forecast lie in the split."""
        since, until = SPLITS[split]
        return np.arange(max(since, self.lookback), min(until, len(self.values)) - HORIZON + 1)

    def history(self, starts: Rows) -> Floats:
        """Return what is known before each start: (n, lookback, C)."""
        found: Floats = self.values[starts[:, None] + np.arange(-self.lookback, 0)]
        return found

    def future(self, starts: Rows) -> Floats:
        """Return what is to be forecast from each start on: (n, 24, C)."""
        found: Floats = self.values[starts[:, None] + np.arange(HORIZON)]
        return found

    def calendar(self, starts: Rows) -> Floats:
        """Return the calendar of history and future: (n, lookback + 24, 4)."""
        found: Floats = self.time[starts[:, None] + np.arange(-self.lookback, HORIZON)]
        return found


def read(folder: Path, task: str) -> EttData:
    """Read the hours of a task; raises :class:`DataError` that names the file."""
    import polars

    path = folder / FILE
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the folder that holds {FILE}")
    table = polars.read_parquet(path).sort("date").head(20 * MONTH)
    missing = sorted({"date", *COLUMNS} - set(table.columns))
    if missing:
        raise DataError(f"{path}: no column {missing[0]!r}")
    values = table.select(TASKS[task]).to_numpy().astype(np.float64)
    known = values[: SPLITS["train"][1]]
    return EttData(((values - known.mean(0)) / known.std(0)).astype(np.float32), _calendar(table["date"].dt))


def _calendar(date: Any) -> Floats:
    parts = ((date.hour(), 0, 23), (date.weekday(), 1, 6), (date.day(), 1, 30), (date.ordinal_day(), 1, 365))
    columns = [(part.to_numpy().astype(np.float32) - first) / width - 0.5 for part, first, width in parts]
    return np.stack(columns, axis=1).astype(np.float32)
