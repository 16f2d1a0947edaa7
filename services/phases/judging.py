"""Judge phases and assets by their gates, with the evidence beside them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from services.contracts.ladder import AssetStanding, Evidence, Readiness, Requirement
from services.phases import evidence
from services.phases.facts import Facts
from services.phases.gates import evaluate
from services.phases.settings import SELF, Rule
from services.phases.state import PhasesParams, PhasesState, Standing, ceiling, tier_of

Step = Literal["enabled", "restored", "live_enabled"]


@dataclass(frozen=True, slots=True)
class Judge:
    """One moment's facts; ``proofs`` keeps the evidence that several gates ask about, and holds for one record."""

    state: PhasesState
    params: PhasesParams
    facts: Facts
    ts: datetime
    proofs: dict[str, evidence.Evidence] = field(default_factory=dict)

    @property
    def today(self) -> str:
        """The day that begins, or goes on, at this moment (ISO)."""
        return self.ts.date().isoformat()

    def readiness(self) -> tuple[Readiness, ...]:
        """Judge every phase, in order of the ladder."""
        ordered = sorted(self.params.settings.phases.items(), key=lambda item: item[1].order)
        return tuple(self.phase(name) for name, _ in ordered)

    def phase(self, name: str) -> Readiness:
        """Judge one phase's gate, and say what capital it takes."""
        phase = self.params.settings.phases[name]
        met = evaluate(phase.requirements, self.facts, subject=phase.asset_class)
        level, why = self.evidence(phase.requirements, phase.asset_class)
        return Readiness(
            name,
            phase.asset_class,
            name in self.state.phases,
            all(r.met for r in met),
            met,
            level,
            why,
            phase.min_capital,
            self.facts.equity,
        )

    def asset(self, symbol: str) -> AssetStanding:
        """Judge one asset: where it stands, its next step up, and what that takes."""
        return self._told(symbol, *self._step(symbol))

    def live(self, symbol: str) -> AssetStanding:
        """Judge an enabled asset for its live phase, whatever its next step is."""
        return self._told(symbol, "live_enabled", self.params.rollout.live, self.state.standing(symbol).entered)

    def _told(self, symbol: str, step: Step | None, rules: tuple[Rule, ...], since: str | None) -> AssetStanding:
        state, level, kept = self.state, self.state.level(symbol), self.state.standing(symbol)
        met = evaluate(rules, self.facts, subject=symbol, since=since)
        proof, proof_why = self.evidence(rules, symbol)
        barred = step is None or cools(kept, self.today) or kept.held is not None
        return AssetStanding(
            symbol,
            self.params.assets.assets[symbol].asset_class,
            level,
            tier_of(symbol, state, self.params),
            symbol in state.live,
            step,
            not barred and all(r.met for r in met),
            met,
            proof,
            proof_why,
            self._why(symbol, step, kept, met),
            kept.since,
        )

    def evidence(self, rules: tuple[Rule, ...], subject: str) -> tuple[Evidence, str]:
        """Give the weakest evidence among the records that a gate asks about; weak and no words where it asks none."""
        asked = tuple(dict.fromkeys(subject if one == SELF else one for one in evidence.scopes(rules)))
        for scope in asked:
            if scope not in self.proofs:
                self.proofs[scope] = evidence.assess(self.facts.record, scope, self.params.settings.evidence)
        if not asked:
            return "weak", ""
        weakest = min(asked, key=lambda scope: evidence.LEVELS.index(self.proofs[scope].level))
        return self.proofs[weakest].level, f"{weakest}: {self.proofs[weakest].why}"

    def gate(self, symbol: str) -> tuple[Rule, ...] | None:
        """Return what an asset that is off has to meet; None where nothing can enable it."""
        asset, rollout = self.params.assets.assets[symbol], self.params.rollout
        if ceiling(symbol, self.state, self.params) == "off":
            return None
        if asset.role == "research_only":
            return rollout.promoted if symbol in self.state.cells else None
        return rollout.assets.get(symbol, () if asset.enabled_with_phase else None)

    def _step(self, symbol: str) -> tuple[Step | None, tuple[Rule, ...], str | None]:
        """Return the next step up, its rules, and the first day whose record counts for them."""
        level, kept = self.state.level(symbol), self.state.standing(symbol)
        if level == "off":
            gate = self.gate(symbol)
            if gate is None:
                return None, (), None
            phase = self.params.assets.phase_of(symbol)
            closed = () if phase in self.state.phases else (phase_rule(phase),)
            return "enabled", (*closed, *gate), None
        if level == "observed" and ceiling(symbol, self.state, self.params) == "full":
            return "restored", self.params.settings.demotion.requalify, kept.observed_from
        if symbol in self.state.live:
            return None, (), None
        return "live_enabled", self.params.rollout.live, kept.entered

    def _why(self, symbol: str, step: Step | None, kept: Standing, met: tuple[Requirement, ...]) -> str:
        """Say in one line why it stands lower than it did, or what it waits for."""
        unmet = [r for r in met if not r.met]
        more = f" (and {len(unmet) - 1} more)" if len(unmet) > 1 else ""
        waits = f"waits for {lacking((unmet[0],))}{more}" if unmet else ""
        if cools(kept, self.today):
            return f"{kept.why}; cools down until {kept.cool_until}"
        if kept.held is not None:
            return f"taken off by {kept.held}; only an order enables it again"
        if step is None and self.state.level(symbol) == "off":
            return closed_for(symbol, self.state, self.params)
        return "; ".join(part for part in (kept.why if step in ("enabled", "restored") else "", waits) if part)


