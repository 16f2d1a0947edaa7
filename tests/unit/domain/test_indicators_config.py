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


def test_an_indicator_without_a_configured_source_is_missing() -> None:
    config = IndicatorsConfig(indicators={"a": ("x", "y"), "b": (), "c": ("z",)})
    assert config.missing(["c", "b", "a", "unknown"], {"y"}) == ["c", "b", "unknown"]
    assert config.missing(["a"], {"x"}) == []
