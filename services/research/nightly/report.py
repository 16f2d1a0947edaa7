"""What research over history is shown as: one line an asset, the plan's starting value beside what was measured."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.contracts.research import AssetResearch, EdgeMeasured
from services.domain.candles import epoch
from services.research.nightly import words as nightly_words
from services.research.nightly.params import NightlyParams
from services.research.nightly.settings import StartingEdge
from services.research.nightly.state import ResearchState

KIND = "walk-forward forecasts, nothing was traded"
BEST, SHARES = 3, 4


@dataclass(frozen=True, slots=True)
class Found:
    """One asset: research's word, its best cells, and what the plan says."""

    word: AssetResearch
    best: tuple[EdgeMeasured, ...]
    plan: StartingEdge | None


def found(state: ResearchState, until: datetime, params: NightlyParams, symbols: Collection[str]) -> list[Found]:
    """Say what was measured of each asset by ``until``; no ``symbols``: of all that were."""
    said = {one.symbol: one for one in nightly_words.words(state, epoch(until), params)}
    cells = sorted(nightly_words.table(state, params), key=lambda cell: -cell.edge_bps)
    plan = {one.symbol: one for one in params.settings.starting_edges}
    return [
        Found(said[symbol], tuple(cell for cell in cells if cell.symbol == symbol)[:BEST], plan.get(symbol))
        for symbol in sorted(symbols or state.assets)
    ]


def as_json(rows: Sequence[Found], source: str) -> str:
    """Write the rows as JSON, with where the data came from."""
    assets = [
        # A command looks at no day: what a day had of slices is left out.
        {key: value for key, value in msgspec.to_builtins(row.word).items() if key not in ("slices", "fresh")}
        | {"best": msgspec.to_builtins(row.best)}
        | {"plan": None if row.plan is None else row.plan.model_dump(mode="json", exclude={"symbol"})}
        for row in rows
    ]
    return json.dumps({"source": source, "kind": KIND, "assets": assets}, indent=2)


def show(rows: Sequence[Found], source: str, console: Console) -> None:
    """Print a table and, below it, why each asset stands where it does."""
    console.print(escape(f"{source}; {KIND}"), highlight=False, soft_wrap=True)
    shown = Table()
    shown.add_column("asset", no_wrap=True)
    for name in ("tier", "edge bps", "95 %", "n", "plan's bps", "pays from"):
        shown.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        word = row.word
        shown.add_row(
            word.symbol,
            "–" if word.tier is None else str(word.tier),
            _signed(word.edge_bps),
            "–" if word.low_bps is None else f"{_signed(word.low_bps)} to {_signed(word.high_bps)}",
            f"{word.n:,}",
            "–" if row.plan is None else _signed(row.plan.edge_bps),
            "–" if word.threshold is None else f"{word.threshold:.2%}",
        )
    console.print(shown)
    for row in rows:
        for line in _lines(row):
            console.print(escape(line), highlight=False, soft_wrap=True)


def _lines(row: Found) -> list[str]:
    """Say why it stands where it does, where it was best, and where its trades are to be expected."""
    lines = [f"{row.word.symbol}: {row.word.tier_why}"]
    if row.best:
        best = ", ".join(
            f"{cell.regime} {cell.bucket} {cell.edge_bps:+.0f} bps ({cell.n}"
            + (")" if cell.q_value is None else f", q {cell.q_value:.2f})")
            for cell in row.best
        )
        lines.append(f"  best: {best}")
    if row.word.mix:
        mix = sorted(row.word.mix, key=lambda one: -one.share)[:SHARES]
        lines.append("  expected: " + ", ".join(f"{one.regime} {one.bucket} {one.share:.0%}" for one in mix))
    return lines


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1f}"
