"""What ``chloe risk`` prints: the halt switch, every portfolio limit as it stands, the figures, the last refusals."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.commands import ask_api


def risk(url: str, *, as_json: bool) -> None:
    """Ask the API and print the answer."""
    answer = ask_api(url, "/risk")
    if as_json:
        print(json.dumps(answer, indent=2))  # noqa: T201
        return
    console = Console()
    console.print(headline(answer), highlight=False, soft_wrap=True)
    console.print(limits(answer))
    for name, value in answer["figures"].items():
        console.print(f"{name.replace('_', ' ')}: {_amount(value)}", highlight=False)
    for one in answer["refused"]:
        asked = sum(not check["passed"] for check in one["checks"])
        where = f"{one['ts']} {one['side']} {one['symbol']}"
        said = f"{where}: {one['refused_by']}: {one['reason']} ({asked} of {len(one['checks'])} checks said no)"
        console.print(f"  - {escape(said)}", highlight=False, soft_wrap=True)


def headline(answer: Mapping[str, Any]) -> str:
    """Say in one line whether entries are allowed, as of when, and in which run."""
    if answer["as_of"] is None:
        return "Nothing has been decided yet."
    said = f"HALTED: {answer['reason']}." if answer["halted"] else "Entries are allowed."
    pending = [command["name"] for command in answer["pending_commands"]]
    waiting = f" {', '.join(pending)} in force from the next slice." if pending else ""
    return escape(f"{said}{waiting} As decided at {answer['as_of']} ({answer['mode']}, simulated).")


def limits(answer: Mapping[str, Any]) -> Table:
    """Lay the portfolio's limits out."""
    table = Table("limit", "allows", "now", "within", title="The portfolio's limits", title_justify="left")
    for line in answer["limits"]:
        within = "yes" if line["passed"] else "no"
        table.add_row(escape(line["name"]), _amount(line["limit"]), _amount(line["current"]), within)
    return table


def _amount(text: str | None) -> str:
    """Write an amount with four places, thousands apart; a dash where there is none."""
    return "–" if text is None else f"{Decimal(text):,.4f}".rstrip("0").rstrip(".")
