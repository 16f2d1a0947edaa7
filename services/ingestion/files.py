"""Folders of recorded candles: every file read and checked before anything is stored, one merged batch per symbol."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from services.domain.candles import (
    SECONDS,
    Candles,
    RefusedCandle,
    Timeframe,
    Times,
    Values,
    concatenate,
    rules_for,
    validate,
)
from services.ingestion.tables import RawTable, read_table
from services.kernel.errors import ChloeError, DataError

TIMEFRAME_WORDS: dict[str, Timeframe] = {
    "1m": "1m", "minute": "1m", "1min": "1m", "5m": "5m", "15m": "15m", "1h": "1h", "hour": "1h", "4h": "4h",
    "1d": "1d", "d": "1d", "daily": "1d",
}  # fmt: skip
_WORDS = "|".join(sorted(TIMEFRAME_WORDS, key=len, reverse=True))
NAME_SHAPES = (
    re.compile(rf"(?P<symbol>[A-Za-z0-9-]+)_(?P<timeframe>{_WORDS})(_(?P<variant>\w+))?"),  # BTC-USDT_1h
    re.compile(rf"(?P<symbol>[A-Z0-9]+)-(?P<timeframe>{_WORDS})-\d{{4}}-\d{{2}}(-\d{{2}})?"),  # BTCUSDT-1h-2024-01
    re.compile(rf"[A-Za-z]+_(?P<symbol>[A-Za-z0-9]+)(_\d{{4}})?_(?P<timeframe>{_WORDS})"),  # Binance_BTCUSDT_1h
)


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A refused candle and its place in words: file and line."""

    place: str
    candle: RefusedCandle


@dataclass(frozen=True, slots=True)
class CandleFile:
    """All that a folder says of one symbol: good candles ascending in time, what was refused, and the files read."""

    symbol: str
    asset_class: str
    candles: Candles
    refused: list[RefusedRow]
    repeated: int
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FolderRead:
    """What a folder gave, by symbol, and the files left out with the reason."""

    series: list[CandleFile]
    left_out: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Part:
    table: RawTable
    candles: Candles
    rows: Times
    refused: list[RefusedRow]
    repeated: int


def read_folder(
    folder: Path,
    timeframe: Timeframe,
    resolve: Callable[[str], str],
    classes: Mapping[str, str],
    now: datetime,
    *,
    only: Collection[str] | None = None,
    source: str = "files",
) -> FolderRead:
    """Read all Parquet and CSV files of one timeframe in a folder.

    ``resolve`` turns any spelling into a known symbol, ``classes`` maps symbols to asset classes; files of other
    timeframes, or of symbols outside ``only``, are left out and named. Raises DataError for a file that is no candles.
    """
    paths = sorted(path for path in _entries(folder) if path.suffix in (".parquet", ".csv") and path.is_file())
    if not paths:
        raise DataError(f"{folder}: holds no .parquet or .csv files")
    parts: dict[str, list[_Part]] = {}
    left_out: list[tuple[str, str]] = []
    for path in paths:
        named, spelled, variant = _from_name(path, resolve)
        if variant:
            left_out.append((path.name, f"is a variant ({variant}) of {named}"))
        elif spelled not in (None, timeframe):
            left_out.append((path.name, f"holds {spelled} bars"))
        elif only is not None and named is not None and named not in only:
            left_out.append((path.name, f"{named} was not asked for"))
        else:
            part = _read_part(path, timeframe, named, resolve, classes, now, source)
            if only is None or part.candles.symbol in only:
                parts.setdefault(part.candles.symbol, []).append(part)
            else:
                left_out.append((path.name, f"{part.candles.symbol} was not asked for"))
    if not parts:
        raise DataError(f"{folder}: no file holds {timeframe} bars of the wanted symbols")
    series = [_merge(parts[symbol], classes[symbol], now) for symbol in sorted(parts)]
    return FolderRead(series, left_out)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read as a folder: {error.strerror}") from error


