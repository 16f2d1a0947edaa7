"""Every recorded file, whatever its class and timeframe, becomes slices in which only owed bars can be missing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from recorded_files import FILES, Named, folder_or_skip, recorded, whole_slices

from services.domain.calendars import due_open, positions
from services.domain.candles import SECONDS, epoch
from services.domain.corporate_actions import CORPORATE_ACTIONS_FILE, CorporateActions
from services.inference import settings as inference_settings
from services.kernel.config import load
from services.research.backtest import backtest
from services.research.history import forecasts, slices
from services.research.inspection import inspect
from services.research.parameters import load_parameters

LAST_SLICES = 48


@pytest.fixture(scope="module")
def missing() -> dict[str, int]:
    """What the inspection of the folder says is missing, by file."""
    actions = load(CorporateActions, CORPORATE_ACTIONS_FILE)
    found = inspect(folder_or_skip(), load_parameters().assets, datetime(2026, 1, 1, tzinfo=UTC), actions)
    return {report.file.removesuffix(".parquet"): report.missing or 0 for report in found}


def test_no_file_of_the_folder_is_left_out() -> None:
    assert sorted(path.stem for path in folder_or_skip().glob("*.parquet")) == sorted(FILES)


@pytest.mark.parametrize("stem", FILES)
def test_a_whole_file_becomes_slices_with_exactly_its_bars_and_its_gaps(
    stem: str, missing: dict[str, int], tmp_path: Path
) -> None:
    read = recorded([stem], tmp_path / "candles")
    closed = slices(read.series, read.span)
    assert len(closed) == read.slices == whole_slices(read)
    assert {one.timeframe for one in closed} == {Named(stem).timeframe}
    assert sum(len(one.bars) for one in closed) == len(read.series[0].candles)
    absent = [one.ts for one in closed if one.missing]
    assert len(absent) == missing[stem]
    opens = set(read.series[0].candles.ts.tolist())
    for ts in absent:
        due = due_open(read.series[0].asset_class, read.timeframe, ts)
        assert due is not None, f"{ts}: a closed market owes no bar"
        assert epoch(due) not in opens


@pytest.mark.parametrize("stem", FILES)
def test_bars_of_a_file_stand_side_by_side_but_for_its_gaps(stem: str, missing: dict[str, int], tmp_path: Path) -> None:
    series = recorded([stem], tmp_path / "candles").series[0]
    numbers = positions(series.asset_class, Named(stem).timeframe, series.candles.ts)
    owed = numbers[numbers >= 0]
    steps = np.diff(owed)
    assert (steps > 0).all()
    assert int((steps - 1).sum()) == missing[stem]


@pytest.mark.parametrize("stem", FILES)
def test_a_file_is_back_tested_to_its_end_on_what_untrained_models_say(stem: str, tmp_path: Path) -> None:
    timeframe = Named(stem).timeframe
    end = recorded([stem], tmp_path / "whole").span.until
    read = recorded([stem], tmp_path / "candles", end - LAST_SLICES * timedelta(seconds=SECONDS[timeframe]))
    closed = slices(read.series, read.span)
    made = forecasts(read.series, closed, inference_settings.load(timeframe=timeframe, replay=True), [])
    result = backtest(zip(closed, made, strict=True), load_parameters(), {"crypto": True})
    assert len(result.equity) == LAST_SLICES
    assert {one.timeframe for one in made} == {timeframe}
    for one, said in zip(closed, made, strict=True):
        assert len(said.forecasts) + len(said.missing) == len(one.bars) + len(one.missing)
    # The minutes have holes, some a session, so that no window is whole; nights and weekends make none.
    assert any(one.forecasts for one in made) or stem == "GME_1m"
