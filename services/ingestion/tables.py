"""One Parquet or CSV file of candles as plain columns, whatever its publisher calls them.

Known layouts: our own (ts, open, high, low, close, volume), CryptoDataDownload (a link in the first line, ``unix``,
``Volume BTC``, newest first) and Binance's klines with or without a header. Epochs may be s, ms, µs or ns, even mixed.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from services.domain.candles import FIELDS, Times, Values
from services.kernel.errors import DataError

KLINE_COLUMNS = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count",
    "taker_buy_volume", "taker_buy_quote_volume", "ignore",
)  # fmt: skip
TIME_NAMES = ("ts", "unix", "unix timestamp", "open_time", "open time", "timestamp", "time", "date", "datetime")
TEXT_TIMES = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
NOON_TIMES = "%Y-%m-%d %I-%p"


@dataclass(frozen=True, slots=True, eq=False)
class RawTable:
    """The columns of one file in file order; ``lines`` says where each row stands (CSV line or Parquet row, from 1)."""

    name: str
    line_word: str
    lines: NDArray[np.int64]
    symbol_text: str | None
    ts: Times
    prices: tuple[Values, Values, Values, Values]
    volumes: dict[str, Values]
    """The volume columns; the key is the currency they count, '' when the file does not say."""

    def place(self, row: int) -> str:
        """Name a row for a person: file and line."""
        return f"{self.name} {self.line_word} {self.lines[row]}"


def read_table(path: Path) -> RawTable:
    """Read one file; DataError names the file and the row or column that cannot be candles."""
    try:
        frame, word = (_csv(path), "line") if path.suffix == ".csv" else (_parquet(path), "row")
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        cause = " ".join(str(error).split())[:160]
        raise DataError(f"{path.name}: cannot be read as {path.suffix[1:]} (cut short or damaged?): {cause}") from error
    if frame.height == 0:
        raise DataError(f"{path.name}: has no rows")
    time_name = next((name for name in TIME_NAMES if name in frame.columns), None)
    volume_names = [name for name in frame.columns if name == "volume" or re.match(r"volume[ _]", name)]
    absent = [name for name in FIELDS[:4] if name not in frame.columns]
    absent += [] if time_name else ["ts"]
    absent += [] if volume_names else ["volume"]
    if absent or time_name is None:
        raise DataError(f"{path.name}: column {', '.join(absent)} is missing; it has {', '.join(frame.columns[1:])}")
    reader = _Columns(path.name, word, frame)
    # A plain 'volume' is the base asset's; beside it other columns are not looked at.
    volumes = (
        {"": "volume"} if "volume" in volume_names else {re.split("[ _]", n, maxsplit=1)[1]: n for n in volume_names}
    )
    return RawTable(
        path.name,
        word,
        frame["line"].to_numpy().astype(np.int64),
        reader.symbol(),
        reader.times(time_name),
        (reader.numbers("open"), reader.numbers("high"), reader.numbers("low"), reader.numbers("close")),
        {currency.upper(): reader.numbers(name) for currency, name in volumes.items()},
    )


def _parquet(path: Path) -> Any:
    # Bytes, not the path: polars maps a path into memory, and a file that shrinks meanwhile would kill the process.
    frame = pl.read_parquet(path.read_bytes())
    frame = frame.rename({name: name.strip().lower() for name in frame.columns})
    return frame.drop("line", strict=False).with_row_index("line", offset=1)


def _csv(path: Path) -> Any:
    with path.open(encoding="utf-8-sig") as opened:
        head = [opened.readline().strip() for _ in range(2)]
    skipped = 1 if "://" in head[0] or "cryptodatadownload" in head[0].lower() else 0
    cells = [cell.strip().strip('"') for cell in head[skipped].split(",")]
    headless = bool(re.fullmatch(r"\d+(\.\d+)?", cells[0]))
    if headless and len(cells) != len(KLINE_COLUMNS):
        raise DataError(f"{path.name}: has no header and {len(cells)} columns, where Binance's klines have 12")
    names = list(KLINE_COLUMNS) if headless else [cell.lower() for cell in cells]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise DataError(f"{path.name}: column {', '.join(sorted(repeated))} appears twice")
    frame = pl.read_csv(
        path, has_header=False, skip_rows=skipped + (not headless), new_columns=names, infer_schema=False
    )
    if len(frame.columns) != len(names):
        raise DataError(f"{path.name}: rows have {len(frame.columns)} columns, the header {len(names)}")
    frame = frame.with_row_index("line", offset=skipped + (not headless) + 1)
    frame = frame.filter(~pl.all_horizontal(pl.exclude("line").is_null()))
    _refuse_short_last_row(path.name, frame)
    return frame


def _refuse_short_last_row(name: str, frame: Any) -> None:
    """A file cut inside its last line shows as a column that is empty only there."""
    if frame.height < 2:
        return
    for column in frame.columns:
        empty = frame[column].is_null()
        if empty[-1] and empty.sum() == 1:
            raise DataError(f"{name} line {frame['line'][-1]}: column {column} is missing: the file is cut short")


@dataclass(frozen=True, slots=True)
class _Columns:
    name: str
    word: str
    frame: Any

    def refuse(self, row: int, column: str, what: str) -> DataError:
        value = self.frame[column][row]
        return DataError(f"{self.name} {self.word} {self.frame['line'][row]}, column {column}: {value!r} {what}")

    def numbers(self, column: str) -> Values:
        """A column as float64. A Parquet NULL becomes NaN, to be refused as a row; text that is no number stops."""
        raw = self.frame[column]
        if raw.dtype == pl.String:
            parsed = raw.str.strip_chars().cast(pl.Float64, strict=False)
            if parsed.null_count():
                raise self.refuse(int(parsed.is_null().arg_true()[0]), column, "is not a number")
        elif raw.dtype.is_numeric():
            parsed = raw.cast(pl.Float64).fill_null(float("nan"))
        else:
            raise DataError(f"{self.name}: column {column} holds {raw.dtype}, not numbers")
        values: Values = parsed.to_numpy().astype(np.float64)
        return values

    def times(self, column: str) -> Times:
        """A time column as whole epoch seconds, UTC; a time without a zone is UTC."""
        raw = self.frame[column]
        if raw.dtype == pl.String:
            micros = self._text_times(raw)
        elif raw.dtype in (pl.Date, pl.Datetime):
            zone = getattr(raw.dtype, "time_zone", None)
            utc = raw.cast(pl.Datetime("us")) if zone is None else raw.dt.convert_time_zone("UTC")
            micros = utc.dt.epoch("us")
        elif raw.dtype.is_numeric():
            micros = _epoch_micros(raw.cast(pl.Int64, strict=False))
        else:
            raise DataError(f"{self.name}: column {column} holds {raw.dtype}, not times")
        if micros.null_count():
            raise self.refuse(int(micros.is_null().arg_true()[0]), column, "is not a time")
        ticks: NDArray[np.int64] = micros.to_numpy().astype(np.int64)
        uneven = np.flatnonzero(ticks % 1_000_000)
        if len(uneven):
            raise self.refuse(int(uneven[0]), column, "is not a whole second")
        return ticks // 1_000_000

    def _text_times(self, raw: Any) -> Any:
        text = raw.str.strip_chars()
        real = text.cast(pl.Float64, strict=False)
        if real.null_count() == raw.len():
            plain = text.str.replace(r"\s*(Z|UTC|\+00:?00)$", "")
            shapes = [pl.col("t").str.to_datetime(shape, time_unit="us", strict=False) for shape in TEXT_TIMES]
            noon = (pl.col("t") + " 00").str.to_datetime(NOON_TIMES + " %M", time_unit="us", strict=False)
            parsed = plain.to_frame("t").select(pl.coalesce(*shapes, noon)).to_series()
            return parsed.dt.epoch("us")
        # Nanoseconds do not fit a float exactly, so whole numbers are read as such.
        whole = text.cast(pl.Int64, strict=False)
        numbers = pl.DataFrame({"whole": whole, "real": real.cast(pl.Int64, strict=False)})
        return _epoch_micros(numbers.select(pl.coalesce("whole", "real")).to_series())

    def symbol(self) -> str | None:
        """The one symbol that the file names in its rows, if it has such a column."""
        if "symbol" not in self.frame.columns:
            return None
        column = self.frame["symbol"]
        other = (column != column[0]).fill_null(True).arg_true()
        if len(other):
            raise self.refuse(int(other[0]), "symbol", f"in a file of {column[0]!r}: one file holds one symbol")
        return str(column[0])


def _epoch_micros(raw: Any) -> Any:
    """Microseconds from epochs whose unit shows in their size (1e11 s is the year 5138, 1e11 ms is 1973)."""
    t = pl.col("t")
    size = t.abs()
    scaled = (
        pl.when(size < 10**11)
        .then(t * 1_000_000)
        .when(size < 10**14)
        .then(t * 1_000)
        .when(size < 10**17)
        .then(t)
        .otherwise(t // 1_000)
    )
    return raw.to_frame("t").select(scaled.alias("t")).to_series()
