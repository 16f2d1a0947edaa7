"""The recorded candles of every class: what an inspection finds in them, and that adjusted prices agree.

The files are not part of the repository; CHLOE_CANDLES_DIR names their folder (default: shared/data/candles beside it).
"""

import os
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.domain.candles import SECONDS, Candles, Timeframe
from services.domain.corporate_actions import CORPORATE_ACTIONS_FILE, CorporateActions, adjust, comparable
from services.domain.split_detection import suspected_splits
from services.ingestion.tables import read_table
from services.kernel.config import load
from services.research.file_report import FileReport
from services.research.inspection import inspect

ENV = "CHLOE_CANDLES_DIR"
BESIDE = Path(__file__).parents[4] / "shared" / "data" / "candles"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
OUTAGE_ENDS = datetime(2023, 3, 24, 14, tzinfo=UTC)
MISSING_HOURS = {"ADA": 32, "AVAX": 20, "BNB": 20, "BTC": 20, "DOGE": 32, "ETH": 20, "MATIC": 32, "SOL": 20, "XRP": 20}


@pytest.fixture(scope="module")
def folder() -> Path:
    found = Path(os.environ.get(ENV, str(BESIDE)))
    if not found.is_dir():
        pytest.skip(f"the recorded candles are not on this machine: set {ENV}")
    return found


@pytest.fixture(scope="module")
def actions() -> CorporateActions:
    return load(CorporateActions, CORPORATE_ACTIONS_FILE)


@pytest.fixture(scope="module")
def reports(folder: Path, actions: CorporateActions) -> dict[str, FileReport]:
    found = inspect(folder, load(AssetsConfig, ASSETS_FILE), NOW, actions)
    return {report.file.removesuffix(".parquet"): report for report in found}


def read(folder: Path, stem: str, symbol: str, timeframe: Timeframe) -> Candles:
    table = read_table(folder / f"{stem}.parquet")
    return Candles(symbol, timeframe, stem, table.ts, *table.prices, table.volumes[""])


def test_every_file_is_read_and_no_row_refused(reports: dict[str, FileReport], folder: Path) -> None:
    assert len(reports) == len(list(folder.glob("*.parquet"))) == 22
    assert [
        (name, one.error, one.refused, one.repeated) for name, one in reports.items() if one.error or one.refused
    ] == []
    assert {one.timeframe for one in reports.values()} == {"1m", "1h", "1d"}
    assert [name for name, one in reports.items() if one.symbol is None] == []
    assert (reports["SLV_1d"].symbol, reports["SLV_1d"].asset_class) == ("SILVER", "commodities")


@pytest.mark.parametrize(("coin", "hours"), MISSING_HOURS.items())
def test_crypto_misses_20_to_32_hours_and_none_after_march_2023(
    reports: dict[str, FileReport], coin: str, hours: int
) -> None:
    report = reports[f"{coin}-USDT_1h"]
    assert report.missing == hours
    assert max(gap.until for gap in report.gaps) == OUTAGE_ENDS


def test_matic_is_stale_since_its_renaming(reports: dict[str, FileReport]) -> None:
    report = reports["MATIC-USDT_1h"]
    assert report.last == datetime(2024, 9, 10, 1, tzinfo=UTC)
    (said,) = [one for one in report.remarks if one.startswith("stale")]
    assert said.startswith("stale since 2024-09-10 02:00")
    assert said.endswith("renamed POL on 2024-09-10; research only")


def test_daily_files_have_every_session(reports: dict[str, FileReport]) -> None:
    daily = {name: one.missing for name, one in reports.items() if one.timeframe == "1d" and one.symbol}
    assert daily == dict.fromkeys(daily, 0)
    assert len(daily) == 10


def test_hours_of_nvidia_lack_only_the_last_half_hour_of_half_days(reports: dict[str, FileReport]) -> None:
    report = reports["NVDA_1h"]
    assert (report.grid, report.missing, report.at_edges, report.closed_present) == ("session", 4, 4, 0)
    assert [gap.since.date() for gap in report.gaps] == [
        date(2022, 11, 25), date(2023, 7, 3), date(2023, 11, 24), date(2024, 7, 3),
    ]  # fmt: skip
    assert "volume before 2024-06-10 is on the terms before the 10:1 split, prices are not" in report.remarks


