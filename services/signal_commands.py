"""What ``chloe signals`` prints: each asset's newest signal with the levels around it and why it is what it is."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.commands import ask_api

WIDE = 140
"""Width of a screen from which on there is a table; below it, each signal has two lines."""
COLUMNS = (
    "asset", "signal", "confidence", "bucket", "expects", "threshold", "regime", "weight", "stop", "target",
)  # fmt: skip
NONE = "–"
COLOURS = {"STRONG_BUY": "bold green", "BUY": "green", "SELL": "red", "STRONG_SELL": "bold red"}


def signals(url: str, symbol: str | None, *, as_json: bool) -> None:
    """Ask the API for the newest signal of each asset, or the newest ones of one, and print them."""
    answer = ask_api(url, "/signals" + (f"?symbol={quote(symbol, safe='')}&limit=24" if symbol else ""))
    if as_json:
        shown = {"mode": answer["mode"], "simulated": answer["simulated"]}
        print(json.dumps({**shown, "signals": [plain(item) for item in answer["items"]]}, indent=2))  # noqa: T201
        return
    console = Console()
    console.print(headline(answer), highlight=False, soft_wrap=True)
    if answer["items"] and console.width >= WIDE:
        console.print(table(answer["items"]))
        return
    for item in answer["items"]:
        console.print(line(item), highlight=False)
        console.print(f"  {_why(item)}", highlight=False, markup=False)


def plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one signal out for JSON; returns and weights are fractions, stop and take prices."""
    return {
        "symbol": item["symbol"],
        "ts": item["ts"],
        "signal": item["strength"],
        "confidence": item["level"],
        "confidence_rank": item["confidence"],
        "bucket": item["bucket"],
        "expected_return": item["expected_return"],
        "threshold": item["threshold"],
        "regime": item["regime"],
        "market": item["market"],
        "weight": item["weight"],
        "stop": item["stop"],
        "take": item["take"],
        "reasons": item["reasons"],
    }


def headline(answer: Mapping[str, Any]) -> str:
    """Say in one line of which slice the signals are, in which run, and how the whole market stands."""
    items = answer["items"]
    if not items:
        return "No signal yet."
    newest = max(items, key=lambda item: str(item["ts"]))
    simulated = ", simulated" if answer["simulated"] else ""
    market = f"the whole crypto market: {newest['market'].replace('_', ' ')}"
    return escape(f"Signals of {newest['ts']} ({answer['mode']}{simulated}); {market}.")


def table(items: Sequence[Mapping[str, Any]]) -> Table:
    """Lay signals out, the reason that comes first beside each."""
    found = Table(*COLUMNS, "why")
    for item in items:
        found.add_row(*_cells(item), escape(_why(item)))
    return found


def line(item: Mapping[str, Any]) -> str:
    """Write one signal in words, for screens that hold no table."""
    asset, strength, *cells = _cells(item)
    said = [f"{name} {cell}" for name, cell in zip(COLUMNS[2:], cells, strict=True) if cell != NONE]
    return f"[bold]{asset}[/] {strength}: {', '.join(said)}"


def _cells(item: Mapping[str, Any]) -> tuple[str, ...]:
    """Write what the columns hold of one signal."""
    strength = item["strength"].replace("_", " ")
    colour = COLOURS.get(item["strength"])
    return (
        escape(item["symbol"]),
        f"[{colour}]{strength}[/]" if colour else strength,
        f"{item['level']} {item['confidence']:.2f}",
        str(item["bucket"]),
        f"{item['expected_return']:+.3%}",
        f"{item['threshold']:.2%}",
        item["regime"],
        NONE if item["weight"] is None else f"{item['weight']:.1%}",
        _price(item["stop"]),
        _price(item["take"]),
    )


def _why(item: Mapping[str, Any]) -> str:
    return str(item["reasons"][0]) if item["reasons"] else ""


def _price(value: float | None) -> str:
    return NONE if value is None else f"{value:,.6g}"
