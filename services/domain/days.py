"""Which day of UTC a slice belongs to: a slice is named by its close, so the one at midnight ends the old day."""

from datetime import datetime, timedelta

MICROSECOND = timedelta(microseconds=1)


def day_of(slice_ts: datetime) -> str:
    """Name the day that a slice's bar lies in (ISO)."""
    return (slice_ts - MICROSECOND).date().isoformat()


def ends_day(slice_ts: datetime) -> bool:
    """Say whether the slice is the last of its day."""
    return day_of(slice_ts) != slice_ts.date().isoformat()