def test_minutes_of_gamestop_lack_three_sessions_and_are_on_the_terms_before_the_split(
    reports: dict[str, FileReport],
) -> None:
    report = reports["GME_1m"]
    assert [gap.since.date() for gap in report.gaps if gap.bars == 390] == [
        date(2022, 3, 21), date(2022, 3, 29), date(2022, 4, 6),
    ]  # fmt: skip
    assert (report.missing, report.closed_present) == (3 * 390 + 44, 0)
    assert "prices are 4.00 times those of GME_1d.parquet: the 4:1 split of 2022-07-22 is not in them" in report.remarks


def test_weekends_of_the_pound_are_absent_and_its_other_gaps_are_mostly_early_closings(
    reports: dict[str, FileReport],
) -> None:
    report = reports["GBPJPY_1h"]
    assert (report.missing, report.at_edges, report.closed_present) == (251, 233, 2)
    assert report.closed_absent is not None
    weekends = (report.last - report.first).days // 7 if report.first and report.last else 0
    assert report.closed_absent >= weekends * 48


def test_only_the_unadjusted_file_shows_splits_and_they_are_the_declared_ones(
    reports: dict[str, FileReport], actions: CorporateActions
) -> None:
    assert [name for name, one in reports.items() if one.splits] == ["TQQQ_1d_unadjusted"]
    found = [(split.ts.date(), split.ratio) for split in reports["TQQQ_1d_unadjusted"].splits]
    assert found == [(one.date, one.ratio) for one in actions.of("TQQQ") if one.date < date(2020, 12, 24)]
    assert len(found) == 5


def test_adjusting_the_unadjusted_series_leaves_no_split_and_every_other_return_as_it_was(
    folder: Path, actions: CorporateActions
) -> None:
    raw = read(folder, "TQQQ_1d_unadjusted", "TQQQ", "1d")
    table = actions.of("TQQQ")
    after = adjust(raw, table, datetime(2020, 12, 25, tzinfo=UTC))
    assert suspected_splits(after) == []
    days = {one.begins("1d"): one.factor for one in table}
    ratio = (after.open[1:] / after.close[:-1]) / (raw.open[1:] / raw.close[:-1])
    expected = [days.get(int(ts), 1.0) for ts in raw.ts[1:]]
    np.testing.assert_allclose(ratio, expected, rtol=1e-12)
    on_split_days = [abs(after.open[i] / after.close[i - 1] - 1) for i in range(1, len(raw)) if int(raw.ts[i]) in days]
    assert len(on_split_days) == 5
    assert max(on_split_days) < 0.02
    assert after.close[-1] == raw.close[-1]
    for name in ("open", "high", "low", "close", "volume"):
        same = comparable(raw, table, datetime(2020, 12, 25, tzinfo=UTC))
        np.testing.assert_array_equal(getattr(same, name), getattr(after, name))


def test_adjusted_minutes_agree_with_the_publishers_own_adjusted_days(folder: Path, actions: CorporateActions) -> None:
    minutes = read(folder, "GME_1m", "GME", "1m")
    days = read(folder, "GME_1d", "GME", "1d")
    after = adjust(minutes, actions.of("GME"), datetime(2024, 1, 1, tzinfo=UTC))
    dates = after.ts // SECONDS["1d"] * SECONDS["1d"]
    each, starts = np.unique(dates, return_index=True)
    highs, lows = np.maximum.reduceat(after.high, starts), np.minimum.reduceat(after.low, starts)
    at = np.searchsorted(days.ts, each)
    assert len(each) == 22
    np.testing.assert_allclose(after.open[starts], days.open[at], rtol=0.01)
    np.testing.assert_allclose(highs, days.high[at], rtol=0.01)
    np.testing.assert_allclose(lows, days.low[at], rtol=0.01)
