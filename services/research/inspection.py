"""What recorded candles are worth: every file of a folder, of any class and timeframe, judged before it is believed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.domain.assets import AssetsConfig, normalise_symbol
from services.domain.calendars import expected_opens, infer_grid
from services.domain.candles import (
    SECONDS,
    CandleRules,
    Candles,
    Timeframe,
    Times,
    Validated,
    find_gaps,
    moment,
    rules_for,
    validate,
)
from services.domain.corporate_actions import CorporateActions
from services.domain.split_detection import suspected_splits
from services.ingestion.files import NAME_SHAPES, TIMEFRAME_WORDS
from services.ingestion.tables import read_table
from services.kernel.errors import BadSymbol, DataError
from services.research.file_report import FileReport, Inspected
from services.research.remarks import describe

NO_ACTIONS = CorporateActions()


def inspect(
    folder: Path, assets: AssetsConfig, now: datetime, actions: CorporateActions = NO_ACTIONS
) -> list[FileReport]:
    """Judge every Parquet and CSV file of a folder, by name; a bad file is reported, a folder without any raises.

    Raises DataError when the folder cannot be read or holds no such file.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in (".parquet", ".csv") and path.is_file())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read as a folder: {error.strerror}") from error
    if not paths:
        raise DataError(f"{folder}: holds no .parquet or .csv files")
    found = [inspect_file(path, assets, now) for path in paths]
    return [replace(one.report, remarks=describe(one, found, assets, actions)) for one in found]


def inspect_file(path: Path, assets: AssetsConfig, now: datetime) -> Inspected:
    """Judge one file by itself, without remarks."""
    named = _named(path)
    if named is None:
        error = "the name does not say symbol and timeframe; name it like BTC-USDT_1h.parquet"
        return Inspected(FileReport(path.name, path.stem, error=error))
    spelled, timeframe, variant = named
    symbol = _known(spelled, assets)
    asset_class = assets.assets[symbol].asset_class if symbol else None
    report = FileReport(path.name, spelled, symbol, asset_class, timeframe, variant)
    try:
        table = read_table(path)
    except DataError as error:
        return Inspected(replace(report, error=str(error)))
    volume = table.volumes.get("", next(iter(table.volumes.values())))
    read = Candles(symbol or spelled, timeframe, path.name, table.ts, *table.prices, volume)
    rows = np.argsort(read.ts, kind="stable") if len(read) and read.ts[0] > read.ts[-1] else np.arange(len(read))
    rules = rules_for(asset_class, timeframe) if asset_class else CandleRules(min(SECONDS[timeframe], 1800))
    checked = validate(read.take(rows.astype(np.int64)), now, rules)
    places = [(one.reason, table.place(int(rows[one.row]))) for one in checked.refused]
    return Inspected(_judged(report, checked, places), checked.good)


def _judged(report: FileReport, checked: Validated, places: Sequence[tuple[str, str]]) -> FileReport:
    candles = checked.good
    first_places = dict(reversed(places))
    counts = Counter(reason for reason, _ in places)
    report = replace(
        report,
        bars=len(candles),
        refused=tuple((reason, count, first_places[reason]) for reason, count in counts.most_common()),
        repeated=checked.repeated,
        splits=tuple(suspected_splits(candles)),
    )
    if len(candles) == 0:
        return replace(report, error="no row can be true")
    report = replace(report, first=moment(int(candles.ts[0])), last=moment(int(candles.ts[-1])))
    if report.asset_class is None:
        return report
    try:
        return _against_calendar(report, candles, report.asset_class)
    except ValueError as error:
        return replace(report, error=f"bars cannot be counted: {error}")


def _against_calendar(report: FileReport, candles: Candles, asset_class: str) -> FileReport:
    """Count what is owed, missing and rightly absent between the first and the last bar."""
    timeframe, seconds = candles.timeframe, SECONDS[candles.timeframe]
    since, until = moment(int(candles.ts[0])), moment(int(candles.ts[-1]) + 1)
    grid = infer_grid(asset_class, timeframe, candles.ts)
    owed = expected_opens(asset_class, timeframe, since, until, grid)
    gaps = find_gaps(
        candles.ts, timeframe, lambda a, b: expected_opens(asset_class, timeframe, a, b, grid), since, until
    )
    whole_grid = -(-(int(candles.ts[-1]) + 1 - int(candles.ts[0])) // seconds)
    return replace(
        report,
        grid=grid,
        expected=len(owed),
        missing=sum(gap.bars for gap in gaps),
        at_edges=0 if timeframe == "1d" else _at_edges(owed, np.isin(owed, candles.ts), seconds),
        gaps=tuple(gaps),
        closed_absent=max(0, whole_grid - len(owed)),
        closed_present=int(np.sum(~np.isin(candles.ts, owed))),
    )


def _at_edges(owed: Times, present: NDArray[np.bool_], seconds: int) -> int:
    """Count absent bars at the beginning or end of a session of which other bars are there."""
    sessions = np.split(present, np.flatnonzero(np.diff(owed) > seconds) + 1)
    return sum(int(one.argmax() + one[::-1].argmax()) for one in sessions if one.any())


def _named(path: Path) -> tuple[str, Timeframe, str] | None:
    """Symbol as spelled, timeframe and variant, as the file's name says them."""
    for shape in NAME_SHAPES:
        match = shape.fullmatch(path.stem)
        if match:
            return match["symbol"], TIMEFRAME_WORDS[match["timeframe"]], match.groupdict().get("variant") or ""
    return None


def _known(spelled: str, assets: AssetsConfig) -> str | None:
    """Our symbol for any spelling of it, or of its name at a source; None when no asset has it."""
    try:
        return assets.resolve(spelled)
    except BadSymbol:
        at_sources = {name: symbol for symbol, asset in assets.assets.items() for name in asset.venue_symbols.values()}
    try:
        return at_sources[normalise_symbol(spelled, at_sources)]
    except BadSymbol:
        return None
