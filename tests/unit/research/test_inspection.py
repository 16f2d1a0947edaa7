"""Inspection of small hand-made files: what is missing, refused, unknown or on other terms is said."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from rich.console import Console

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.domain.calendars import Grid, expected_opens
from services.domain.candles import Timeframe, Times, epoch
from services.domain.corporate_actions import CORPORATE_ACTIONS_FILE, CorporateActions
from services.kernel.config import load
from services.kernel.errors import DataError
from services.research.file_report import FileReport
from services.research.inspection import inspect
from services.research.inspection_table import as_json, show

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ASSETS = load(AssetsConfig, ASSETS_FILE)
ACTIONS = load(CorporateActions, CORPORATE_ACTIONS_FILE)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def hours(since: str, count: int) -> Times:
    return epoch(day(since)) + 3600 * np.arange(count, dtype=np.int64)


def owed(asset_class: str, timeframe: Timeframe, since: str, until: str, grid: Grid = "session") -> Times:
    return expected_opens(asset_class, timeframe, day(since), day(until), grid)


def write(folder: Path, name: str, ts: Times, price: NDArray[np.float64] | float = 100.0, **columns: object) -> None:
    """A hand-made file: a calm wave around a price."""
    wave = price * (1 + 0.01 * np.sin(np.arange(len(ts))))
    frame = pl.DataFrame({"ts": ts, "open": wave, "high": wave * 1.02, "low": wave * 0.98, "close": wave})
    frame = frame.with_columns(pl.from_epoch("ts").dt.replace_time_zone("UTC"), volume=pl.lit(1000.0))
    frame.with_columns(**{key: pl.Series(value) for key, value in columns.items()}).write_parquet(folder / name)


def judge(folder: Path) -> dict[str, FileReport]:
    return {report.file: report for report in inspect(folder, ASSETS, NOW, ACTIONS)}


def test_counts_missing_hours_and_names_the_gaps(tmp_path: Path) -> None:
    ts = hours("2024-01-01", 100)
    write(tmp_path, "BTC-USDT_1h.parquet", np.delete(ts, [10, 11, 50]))
    report = judge(tmp_path)["BTC-USDT_1h.parquet"]
    assert (report.symbol, report.asset_class, report.timeframe) == ("BTC/USDT", "crypto", "1h")
    assert (report.bars, report.expected, report.missing) == (97, 100, 3)
    assert [(gap.since, gap.bars) for gap in report.gaps] == [
        (day("2024-01-01T10:00"), 2),
        (day("2024-01-03T02:00"), 1),
    ]
    assert "3 of 100 bars missing, the last before 2024-01-03 03:00" in report.remarks


@pytest.mark.parametrize("grid", ["session", "clock"])
def test_nights_weekends_and_half_days_are_no_gaps_under_either_grid(tmp_path: Path, grid: Grid) -> None:
    write(tmp_path, "NVDA_1h.parquet", owed("stocks", "1h", "2024-11-01", "2025-01-31", grid))
    report = judge(tmp_path)["NVDA_1h.parquet"]
    assert (report.grid, report.missing, report.closed_present) == (grid, 0, 0)
    assert report.closed_absent is not None
    assert report.closed_absent > 1000


def test_forex_weekends_are_rightly_absent_and_a_bar_in_one_is_named(tmp_path: Path) -> None:
    ts = owed("forex", "1h", "2024-05-01", "2024-06-01")
    write(tmp_path, "GBPJPY_1h.parquet", np.sort(np.append(ts, epoch(day("2024-05-11T12:00")))))
    report = judge(tmp_path)["GBPJPY_1h.parquet"]
    assert (report.symbol, report.missing, report.closed_present) == ("GBP/JPY", 0, 1)
    assert "1 bars lie in closed markets" in report.remarks


def test_late_openings_are_told_apart_from_lost_bars_and_lost_sessions(tmp_path: Path) -> None:
    ts = owed("stocks", "1h", "2024-05-06", "2024-05-11")  # five sessions of seven hours
    lost = [7, 8, 16, *range(21, 28)]  # two opening hours, one within a session, a whole session
    write(tmp_path, "AMD_1h.parquet", np.delete(ts, lost))
    report = judge(tmp_path)["AMD_1h.parquet"]
    assert (report.missing, report.at_edges) == (10, 2)


def test_refused_rows_are_counted_by_reason_with_the_first_place(tmp_path: Path) -> None:
    ts = hours("2024-01-01", 50)
    low = 98 + 0 * ts.astype(float)
    low[[5, 9]] = 200.0
    write(tmp_path, "ETH-USDT_1h.parquet", ts, low=low)
    report = judge(tmp_path)["ETH-USDT_1h.parquet"]
    assert report.refused == (("high below low", 2, "ETH-USDT_1h.parquet row 6"),)
    assert (report.bars, report.missing) == (48, 2)


def test_an_unadjusted_split_is_named_declared_or_not(tmp_path: Path) -> None:
    ts = owed("stocks", "1d", "2024-04-01", "2024-09-01")
    step = np.where(ts < epoch(day("2024-06-10")), 1000.0, 100.0)
    write(tmp_path, "NVDA_1d.parquet", ts, step)
    write(tmp_path, "AMD_1d.parquet", ts, step)
    found = judge(tmp_path)
    assert "unadjusted splits: 10:1 on 2024-06-10 (declared)" in found["NVDA_1d.parquet"].remarks
    assert "unadjusted splits: 10:1 on 2024-06-10 (not declared)" in found["AMD_1d.parquet"].remarks


def test_a_split_that_is_in_the_prices_but_not_in_the_volume_is_named(tmp_path: Path) -> None:
    ts = owed("stocks", "1h", "2024-05-01", "2024-07-13")
    volume = np.where(ts < epoch(day("2024-06-10")), 1.0, 10.0)
    write(tmp_path, "NVDA_1h.parquet", ts, volume=volume)
    write(tmp_path, "NVDA_1d.parquet", owed("stocks", "1d", "2024-05-01", "2024-07-13"))
    said = judge(tmp_path)["NVDA_1h.parquet"].remarks
    assert "the 10:1 split of 2024-06-10 is in the prices already" in said
    assert "volume before 2024-06-10 is on the terms before the 10:1 split, prices are not" in said


def test_a_file_on_the_terms_before_a_later_split_is_found_by_its_sibling(tmp_path: Path) -> None:
    write(tmp_path, "GME_1h.parquet", owed("meme", "1h", "2022-03-01", "2022-04-01"), 80.0)
    write(tmp_path, "GME_1d.parquet", owed("meme", "1d", "2022-03-01", "2022-04-01"), 20.0)
    (said,) = [one for one in judge(tmp_path)["GME_1h.parquet"].remarks if "times" in one]
    assert "times those of GME_1d.parquet: the 4:1 split of 2022-07-22 is not in them" in said


def test_a_renamed_pair_is_stale_from_its_last_bar_on(tmp_path: Path) -> None:
    write(tmp_path, "MATIC-USDT_1h.parquet", hours("2024-09-01", 9 * 24 + 2))
    write(tmp_path, "BTC-USDT_1h.parquet", hours("2024-09-01", 60 * 24))
    said = judge(tmp_path)["MATIC-USDT_1h.parquet"].remarks
    assert (
        "stale since 2024-09-10 02:00, 50 days before the folder's newest bar; renamed POL on 2024-09-10; research only"
        in said
    )


def test_the_new_name_of_a_renamed_pair_is_known(tmp_path: Path) -> None:
    write(tmp_path, "POL-USDT_1h.parquet", hours("2024-10-01", 48))
    report = judge(tmp_path)["POL-USDT_1h.parquet"]
    assert report.symbol == "MATIC/USDT"
    assert "POL-USDT is what binance, bybit call MATIC/USDT" in report.remarks


def test_unknown_symbols_nameless_and_damaged_files_are_reported_beside_good_ones(tmp_path: Path) -> None:
    write(tmp_path, "ZZZ_1d.parquet", owed("stocks", "1d", "2024-05-01", "2024-07-01"))
    write(tmp_path, "prices.parquet", hours("2024-01-01", 30))
    (tmp_path / "SOL-USDT_1h.parquet").write_bytes(b"PAR1 cut short")
    write(tmp_path, "BTC-USDT_1h.parquet", hours("2024-01-01", 30))
    found = judge(tmp_path)
    assert found["ZZZ_1d.parquet"].symbol is None
    assert found["ZZZ_1d.parquet"].expected is None
    assert "symbol 'ZZZ' is not known" in found["ZZZ_1d.parquet"].remarks[0]
    assert "the name does not say symbol and timeframe" in found["prices.parquet"].remarks[0]
    assert "cannot be read as parquet" in found["SOL-USDT_1h.parquet"].remarks[0]
    assert found["BTC-USDT_1h.parquet"].error is None


def test_bars_before_the_calendar_are_reported_not_raised(tmp_path: Path) -> None:
    ts = epoch(day("1995-01-02")) + 86400 * np.arange(40, dtype=np.int64)
    write(tmp_path, "AMD_1d.parquet", ts)
    report = judge(tmp_path)["AMD_1d.parquet"]
    assert report.expected is None
    assert "stock sessions are known from 2000" in (report.error or "")


def test_an_empty_folder_and_no_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no \.parquet or \.csv files"):
        inspect(tmp_path, ASSETS, NOW)
    with pytest.raises(DataError, match="cannot be read as a folder"):
        inspect(tmp_path / "absent", ASSETS, NOW)


def test_the_table_and_the_json_say_the_same(tmp_path: Path) -> None:
    write(tmp_path, "BTC-USDT_1h.parquet", np.delete(hours("2024-01-01", 100), [10, 11, 50]))
    reports = inspect(tmp_path, ASSETS, NOW, ACTIONS)
    (read,) = msgspec.json.decode(as_json(reports))
    assert (read["file"], read["missing"], len(read["gaps"])) == ("BTC-USDT_1h.parquet", 3, 2)
    out = StringIO()
    show(reports, Console(file=out, width=200))
    assert "largest of 2 gaps: 2 from 2024-01-01 10:00, 1 from 2024-01-03 02:00" in out.getvalue()
    assert "BTC-USDT_1h" in out.getvalue()


def test_newest_first_files_are_read_in_time_order(tmp_path: Path) -> None:
    write(tmp_path, "BTC-USDT_1h.parquet", hours("2024-01-01", 30)[::-1].copy())
    report = judge(tmp_path)["BTC-USDT_1h.parquet"]
    assert (report.first, report.missing, report.refused) == (day("2024-01-01"), 0, ())
    assert report.last == day("2024-01-01") + timedelta(hours=29)
