"""Which source can give which leading indicator (``config/indicators.yaml``)."""

from services.domain.assets import Section

INDICATORS_FILE = "indicators.yaml"


class IndicatorsConfig(Section):
    """The whole file: indicator names with the sources that give them; an empty list means none yet."""

    indicators: dict[str, tuple[str, ...]]
