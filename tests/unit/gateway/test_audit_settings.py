"""The audit's yardsticks come from the files that say them already."""

import shutil
from pathlib import Path

import pytest

from services.gateway.audit.settings import load_params
from services.kernel.config import config_dir
from services.kernel.errors import ConfigError


def test_bars_limits_and_accounts_are_those_of_the_other_files() -> None:
    params = load_params()
    assert (params.bars.trades, params.bars.profit_factor, params.bars.max_drawdown) == (20, 1.05, 0.25)
    assert (params.max_model_age_days, params.audit_days, params.max_notional) == (100, 7, {})
    assert params.accounts["crypto"] == "bybit/testnet"
    assert params.slippage_bps == 1


def test_a_live_gate_without_a_bar_is_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    shutil.copytree(config_dir(), folder)
    rollout = folder / "rollout.yaml"
    rule = '  - {metric: trades, scope: self, comparison: ">=", threshold: 20}\n'
    text = rollout.read_text(encoding="utf-8")
    assert rule in text
    rollout.write_text(text.replace(rule, ""), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"rollout\.yaml: live: no rule asks for the asset's own trades"):
        load_params(folder)
    (folder / "audit.yaml").write_text("history_days: 90\nlucky: 7\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"audit\.yaml: "):
        load_params(folder)
