"""What nightly research depends on besides its state and the forecasts: its own file, the assets, costs and splits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.domain.assets import ASSETS_FILE, Asset, AssetsConfig
from services.domain.candles import SECONDS
from services.domain.corporate_actions import CORPORATE_ACTIONS_FILE, CorporateActions, dated_splits
from services.domain.market_days import bars_per_day
from services.domain.regimes import REGIMES
from services.domain.sessions import ALWAYS_OPEN, WEEKDAYS
from services.execution.settings import ExecutionSettings, PaperSettings
from services.kernel.config import load
from services.research.evaluation_rows import round_trip_bps
from services.research.nightly.settings import RESEARCH_FILE, ResearchSettings

BUCKETS = 10
WAYS = {"long": 1, "short": -1}
DAYS_OF_WEEK, TRADING_DAYS = 7, 5


@dataclass(frozen=True, slots=True)
class Measure:
    """How one asset is measured; cells are numbered regime by regime, ten buckets each."""

    asset_class: str
    ways: frozenset[int]
    """1 where it is bought, -1 where it is sold short: forecasts of another direction are never traded."""
    cost_bps: float
    profile: frozenset[int] | None
    """Cells in which it is entered; None: in all."""
    bar_seconds: int
    """Seconds of the calendar that one bar of its market takes, nights and weekends spread over all of them."""
    splits: tuple[int, ...] = ()
    """Epoch seconds from which its prices were on new terms: no outcome reaches over one."""
    rule: str = ""
    profile_rule: str = ""
    """What its sums are sums of, in words: where the first changes all begin anew, where the second the profile's."""


@dataclass(frozen=True, slots=True)
class NightlyParams:
    """The configuration that the measurement depends on."""

    settings: ResearchSettings
    assets: AssetsConfig
    measures: Mapping[str, Measure] = field(default_factory=dict)
    """By symbol."""


def load_params(folder: Path | None = None) -> NightlyParams:
    """Read and check the files; raises ConfigError."""
    assets = load(AssetsConfig, ASSETS_FILE, folder)
    actions = load(CorporateActions, CORPORATE_ACTIONS_FILE, folder)
    paper = load(ExecutionSettings, "execution.yaml", folder).paper
    return make_params(load(ResearchSettings, RESEARCH_FILE, folder), assets, actions, paper)


def make_params(
    settings: ResearchSettings, assets: AssetsConfig, actions: CorporateActions, paper: PaperSettings
) -> NightlyParams:
    """Work out how each asset is measured."""
    splits = {
        symbol: tuple(one.begins for one in dated)
        for symbol, dated in dated_splits(actions.actions, assets.timeframe).items()
    }
    return NightlyParams(
        settings,
        assets,
        {name: _measure(name, settings, assets, paper, splits.get(name, ())) for name in assets.assets},
    )


def cost_bps(asset: Asset, assets: AssetsConfig, paper: PaperSettings) -> float:
    """Return what a round trip costs, basis points; with the asset's own spread where it declares one."""
    of_class = assets.classes[asset.asset_class]
    if asset.spread_bps is not None:
        of_class = of_class.model_copy(update={"spread_bps": asset.spread_bps})
    return round_trip_bps(of_class, paper)


def _measure(
    symbol: str, settings: ResearchSettings, assets: AssetsConfig, paper: PaperSettings, splits: tuple[int, ...]
) -> Measure:
    asset = assets.assets[symbol]
    sides = (asset.profile.sides if asset.profile else None) or asset.sides
    cost = cost_bps(asset, assets, paper)
    cells = None if asset.profile is None else _cells(asset)
    return Measure(
        asset_class=asset.asset_class,
        ways=frozenset(WAYS[side] for side in sides),
        cost_bps=cost,
        profile=cells,
        bar_seconds=_bar_seconds(asset.asset_class, assets),
        splits=splits,
        rule=f"{' and '.join(sorted(sides))}, {cost:g} bps",
        profile_rule=f"cells {'all' if cells is None else sorted(cells)}, thresholds {list(settings.thresholds)}",
    )


def _cells(asset: Asset) -> frozenset[int]:
    declared = asset.profile.cells if asset.profile else {}
    return frozenset(
        BUCKETS * REGIMES.index(regime) + bucket
        for regime, buckets in declared.items()
        for bucket in buckets or range(BUCKETS)
    )


def _bar_seconds(asset_class: str, assets: AssetsConfig) -> int:
    seconds = SECONDS[assets.timeframe]
    if asset_class in ALWAYS_OPEN:
        return seconds
    if asset_class in WEEKDAYS:
        return seconds * DAYS_OF_WEEK // TRADING_DAYS
    return DAYS_OF_WEEK * SECONDS["1d"] // (TRADING_DAYS * bars_per_day(asset_class, assets.timeframe))
