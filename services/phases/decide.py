"""Judge the ladder at each day's end, and carry out operators' commands about it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from services.contracts.messages import (
    Activation,
    CommandGiven,
    DayEvaluated,
    PortfolioSettled,
    Readiness,
    decision_id,
)
from services.domain.assets import AssetsConfig
from services.phases import evidence
from services.phases.chain import GENESIS, LogEntry, chained
from services.phases.gates import evaluate
from services.phases.record import Record, add_day
from services.phases.settings import PhasesSettings, RolloutSettings, Rule

MICROSECOND = timedelta(microseconds=1)


class PhasesState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is active and enabled, the record, and the head of the audit chain."""

    phases: tuple[str, ...]
    enabled: tuple[str, ...]
    record: Record = Record()
    last_slice: datetime | None = None
    log_seq: int = 0
    log_hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class PhasesParams:
    """The configuration that the decision depends on."""

    settings: PhasesSettings
    rollout: RolloutSettings
    assets: AssetsConfig


@dataclass(frozen=True, slots=True)
class DayEnded:
    """All slices of one day, the last at its end; ``configured`` says by class whether a source is there."""

    portfolios: tuple[PortfolioSettled, ...]
    configured: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Commanded:
    """An operator's command about phases or assets."""

    command: CommandGiven
    configured: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came out: the message, the rows of the log, and (for commands) whether it was refused and why."""

    message: DayEvaluated
    log: tuple[LogEntry, ...]
    refusal: str | None = None


def start(params: PhasesParams) -> PhasesState:
    """Begin with the phase of order 0 and the assets that come with it."""
    first = next(name for name, phase in params.settings.phases.items() if phase.order == 0)
    return PhasesState(phases=(first,), enabled=_comes_with(first, params))


def day_of(slice_ts: datetime) -> str:
    """Name the day that a slice's bar lies in; the slice at midnight ends the old day."""
    return (slice_ts - MICROSECOND).date().isoformat()


def ends_day(slice_ts: datetime) -> bool:
    """Say whether the slice is the last of its day."""
    return day_of(slice_ts) != slice_ts.date().isoformat()


def on_day(state: PhasesState, event: DayEnded, params: PhasesParams) -> tuple[PhasesState, Verdict]:
    """Add the day to the record, judge every phase and, where declared, activate what is ready."""
    last = event.portfolios[-1].ts
    record = add_day(state.record, day_of(last), event.portfolios)
    state = msgspec.structs.replace(state, record=record, last_slice=last)
    log: list[LogEntry] = []
    if params.settings.auto_activate:
        for judged in readiness(state, event.configured, params):
            if judged.ready and not judged.active and _convinces(judged, params):
                state, entry = _activate(state, judged, last, "chloe", "ready at the day's end", False, params)
                log.append(entry)
    return state, Verdict(_message(state, event.configured, params, last, tuple(e.activation for e in log)), tuple(log))


def on_command(state: PhasesState, event: Commanded, params: PhasesParams) -> tuple[PhasesState, Verdict]:
    """Carry out ``activate``, ``enable`` or ``disable``, or refuse it and say why."""
    command = event.command
    subject = command.subject or ""
    refusal: str | None = None
    log: tuple[LogEntry, ...] = ()
    if command.name == "activate":
        state, log, refusal = _on_activate(state, event, subject, params)
    elif command.name == "enable":
        state, log, refusal = _on_enable(state, event, subject, params)
    elif command.name == "disable":
        state, log, refusal = _on_disable(state, event, subject)
    message = _message(
        state, event.configured, params, command.ts, tuple(e.activation for e in log), command_id=command.id
    )
    return state, Verdict(message, log, refusal)


def readiness(state: PhasesState, configured: Mapping[str, bool], params: PhasesParams) -> tuple[Readiness, ...]:
    """Judge every phase, in order of the ladder."""
    ordered = sorted(params.settings.phases.items(), key=lambda item: item[1].order)
    known: dict[str, evidence.Evidence] = {}
    return tuple(
        _judge(name, phase.asset_class, name in state.phases, phase.requirements, state, configured, params, known)
        for name, phase in ordered
    )


def active_classes(state: PhasesState, params: PhasesParams) -> tuple[str, ...]:
    """Return the asset classes whose phase is active."""
    return tuple(dict.fromkeys(params.settings.phases[name].asset_class for name in state.phases))


def collecting(state: PhasesState, params: PhasesParams) -> tuple[str, ...]:
    """Return the symbols whose data shall be collected: those of the first phase's class, and of active phases."""
    first = next(p.asset_class for p in params.settings.phases.values() if p.order == 0)
    return tuple(
        symbol
        for symbol, asset in params.assets.assets.items()
        if asset.asset_class == first or params.assets.phase_of(symbol) in state.phases
    )


