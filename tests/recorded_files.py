"""The recorded candles of every class, which are no part of the repository; CHLOE_CANDLES_DIR names their folder."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.domain.candles import SECONDS, Timeframe, timeframe_of
from services.ingestion.replay import Recorded, read
from services.kernel.config import load

ENV = "CHLOE_CANDLES_DIR"
BESIDE = Path(__file__).parents[2] / "shared" / "data" / "candles"
FILES = (
    "ADA-USDT_1h", "AMC_1d", "AMD_1d", "AVAX-USDT_1h", "BNB-USDT_1h", "BTC-USDT_1h", "DOGE-USDT_1h", "ETH-USDT_1h",
    "GBPJPY_1h", "GME_1d", "GME_1m", "MATIC-USDT_1h", "NVDA_1d", "NVDA_1h", "SLV_1d", "SOL-USDT_1h", "SOXL_1d",
    "TQQQ_1d", "TQQQ_1d_unadjusted", "TSLA_1d", "UVXY_1d", "XRP-USDT_1h",
)  # fmt: skip


def folder_or_skip() -> Path:
    """Return the folder; skips the test where it is not."""
    found = Path(os.environ.get(ENV, str(BESIDE)))
    if not found.is_dir():
        pytest.skip(f"the recorded candles are not on this machine: set {ENV}")
    return found


@dataclass(frozen=True)
class Named:
    """One recorded file: its name without an ending, and the timeframe in it."""

    stem: str

    @property
    def plain(self) -> str:
        """The name under which a replay reads it, for a name with another word in it is left out as a variant."""
        return self.stem.removesuffix("_unadjusted")

    @property
    def timeframe(self) -> Timeframe:
        """The width of its bars."""
        return timeframe_of(self.plain.rpartition("_")[2])


def assets_of(timeframe: Timeframe) -> AssetsConfig:
    """Return the declared assets, on bars of this width."""
    return load(AssetsConfig, ASSETS_FILE).model_copy(update={"timeframe": timeframe})


def replay_folder(stems: list[str], target: Path) -> Path:
    """Make a folder with these files under the names that a replay reads."""
    source = folder_or_skip()
    target.mkdir(exist_ok=True)
    for stem in stems:
        (target / f"{Named(stem).plain}.parquet").symlink_to((source / f"{stem}.parquet").resolve())
    return target


def recorded(stems: list[str], target: Path, since: datetime | None = None, until: datetime | None = None) -> Recorded:
    """Read some files of one timeframe as a replay does."""
    timeframe = Named(stems[0]).timeframe
    return read(replay_folder(stems, target), assets_of(timeframe), since, until)


def whole_slices(one: Recorded) -> int:
    """Count the slices from the first to the last bar by the clock alone."""
    ts, seconds = one.series[0].candles.ts, SECONDS[one.timeframe]
    return int(-(-int(ts[-1]) // seconds) + 1 - int(ts[0]) // seconds)
