"""Folders of candles as people have them: our Parquet, CryptoDataDownload's and Binance's CSV, and broken ones."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from services.domain.candles import Timeframe, epoch
from services.ingestion.files import FolderRead, read_folder
from services.kernel.errors import BadSymbol, DataError

T0 = epoch(datetime(2024, 1, 1, tzinfo=UTC))
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLASSES = {"BTC/USDT": "crypto", "ETH/USDT": "crypto", "NVDA": "stocks"}
SAMPLE = Path(__file__).parents[3] / "sample"


def resolve(text: str) -> str:
    for symbol in [*CLASSES, "SOL/USDT"]:
        if text.upper().replace("-", "").replace("/", "") == symbol.replace("/", ""):
            return symbol
    raise BadSymbol(f"unknown symbol {text!r}")


def read(folder: Path, timeframe: Timeframe = "1h", only: list[str] | None = None) -> FolderRead:
    return read_folder(folder, timeframe, resolve, CLASSES | {"SOL/USDT": "crypto"}, NOW, only=only)


def frame(hours: int = 4, step: int = 3600) -> pl.DataFrame:
    ts = pl.from_epoch(pl.Series([T0 + hour * step for hour in range(hours)]), time_unit="s")
    prices = {"open": 100.0, "high": 110.0, "low": 90.0, "close": 105.0, "volume": 7.0}
    return pl.DataFrame({"ts": ts.dt.replace_time_zone("UTC")}).with_columns(
        **{name: pl.lit(value) for name, value in prices.items()}
    )


def kline(hour: int, unit: int = 1000, close: str = "105") -> str:
    opened = (T0 + hour * 3600) * unit
    return f"{opened},100,110,90,{close},7,{opened + 3600 * unit - 1},735,12,3,300,0"


CDD_HEADER = (
    "https://www.CryptoDataDownload.com\nunix,date,symbol,open,high,low,close,Volume BTC,Volume USDT,tradecount\n"
)


def cdd(hour: int, unit: int = 1, symbol: str = "BTCUSDT") -> str:
    return f"{(T0 + hour * 3600) * unit},2024-01-01 0{hour}:00:00,{symbol},100,110,90,105,7,735,12"


def test_reads_the_sample_whole() -> None:
    series = read(SAMPLE).series
    assert [(one.symbol, len(one.candles), one.refused) for one in series] == [
        ("BTC/USDT", 8784, []),
        ("ETH/USDT", 8784, []),
        ("SOL/USDT", 8784, []),
    ]
    assert series[0].candles.ts[0] == T0


@pytest.mark.parametrize("unit", [1, 1000, 1_000_000])
def test_reads_cryptodatadownload_newest_first_in_any_epoch_unit(tmp_path: Path, unit: int) -> None:
    lines = [cdd(hour, unit) for hour in (3, 2, 1, 0)]
    (tmp_path / "Binance_BTCUSDT_1h.csv").write_text(CDD_HEADER + "\n".join(lines) + "\n")
    (one,) = read(tmp_path).series
    assert one.candles.ts.tolist() == [T0 + hour * 3600 for hour in range(4)]
    assert one.candles.volume.tolist() == [7.0] * 4
    assert one.refused == []


def test_reads_epoch_units_mixed_within_one_file(tmp_path: Path) -> None:
    lines = [cdd(3, 1000), cdd(2, 1000), cdd(1), cdd(0)]
    (tmp_path / "Binance_BTCUSDT_1h.csv").write_text(CDD_HEADER + "\n".join(lines))
    assert read(tmp_path).series[0].candles.ts.tolist() == [T0 + hour * 3600 for hour in range(4)]


def test_reads_older_cryptodatadownload_headers(tmp_path: Path) -> None:
    text = "Unix Timestamp,Date,Symbol,Open,High,Low,Close,Volume\n"
    text += "\n".join(f"{T0 + hour * 3600}.0,x,BTC/USDT,100,110,90,105,7" for hour in (2, 1, 0))
    (tmp_path / "Binance_BTCUSDT_1h.csv").write_text(text)
    assert len(read(tmp_path).series[0].candles) == 3


@pytest.mark.parametrize("shape", ["2024-01-01 {:02}:00:00", "2024-01-01T{:02}:00:00Z", "2024-01-01 {:02}-AM"])
def test_reads_written_times(tmp_path: Path, shape: str) -> None:
    rows = [f"{shape.format(hour)},100,110,90,105,7" for hour in (1, 2, 3)]
    (tmp_path / "BTC-USDT_1h.csv").write_text("Date,Open,High,Low,Close,Volume\n" + "\n".join(rows))
    assert read(tmp_path).series[0].candles.ts.tolist() == [T0 + hour * 3600 for hour in (1, 2, 3)]


@pytest.mark.parametrize("unit", [1000, 1_000_000])
@pytest.mark.parametrize(
    "header", ["", "open_time,open,high,low,close,volume,close_time,quote_volume,count,a,b,ignore\n"]
)
def test_merges_binance_months_in_time_order(tmp_path: Path, unit: int, header: str) -> None:
    (tmp_path / "BTCUSDT-1h-2024-02.csv").write_text(header + "\n".join(kline(hour, unit) for hour in (2, 3, 4)))
    (tmp_path / "BTCUSDT-1h-2024-01.csv").write_text(header + "\n".join(kline(hour, 1000) for hour in (0, 1, 2)))
    (one,) = read(tmp_path).series
    assert one.candles.ts.tolist() == [T0 + hour * 3600 for hour in range(5)]
    assert (one.repeated, one.files) == (1, ("BTCUSDT-1h-2024-01.csv", "BTCUSDT-1h-2024-02.csv"))


def test_two_files_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    (tmp_path / "BTCUSDT-1h-2024-01.csv").write_text("\n".join(kline(hour) for hour in (0, 1, 2)))
    (tmp_path / "BTCUSDT-1h-2024-02.csv").write_text("\n".join(kline(hour, close="106") for hour in (2, 3, 4)))
    (one,) = read(tmp_path).series
    assert [(row.place, row.candle.reason) for row in one.refused] == [
        ("BTCUSDT-1h-2024-02.csv line 1", "duplicate time with other values")
    ]
    assert one.candles.close.tolist() == [105.0, 105.0, 105.0, 106.0, 106.0]


def test_impossible_candles_are_refused_by_line_and_the_rest_is_kept(tmp_path: Path) -> None:
    lines = [cdd(3), cdd(2).replace(",110,", ",80,"), "", cdd(1), cdd(0).replace(",7,", ",nan,")]
    (tmp_path / "Binance_BTCUSDT_1h.csv").write_text(CDD_HEADER + "\n".join(lines) + "\n")
    (one,) = read(tmp_path).series
    places = {(row.place, row.candle.reason) for row in one.refused}
    assert places == {
        ("Binance_BTCUSDT_1h.csv line 4", "high below low"),
        ("Binance_BTCUSDT_1h.csv line 7", "not a finite number"),
    }
    assert len(one.candles) == 2


def test_a_null_in_parquet_is_a_refused_row(tmp_path: Path) -> None:
    broken = frame().with_columns(close=pl.Series([105.0, None, 105.0, 105.0]))
    broken.write_parquet(tmp_path / "BTC-USDT_1h.parquet")
    (one,) = read(tmp_path).series
    assert [row.place for row in one.refused] == ["BTC-USDT_1h.parquet row 2"]


def csv(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


def parquet(name: str, table: pl.DataFrame) -> Callable[[Path], object]:
    return lambda folder: table.write_parquet(folder / name)


def cut_short(folder: Path) -> None:
    (folder / "BTC-USDT_1h.parquet").write_bytes((SAMPLE / "BTC-USDT_1h.parquet").read_bytes()[:90_000])


OURS = "ts,open,high,low,close,volume\n"
GOOD_LINES = "".join(f"{T0 + hour * 3600},100,110,90,105,7\n" for hour in range(3))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (cut_short, r"BTC-USDT_1h.parquet: cannot be read as parquet \(cut short or damaged\?\)"),
        (parquet("BTC-USDT_1h.parquet", frame().drop("low")), r"BTC-USDT_1h.parquet: column low is missing"),
        (parquet("BTC-USDT_1h.parquet", frame().drop("ts")), r"column ts is missing"),
        (parquet("BTC-USDT_1h.parquet", frame().clear()), r"has no rows"),
        (parquet("BTC-USDT_1h.parquet", frame(step=60)), r"bars are 60 s apart, 1h means 3600 s"),
        (parquet("BTC-USDT_1h.parquet", frame(step=14400)), r"bars are 14400 s apart"),
        (parquet("PEPE-USDT_1h.parquet", frame()), r"PEPE-USDT_1h.parquet: unknown symbol 'PEPE-USDT'"),
        (parquet("candles.parquet", frame()), r"neither name nor rows say the symbol"),
        (csv("BTC-USDT_1h.csv", OURS + GOOD_LINES + f"{T0 + 10800},100,oops,90,105,7\n"),
         r"BTC-USDT_1h.csv line 5, column high: 'oops' is not a number"),
        (csv("BTC-USDT_1h.csv", OURS + GOOD_LINES + "yesterday,100,110,90,105,7\n"),
         r"line 5, column ts: 'yesterday' is not a time"),
        (csv("BTC-USDT_1h.csv", OURS + GOOD_LINES + f"{T0 * 1000 + 123},100,110,90,105,7\n"),
         r"line 5, column ts: '\d+' is not a whole second"),
        (csv("BTC-USDT_1h.csv", OURS + GOOD_LINES + f"{T0 + 10800},100,110,90,105,7,8,9\n"), r"cannot be read as csv"),
        (csv("BTC-USDT_1h.csv", OURS + GOOD_LINES + f"{T0 + 10800},100,1"), r"line 5: column low is missing"),
        (csv("BTC-USDT_1h.csv", "1,2,3\n4,5,6\n"), r"has no header and 3 columns"),
        (csv("BTC-USDT_1h.csv", "open,open\n1,2\n"), r"column open appears twice"),
        (csv("BTC-USDT_1h.csv", ""), r"BTC-USDT_1h.csv: "),
        (csv("Binance_BTCUSDT_1h.csv", CDD_HEADER + cdd(1) + "\n" + cdd(0, symbol="ETHUSDT")),
         r"line 4, column symbol: 'ETHUSDT' in a file of 'BTCUSDT'"),
        (csv("Binance_BTCUSDT_1h.csv", CDD_HEADER + cdd(1, symbol="ETHUSDT")), r"name says BTC/USDT, the rows say ETH"),
        (csv("Binance_ETHUSDT_1h.csv", CDD_HEADER.replace("Volume USDT", "Volume BNB") + cdd(1, symbol="ETHUSDT")),
         r"no volume column in ETH; it has BNB, BTC"),
        (csv("notes.txt", "nothing"), r"holds no .parquet or .csv files"),
    ],
)  # fmt: skip
def test_what_is_no_candle_file_stops_with_one_line(make: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(DataError, match=said) as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: cannot be read"):
        read(tmp_path / "nowhere")


def test_files_left_out_are_named(tmp_path: Path) -> None:
    frame().write_parquet(tmp_path / "BTC-USDT_1h.parquet")
    frame().write_parquet(tmp_path / "ETH-USDT_1h.parquet")
    frame(step=86400).write_parquet(tmp_path / "NVDA_1d.parquet")
    frame().write_parquet(tmp_path / "BTC-USDT_1h_unadjusted.parquet")
    found = read(tmp_path, only=["BTC/USDT"])
    assert [one.symbol for one in found.series] == ["BTC/USDT"]
    assert dict(found.left_out) == {
        "BTC-USDT_1h_unadjusted.parquet": "is a variant (unadjusted) of BTC/USDT",
        "ETH-USDT_1h.parquet": "ETH/USDT was not asked for",
        "NVDA_1d.parquet": "holds 1d bars",
    }
    with pytest.raises(DataError, match="no file holds 4h bars"):
        read(tmp_path, "4h")
