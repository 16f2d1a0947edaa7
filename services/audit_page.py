"""The audit of an asset as a page for people: verdicts and reasons first, then every line that was looked at."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

Item = Mapping[str, Any]

MARKS = {"ok": "[green]✓[/]", "warn": "[yellow]![/]", "fail": "[red]✗[/]", "unknown": "[magenta]?[/]"}
PAPER = {
    "ok": "[bold green]fit to trade on paper[/]",
    "warn": "[bold yellow]fit to trade on paper, with something to look at[/]",
    "fail": "[bold red]not fit to trade on paper[/]",
    "unknown": "[bold magenta]not known whether it is fit to trade on paper[/]",
}
ASKED = {"paper": "", "live": "live", "nobody": "shown"}
FIRST = 3
"""So many reasons against real money are named where nobody asked for it."""
LEVELS = {"off": "does not trade", "observed": "observed on paper", "full": "trades on paper"}


def show(console: Console, answer: Item, *, for_live: bool) -> None:
    """Print the page; ``for_live`` gives all that speaks against real money, else only how much there is."""
    _say(console, f"[bold]{escape(answer['symbol'])}[/]  {escape(_about(answer))}")
    _say(console, f"[dim]as of {_time(answer['as_of'])} ({answer['mode']}, simulated)[/]")
    console.print()
    _verdicts(console, answer, for_live=for_live)
    for section in answer["sections"]:
        console.print()
        console.print(_table(section))
    console.print()
    _say(
        console,
        "[dim]live: asked for real money only; shown: asked by nobody; all other lines are asked for paper too[/]",
    )
    _recorded(console, answer["recorded"])


def _about(answer: Item) -> str:
    tier = "" if answer["tier"] is None else f", tier {answer['tier']}"
    live = ", live phase active" if answer["live_enabled"] else ""
    return f"{answer['name']} · {answer['asset_class'].replace('_', ' ')}{tier} · {LEVELS[answer['level']]}{live}"


def _verdicts(console: Console, answer: Item, *, for_live: bool) -> None:
    paper = f"{MARKS[answer['verdict']]} {PAPER[answer['verdict']]}"
    if for_live:
        _live(console, answer, answer["reasons"], "")
        _say(console, paper)
        return
    _say(console, paper)
    _reasons(console, answer["paper_reasons"])
    more = [reason for reason in answer["reasons"] if reason not in answer["paper_reasons"]]
    _live(console, answer, more[:FIRST], "all of them: --for-live" if len(more) > FIRST else "")


def _live(console: Console, answer: Item, reasons: list[str], rest: str) -> None:
    if answer["ready_for_live"]:
        _say(console, f"{MARKS['ok']} [bold green]ready for live trading[/]")
        return
    count = len(answer["reasons"])
    words = "1 reason" if count == 1 else f"{count} reasons"
    _say(console, f"{MARKS['fail']} [bold red]not ready for live trading[/]: {words}{', among them:' if rest else ''}")
    _reasons(console, reasons)
    if rest:
        _say(console, f"      [dim]{rest}[/]")


def _reasons(console: Console, reasons: list[str]) -> None:
    for reason in reasons:
        _say(console, f"    - {escape(reason)}")


def _table(section: Item) -> Table:
    table = Table(
        title=f"{MARKS[section['verdict']]} [bold]{escape(section['name'].capitalize())}[/]",
        title_justify="left", title_style="", box=None, show_header=False, pad_edge=False, padding=(0, 1), expand=True,
    )  # fmt: skip
    table.add_column(width=3, justify="right")
    for ratio, style in ((5, ""), (7, ""), (6, "dim")):
        table.add_column(ratio=ratio, style=style, overflow="fold")
    table.add_column(width=5, style="dim")
    table.add_column(ratio=8, overflow="fold")
    for line in section["lines"]:
        words = escape(line["words"])
        table.add_row(
            MARKS[line["verdict"]], escape(line["name"]), escape(_figure(line)), escape(line["yardstick"]),
            ASKED[line["asked_by"]], f"[dim]{words}[/]" if line["verdict"] == "ok" else words,
        )  # fmt: skip
    return table


def _figure(line: Item) -> str:
    """Write what is with the sample and the interval that it has, where the figure does not say them itself."""
    figure: str = line["figure"]
    if "[" not in figure and line["low"] is not None and line["high"] is not None:
        figure += f" [{line['low']:.2f}, {line['high']:.2f}]"
        figure += "" if line["n"] is None else f", n {line['n']}"
    return figure


def _recorded(console: Console, kept: Item | None) -> None:
    if kept is None:
        _say(console, "No audit for live is recorded: chloe audit SYMBOL --for-live --record")
        return
    ready = "ready" if kept["ready"] else "not ready"
    _say(
        console,
        f"Its recorded audit for live, of {_time(kept['ts'])}: {ready}; it counts until {_time(kept['valid_until'])}.",
    )


def _time(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True)
