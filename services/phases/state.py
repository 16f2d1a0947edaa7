"""What phases remember and are configured with, and what follows from both alone. Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import msgspec

from services.contracts.ladder import Level
from services.contracts.research import EdgeMeasured, MixShare
from services.contracts.shape import Time
from services.domain.assets import AssetsConfig
from services.phases.chain import GENESIS
from services.phases.record import Record
from services.phases.settings import PhasesSettings, RolloutSettings

RESEARCH_TIER = 3
BY_TIER: dict[int, Level] = {1: "full", 2: "observed", RESEARCH_TIER: "off"}
BY_ROLE: dict[str, Level] = {"observation": "observed", "research_only": "off"}


class Standing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How an asset (or a phase) came to stand where it does; days are ISO dates."""

    since: Time | None = None
    """When its level last changed."""
    entered: str | None = None
    """The first day whose record counts for the floors that take it off; None: the whole record does."""
    observed_from: str | None = None
    """The same for the floors to observation size and for getting its full size back."""
    broken: dict[str, int] = {}
    """By floor (``observe.0``), at the end of how many days in a row it was broken; none where it holds."""
    cool_until: str | None = None
    """It does not rise before this day."""
    why: str = ""
    """Why it stands lower than it did."""
    by: str = ""
    """Who changed its level last."""
    held: str | None = None
    """Which person took it off, and why: only a person enables it again."""


class Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another tier that research speaks for, and for how many nights in a row."""

    tier: int
    nights: int


class PhasesState(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is active and enabled and how it came to be, the record, and the head of the audit chain."""

    phases: tuple[str, ...]
    enabled: tuple[str, ...]
    observed: tuple[str, ...] = ()
    """Those of ``enabled`` at observation size."""
    live: tuple[str, ...] = ()
    winding: tuple[str, ...] = ()
    standings: dict[str, Standing] = {}
    """By symbol and by phase, of those whose level ever changed or whose floors are broken."""
    tiers: dict[str, int] = {}
    """Where research has put assets that the configuration has in another tier."""
    words: dict[str, Word] = {}
    cells: dict[str, tuple[EdgeMeasured, ...]] = {}
    """Of the symbols of ``tiers``: where research last saw them pay."""
    mixes: dict[str, tuple[MixShare, ...]] = {}
    fresh: dict[str, tuple[float, ...]] = {}
    """Share of each of the newest days' slices that had a bar of the symbol, oldest first."""
    flags: dict[str, tuple[str, ...]] = {}
    """By subject, the flags that block it."""
    carried_out: tuple[str, ...] = ()
    """Ids of the newest commands that were: none is carried out twice."""
    equity: Decimal | None = None
    record: Record = Record()
    last_slice: datetime | None = None
    log_seq: int = 0
    log_hash: str = GENESIS

    def level(self, symbol: str) -> Level:
        """Return the asset's level."""
        if symbol not in self.enabled:
            return "off"
        return "observed" if symbol in self.observed else "full"

    def standing(self, subject: str) -> Standing:
        """Return how a symbol or a phase came to stand where it does."""
        return self.standings.get(subject, STARTED)


STARTED = Standing()


@dataclass(frozen=True, slots=True)
class PhasesParams:
    """The configuration that the decision depends on."""

    settings: PhasesSettings
    rollout: RolloutSettings
    assets: AssetsConfig


def start(params: PhasesParams) -> PhasesState:
    """Begin with the phase of order 0 and the assets that come with it."""
    first = next(name for name, phase in params.settings.phases.items() if phase.order == 0)
    begun = PhasesState(phases=(first,), enabled=comes_with(first, params))
    observed = tuple(symbol for symbol in begun.enabled if ceiling(symbol, begun, params) == "observed")
    return msgspec.structs.replace(begun, observed=observed)


def comes_with(phase: str, params: PhasesParams) -> tuple[str, ...]:
    """Return the assets that a phase enables by being active."""
    return tuple(
        symbol
        for symbol, asset in params.assets.assets.items()
        if asset.enabled_with_phase and params.assets.phase_of(symbol) == phase
    )


def tier_of(symbol: str, state: PhasesState, params: PhasesParams) -> int | None:
    """Return the asset's tier as research last left it; None outside the rollout."""
    return state.tiers.get(symbol, params.assets.assets[symbol].tier)


def ceiling(symbol: str, state: PhasesState, params: PhasesParams) -> Level:
    """Return how far the asset can rise: by its tier where research has changed that, else by its role."""
    moved = state.tiers.get(symbol)
    return BY_TIER[moved] if moved is not None else BY_ROLE.get(params.assets.assets[symbol].role, "full")


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
