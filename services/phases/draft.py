"""An evaluation in progress: the single steps up and down, each with its row in the log. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from services.contracts.ladder import Activation, Change, Level, Readiness, Requirement
from services.contracts.messages import decision_id
from services.phases import evidence
from services.phases.chain import LogEntry, chained
from services.phases.judging import Judge, facts_of
from services.phases.state import PhasesParams, PhasesState, ceiling, comes_with

CHLOE, RESEARCH = "chloe", "research"


@dataclass(slots=True)
class Draft:
    """The state as it changes at one moment, and the rows that say so; ``configured`` and ``audits`` as in Facts."""

    state: PhasesState
    params: PhasesParams
    configured: Mapping[str, bool]
    audits: Mapping[str, bool]
    ts: datetime
    log: list[LogEntry] = field(default_factory=list)
    proofs: dict[str, evidence.Evidence] = field(default_factory=dict)

    @property
    def today(self) -> str:
        """The day that begins, or goes on, at this moment (ISO): the first one that a change now counts from."""
        return self.ts.date().isoformat()

    def judge(self) -> Judge:
        """Judge by the state as it is now."""
        facts = facts_of(self.state, self.params, self.configured, self.audits)
        return Judge(self.state, self.params, facts, self.ts, self.proofs)

    def change(self, **changes: Any) -> None:
        """Change fields of the state."""
        self.state = msgspec.structs.replace(self.state, **changes)

    def stand(self, subject: str, **changes: Any) -> None:
        """Change fields of a subject's standing."""
        kept = msgspec.structs.replace(self.state.standing(subject), **changes)
        self.change(standings={**self.state.standings, subject: kept})

    def say(
        self,
        subject: str,
        change: Change,
        by: str,
        note: str,
        *,
        forced: bool = False,
        on: msgspec.Struct | None = None,
    ) -> None:
        """Add a row to the log; ``on`` is what the change rests on."""
        seq = self.state.log_seq + 1
        if isinstance(on, Readiness) and on.evidence_why:
            note = f"{note} (evidence: {on.evidence})".lstrip()
        activation = Activation(
            decision_id(self.ts, "phases", f"{seq}|{subject}|{change}"), subject, change, by, note, forced
        )
        entry = chained(seq, self.ts, activation, on, self.state.log_hash)
        self.log.append(entry)
        self.change(log_seq=seq, log_hash=entry.hash)

    def activate(self, judged: Readiness, by: str, note: str, *, forced: bool = False) -> None:
        """Activate a phase; what comes with it is enabled, unless a person took it off."""
        name, fell = judged.phase, self.state.standing(judged.phase).cool_until is not None
        new = [
            symbol
            for symbol in comes_with(name, self.params)
            if symbol not in self.state.enabled and self.state.standing(symbol).held is None
            and ceiling(symbol, self.state, self.params) != "off"
        ]  # fmt: skip
        self.change(phases=(*self.state.phases, name))
        self.say(name, "activated", by, note, forced=forced, on=judged)
        if fell:
            self.stand(name, since=self.ts, entered=self.today, observed_from=None, cool_until=None, why="", by=by)
        for symbol in new:
            self._enter(symbol, self.entry_level(symbol), by)

    def demote(self, name: str, why: str, on: Readiness) -> None:
        """Take a phase back, by rule, and all its assets off with it."""
        self.change(phases=tuple(one for one in self.state.phases if one != name))
        self.say(name, "demoted", CHLOE, why, on=on)
        self.stand(name, since=self.ts, broken={}, cool_until=self._cooled(), why=why, by=CHLOE)
        for symbol in self.state.enabled:
            if self.params.assets.phase_of(symbol) == name:
                self.take_off(symbol, CHLOE, f"{name} was demoted", None)

    def enable(self, symbol: str, by: str, note: str, on: Readiness, *, forced: bool = False) -> None:
        """Open an asset that is off, at its own size or (after a fall, or by research) at observation size."""
        level = self.entry_level(symbol)
        self._enter(symbol, level, by)
        size = "at observation size" if level == "observed" else ""
        self.say(symbol, "enabled", by, "; ".join(filter(None, (note, size))), forced=forced, on=on)

    def restore(self, symbol: str, by: str, note: str, on: Readiness, *, forced: bool = False) -> None:
        """Give an observed asset its full size back."""
        self.change(observed=tuple(one for one in self.state.observed if one != symbol))
        self.stand(symbol, since=self.ts, cool_until=None, why="", by=by)
        self.say(symbol, "restored", by, note, forced=forced, on=on)

    def observe(self, symbol: str, by: str, why: str, on: msgspec.Struct | None) -> None:
        """Take an asset down to observation size, by rule or by research."""
        self.change(observed=(*self.state.observed, symbol))
        broken = {key: days for key, days in self.state.standing(symbol).broken.items() if key.startswith("disable")}
        self.stand(
            symbol, since=self.ts, observed_from=self.today, broken=broken, cool_until=self._cooled(), why=why, by=by
        )
        self.say(symbol, "observed", by, why, on=on)
        self.end_live(symbol, by, why)

    def take_off(self, symbol: str, by: str, why: str, on: msgspec.Struct | None) -> None:
        """Take an asset off, by rule or by research, and wind down what it holds where that is declared."""
        self._leave(symbol)
        if self.params.settings.demotion.wind_down:
            self.change(winding=(*self.state.winding, symbol))
        self.stand(symbol, since=self.ts, broken={}, cool_until=self._cooled(), why=why, by=by)
        self.say(symbol, "disabled", by, why, on=on)
        self.end_live(symbol, by, why)

    def hold_off(self, symbol: str, by: str, note: str) -> None:
        """Take an asset off by a person's order: it stays off until the next one."""
        self._leave(symbol)
        self.stand(symbol, since=self.ts, broken={}, by=by, held=f"{by}: {note}" if note else by)
        self.say(symbol, "disabled", by, note)
        self.end_live(symbol, by, note)

    def begin_live(self, symbol: str, by: str, note: str, on: Readiness, *, forced: bool = False) -> None:
        """Activate an asset's live phase."""
        self.change(live=(*self.state.live, symbol))
        self.say(symbol, "live_enabled", by, note, forced=forced, on=on)

    def end_live(self, symbol: str, by: str, why: str) -> None:
        """End an asset's live phase where it is active."""
        if symbol in self.state.live:
            self.change(live=tuple(one for one in self.state.live if one != symbol))
            self.say(symbol, "live_disabled", by, why)

    def entry_level(self, symbol: str) -> Level:
        """Return the level at which an asset that is off enters."""
        asset = self.params.assets.assets[symbol]
        lower = asset.role == "research_only" or self.state.standing(symbol).cool_until is not None
        return "observed" if lower else ceiling(symbol, self.state, self.params)

    def _enter(self, symbol: str, level: Level, by: str) -> None:
        kept = self.state.standing(symbol)
        fell = kept.cool_until is not None
        self.change(
            enabled=(*self.state.enabled, symbol),
            observed=(*self.state.observed, symbol) if level == "observed" else self.state.observed,
            winding=tuple(one for one in self.state.winding if one != symbol),
        )
        # What it fell by is behind it; without a fall all of its record counts.
        entered = self.today if fell else kept.entered
        seen = self.today if level == "observed" else kept.observed_from
        self.stand(symbol, since=self.ts, entered=entered, observed_from=seen, broken={}, by=by, held=None)

    def _leave(self, symbol: str) -> None:
        self.change(
            enabled=tuple(one for one in self.state.enabled if one != symbol),
            observed=tuple(one for one in self.state.observed if one != symbol),
        )

    def _cooled(self) -> str:
        return (self.ts.date() + timedelta(days=self.params.settings.demotion.cool_down_days)).isoformat()


def rested_on(subject: str, asset_class: str, broken: tuple[Requirement, ...]) -> Readiness:
    """Put the floors that were broken in the form in which the log keeps what a change rests on."""
    return Readiness(subject, asset_class, True, False, broken)
