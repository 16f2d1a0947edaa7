"""The audit's yardsticks: its own (``config/audit.yaml``), and what the other files say already."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from services.domain.assets import ASSETS_FILE, AssetsConfig, Section
from services.domain.indicators import INDICATORS_FILE, IndicatorsConfig
from services.kernel.config import config_dir, load
from services.kernel.errors import ConfigError

AUDIT_FILE = "audit.yaml"


class AuditSettings(Section):
    """The whole of audit.yaml; the file has the reasons."""

    history_days: int = Field(gt=0)
    max_revised: float = Field(ge=0, le=1)
    least_fresh: float = Field(ge=0, le=1)
    research_days: int = Field(gt=0)
    least_trades: int = Field(gt=0)
    max_stop_exits: float = Field(ge=0, le=1)
    max_slippage_bps: float = Field(gt=0)
    slippage_multiple: float = Field(ge=1)
    max_mix_distance: float = Field(ge=0, le=1)
    max_chop_share: float = Field(ge=0, le=1)
    size_tolerance: float = Field(ge=0, le=1)
    small_account: Decimal = Field(gt=0)


@dataclass(frozen=True, slots=True)
class LiveBars:
    """What the live gate of rollout.yaml asks of an asset's own record."""

    trades: float
    profit_factor: float
    max_drawdown: float


@dataclass(frozen=True, slots=True)
class AuditParams:
    """Everything that an audit measures by. Amounts in account currency."""

    settings: AuditSettings
    bars: LiveBars
    max_model_age_days: int
    audit_days: int
    """How long an audit for live counts."""
    max_notional: Mapping[str, Decimal]
    """By symbol, the most that a live position may be worth."""
    accounts: Mapping[str, str]
    """By asset class, the account that its live orders go to: ``bybit/testnet``."""
    slippage_bps: float
    """What paper adds to half the spread, each way."""
    assets: AssetsConfig
    indicators: IndicatorsConfig


class _Part(BaseModel):
    """The part of another stage's file that is read here; that stage refuses what is wrong with the rest."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Rule(_Part):
    metric: str
    scope: str
    threshold: float


class _Rollout(_Part):
    live: tuple[_Rule, ...]


class _Risk(_Part):
    max_model_age_days: int


class _Broker(_Part):
    environment: str
    classes: tuple[str, ...]


class _Live(_Part):
    audit_days: int
    max_notional: dict[str, Decimal]
    brokers: dict[str, _Broker]


class _Paper(_Part):
    slippage_bps: float


class _Execution(_Part):
    paper: _Paper


def load_params(folder: Path | None = None) -> AuditParams:
    """Read all files that an audit measures by; raises ConfigError naming file and key."""
    live = load(_Live, "live.yaml", folder)
    return AuditParams(
        settings=load(AuditSettings, AUDIT_FILE, folder),
        bars=_bars(load(_Rollout, "rollout.yaml", folder), (folder or config_dir()) / "rollout.yaml"),
        max_model_age_days=load(_Risk, "risk.yaml", folder).max_model_age_days,
        audit_days=live.audit_days,
        max_notional=live.max_notional,
        accounts={name: f"{broker}/{one.environment}" for broker, one in live.brokers.items() for name in one.classes},
        slippage_bps=load(_Execution, "execution.yaml", folder).paper.slippage_bps,
        assets=load(AssetsConfig, ASSETS_FILE, folder),
        indicators=load(IndicatorsConfig, INDICATORS_FILE, folder),
    )


def _bars(rollout: _Rollout, path: Path) -> LiveBars:
    own = {rule.metric: rule.threshold for rule in rollout.live if rule.scope == "self"}
    for name in ("trades", "profit_factor", "max_drawdown"):
        if name not in own:
            raise ConfigError(f"{path}: live: no rule asks for the asset's own {name}, which every audit is about")
    return LiveBars(own["trades"], own["profit_factor"], own["max_drawdown"])