def _judge(
    subject: str,
    asset_class: str,
    active: bool,
    rules: tuple[Rule, ...],
    state: PhasesState,
    configured: Mapping[str, bool],
    params: PhasesParams,
    known: dict[str, evidence.Evidence],
) -> Readiness:
    """Judge a gate and the evidence of the records it asks about; ``known`` keeps what several gates ask about."""
    sources = {name: c.sources for name, c in params.assets.classes.items()}
    requirements = evaluate(rules, state.record, active_phases=state.phases, configured=configured, sources=sources)
    for scope in (asked := evidence.scopes(rules)):
        if scope not in known:
            known[scope] = evidence.assess(state.record, scope, params.settings.evidence)
    ready = all(r.met for r in requirements)
    if not asked:
        return Readiness(subject, asset_class, active, ready, requirements)
    weakest = min(asked, key=lambda scope: evidence.LEVELS.index(known[scope].level))
    found = known[weakest]
    return Readiness(subject, asset_class, active, ready, requirements, found.level, f"{weakest}: {found.why}")


def _convinces(judged: Readiness, params: PhasesParams) -> bool:
    """Say whether a phase may open by itself: on strong evidence, or where its gate asks nothing of a record."""
    return judged.evidence == "strong" or not evidence.scopes(params.settings.phases[judged.phase].requirements)


def _on_activate(
    state: PhasesState, event: Commanded, subject: str, params: PhasesParams
) -> tuple[PhasesState, tuple[LogEntry, ...], str | None]:
    judged = {r.phase: r for r in readiness(state, event.configured, params)}.get(subject)
    command = event.command
    if judged is None:
        return state, (), f"no phase '{subject}' is declared"
    if judged.active:
        return state, (), f"{subject} is active already"
    if not judged.ready and not command.forced:
        return state, (), f"{subject} is not ready: {_lacking(judged)}"
    state, entry = _activate(state, judged, command.ts, command.by, command.note, command.forced, params)
    return state, (entry,), None


def _on_enable(
    state: PhasesState, event: Commanded, subject: str, params: PhasesParams
) -> tuple[PhasesState, tuple[LogEntry, ...], str | None]:
    asset = params.assets.assets.get(subject)
    command = event.command
    if asset is None:
        return state, (), f"no asset '{subject}' is declared"
    if subject in state.enabled:
        return state, (), f"{subject} is enabled already"
    if asset.role == "research_only":
        return state, (), f"{subject} is research-only: {asset.note or 'research must change its role first'}"
    phase = params.assets.phase_of(subject)
    if phase not in state.phases:
        return state, (), f"its phase {phase} is not active"
    rules = params.rollout.assets.get(subject)
    if rules is None and not asset.enabled_with_phase:
        return state, (), f"{subject} has no gate in rollout.yaml, so nothing can enable it"
    judged = _judge(subject, asset.asset_class, False, rules or (), state, event.configured, params, {})
    if not judged.ready and not command.forced:
        return state, (), f"{subject} is not ready: {_lacking(judged)}"
    changed = msgspec.structs.replace(state, enabled=(*state.enabled, subject))
    changed, entry = _log(changed, subject, "enabled", command.ts, command.by, command.note, command.forced, judged)
    return changed, (entry,), None


def _on_disable(
    state: PhasesState, event: Commanded, subject: str
) -> tuple[PhasesState, tuple[LogEntry, ...], str | None]:
    if subject not in state.enabled:
        return state, (), f"{subject} is not enabled"
    command = event.command
    changed = msgspec.structs.replace(state, enabled=tuple(s for s in state.enabled if s != subject))
    changed, entry = _log(changed, subject, "disabled", command.ts, command.by, command.note, False, None)
    return changed, (entry,), None


def _activate(
    state: PhasesState, judged: Readiness, ts: datetime, by: str, note: str, forced: bool, params: PhasesParams
) -> tuple[PhasesState, LogEntry]:
    new = tuple(s for s in _comes_with(judged.phase, params) if s not in state.enabled)
    state = msgspec.structs.replace(state, phases=(*state.phases, judged.phase), enabled=state.enabled + new)
    return _log(state, judged.phase, "activated", ts, by, note, forced, judged)


def _log(
    state: PhasesState,
    subject: str,
    change: str,
    ts: datetime,
    by: str,
    note: str,
    forced: bool,
    judged: Readiness | None,
) -> tuple[PhasesState, LogEntry]:
    seq = state.log_seq + 1
    if judged is not None and judged.evidence_why:
        note = f"{note} (evidence: {judged.evidence})".lstrip()
    activation = Activation(decision_id(ts, "phases", f"{seq}|{subject}|{change}"), subject, change, by, note, forced)  # type: ignore[arg-type]
    entry = chained(seq, ts, activation, judged, state.log_hash)
    return msgspec.structs.replace(state, log_seq=seq, log_hash=entry.hash), entry


def _comes_with(phase: str, params: PhasesParams) -> tuple[str, ...]:
    return tuple(
        symbol
        for symbol, asset in params.assets.assets.items()
        if asset.enabled_with_phase and params.assets.phase_of(symbol) == phase
    )


def _lacking(judged: Readiness) -> str:
    return "; ".join(f"{r.name}: {r.missing}" for r in judged.requirements if not r.met)


def _message(
    state: PhasesState,
    configured: Mapping[str, bool],
    params: PhasesParams,
    ts: datetime,
    changes: tuple[Activation, ...],
    command_id: object = None,
) -> DayEvaluated:
    return DayEvaluated(
        ts=ts,
        readiness=readiness(state, configured, params),
        changes=changes,
        enabled=state.enabled,
        classes=active_classes(state, params),
        collecting=collecting(state, params),
        command_id=command_id,  # type: ignore[arg-type]
    )
