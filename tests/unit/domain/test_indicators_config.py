"""Every leading indicator that an asset names is declared, and every source that should give it exists."""

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.domain.indicators import INDICATORS_FILE, IndicatorsConfig
from services.ingestion.settings import DataSources
from services.kernel.config import load


def test_every_named_indicator_is_declared_and_every_source_exists() -> None:
    declared = load(IndicatorsConfig, INDICATORS_FILE).indicators
    named = {name for asset in load(AssetsConfig, ASSETS_FILE).assets.values() for name in asset.indicators}
    assert named == set(declared)
    assert {source for sources in declared.values() for source in sources} <= set(
        load(DataSources, "data_sources.yaml").sources
    )
