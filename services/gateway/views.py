"""What the API answers, as documented models. Amounts are decimal texts in account currency; 0.1 is 10 %."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

T = TypeVar("T")

Amount = Annotated[Decimal, PlainSerializer(lambda value: f"{value:f}", return_type=str, when_used="json")]
"""A decimal as plain text: 0.00000000, never 0E-8."""


class View(BaseModel):
    """An answer of the API; made from rows, never changed."""

    model_config = ConfigDict(frozen=True)


class Problem(View):
    """What went wrong, in one line."""

    error: str = Field(examples=["symbol 'BTX' is not known; did you mean BTC/USDT?"])


class RequirementView(View):
    """One line of a gate."""

    name: str = Field(examples=["profitable_days (crypto, last 60 d)"])
    comparison: Literal[">", ">=", "<", "<=", "is"]
    threshold: float
    current: float | None = Field(description="None while it is not defined, as a Sharpe ratio without trades")
    met: bool
    missing: str | None = Field(examples=["12 more profitable days"])
    n: int | None = Field(None, description="Days or trades that the current value rests on")
    low: float | None = Field(None, description="With high the 90 % interval of the true value, where one can be given")
    high: float | None = None


class PhaseView(View):
    """One step of the ladder."""

    phase: str = Field(examples=["phase_1_stocks"])
    order: int
    asset_class: str
    active: bool
    activated_at: datetime | None
    ready: bool
    evidence: Literal["weak", "fair", "strong"] | None = Field(
        description="How sure the record makes one that its profit is no luck; None while nothing has been evaluated"
    )
    evidence_why: str | None
    min_capital: Amount | None
    max_capital: Amount | None
    capital_needed: Amount | None = Field(description="What has to be in the account before it may be activated")
    capital: Amount | None = Field(description="What was in the account at the newest evaluation")
    evaluated_at: datetime | None
    note: str | None = Field(description="Says so while nothing has been evaluated")
    requirements: list[RequirementView]


class PhaseDetail(PhaseView):
    """One phase, with the run it was judged in."""

    mode: str
    simulated: bool
    equity: Amount | None


class Ladder(View):
    """All phases in their order."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "mode": "replay",
                    "simulated": True,
                    "equity": "1065.57929335",
                    "evaluated_at": "2024-03-05T00:00:00Z",
                    "phases": [
                        {
                            "phase": "phase_1_stocks",
                            "order": 1,
                            "asset_class": "stocks",
                            "active": False,
                            "activated_at": None,
                            "ready": False,
                            "evidence": "weak",
                            "evidence_why": "crypto: 31 days, 12 trades, true Sharpe ratio above 0: 61.0%, profit "
                            "factor's lower 5 % bound: 0.71; strong takes 29 more days, 18 more trades, a Sharpe "
                            "ratio above 0 with 99.7%, a lower bound above 1.00",
                            "min_capital": "3000.00000000",
                            "max_capital": "5000.00000000",
                            "capital_needed": "3000",
                            "capital": "1065.57929335",
                            "evaluated_at": "2024-03-05T00:00:00Z",
                            "note": None,
                            "requirements": [
                                {
                                    "name": "profitable_days (crypto, last 60 d)",
                                    "comparison": ">=",
                                    "threshold": 30,
                                    "current": 18,
                                    "met": False,
                                    "missing": "12 more profitable days",
                                    "n": 60,
                                    "low": None,
                                    "high": None,
                                }
                            ],
                        }
                    ],
                }
            ]
        },
    )

    mode: str = Field(examples=["replay"])
    simulated: bool = Field(description="True: no real money is traded")
    equity: Amount | None = Field(description="Equity after the newest slice")
    evaluated_at: datetime | None
    phases: list[PhaseView]


class NotReady(Problem):
    """A refused activation and the gate it failed."""

    requirements: list[RequirementView] = []


class Listing(View, Generic[T]):
    """Rows, and which run they come from."""

    mode: str = Field(examples=["replay"])
    simulated: bool
    items: list[T]


class AssetView(View):
    """One asset and what it may do."""

    symbol: str = Field(examples=["BTC/USDT"])
    name: str
    asset_class: str
    phase: str
    phase_active: bool
    role: str
    tier: int | None
    collecting: bool
    level: Literal["off", "observed", "full"] = Field(description="observed: entered at half its size")
    level_since: datetime | None = Field(description="When the level last changed; None: since the start")
    trading_enabled: bool
    live_enabled: bool
    waits_for: str = Field(description="What its next step lacks, or why it stands lower than it did")
    updated_at: datetime


class AssetDetail(AssetView):
    """One asset with its declared configuration."""

    mode: str
    simulated: bool
    config: dict[str, Any]


class FeedView(View):
    """How well a source delivers one asset; ``timeframe`` is the bars', or quotes, stream or values."""

    symbol: str
    source: str
    asset_class: str
    timeframe: str
    last_ts: datetime | None
    bars: int
    gaps: int
    repaired: int
    refused: int
    revisions: int
    errors: int
    last_error: str | None
    checked_at: datetime
    completeness: float | None
    latency_seconds: float | None
    limited: int


class DiagnosisView(View):
    """Whether one asset's feed is fit to trade on, why not, and how well each source delivers."""

    symbol: str
    asset_class: str
    fit: bool
    state: str = Field(examples=["fresh"])
    reasons: list[str]
    sentence: str
    sources: list[FeedView]


class CommandView(View):
    """An operator's command and what became of it."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "0d6d3ad2-95c0-5f1e-9b5e-1b0a3d3f7a11",
                    "name": "halt",
                    "subject": None,
                    "by": "operate (kim)",
                    "note": "exchange maintenance",
                    "forced": False,
                    "live": False,
                    "given_at": "2024-03-05T00:00:00Z",
                    "status": "pending",
                    "outcome": None,
                }
            ]
        },
    )

    id: UUID
    name: str
    subject: str | None
    by: str
    note: str
    forced: bool
    live: bool = Field(description="Of enable and disable: the asset's live phase is meant, not paper")
    given_at: datetime
    status: Literal["pending", "done", "refused"]
    outcome: str | None


class StageView(View):
    """How far one stage is."""

    stage: str
    slice_ts: datetime | None
    messages: int = Field(description="How many messages it has published")
    behind_messages: int = Field(description="Published for it and not yet decided upon")
    behind_seconds: float | None = Field(description="Slice time behind the newest slice of any stage")
    config_version: str
    updated_at: datetime


class Alive(View):
    """The process answers."""

    status: Literal["ok"]
    version: str


class Ready(View):
    """Whether the gateway can do its work; ``missing`` names what it lacks."""

    ready: bool
    missing: list[str]
    schema_version: str | None
    config_version: str
