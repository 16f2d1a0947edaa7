"""How assets and phases fall by their floors and rise by their gates at a day's end. Pure."""

from services.contracts.ladder import AssetStanding, Evidence, Readiness, Requirement
from services.phases import evidence
from services.phases.draft import CHLOE, Draft, rested_on
from services.phases.gates import broken
from services.phases.intake import flags_on
from services.phases.judging import Judge, convinces, cools, lacking, short_of_capital
from services.phases.settings import Floors
from services.phases.state import ceiling

AT_DAYS_END = "ready at the day's end"


def fall(draft: Draft) -> None:
    """Take down what broke its floors for long enough: to observation size, or off."""
    judge, settings = draft.judge(), draft.params.settings
    classes = {name: settings.phases[name].asset_class for name in draft.state.phases}
    tripped = {n: _tripped(draft, judge, n, scope, settings.demotion.phases) for n, scope in classes.items()}
    for name, (_, disable) in tripped.items():
        if disable:
            draft.demote(name, lacking(disable), rested_on(name, classes[name], disable))
    for symbol in draft.state.enabled:
        _judge_asset(draft, judge, symbol)
    for name, (observe, disable) in tripped.items():
        if observe and not disable:
            _observe_phase(draft, name, rested_on(name, classes[name], observe))


def rise(draft: Draft) -> None:
    """Take up, where that is declared to happen by itself, what is ready; at most one asset opens a day."""
    settings = draft.params.settings
    if not settings.auto_activate:
        return
    for judged in draft.judge().readiness():
        if _opens(draft, judged):
            draft.activate(judged, CHLOE, AT_DAYS_END)
    _open_one(draft)
    _restore(draft)
    if settings.auto_live:
        _go_live(draft)


def readiness_of(one: AssetStanding) -> Readiness:
    """Put an asset's next step in the form in which the log keeps what a change rests on."""
    active = one.level != "off"
    return Readiness(
        one.symbol, one.asset_class, active, one.ready, one.requirements, one.evidence, one.evidence_why
    )  # fmt: skip


def _observe_phase(draft: Draft, name: str, on: Readiness) -> None:
    """Take what is at its full size in a phase down to observation size."""
    whole = [
        symbol
        for symbol in draft.state.enabled
        if draft.params.assets.phase_of(symbol) == name and draft.state.level(symbol) == "full"
    ]
    if not whole:
        return
    for symbol in whole:
        draft.observe(symbol, CHLOE, f"{name}: {lacking(on.requirements)}", on)
    # The phase is measured anew from here on; what it is taken off by counts on.
    kept = draft.state.standing(name).broken
    left = {key: days for key, days in kept.items() if not key.startswith("observe")}
    draft.stand(name, observed_from=draft.today, broken=left)


def _judge_asset(draft: Draft, judge: Judge, symbol: str) -> None:
    asset_class = draft.params.assets.assets[symbol].asset_class
    observe, disable = _tripped(draft, judge, symbol, symbol, draft.params.settings.demotion.assets)
    if disable:
        draft.take_off(symbol, CHLOE, lacking(disable), rested_on(symbol, asset_class, disable))
    elif observe and draft.state.level(symbol) == "full":
        draft.observe(symbol, CHLOE, lacking(observe), rested_on(symbol, asset_class, observe))


def _tripped(
    draft: Draft, judge: Judge, subject: str, scope: str, floors: Floors
) -> tuple[tuple[Requirement, ...], tuple[Requirement, ...]]:
    """Count the days in a row of each broken floor; return those of ``observe`` and ``disable`` that take down."""
    demotion, kept = draft.params.settings.demotion, draft.state.standing(subject)
    counts: dict[str, int] = {}
    found: dict[str, list[Requirement]] = {"observe": [], "disable": []}
    kinds = (
        ("observe", floors.observe, kept.observed_from or kept.entered),
        ("disable", floors.disable, kept.entered),
    )
    for kind, rules, since in kinds:
        for n, rule in enumerate(rules):
            now = broken((rule,), judge.facts, subject=scope, since=since)
            if not now:
                continue
            counts[f"{kind}.{n}"] = days = kept.broken.get(f"{kind}.{n}", 0) + 1
            if rule.metric in demotion.at_once or days >= demotion.days_in_a_row:
                found[kind].extend(now)
    if counts != kept.broken:
        draft.stand(subject, broken=counts)
    return tuple(found["observe"]), tuple(found["disable"])


def _opens(draft: Draft, judged: Readiness) -> bool:
    """Say whether a phase opens by itself: ready, paid for, no flag up, not fallen lately, on enough evidence."""
    settings, kept = draft.params.settings, draft.state.standing(judged.phase)
    if judged.active or not judged.ready or cools(kept, draft.today) or short_of_capital(judged) is not None:
        return False
    if flags_on(judged.phase, judged.asset_class, draft.state):
        return False
    asks_nothing = not evidence.scopes(settings.phases[judged.phase].requirements)
    return asks_nothing or convinces(judged.evidence, settings.automatic_evidence.phases)


def _open_one(draft: Draft) -> None:
    """Open the first asset, in the order of the declared gates, that may open by itself."""
    judge, params = draft.judge(), draft.params
    order = dict.fromkeys((*params.rollout.assets, *params.assets.assets))
    for symbol in order:
        if symbol not in params.assets.assets or not _waits(draft, judge, symbol):
            continue
        found = judge.asset(symbol)
        if found.ready and _convincing(found, params.settings.automatic_evidence.assets):
            draft.enable(symbol, CHLOE, AT_DAYS_END, readiness_of(found))
            return


def _waits(draft: Draft, judge: Judge, symbol: str) -> bool:
    """Say whether nothing but its gate keeps an asset off."""
    state, kept = draft.state, draft.state.standing(symbol)
    if symbol in state.enabled or kept.held is not None or cools(kept, draft.today) or judge.gate(symbol) is None:
        return False
    if draft.params.assets.phase_of(symbol) not in state.phases:
        return False
    # Its record so far is what its gate is about; of the floors only those of feed and flags are asked.
    floors = draft.params.settings.demotion.assets
    return not broken((*floors.observe, *floors.disable), judge.facts, subject=symbol, since=draft.today)


def _restore(draft: Draft) -> None:
    """Give their size back to observed assets that earned it and whose floors, and their phase's, hold."""
    judge = draft.judge()
    for symbol in judge.state.observed:
        kept, phase = judge.state.standing(symbol), draft.params.assets.phase_of(symbol)
        if ceiling(symbol, judge.state, draft.params) != "full" or kept.broken or judge.state.standing(phase).broken:
            continue
        found = judge.asset(symbol)
        if found.step == "restored" and found.ready:
            draft.restore(symbol, CHLOE, "earned its full size back", readiness_of(found))


def _go_live(draft: Draft) -> None:
    """Activate the live phase of what is ready for it on the evidence that is asked."""
    judge, asked = draft.judge(), draft.params.settings.automatic_evidence.live
    for symbol in judge.state.enabled:
        found = judge.asset(symbol)
        holds = not judge.state.standing(symbol).broken
        if holds and found.step == "live_enabled" and found.ready and _convincing(found, asked):
            draft.begin_live(symbol, CHLOE, AT_DAYS_END, readiness_of(found))


def _convincing(found: AssetStanding, asked: Evidence) -> bool:
    """Say whether the evidence is enough, or the step's gate asks nothing of a record."""
    return not found.evidence_why or convinces(found.evidence, asked)
