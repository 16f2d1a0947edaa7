"""What a person sees while the standalone platform runs."""

import contextlib
import shutil
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from services.ingestion.replay import Recorded
from services.standalone.forecast_record import ForecastRecord
from services.standalone.summary import Summary
from services.standalone.training import Tell

AT_LEAST_SECONDS = 0.2


class ReplayProgress:
    """The progress bar of a replay with a live summary line."""

    def __init__(self, progress: Progress, task: TaskID, recorded: Recorded) -> None:
        self.progress = progress
        self.task = task
        self.begins = recorded.span.begins
        self.step = recorded.step

    def reached(self, ts: datetime | None) -> None:
        """Move the bar to the slice that execution has settled."""
        if ts is not None:
            self.progress.update(self.task, completed=(ts - self.begins) // self.step)

    def line(self, books: Any, trades: Any) -> None:
        """Say how the books stand."""
        if books is not None:
            text = f"{books['ts']:%Y-%m-%d}  equity {books['equity']:,.2f}  trades {trades['trades']}"
            self.progress.update(self.task, description=text)


class Screen:
    """Prints to one console; quiet where nobody watches is rich's own matter."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        self.begun = time.monotonic()

    def step(self, name: str, text: str) -> None:
        """Print a finished step."""
        self.console.print(f"[green]✓[/] [bold]{name:<8}[/] {text}", highlight=False, soft_wrap=True)

    def models(self, preset: str, says: str, trained: int) -> None:
        """Say which models forecast, and how they were trained."""
        self.step("models", f"preset {preset}: {says}")
        self.console.print(
            f"  {trained} trained by walk-forward, each on bars before those it forecasts",
            highlight=False,
            soft_wrap=True,
        )

    def recorded(self, recorded: Recorded) -> None:
        """Say what will be replayed, and what was refused or left out."""
        self.step("replay", f"{recorded.description} · {recorded.slices:,} slices · real recorded candles, paper money")
        if recorded.refused:
            self.console.print(f"  {recorded.refused} impossible candles refused, see table refused_candles")
        for name, why in recorded.left_out:
            self.console.print(f"  left out: {name} {why}", highlight=False)

    @contextlib.contextmanager
    def training(self, doing: str = "training") -> Iterator[Tell]:
        """Show the progress of the training, or of what else is done piece by piece."""
        with self._progress(doing) as (progress, task):

            def tell(done: int, total: int, name: str) -> None:
                progress.update(task, completed=done, total=total, description=f"{doing} {name}")

            yield tell

    @contextlib.contextmanager
    def replaying(self, recorded: Recorded) -> Iterator[ReplayProgress]:
        """Show the replay's progress; afterwards the rate."""
        begun = time.monotonic()
        with self._progress("replaying", recorded.slices) as (progress, task):
            yield ReplayProgress(progress, task, recorded)
        seconds = max(time.monotonic() - begun, 1e-9)
        if seconds < AT_LEAST_SECONDS:
            self.step("loop", "nothing left to replay: this run was finished before (--fresh starts over)")
            return
        rate = f"{recorded.slices / seconds:.0f} slices/s"
        self.step("loop", f"{recorded.slices:,} slices through all services in {seconds:.1f} s ({rate})")

    def result(self, summary: Summary | None, recorded: Recorded) -> None:
        """Print what the run came to; every figure with its yardstick."""
        if summary is None:
            self.console.print("nothing was settled yet")
            return
        change = float(summary.equity / summary.first_equity - 1)
        factor = "not defined (no losing trade)" if summary.profit_factor is None else f"{summary.profit_factor:.2f}"
        self.console.print()
        table = Table(title="Replay result: simulated on recorded candles, after costs", show_header=False)
        table.add_row("slices", f"{summary.slices:,} to {summary.ts:%Y-%m-%d %H:%M} UTC")
        table.add_row("equity", f"{summary.equity:,.2f} from {summary.first_equity:,.2f} ({change:+.2%})")
        for symbol, held in _held(recorded).items():
            table.add_row(f"  beside: {symbol} held", f"{held:+.2%}")
        table.add_row("trades", f"{summary.trades} round trips, {summary.wins} with a profit")
        table.add_row("fees paid", f"{summary.fees:,.2f}")
        table.add_row("profit factor", factor)
        table.add_row("largest drawdown", f"{summary.max_drawdown:.2%}")
        table.add_row("orders", ", ".join(f"{n} {status}" for status, n in summary.orders.items()) or "none")
        self.console.print(table)
        for remark in summary.remarks:
            self.console.print(f"  {remark}", highlight=False, soft_wrap=True)
        self.console.print()
        self.console.print(forecasts_table(summary.forecasts))
        self.readiness(summary.readiness)

    def readiness(self, rows: list[dict[str, Any]]) -> None:
        """Print the ladder."""
        self.console.print()
        self.console.print(readiness_table(rows))

    def serving(self, port: int, data: Path) -> None:
        """Say where to look next."""
        url, command = f"http://127.0.0.1:{port}", _command()
        for line in (
            f"\nConsole and API: {url} (documented at {url}/docs)",
            f"Tokens for commands that change something: {data}/api_tokens.yaml",
            f"Try: curl {url}/phases/readiness/phase_1_stocks",
            f"     {command} phases readiness --url {url}",
            f"     {command} sql --data {data} 'select * from asset_performance_latest'",
            "Ctrl-C stops; the data stay, and the next start continues here.",
        ):
            self.console.print(line, highlight=False, soft_wrap=True)

    def live(self, timeframe: str, port: int, data: Path) -> None:
        """Say that the live feed is followed."""
        self.step("live", f"public exchange candles, paper money; a slice closes with every {timeframe} bar")
        self.serving(port, data)

    @contextlib.contextmanager
    def _progress(self, text: str, total: int | None = None) -> Iterator[tuple[Progress, TaskID]]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
        )
        with Progress(*columns, console=self.console, transient=True, refresh_per_second=4) as progress:
            yield progress, progress.add_task(text, total=total)


