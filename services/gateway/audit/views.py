"""What the audit of an asset answers, as documented models."""

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field

from services.gateway.views import View

Verdict = Literal["ok", "warn", "fail", "unknown"]


class AuditLine(View):
    """One thing that was looked at."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    name: str = Field(examples=["profit factor"])
    verdict: Verdict
    figure: str = Field(examples=["1.21"])
    yardstick: str = Field(examples=["at least 1.05"])
    words: str = Field(examples=["high enough"])
    asked_by: Literal["paper", "live", "nobody"] = Field(
        description="paper: fit to trade at all, which live asks too; live: real money only; nobody: to be weighed"
    )
    n: int | None = Field(description="What the figure rests on, where it is a sample's")
    low: float | None = Field(description="With high the interval of the true value, where one can be given")
    high: float | None


class AuditPart(View):
    """One part of the asset; its verdict is the worst of its lines."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    name: str = Field(examples=["trades"])
    verdict: Verdict
    lines: list[AuditLine]


class RecordedAudit(View):
    """An audit for live as it was recorded; the newest counts, for a while."""

    ts: datetime
    ready: bool
    reasons: list[str]
    valid_until: datetime


class AuditView(View):
    """Whether an asset has earned the right to trade, on paper and with real money, and what speaks against it."""

    mode: str
    simulated: bool
    symbol: str
    name: str
    asset_class: str
    phase: str
    phase_active: bool
    role: str
    tier: int | None
    level: str = Field(description="off, observed or full")
    trading_enabled: bool
    live_enabled: bool
    waits_for: str
    as_of: datetime = Field(description="In a replay the newest settled slice")
    verdict: Verdict = Field(description="Whether it is fit to trade on paper: the worst of the lines that paper asks")
    paper_reasons: list[str]
    ready_for_live: bool = Field(description="Nothing that real money asks for fails or is unknown")
    reasons: list[str] = Field(description="What speaks against real money")
    sections: list[AuditPart]
    newest_model: str | None
    open_flags: list[str]
    indicators_missing: list[str] = Field(description="Leading indicators it names that no stored series brings")
    recorded: RecordedAudit | None = Field(description="Its newest recorded audit for live")
