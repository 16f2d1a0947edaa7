"""From stored rows to what the API shows. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from services.contracts.messages import LimitCheck, OrdersDecided, Readiness, Requirement
from services.contracts.messages import decode as decode_message

NOT_STARTED = "not started"
NOT_EVALUATED = "no full day has been evaluated yet"

_CHECKS = msgspec.json.Decoder(tuple[LimitCheck, ...])
_REQUIREMENTS = msgspec.json.Decoder(tuple[Requirement, ...])


def run_of(mode: str | None) -> dict[str, Any]:
    """Say which run the figures are from; everything is simulated while no live broker exists."""
    return {"mode": mode or NOT_STARTED, "simulated": True}


def plain(amount: Decimal | None) -> str | None:
    """Write an amount without an exponent."""
    return None if amount is None else f"{amount:f}"


def phase(row: Mapping[str, Any]) -> dict[str, Any]:
    """Show one step of the ladder."""
    evaluated = row["evaluated_at"] is not None
    judged: Readiness | None = row["judged"]
    return {
        "phase": row["phase"],
        "order": row["phase_order"],
        "asset_class": row["asset_class"],
        "active": row["active"],
        "activated_at": row["activated_at"],
        "ready": row["ready"],
        "evidence": None if judged is None else judged.evidence,
        "evidence_why": None if judged is None else judged.evidence_why,
        "min_capital": plain(row["min_capital"]),
        "max_capital": plain(row["max_capital"]),
        "capital_needed": None if judged is None else plain(judged.capital_needed),
        "capital": None if judged is None else plain(judged.capital),
        "evaluated_at": row["evaluated_at"],
        "note": None if evaluated else NOT_EVALUATED,
        "requirements": [msgspec.structs.asdict(line) for line in requirements(row)],
    }


def requirements(row: Mapping[str, Any]) -> tuple[Requirement, ...]:
    """Read a phase's requirements as they were last evaluated."""
    return _REQUIREMENTS.decode(row["requirements"]) if row["requirements"] else ()


def ladder(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Show all phases."""
    times = [row["evaluated_at"] for row in rows if row["evaluated_at"] is not None]
    return {
        **run_of(rows[0]["mode"] if rows else None),
        "equity": plain(rows[0]["equity"]) if rows else None,
        "evaluated_at": max(times, default=None),
        "phases": [phase(row) for row in rows],
    }


def not_ready(row: Mapping[str, Any]) -> str:
    """Say in one line what a phase lacks."""
    lacking = "; ".join(f"{r.name}: {r.missing}" for r in requirements(row) if not r.met)
    return f"{row['phase']} is not ready: {lacking or NOT_EVALUATED}"


def command(row: Mapping[str, Any]) -> dict[str, Any]:
    """Show a command."""
    names = ("id", "name", "subject", "note", "forced", "live", "given_at", "status", "outcome")
    return {"by": row["given_by"], **{name: row[name] for name in names}}


FIGURES = ("risk_score", "weighted_edge_bps", "trades_per_day")


def risk(body: str | None) -> dict[str, Any]:
    """Show the halt switch, the limits and the portfolio's figures from risk's newest message."""
    decided = decode_message(body) if body is not None else None
    if not isinstance(decided, OrdersDecided):
        return {"as_of": None, "halted": False, "reason": None, "limits": [], "figures": {}}
    return {
        "as_of": decided.ts,
        "halted": decided.halted is not None,
        "reason": decided.halted,
        "limits": [limit(check) for check in decided.checks if check.name not in FIGURES],
        "figures": {check.name: check.current for check in decided.checks if check.name in FIGURES},
    }


def limit(check: LimitCheck) -> dict[str, Any]:
    """Show one line of a table."""
    return msgspec.structs.asdict(check)


def refused(row: Mapping[str, Any]) -> dict[str, Any]:
    """Show a refused order with the whole table as it stood."""
    checks = _CHECKS.decode(row["checks"])
    failed = sorted((c.allowed is not None, c.allowed or 0, n) for n, c in enumerate(checks) if not c.passed)
    by = checks[failed[0][2]].name if failed else None  # the first gate that said no, else the cap that left least
    shown_row = {name: row[name] for name in ("id", "ts", "symbol", "asset_class", "side", "quantity")}
    return {**shown_row, "refused_by": by, "reason": row["detail"], "checks": [limit(check) for check in checks]}


def stages(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Show each stage's watermark, and how far it is behind what others have published."""
    published = {row["stage"]: row["seq"] for row in rows}
    newest = max((row["slice_ts"] for row in rows if row["slice_ts"] is not None), default=None)
    return [
        {
            "stage": row["stage"],
            "slice_ts": row["slice_ts"],
            "messages": row["seq"],
            "behind_messages": _behind(row["cursors"], published),
            "behind_seconds": _seconds(row["slice_ts"], newest),
            "config_version": row["config_version"],
            "updated_at": row["updated_at"],
        }
        for row in rows
    ]


def _behind(cursors: Mapping[str, Mapping[str, int]], published: Mapping[str, int]) -> int:
    return sum(max(0, published.get(producer, seen) - seen) for by in cursors.values() for producer, seen in by.items())


def _seconds(slice_ts: datetime | None, newest: datetime | None) -> float | None:
    return None if slice_ts is None or newest is None else (newest - slice_ts).total_seconds()
