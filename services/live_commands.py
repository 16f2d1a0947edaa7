"""What ``chloe live`` prints: whether real orders can be made, for what, what is held, and what differs."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.commands import ask_api


def live(url: str, *, as_json: bool) -> None:
    """Ask the API and print the answer."""
    answer = ask_api(url, "/live")
    if as_json:
        print(json.dumps(answer, indent=2))  # noqa: T201
        return
    console = Console()
    console.print(headline(answer), highlight=False, soft_wrap=True)
    for flag in answer["flags"]:
        said = f"{flag['subject']}: {flag['detail']} (since {flag['raised_at']})"
        console.print(f"  ! {escape(said)}", highlight=False, soft_wrap=True)
    if answer["positions"]:
        console.print(positions(answer))
    for asset in answer["assets"]:
        why = "; ".join(asset["reasons"]) or "may be entered"
        console.print(f"  - {escape(asset['symbol'])}: {escape(why)}", highlight=False, soft_wrap=True)


def headline(answer: Mapping[str, Any]) -> str:
    """Say in one line what the desk has and may do."""
    if not answer["assets"]:
        return "The live desk has never run: no order can reach a broker. See docs/live-trading.md."
    open_to = [asset["symbol"] for asset in answer["assets"] if not asset["reasons"]]
    names = ", ".join(account["account"] for account in answer["accounts"]) or "no account"
    money = "REAL MONEY" if answer["real_money"] else "play money only"
    allowed = f"{len(open_to)} of {len(answer['assets'])} assets may be entered"
    return escape(f"{names} ({money}); {allowed}; {len(answer['flags'])} open flags.")


def positions(answer: Mapping[str, Any]) -> Table:
    """Lay out what is held beside what is wanted."""
    table = Table("asset", "account", "held", "wanted", "stop", title="Live positions", title_justify="left")
    for line in answer["positions"]:
        amounts = [_amount(line[name]) for name in ("held", "wanted", "stop_price")]
        table.add_row(escape(line["symbol"]), escape(line["account"]), *amounts)
    return table


def _amount(text: str | None) -> str:
    return "–" if text is None else f"{Decimal(text).normalize():f}"