def _from_name(path: Path, resolve: Callable[[str], str]) -> tuple[str | None, Timeframe | None, str]:
    """Symbol, timeframe and variant as the file's name has them; None or '' for what it does not say."""
    for shape in NAME_SHAPES:
        match = shape.fullmatch(path.stem)
        if match:
            symbol = _resolved(path.name, match["symbol"], resolve)
            return symbol, TIMEFRAME_WORDS[match["timeframe"]], match.groupdict().get("variant") or ""
    return None, None, ""


def _resolved(name: str, text: str, resolve: Callable[[str], str]) -> str:
    try:
        return resolve(text)
    except ChloeError as error:
        raise DataError(f"{name}: {error}") from error


def _read_part(
    path: Path,
    timeframe: Timeframe,
    named: str | None,
    resolve: Callable[[str], str],
    classes: Mapping[str, str],
    now: datetime,
    source: str,
) -> _Part:
    table = read_table(path)
    told = None if table.symbol_text is None else _resolved(path.name, table.symbol_text, resolve)
    if named and told and named != told:
        raise DataError(f"{path.name}: the name says {named}, the rows say {told}")
    symbol = named or told
    if symbol is None:
        raise DataError(f"{path.name}: neither name nor rows say the symbol; name it like BTC-USDT_{timeframe}.parquet")
    _check_spacing(table, timeframe)
    candles = Candles(symbol, timeframe, source, table.ts, *table.prices, _base_volume(table, symbol))
    rows = np.arange(len(candles), dtype=np.int64)
    if candles.ts[0] > candles.ts[-1]:  # newest first, as CryptoDataDownload publishes
        candles, rows = candles.take(rows[::-1]), rows[::-1]
    checked = validate(candles, now, rules_for(classes[symbol], timeframe))
    refused = [RefusedRow(table.place(int(rows[one.row])), one) for one in checked.refused]
    return _Part(table, checked.good, rows[checked.rows], refused, checked.repeated)


def _check_spacing(table: RawTable, timeframe: Timeframe) -> None:
    steps = np.diff(np.unique(table.ts))
    if not len(steps):
        return
    sizes, counts = np.unique(steps, return_counts=True)
    usual = int(sizes[counts.argmax()])
    # A strict minority may be wider (nights, outages) or narrower (bad rows, refused one by one later).
    if usual != SECONDS[timeframe] and not (len(steps) < 3 and usual % SECONDS[timeframe] == 0):
        raise DataError(f"{table.name}: bars are {usual} s apart, {timeframe} means {SECONDS[timeframe]} s")


def _base_volume(table: RawTable, symbol: str) -> Values:
    """The volume counted in the base asset, chosen by the column's currency."""
    base, _, quote = symbol.partition("/")
    if "" in table.volumes:
        return table.volumes[""]
    if base in table.volumes:
        return table.volumes[base]
    rest = [currency for currency in table.volumes if currency != quote]
    if len(rest) == 1 and len(table.volumes) == 2 and quote in table.volumes:
        return table.volumes[rest[0]]
    raise DataError(f"{table.name}: no volume column in {base}; it has {', '.join(sorted(table.volumes))}")


def _merge(parts: list[_Part], asset_class: str, now: datetime) -> CandleFile:
    """Join the files of one symbol in time order; where two files contradict each other the earlier name is kept."""
    joined = concatenate([part.candles for part in parts])
    owner = np.repeat(np.arange(len(parts)), [len(part.candles) for part in parts])
    rows = np.concatenate([part.rows for part in parts])
    order = np.argsort(joined.ts, kind="stable").astype(np.int64)
    checked = validate(joined.take(order), now, rules_for(asset_class, joined.timeframe))
    refused = [row for part in parts for row in part.refused]
    for one in checked.refused:
        at = order[one.row]
        refused.append(RefusedRow(parts[owner[at]].table.place(int(rows[at])), one))
    repeated = checked.repeated + sum(part.repeated for part in parts)
    names = tuple(part.table.name for part in parts)
    return CandleFile(joined.symbol, asset_class, checked.good, refused, repeated, names)
