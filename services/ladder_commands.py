"""What ``chloe rollout``, ``phases``, ``enable`` and ``disable`` do: show the ladder, and ask for steps on it."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from services.commands import ask_api, post
from services.standalone.screen import readiness_table

Item = Mapping[str, Any]

COLUMNS = (("symbol", 16), ("level", 10), ("tier", 6), ("live", 6), ("next step", 16), ("gate", 14), ("evidence", 8))
STEPS = {"enabled": "trade on paper", "restored": "its full size", "live_enabled": "live"}
COLOURS = {"full": "green", "observed": "yellow", "off": "dim"}
OF_TRADES = frozenset({"win_rate", "profit_factor", "stop_exits", "slippage_bps", "mix_distance"})
"""Metrics whose sample is counted in trades; that of the others is in days."""
NOTHING: Item = dict.fromkeys(("name", "comparison", "threshold", "current", "met", "missing", "n", "low", "high"))
"""In the place of a requirement where a phase has none."""
INDENT = 6
WAITS = "waits for "
"""Before it stands why an asset fell, behind it what its next step lacks."""


def rollout(url: str, *, as_json: bool) -> None:
    """Ask the API where every asset stands, and print it group by group."""
    answer = ask_api(url, "/rollout")
    if as_json:
        print(json.dumps(answer, indent=2))  # noqa: T201
        return
    console = Console(highlight=False)
    console.print(headline(answer), soft_wrap=True)
    for group, items in groupby(answer["items"], key=lambda item: item["group"]):
        console.print()
        console.print(heading(group))
        for item in items:
            for line in standing(item, console.width):
                console.print(line)


def headline(answer: Mapping[str, Any]) -> str:
    """Say as of when, in which run, and how many assets may be entered."""
    run = f"({answer['mode']}, simulated)"
    levels = [item["level"] for item in answer["items"]]
    counts = f"{levels.count('full')} at full size, {levels.count('observed')} observed at half size"
    live = sum(item["live"] for item in answer["items"])
    if answer["evaluated_at"] is None:
        return f"No full day has been evaluated yet {run}. Of {len(levels)} assets {counts}, {live} live."
    return f"The ladder as judged at {answer['evaluated_at']} {run}. Of {len(levels)} assets {counts}, {live} live."


def heading(group: str) -> Text:
    """Name a group and the columns."""
    cells = [group[0].upper() + group[1:], *(name for name, _ in COLUMNS[1:])]
    first, *rest = [f"{cell:<{width}}" for cell, (_, width) in zip(cells, COLUMNS, strict=True)]
    return Text.assemble((first, "bold"), ("".join(rest).rstrip(), "dim"))


def standing(item: Item, width: int) -> Iterator[Text | Padding]:
    """Draw one asset: its line, and below it what its next step lacks."""
    cells: list[tuple[str, str]] = [
        (f"  {item['symbol']}", ""),
        (item["level"], COLOURS[item["level"]]),
        ("–" if item["tier"] is None else str(item["tier"]), ""),
        ("yes", "green") if item["live"] else ("no", ""),
    ]
    asked, waits = item["requirements"], item["waits_for"]
    lacking = [one for one in asked if not one["met"]]
    if [one["n"] for one in lacking] == [None] and not item["evidence_why"]:  # as for all assets of a closed class
        asked, lacking, waits = [], [], lacking[0]["missing"] or waits
    if asked:
        gate = ("ready", "green") if item["ready"] else (f"{len(asked) - len(lacking)} of {len(asked)} met", "")
        cells += [(STEPS.get(item["step"], "–"), ""), gate, (item["evidence"] or "–", "")]
    line = Text.assemble(
        *((f"{text:<{wide}}", style) for (text, style), (_, wide) in zip(cells, COLUMNS, strict=False))
    )
    if not asked and waits and len(line) + len(waits) <= width:
        line, waits = line + Text(waits, "dim"), ""
    line.rstrip()
    yield line
    if lacking:  # what it waits for has a line each below
        waits = waits.partition(WAITS)[0].rstrip("; ")
    if waits:
        yield _below(Text(waits))
    for one in lacking:
        yield _below(Text.assemble(("✗ ", "red"), requirement(one)))
    if asked and item["evidence_why"]:
        yield _below(Text(evidence(item), "dim"))


def requirement(asked: Item) -> str:
    """Say in one line what is, on what sample, what is asked, and what is missing."""
    bar = f"asked {asked['comparison']} {asked['threshold']:g}"
    if asked["missing"] is not None and (asked["comparison"] == "is" or asked["current"] is None):
        return f"{asked['name']}{'' if asked['comparison'] == 'is' else f', {bar}'}: {asked['missing']}"
    current = "not defined" if asked["current"] is None else f"{asked['current']:.4g}"
    said = f"{asked['name']}: {current}{sample(asked)}, {bar}"
    if asked["missing"] is None or asked["missing"].startswith("is "):  # which says the same once more
        return said
    return f"{said}; {asked['missing']}"


def evidence(item: Item) -> str:
    """Say how sure the record makes one; what strong evidence takes only where the step waits for it."""
    why = item["evidence_why"] if item["step"] == "live_enabled" else item["evidence_why"].partition(";")[0]
    return f"{item['evidence']} evidence: {why}"


def sample(asked: Item) -> str:
    """Say what a current value rests on: its sample and the interval of the true value, where there is one."""
    if asked["n"] is None:
        return ""
    parts = [f"{asked['n']} {'trades' if asked['name'].partition(' ')[0] in OF_TRADES else 'days'}"]
    if asked["low"] is not None and asked["high"] is not None:
        parts.append(f"90 %: {asked['low']:.3g} to {asked['high']:.3g}")
    return f" ({', '.join(parts)})"


def readiness(url: str, phase: str | None, *, as_json: bool) -> None:
    """Ask the API for readiness and print it: the gates, then what they rest on and the capital they take."""
    answer = ask_api(url, "/phases/readiness" + (f"/{phase}" if phase else ""))
    if as_json:
        print(json.dumps(answer, indent=2))  # noqa: T201
        return
    phases = answer.get("phases", [answer])
    rows = [
        {
            **{name: item[name] for name in ("phase", "active", "ready")},
            **asked,
            "requirement": asked["name"],
            "missing": missing(asked),
        }
        for item in phases
        for asked in item["requirements"] or [NOTHING]
    ]
    console = Console(highlight=False)
    console.print(readiness_table(rows, whole=phase is not None))
    following = next((item for item in phases if not item["active"]), None)
    for item in phases:
        if item is following or phase is not None:
            for line in behind(item):
                console.print(line, soft_wrap=True, markup=False)


def missing(asked: Item) -> str:
    """Say what is missing, and on what the current value rests."""
    return f"{asked['missing'] or ''}{sample(asked)}".strip()


def behind(item: Item) -> Iterator[str]:
    """Say what stands beside a phase's thresholds: the evidence of the record, and the capital that it takes."""
    if item["evidence_why"]:
        yield f"{item['phase']}: {item['evidence']} evidence: {item['evidence_why']}"
    if item["capital_needed"] is not None and item["capital"] is not None:
        needed, there = Decimal(item["capital_needed"]), Decimal(item["capital"])
        short = f", {needed - there:,.2f} more needed" if there < needed else ""
        yield f"{item['phase']}: takes a capital of {needed:,.2f}, the account holds {there:,.2f}{short}"


def give(
    url: str, path: str, note: str, token: str | None, data: Path, *, live: bool = False, force: bool = False
) -> None:
    """Ask for a step up or down; going live and past a gate take the token of scope live."""
    words = [name for name, wanted in (("live=true", live), ("force=true", force)) if wanted]
    down = path.endswith("/disable")
    scope = "live" if words and not down else "operate"
    post(url, f"{path}?{'&'.join(words)}" if words else path, note, token, data, scope=scope)


def _below(text: Text) -> Padding:
    return Padding(text, (0, 0, 0, INDENT), expand=False)
