"""The ladder in the weekly page: what changed, where each asset stands at the week's end, which flags were up. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from services.research import report_words as words

STEPS = {"enabled": "trade on paper", "restored": "its full size", "live_enabled": "live"}
CHANGES = {
    "activated": "phase activated",
    "demoted": "phase demoted",
    "enabled": "enabled",
    "observed": "observed at half size",
    "restored": "back at full size",
    "disabled": "taken off",
    "live_enabled": "live phase activated",
    "live_disabled": "live phase ended",
    "tier_changed": "tier changed",
}


@dataclass(frozen=True, slots=True)
class Change:
    """A row of the audit log."""

    ts: datetime
    subject: str
    change: str
    by: str
    note: str
    forced: bool


@dataclass(frozen=True, slots=True)
class Stood:
    """Where an asset stood at the week's end, and what its next step took."""

    symbol: str
    asset_class: str
    level: str
    tier: int | None
    live: bool
    step: str | None
    ready: bool
    evidence: str
    why: str


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag that was up in the week; ``cleared_at`` None: it still was at the week's end."""

    raised_at: datetime
    cleared_at: datetime | None
    severity: str
    name: str
    subject: str
    blocks: str
    detail: str


@dataclass(frozen=True, slots=True)
class LadderWeek:
    """All of it, each in its order."""

    changes: Sequence[Change]
    standings: Sequence[Stood]
    flags: Sequence[Flag]


def section(week: LadderWeek) -> str:
    """Write the part of the page."""
    return f"<section><h2>The ladder</h2>{_changes(week)}{_standings(week)}{_flags(week)}</section>"


def _changes(week: LadderWeek) -> str:
    if not week.changes:
        return "<p>Nothing was opened, observed, taken off or moved this week.</p>"
    rows = [
        [
            f"{one.ts:%m-%d %H:%M}", escape(one.subject), escape(CHANGES.get(one.change, one.change)),
            escape(one.by) + (" (forced)" if one.forced else ""), _prose(one.note),
        ]
        for one in week.changes
    ]  # fmt: skip
    caption = "The week’s rows of the hash-chained audit log, which chloe audit verify checks."
    return words.table(["when", "subject", "change", "by", "why"], rows, caption, 5)


def _standings(week: LadderWeek) -> str:
    """Show crypto, where tiers are, and of the other classes what is on; the rest is counted."""
    if not week.standings:
        return "<p>No full day had been evaluated by the week’s end.</p>"
    shown = [one for one in week.standings if one.tier is not None or one.level != "off"]
    rows = [
        [
            escape(one.symbol), escape(one.level) + (", live" if one.live else ""),
            words.NONE if one.tier is None else f"{one.tier}",
            _step(one),
            escape(one.evidence) if one.step is not None else words.NONE, _prose(one.why),
        ]
        for one in shown
    ]  # fmt: skip
    rest = len(week.standings) - len(shown)
    caption = (
        "At the week’s end. Evidence: how sure the record that the next step asks about makes one that it is no luck."
    )
    if rest:
        caption += f" Off besides, in other classes: {rest}."
    return words.table(["asset", "level", "tier", "next step", "evidence", "waits for, or why lower"], rows, caption, 6)


def _step(one: Stood) -> str:
    if one.step is None:
        return words.NONE
    return escape(STEPS.get(one.step, one.step)) + (": ready" if one.ready else "")


def _flags(week: LadderWeek) -> str:
    if not week.flags:
        return "<p>No flag was up this week.</p>"
    rows = [
        [
            f"{one.raised_at:%m-%d %H:%M}", f"{one.cleared_at:%m-%d %H:%M}" if one.cleared_at else "still up",
            escape(one.severity), escape(f"{one.name}: {one.subject}"), escape(one.blocks) or "nothing",
            _prose(one.detail),
        ]
        for one in week.flags
    ]  # fmt: skip
    return words.table(["raised", "cleared", "severity", "flag", "blocks", "detail"], rows, "Flags that were up.", 6)


def _prose(text: str) -> str:
    """Write text that may take several lines; other cells do not."""
    return f'<span style="white-space: normal">{escape(text)}</span>' if text else words.NONE
