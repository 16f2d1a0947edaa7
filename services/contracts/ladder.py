"""The ladders as they are told: gates, what they lack, where assets stand, what changed. Parts of ``DayEvaluated``."""

from decimal import Decimal
from typing import Literal
from uuid import UUID

from services.contracts.shape import Struct, Time

Evidence = Literal["weak", "fair", "strong"]
Level = Literal["off", "observed", "full"]
Change = Literal[
    "activated",
    "demoted",
    "enabled",
    "disabled",
    "observed",
    "restored",
    "live_enabled",
    "live_disabled",
    "tier_changed",
]


class Requirement(Struct, frozen=True, omit_defaults=True):
    """One line of a gate: what is asked, what is, whether it is met, and what is missing in words."""

    name: str
    comparison: Literal[">", ">=", "<", "<=", "is"]
    threshold: float
    current: float | None
    met: bool
    missing: str | None
    n: int | None = None
    """Days or trades that ``current`` rests on; None where it rests on no sample."""
    low: float | None = None
    """With ``high`` the 90 % interval of the true value, where one can be given."""
    high: float | None = None


class Readiness(Struct, frozen=True, omit_defaults=True):
    """A phase's state and its requirements; ``ready`` is True only when all are met."""

    phase: str
    asset_class: str
    active: bool
    ready: bool
    requirements: tuple[Requirement, ...]
    evidence: Evidence = "weak"
    """How sure the record makes one that its profit is no luck; automatic activation takes strong evidence."""
    evidence_why: str = ""
    """In words; empty where the gate asks nothing of a record."""
    capital_needed: Decimal | None = None
    """What has to be in the account before it may be activated, account currency."""
    capital: Decimal | None = None
    """What is in the account."""


class AssetStanding(Struct, frozen=True, omit_defaults=True):
    """Where an asset stands on its ladder, and what its next step takes."""

    symbol: str
    asset_class: str
    level: Level
    """off: nothing new is entered; observed: entered at observation size; full: at its own size."""
    tier: int | None = None
    """Of the crypto rollout, as research last left it."""
    live: bool = False
    """Whether its live phase is active: one of the conditions for real orders."""
    step: Literal["enabled", "restored", "live_enabled"] | None = None
    """The next step up; None where none is open to it."""
    ready: bool = False
    """Whether that step's gate is met."""
    requirements: tuple[Requirement, ...] = ()
    """Of that step."""
    evidence: Evidence = "weak"
    evidence_why: str = ""
    why: str = ""
    """What it waits for, or why it stands lower than it did, in one line."""
    since: Time | None = None
    """When its level last changed; None: since the start."""


class Activation(Struct, frozen=True):
    """A change of what may trade, as written to the hash-chained log."""

    id: UUID
    subject: str
    """A phase (``phase_1_stocks``) or a symbol."""
    change: Change
    """Phases are activated and demoted; assets are enabled, observed (at half size), restored, disabled, and so on."""
    by: str
    note: str
    forced: bool
