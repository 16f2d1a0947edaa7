"""What an inspection says about one file of candles."""

from dataclasses import dataclass
from datetime import datetime

from services.domain.calendars import Grid
from services.domain.candles import Candles, Gap, Timeframe
from services.domain.split_detection import SuspectedSplit


@dataclass(frozen=True, slots=True)
class FileReport:
    """What one file holds. ``last`` is the open of its last bar; counts are bars.

    ``expected`` are the bars owed from first to last, ``missing`` those absent; of these ``at_edges`` touch one end of
    a session (the venue opened late or closed early). ``closed_absent`` are the times of closed markets that rightly
    have no bar, ``closed_present`` bars inside them. None: the symbol has no class, so nothing is known to be owed.
    """

    file: str
    spelled: str
    symbol: str | None = None
    asset_class: str | None = None
    timeframe: Timeframe | None = None
    variant: str = ""
    error: str | None = None
    bars: int = 0
    first: datetime | None = None
    last: datetime | None = None
    grid: Grid | None = None
    expected: int | None = None
    missing: int | None = None
    at_edges: int | None = None
    gaps: tuple[Gap, ...] = ()
    closed_absent: int | None = None
    closed_present: int | None = None
    refused: tuple[tuple[str, int, str], ...] = ()
    """(reason, rows, the place of the first one)."""
    repeated: int = 0
    splits: tuple[SuspectedSplit, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inspected:
    """A report with the candles it is about; none where the file could not be read."""

    report: FileReport
    candles: Candles | None = None