def forecasts_table(records: list[ForecastRecord]) -> Table:
    """Draw each asset's forecasts beside the random walk's, on the same slices."""
    # Without frames it fits 80 columns.
    title = "Forecasts beside the random walk, same slices"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.caption = (
        "A ratio below 1 is better than a forecast of no move, and p below 0.05 is hardly chance. In 80 %: outcomes "
        "inside the interval. p_up ±: how far the stated chance of a rise was from what came true."
    )
    table.caption_justify = "left"
    table.add_column("asset", no_wrap=True)
    for name in ("slices", "RMSE", "walk's", "ratio", "p", "right", "in 80 %", "p_up ±"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("verdict", no_wrap=True)
    for record in records:
        errors = record.errors
        figures = ["–"] * 6
        if errors is not None:
            figures = [
                f"{errors.n:,}",
                f"{errors.rmse:.2%}",
                f"{errors.rmse_random_walk:.2%}",
                f"{errors.ratio:.4f}",
                "–" if errors.p_value is None else f"{errors.p_value:.2f}",
                _share(errors.direction_right),
            ]
        colour = {"better": "green", "worse": "red"}.get(record.verdict, "")
        verdict = f"[{colour}]{record.verdict}[/]" if colour else record.verdict
        table.add_row(record.symbol, *figures, _share(record.coverage), _share(record.p_up_off), verdict)
    return table


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def readiness_table(rows: list[dict[str, Any]], *, whole: bool = False) -> Table:
    """Draw the ladder: threshold, current value and what is missing; unless ``whole``, only up to the next phase."""
    table = Table(title="Phases: what may trade, and why the rest may not yet", title_justify="left")
    table.add_column("phase and its requirements", no_wrap=True, overflow="fold")
    for name in ("asked", "is"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("missing", overflow="fold")
    following = next((row["phase"] for row in rows if not row["active"]), None)
    seen = set()
    for row in rows:
        phase, first = row["phase"], row["phase"] not in seen
        seen.add(phase)
        state = "[green]active[/]" if row["active"] else "[yellow]ready[/]" if row["ready"] else "closed"
        later = not whole and not row["active"] and phase != following
        if first:
            why = "comes later" if later else "" if row["requirement"] else "the first, open"
            table.add_row(f"{phase}: {state}", "", "", why, style="dim" if later else "bold")
        if not later and row["requirement"] is not None:
            table.add_row(*_requirement(row))
    return table


def _requirement(row: dict[str, Any]) -> tuple[str, str, str, str]:
    mark = "[green]✓[/]" if row["met"] else "[red]✗[/]"
    current = "–" if row["current"] is None else f"{float(row['current']):.4g}"
    return f"{mark} {row['requirement']}", f"{row['comparison']} {row['threshold']:g}", current, row["missing"] or ""


def _command() -> str:
    """Name this program as the person at this keyboard can call it."""
    called = sys.argv[0]
    return "chloe" if shutil.which("chloe") or Path(called).name != "chloe" else called


def _held(recorded: Recorded) -> dict[str, float]:
    """Return what simply holding each asset over the span would have made, before costs."""
    held = {}
    for one in recorded.series:
        part = one.candles.between(recorded.span.begins, recorded.span.until)
        if len(part):
            held[one.symbol] = float(part.close[-1] / part.open[0] - 1)
    return held
