"""All configuration of the decision path in one place, for back-test and services alike."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.execution.brokers.paper import PaperVenue
from services.execution.settings import ExecutionSettings
from services.kernel.config import load
from services.phases.decide import PhasesParams
from services.phases.settings import PhasesSettings, RolloutSettings
from services.research.nightly.decide import NightlyParams
from services.research.nightly.params import load_params as load_nightly
from services.risk.settings import RiskSettings
from services.risk.state import RiskParams
from services.signals.decide import SignalParams
from services.signals.settings import SignalSettings


@dataclass(frozen=True, slots=True)
class Parameters:
    """What every stage's decision depends on besides its state and its event."""

    assets: AssetsConfig
    signals: SignalParams
    risk: RiskParams
    phases: PhasesParams
    venue: PaperVenue
    starting_cash: Decimal
    research: NightlyParams


def load_parameters(folder: Path | None = None) -> Parameters:
    """Read and check the configuration files of the decision path; raises ConfigError."""
    assets = load(AssetsConfig, ASSETS_FILE, folder)
    execution = load(ExecutionSettings, "execution.yaml", folder)
    class_caps = {name: c.max_weight for name, c in assets.classes.items()}
    class_weights = {name: Decimal(str(cap)) for name, cap in class_caps.items()}
    order_hours = {name: c.order_valid_hours for name, c in assets.classes.items()}
    size = Decimal(str(assets.observation_size))
    return Parameters(
        assets=assets,
        signals=SignalParams(
            load(SignalSettings, "signals.yaml", folder), assets.assets, class_caps, assets.observation_size
        ),
        risk=RiskParams(load(RiskSettings, "risk.yaml", folder), assets.assets, class_weights, order_hours, size),
        phases=PhasesParams(
            load(PhasesSettings, "phases.yaml", folder), load(RolloutSettings, "rollout.yaml", folder), assets
        ),
        venue=PaperVenue(execution.paper, assets.classes, assets.assets),
        starting_cash=execution.paper.starting_cash,
        research=load_nightly(folder),
    )
