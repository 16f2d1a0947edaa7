"""Speed and memory, as figures and ratios of one run: ``make bench``. Nothing here is asserted by a test.

Every line prints what was asked for and whether this run reached it. Figures depend on the machine and on what else it
is doing; the ratio of candle ingestion to COPY does not, for both run in the same minutes on the same server.
"""

import argparse
import asyncio
import json
import os
import platform as machine
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from bench import api, decisions, features, forecasting, ingestion, load, readiness

ROOT = Path(__file__).parents[2]

Line = tuple[str, str, str, bool | None]
"""What was measured, the figure, what was asked for, and whether it was reached."""


def main() -> None:
    """Run all or the named benchmarks and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.run")
    parser.add_argument("only", nargs="*", choices=[*BENCHES, *BY_NAME, []], help="default: all but the last two")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    lines: list[Line] = []
    for name in wanted.only or BENCHES:
        print(f"running {name} …", file=sys.stderr)  # noqa: T201
        lines += (BENCHES | BY_NAME)[name]()
    cores, memory = os.cpu_count(), psutil.virtual_memory().total / 2**30
    title = f"{cores} cores, {memory:.0f} GiB, Python {machine.python_version()}, {machine.machine()}"
    if wanted.json:
        print(json.dumps({"machine": title, "lines": lines}, indent=2))  # noqa: T201
        return
    table = Table(title=f"Benchmarks on {title}", title_justify="left")
    for column in ("what", "figure", "asked", "reached"):
        table.add_column(column, overflow="fold")
    for what, figure, asked, reached in lines:
        table.add_row(what, figure, asked, "–" if reached is None else "yes" if reached else "NO")
    Console(width=140).print(table)


def bench_replay() -> list[Line]:
    """Replay the sample year through all services in one standalone process, watching its memory from outside."""
    with tempfile.TemporaryDirectory(prefix="chloe-bench-") as folder:
        command = [sys.executable, "-m", "bench.replay", folder]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment) as child:
            peak = _Peak(child.pid, Path(folder))
            output, _ = child.communicate()
            peak.stop()
        if child.returncode != 0:
            raise SystemExit("the replay benchmark failed")
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    rate = result["slices"] / result["seconds"]
    assets = f"{result['assets']} assets, {result['slices']:,} slices"
    whole = peak.own + peak.servers
    return [
        (f"replay through all services, standalone ({assets})", f"{rate:.0f} slices/s", ">= 60 slices/s", rate >= 60),
        ("memory of standalone, peak (process)", f"{peak.own / 2**20:.0f} MB", "", None),
        ("memory of standalone, peak with its servers", f"{whole / 2**20:.0f} MB", "< 1,500 MB", whole < 1.5e9),
        ("training of the sample year (3 assets, walk-forward)", f"{result['training_seconds']:.1f} s", "", None),
    ]


class _Peak:
    """Watches the proportional memory of a process and of the servers that work in a folder, in bytes."""

    def __init__(self, pid: int, folder: Path) -> None:
        self.own = 0
        self.servers = 0
        self._pid, self._folder, self._stopped = pid, str(folder), threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(0.5):
            servers = 0
            for process in psutil.process_iter():
                try:
                    if process.pid == self._pid:
                        self.own = max(self.own, process.memory_full_info().pss)
                    elif process.name() in ("postgres", "redis-server") and process.cwd().startswith(self._folder):
                        servers += process.memory_full_info().pss
                except (psutil.Error, OSError):
                    continue
            self.servers = max(self.servers, servers)


def bench_ingestion() -> list[Line]:
    """Compare candle ingestion with a bare COPY of the same rows into the same kind of table."""
    figures = asyncio.run(ingestion.measure())
    lines: list[Line] = [
        (f"bare COPY of {figures.rows:,} candles", f"{figures.copy:,.0f} rows/s", "", None),
        (
            "candles: source to table, validated, revisions watched",
            f"{figures.stored:,.0f} rows/s, {figures.stored / figures.copy:.2f} of COPY",
            ">= 0.50 of COPY",
            figures.stored >= figures.copy / 2,
        ),
        (
            "the same, each candle published on the stream too",
            f"{figures.published:,.0f} rows/s, {figures.published / figures.copy:.2f} of COPY",
            "",
            None,
        ),
    ]
    return lines


def bench_backtest() -> list[Line]:
    """Run the decision path with forecasts given: the sample year, then slices and two years of all assets."""
    slices, seconds = decisions.measure()
    one, years = decisions.one_slice(), decisions.two_years()
    rate = years.bars / years.seconds
    return [
        (
            f"back-test of the sample year, forecasts given ({slices:,} slices)",
            f"{seconds:.2f} s",
            "< 2 s",
            seconds < 2.0,
        ),
        (
            f"signals, allocation and risk of one slice of {one.assets} assets, all enabled ({one.orders} orders)",
            f"p50 {one.p50 * 1e3:.2f} ms, p99 {one.p99 * 1e3:.2f} ms ({one.busy_p99 * 1e3:.2f} ms of processor time)",
            "p99 < 5 ms",
            one.p99 < 0.005,
        ),
        ("the first one of a process, which reads the exchanges' calendars", f"{one.first * 1e3:.0f} ms", "", None),
        (
            f"back-test of {one.assets} assets x 2 years of hours, forecasts given ({years.trades:,} trades)",
            f"{years.seconds:.1f} s, {rate:,.0f} bars/s ({years.busy:.1f} s of processor time)",
            "< 20 s",
            years.seconds < 20,
        ),
    ]


def bench_readiness() -> list[Line]:
    """Judge all phases and all assets on five made-up years of all assets."""
    seen = readiness.measure()
    scale = f"{seen.assets} assets, {seen.trades:,} trades"
    return [
        (
            f"readiness of all phases and assets with their floors, five years of days and trades ({scale})",
            f"{seen.each * 1e3:.1f} ms ({seen.busy * 1e3:.1f} ms of processor time)",
            "< 50 ms",
            seen.each < 0.05,
        ),
        ("the same record asked once more", f"{seen.again * 1e3:.1f} ms", "", None),
        ("the first one of a process", f"{seen.first * 1e3:.0f} ms", "", None),
        ("the record's state as JSON", f"{seen.json_bytes / 1e6:.1f} MB", "", None),
    ]


def bench_api() -> list[Line]:
    """Ask for the readiness of all phases, and for that of all assets, 100 times a second, over HTTP."""
    return [
        (
            f"GET {route} at {api.RATE}/s ({count} requests)",
            f"p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms",
            "p99 < 25 ms",
            p99 < 0.025,
        )
        for route, (p50, p99, count) in api.measure().items()
    ]


def bench_features() -> list[Line]:
    """Compute two years of features beside the same indicators from ``ta``, and one step of 32 assets."""
    speed = features.measure()
    same, whole = speed.ta / speed.shared, speed.ta / speed.all
    return [
        (
            f"all {features.COUNT} features of {features.HOURS:,} hours of one asset, one core",
            f"{speed.all * 1e3:.0f} ms",
            "< 500 ms",
            speed.all < 0.5,
        ),
        (
            f"the {len(features.INDICATORS)} of them that `ta` has, ours beside `ta`",
            f"{speed.shared * 1e3:.0f} ms, {speed.ta * 1e3:,.0f} ms: {same:.0f} times faster",
            ">= 5 times faster",
            same >= 5,
        ),
        ("the middle one of them, each computed alone", f"{speed.median:.0f} times faster", "", None),
        (f"all {features.COUNT} of ours beside those of `ta`", f"{whole:.0f} times faster", "", None),
        (
            f"features of the newest bar of {features.ASSETS} assets, leaders and values included",
            f"{speed.one_step * 1e3:.1f} ms",
            "< 50 ms",
            speed.one_step < 0.05,
        ),
    ]


def bench_forecast() -> list[Line]:
    """Forecast one slice after the other of 32 assets, each with seven models of its own and of full size."""
    seen = forecasting.one_slice()
    return [
        (
            f"forecasts of one slice of {forecasting.ASSETS} assets ({seen.parts} parts, features included), one core",
            f"p50 {seen.p50 * 1e3:.0f} ms, p99 {seen.p99 * 1e3:.0f} ms",
            "p99 < 250 ms",
            seen.p99 < 0.25,
        ),
        ("the first one after models were loaded", f"{seen.first * 1e3:.0f} ms", "", None),
    ]


def bench_training() -> list[Line]:
    """Train the six models of one asset on two years of hours, of full size."""
    six = ("random_forest", "xgboost", "lightgbm", "lstm", "transformer", "multi_task")
    took, _ = forecasting.train_one_asset(six)
    what = f"training six models of one asset, {forecasting.HOURS:,} hours"
    return [(what, f"{took:.0f} s", "< 420 s", took < 420)]


def bench_informer() -> list[Line]:
    """Train the Informer of one asset on two years of hours, of full size."""
    took, _ = forecasting.train_one_asset(("informer",))
    what = f"training the Informer of one asset, {forecasting.HOURS:,} hours"
    return [(what, f"{took:.0f} s", "< 1,200 s", took < 1200)]


def bench_load() -> list[Line]:
    """Put a day of 32 assets' one-minute candles through ingestion."""
    day = asyncio.run(load.measure())
    growth = day.last_hour / day.first_hour
    what = f"a day of {load.ASSETS} assets x 1 min ({day.stored:,} candles, {load.INDICATORS} indicators each)"
    busy = f"{day.mean * 1e3:.0f} ms a minute ({day.mean / 60:.2%} busy), p99 {day.p99 * 1e3:.0f} ms"
    return [
        (what, busy, "< 60 s a minute", day.p99 < 60),
        (
            "its last hour beside its first; messages left",
            f"{growth:.2f} times, {day.lag} left",
            "no growing lag",
            day.lag == 0,
        ),
    ]


BY_NAME: dict[str, Callable[[], list[Line]]] = {"training": bench_training, "informer": bench_informer}
"""Take minutes, so only when asked for: ``python -m bench.run training informer``."""

BENCHES: dict[str, Callable[[], list[Line]]] = {
    "backtest": bench_backtest,
    "readiness": bench_readiness,
    "features": bench_features,
    "forecast": bench_forecast,
    "ingestion": bench_ingestion,
    "load": bench_load,
    "api": bench_api,
    "replay": bench_replay,
}

if __name__ == "__main__":
    main()
