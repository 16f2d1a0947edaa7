"""What each part is worth, for people: one table and what it says; and the same as JSON."""

from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from services.research.ablation import Ablation, Figures
from services.research.part_worth import BLOCK_DAYS, DRAWS

SIMULATED = (
    "These are simulated results: recorded candles, paper orders, modelled costs, models trained on bars before those "
    "they forecast. One stretch of history says little about the next one, and of several parts looked at one may "
    "stand out by luck. No return and no share of winning trades is promised by any of it."
)
METHOD = (
    f"With the part minus without it, on the same days; 95 % intervals from {DRAWS:,} resamples of blocks of "
    f"{BLOCK_DAYS} days. A part harms (or helps) only where its whole interval lies below (or above) zero."
)
UNKNOWN = "–"


def as_json(ablation: Ablation, span: str) -> str:
    """Write everything that was found, fractions and basis points unrounded."""
    found: dict[str, Any] = msgspec.to_builtins(ablation)
    content = {"simulated": True, "span": span, "method": METHOD, **found, "verdict": verdict(ablation)}
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode()


def show(ablation: Ablation, span: str, console: Console) -> None:
    """Print the table, the verdict, how it was come by and what it is not."""
    console.print(table(ablation, span))
    for line in (*remarks(ablation), verdict(ablation), METHOD, SIMULATED):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def table(ablation: Ablation, span: str) -> Table:
    """One row a part, the back-test with everything on first; narrow enough for a terminal of 80 columns."""
    title = f"What each part is worth: simulated, after costs ({span})"
    shown = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    shown.add_column("back-test", no_wrap=True)
    for name in ("trades", "return", "fall", "PF", "bps a day", "from", "to"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("verdict", no_wrap=True)
    shown.add_row("everything on", *_figures(ablation.everything), "", "", "", "")
    for one in ablation.parts:
        worth = one.difference.bps_per_day
        ends = (UNKNOWN if end is None else f"{end:+.2f}" for end in (worth.low, worth.high))
        shown.add_row(f"no {one.part}", *_figures(one.without), f"{worth.value:+.2f}", *ends, one.difference.verdict)
    return shown


def remarks(ablation: Ablation) -> list[str]:
    """Say of each part how the whole return would have differed, or why it changed nothing."""
    lines: list[str] = []
    for one in ablation.parts:
        found = one.difference
        if one.remark:
            text = f"not exercised: {one.remark}"
        elif found.total.low is None or found.total.high is None:
            text = f"{found.days} days are too few for an interval"
        else:
            text = (
                f"changed {found.days_changed} of {found.days} days, the whole return by {found.total.value:+.2%} "
                f"({found.total.low:+.2%} to {found.total.high:+.2%})"
            )
        switched = "" if one.configured else "; the configuration has it off"
        lines.append(f"{one.part}: {text}{switched}")
    return lines


def verdict(ablation: Ablation) -> str:
    """Say in one sentence which parts are shown to help or to harm, and which are not shown to do either."""
    said = []
    for word, sentence in (
        ("harms", "shown to harm: {}; config/signals.yaml switches each off in one line"),
        ("helps", "shown to help: {}"),
        ("unproven", "unproven: {}"),
        ("not exercised", "not exercised: {}"),
    ):
        named = [one.part for one in ablation.parts if one.difference.verdict == word]
        if named:
            text = sentence.format(", ".join(named))
            said.append(f"{text[:1].upper()}{text[1:]}.")
    return " ".join(said)


def _figures(figures: Figures) -> tuple[str, str, str, str]:
    factor = UNKNOWN if figures.profit_factor is None else f"{figures.profit_factor:.2f}"
    return str(figures.trades), f"{figures.total_return:+.2%}", f"{figures.max_drawdown:.2%}", factor
