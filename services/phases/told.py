"""What phases say after an evaluation: the message to all who trade. Pure."""

from uuid import UUID

from services.contracts.messages import DayEvaluated
from services.phases.draft import Draft
from services.phases.state import active_classes, ceiling, collecting


def message(draft: Draft, command_id: UUID | None = None, *, tell: bool = True) -> DayEvaluated:
    """Say what changed and what may be entered from the next slice on, and ``tell`` readiness and standings."""
    judge, state, params = draft.judge(), draft.state, draft.params
    return DayEvaluated(
        ts=draft.ts,
        readiness=judge.readiness() if tell else (),
        changes=tuple(entry.activation for entry in draft.log),
        enabled=state.enabled,
        classes=active_classes(state, params),
        collecting=collecting(state, params),
        command_id=command_id,
        observed=state.observed,
        winding=state.winding,
        live=state.live,
        assets=tuple(judge.asset(symbol) for symbol in params.assets.assets if tell),
        cells=tuple(
            cell
            for symbol in params.assets.assets
            if ceiling(symbol, state, params) != "off"
            for cell in state.cells.get(symbol, ())
        ),
    )
