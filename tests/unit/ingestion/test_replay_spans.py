"""Which slices a replay folder becomes, on bars of any width."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.ingestion.replay import read
from services.kernel.config import load
from services.kernel.errors import ConfigError, DataError

HEAD = "ts,open,high,low,close,volume"


def assets_on(timeframe: str) -> AssetsConfig:
    return load(AssetsConfig, ASSETS_FILE).model_copy(update={"timeframe": timeframe})


def write(folder: Path, name: str, *times: str) -> None:
    rows = [f"{ts},100,110,90,105,7" for ts in times]
    (folder / f"{name}.csv").write_text("\n".join([HEAD, *rows]) + "\n")


def test_daily_slices_end_at_the_midnight_after_their_bars(tmp_path: Path) -> None:
    write(tmp_path, "NVDA_1d", "2024-06-06", "2024-06-07", "2024-06-10", "2024-06-11")
    found = read(tmp_path, assets_on("1d"), None, None)
    assert found.timeframe == "1d"
    assert (found.span.begins, found.span.until) == (
        datetime(2024, 6, 6, tzinfo=UTC),
        datetime(2024, 6, 12, tzinfo=UTC),
    )
    assert found.slices == 6


def test_bars_from_half_past_are_in_slices_that_end_on_the_hour(tmp_path: Path) -> None:
    write(tmp_path, "NVDA_1h", *(f"2024-06-07T{hour}:30:00" for hour in range(13, 20)))
    found = read(tmp_path, assets_on("1h"), None, None)
    assert found.span.begins == datetime(2024, 6, 7, 13, tzinfo=UTC)
    assert found.span.until == datetime(2024, 6, 7, 21, tzinfo=UTC)
    assert found.slices == 8


def test_minutes_of_a_session_are_slices_of_a_minute(tmp_path: Path) -> None:
    write(tmp_path, "GME_1m", *(f"2024-06-07T13:{minute}:00" for minute in range(30, 50)))
    found = read(tmp_path, assets_on("1m"), None, None)
    assert (found.slices, found.span.until) == (20, datetime(2024, 6, 7, 13, 50, tzinfo=UTC))


def test_a_span_that_no_daily_slice_fits_into_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "NVDA_1d", "2024-06-06", "2024-06-07", "2024-06-10", "2024-06-11")
    six = datetime(2024, 6, 7, 6, tzinfo=UTC)
    for since, until in ((six, None), (None, six)):
        with pytest.raises(ConfigError, match="'2024-06-07T06:00' is not a whole day in UTC; slices of 1d bars are"):
            read(tmp_path, assets_on("1d"), since, until)


def test_a_folder_without_bars_of_the_asked_width_is_refused_and_says_so(tmp_path: Path) -> None:
    write(tmp_path, "NVDA_1d", "2024-06-06", "2024-06-07", "2024-06-10", "2024-06-11")
    with pytest.raises(DataError, match="no file holds 1m bars"):
        read(tmp_path, assets_on("1m"), None, None)
