"""``reports/trading_enablement.json``: what may trade, for people and scripts."""

import json
import os
from datetime import datetime
from pathlib import Path

from services.contracts.messages import DayEvaluated
from services.phases.state import PhasesParams, PhasesState, active_classes

FILE = "trading_enablement.json"


def export(
    reports: Path, state: PhasesState, params: PhasesParams, as_of: datetime | None, said: DayEvaluated | None
) -> None:
    """Write the file whole or not at all; ``said`` has each asset's next step, where there was an evaluation."""
    reports.mkdir(parents=True, exist_ok=True)
    why = {one.symbol: one.why for one in said.assets} if said is not None else {}
    content = {
        "as_of": as_of.isoformat() if as_of is not None else None,
        "phases": state.phases,
        "classes": active_classes(state, params),
        "enabled": state.enabled,
        "observed": state.observed,
        "winding": state.winding,
        "live": state.live,
        "assets": {
            symbol: {
                "level": state.level(symbol),
                "live": symbol in state.live,
                "why": why.get(symbol, state.standing(symbol).why),
            }
            for symbol in params.assets.assets
        },
        "log_seq": state.log_seq,
        "log_hash": state.log_hash,
    }
    target = reports / FILE
    draft = target.with_suffix(".tmp")
    draft.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    os.replace(draft, target)


def is_of(reports: Path, state: PhasesState) -> bool:
    """Say whether the file is there and tells this state's newest change."""
    try:
        content = json.loads((reports / FILE).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("log_hash") == state.log_hash
