"""Which source can give which leading indicator (``config/indicators.yaml``)."""

from collections.abc import Collection, Iterable

from services.domain.assets import Section

INDICATORS_FILE = "indicators.yaml"


class IndicatorsConfig(Section):
    """The whole file: indicator names with the sources that give them; an empty list means none yet."""

    indicators: dict[str, tuple[str, ...]]

    def missing(self, named: Iterable[str], configured: Collection[str]) -> list[str]:
        """Return the named indicators that no configured source gives, in their order."""
        return [name for name in named if not any(s in configured for s in self.indicators.get(name, ()))]
