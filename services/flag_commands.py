"""What ``chloe flags`` prints: what is wrong with the platform, what that blocks, and who has seen it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from services.commands import ask_api, send_api

BLOCKS = {"entries": "blocks all entries", "live": "blocks live entries", "": "blocks nothing"}


def show_flags(url: str, as_json: bool) -> None:
    """Ask the API for the flags that are up and print them."""
    answer = ask_api(url, "/flags")
    if as_json:
        print(json.dumps(answer, indent=2))  # noqa: T201
        return
    console = Console()
    console.print(headline(answer["items"]), highlight=False, soft_wrap=True)
    for flag in answer["items"]:
        for line in lines(flag):
            console.print(escape(line), highlight=False, soft_wrap=True)


def acknowledge(url: str, data: Path, token: str | None, flag_id: str, note: str) -> None:
    """Say to have seen a flag and print who has first; an unknown id is an error."""
    flag = send_api(url, f"/flags/{flag_id}/acknowledge", note, token, data)
    said = f"{flag['name']} {flag['subject']}: acknowledged by {flag['acknowledged_by']} at {flag['acknowledged_at']}"
    stands = "it is over" if flag["cleared_at"] else "it stays up until its condition is over"
    Console().print(escape(f"{said}; {stands}"), highlight=False, soft_wrap=True)


def headline(flags: Sequence[Mapping[str, Any]]) -> str:
    """Say in one line how many flags are up and what they block together."""
    if not flags:
        return "No flag is up."
    entries = sum(flag["blocks"] == "entries" for flag in flags)
    live = sum(flag["blocks"] == "live" for flag in flags)
    return f"{len(flags)} flags up: {entries} block entries, {live} block live entries only."


def lines(flag: Mapping[str, Any]) -> list[str]:
    """Lay one flag out: what and where, why, and who has seen it."""
    words = [f"{flag['severity']}: {flag['name']} {flag['subject']} ({BLOCKS[flag['blocks']]}), {flag['raised_at']}"]
    words.append(f"    {flag['detail']}")
    seen = f"seen by {flag['acknowledged_by']}" if flag["acknowledged_by"] else f"chloe flags acknowledge {flag['id']}"
    return [*words, f"    {seen}{': ' + flag['note'] if flag['note'] else ''}"]
