"""`chloe backfill` against an exchange on loopback: fetched once, resumed after a break, refused without a source."""

import json
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from fake_exchange import FakeExchange, answer

from services.domain.candles import epoch

ROOT = Path(__file__).parents[2]
HOUR = timedelta(hours=1)
HOURS = 60


@pytest.fixture
def exchange() -> Iterator[FakeExchange]:
    """An exchange with the last hours of one coin, up to now."""
    newest = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - HOUR
    made = FakeExchange()
    made.bars["BTCUSDT"] = [
        (epoch(newest - n * HOUR) * 1000, 10.0, 11.0, 9.0, 10.5, 3.0) for n in reversed(range(HOURS))
    ]
    yield made
    made.close()


@pytest.fixture
def config(tmp_path: Path, exchange: FakeExchange) -> Path:
    """The shipped configuration, with the exchange's address."""
    folder = tmp_path / "config"
    shutil.copytree(ROOT / "config", folder)
    line = {"family": "crypto", "adapter": "ccxt", "exchange": "binance", "asset_classes": ["crypto"]}
    sources = {"sources": {"binance": {**line, "base_url": exchange.url}}}
    (folder / "data_sources.yaml").write_text(yaml.safe_dump(sources))
    return folder


def chloe(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CHLOE_CONFIG_DIR": str(config), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "services.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120, check=False)


def test_fetches_what_is_missing_and_goes_on_after_a_break(
    tmp_path: Path, config: Path, exchange: FakeExchange
) -> None:
    since = (datetime.now(UTC) - HOURS * HOUR).strftime("%Y-%m-%dT%H:00")
    command = ("backfill", "btcusdt", "--from", since, "--data", str(tmp_path / "live"))
    exchange.faults = deque([answer(502, "bad gateway")] * 50)
    broken = chloe(config, *command)
    assert broken.returncode == 1
    assert len(broken.stderr.strip().splitlines()) == 1
    assert "run it again to go on" in broken.stderr
    exchange.faults.clear()
    done = chloe(config, *command)
    assert done.returncode == 0, done.stderr
    assert f"BTC/USDT: {HOURS} new, 0 revised, 0 refused; 0 bars still missing" in done.stdout
    again = chloe(config, *command)
    assert "BTC/USDT: 0 new" in again.stdout
    said = chloe(config, "diagnose", "BTC/USDT", "--data", str(tmp_path / "live"), "--json")
    assert json.loads(said.stdout)["state"] == "fresh"


def test_names_what_is_not_configured(tmp_path: Path, config: Path) -> None:
    refused = chloe(config, "backfill", "NVDA", "--from", "2024-01-01", "--data", str(tmp_path / "live"))
    assert refused.returncode == 1
    assert "NVDA: no source of stocks candles is configured" in refused.stderr
    assert not (tmp_path / "live").exists()