def facts_of(
    state: PhasesState, params: PhasesParams, configured: Mapping[str, bool], audits: Mapping[str, bool]
) -> Facts:
    """Gather what gates and floors are judged by."""
    declared = params.assets
    return Facts(
        record=state.record,
        active_phases=state.phases,
        enabled=state.enabled,
        configured=configured,
        sources={name: c.sources for name, c in declared.classes.items()},
        classes={symbol: asset.asset_class for symbol, asset in declared.assets.items()},
        tiers={symbol: tier_of(symbol, state, params) for symbol in declared.assets},
        fresh=state.fresh,
        flags=state.flags,
        mixes={s: {(one.regime, one.bucket): one.share for one in mix} for s, mix in state.mixes.items()},
        audits=audits,
        equity=state.equity,
    )


def cools(kept: Standing, today: str) -> bool:
    """Say whether it fell so lately that it does not rise."""
    return kept.cool_until is not None and today < kept.cool_until


def convinces(level: Evidence, asked: Evidence) -> bool:
    """Say whether evidence is at least what is asked."""
    return evidence.LEVELS.index(level) >= evidence.LEVELS.index(asked)


def short_of_capital(judged: Readiness) -> str | None:
    """Say how much a phase needs in the account and what is there; None where it is there."""
    needed, has = judged.capital_needed, judged.capital
    if needed is None or needed <= 0 or (has is not None and has >= needed):
        return None
    return f"needs {needed:,.2f} in the account, {_has(has)}"


def lacking(met: tuple[Requirement, ...]) -> str:
    """Name what is not met."""
    return "; ".join(f"{r.name}: {r.missing}" for r in met if not r.met)


def closed_for(symbol: str, state: PhasesState, params: PhasesParams) -> str:
    """Say why nothing but research, or nothing at all, can enable an asset."""
    asset = params.assets.assets[symbol]
    if symbol in state.tiers:
        if state.tiers[symbol] in (1, 2):
            return f"{symbol} is in tier {state.tiers[symbol]} by research, which names no regime and bucket that pays"
        return f"{symbol} is in tier 3 by research: no order can enable it, only research"
    if asset.role == "research_only":
        return f"{symbol} is research-only: {asset.note or 'research must change its tier first'}"
    return f"{symbol} has no gate in rollout.yaml, so nothing can enable it"


def phase_rule(phase: str) -> Rule:
    """Ask that a phase is active."""
    return Rule(metric="phase_active", scope=phase, comparison="is", threshold=1)


def _has(equity: Decimal | None) -> str:
    return "no day's books are there yet" if equity is None else f"has {equity:,.2f}"
