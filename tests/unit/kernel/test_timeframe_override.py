"""CHLOE_TIMEFRAME overrides the declared bars for whoever reads the configuration, and is part of its name."""

import pytest

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.kernel.config import TIMEFRAME_ENV, config_version, load
from services.kernel.errors import ConfigError


def test_bars_are_hours_unless_something_else_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for unset in (None, ""):
        if unset is None:
            monkeypatch.delenv(TIMEFRAME_ENV, raising=False)
        else:
            monkeypatch.setenv(TIMEFRAME_ENV, unset)
        assert load(AssetsConfig, ASSETS_FILE).timeframe == "1h"


@pytest.mark.parametrize("timeframe", ["1m", "1h", "1d"])
def test_the_environment_overrides_the_file(timeframe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TIMEFRAME_ENV, timeframe)
    assert load(AssetsConfig, ASSETS_FILE).timeframe == timeframe


def test_an_unknown_width_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TIMEFRAME_ENV, "7h")
    with pytest.raises(ConfigError, match=r"--timeframe or CHLOE_TIMEFRAME: .*'1m', '1h' or '1d', got '7h'"):
        load(AssetsConfig, ASSETS_FILE)


def test_the_configurations_version_tells_runs_on_other_bars_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TIMEFRAME_ENV, raising=False)
    declared = config_version()
    monkeypatch.setenv(TIMEFRAME_ENV, "1d")
    assert config_version() != declared
