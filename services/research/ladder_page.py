"""The page of the ladder's replay: figures as Markdown, between two marks of ``docs/ladder.md``. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.phases.chain import LogEntry
from services.research.ladder_runs import Figures, Ran, Stood, figures, stood


@dataclass(frozen=True, slots=True)
class Section:
    """One run: what it was, what it left, and what shows that it is repeatable. Hashes are SHA-256."""

    title: str
    gates: str
    models: str
    slices: int
    symbols: tuple[str, ...]
    starting_cash: Decimal
    ran: Ran
    forecasts_hash: str
    log_hash: str
    rows_verified: int


def page(sections: Sequence[Section], span: str) -> str:
    """Write all runs, one after the other."""
    return "\n".join([f"Span {span}, replayed from recorded candles.", *(_section(one) for one in sections), ""])


def _section(one: Section) -> str:
    ended, equity = one.ran.ended
    money = f"equity {equity:,.2f} at {ended:%Y-%m-%d} after costs, {one.starting_cash:,.0f} at the start"
    lines = [
        "",
        f"### {one.title}",
        "",
        f"Gates: {one.gates}. Forecasts: {one.models}. {one.slices:,} slices of {len(one.symbols)} coins, "
        f"{len(one.ran.trades)} round trips; {money}. Decided twice with the same bytes: trades, fills, equity, log. "
        f"Audit log: {one.rows_verified} rows, chain intact.",
        "",
        f"SHA-256 of the log `{one.log_hash}`, of the forecasts `{one.forecasts_hash}`.",
        "",
        *_changes(one.ran.log),
        "",
        *_levels(stood(one.ran.words, one.symbols)),
        "",
        *_records(figures(one.ran)),
    ]
    return "\n".join(lines)


def _changes(log: Sequence[LogEntry]) -> list[str]:
    if not log:
        return ["Nothing changed in the whole span."]
    said = [(e, e.activation) for e in log]
    rows = [f"| {e.ts:%Y-%m-%d} | {a.subject} | {a.change.replace('_', ' ')} | {_cell(a.note)} |" for e, a in said]
    return ["| from 00:00 of | subject | change | why |", "|---|---|---|---|", *rows]


def _levels(standings: Sequence[Stood]) -> list[str]:
    rows = [
        f"| {s.symbol} | {s.days['off']} | {s.days['observed']} | {s.days['full']} | {s.changes} | {s.last} "
        f"| {_cell(s.lacks) or '–'} |"
        for s in standings
    ]
    head = "| asset | days off | observed | full | changes | at the end | its next step lacks |"
    return [head, "|---|---|---|---|---|---|---|", *rows]


def _records(records: Sequence[Figures]) -> list[str]:
    rows = [
        f"| {f.symbol} | {f.trades} | {_number(f.profit_factor)} | {f.pnl:,.2f} | {_number(f.sharpe)} "
        f"| {_number(f.low)} to {_number(f.high)} |"
        for f in records
    ]
    head = "| traded | round trips | profit factor | result after costs | Sharpe a year | 95 % interval |"
    return [head, "|---|---|---|---|---|---|", *rows]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _cell(text: str) -> str:
    """Make text fit a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")
