"""The verdict on the screen."""

from rich.markup import escape
from rich.table import Table

from services.research.leaks.leaktest import Verdict


def planted(verdict: Verdict) -> Table:
    """Lay out the planted leaks: which step leaks how, and which detector named it."""
    shown = Table(title=f"{len(verdict.leaks)} planted leaks", title_justify="left")
    shown.add_column("leak", max_width=26)
    shown.add_column("what it is", ratio=1)
    shown.add_column("caught by", no_wrap=True)
    for one in verdict.leaks:
        shown.add_row(one.leak, escape(one.says), one.detector or "[bold red]MISSED[/]")
    return shown


def clean(verdict: Verdict) -> list[str]:
    """Say in a line each what the detectors made of the clean pipeline."""
    found: list[str] = []
    for one in verdict.clean:
        if one.accused:
            found += [f"[bold red]clean pipeline accused[/] ({one.world}) by {k}: {v}" for k, v in one.accused.items()]
        else:
            found.append(f"clean pipeline passes ({one.world})")
    return found


def summary(verdict: Verdict) -> str:
    """Say the whole in one line."""
    caught = len(verdict.leaks) - len(verdict.missed)
    wrong = sum(bool(one.accused) for one in verdict.clean)
    said = f"{caught} of {len(verdict.leaks)} planted leaks caught"
    if verdict.missed:
        said += f"; missed: {', '.join(verdict.missed)}"
    said += f"; the clean pipeline passes in {len(verdict.clean) - wrong} of {len(verdict.clean)} worlds"
    return said if verdict.holds else f"[bold red]{said}[/]"
