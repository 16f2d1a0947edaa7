"""Bad input: one line that names it, exit code not 0, nothing half-done."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample"


def chloe(
    *arguments: str, config: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    more = {"CHLOE_CONFIG_DIR": str(config)} if config else {}
    command = [sys.executable, "-m", "services.cli", *arguments]
    environment = {**os.environ, **more, **(env or {}), "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120, check=False)


def assert_one_line(done: subprocess.CompletedProcess[str], *names: str) -> None:
    """The refusal is one line on standard error that names what is wrong."""
    assert done.returncode != 0
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    for name in names:
        assert name in lines[0]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    shutil.copytree(ROOT / "config", folder)
    return folder


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


CONFIG_FAULTS: list[tuple[str, Callable[[Path], object], tuple[str, ...]]] = [
    ("unknown key", lambda c: _edit(c / "risk.yaml", "max_heat:", "max_heet:"), ("risk.yaml", "max_he")),
    ("wrong type", lambda c: _edit(c / "risk.yaml", "max_heat: 0.25", "max_heat: lots"), ("risk.yaml", "lots")),
    ("out of bounds", lambda c: _edit(c / "signals.yaml", "min_cash: 0.20", "min_cash: 2"), ("min_cash",)),
    ("missing file", lambda c: (c / "phases.yaml").unlink(), ("phases.yaml", "not found")),
    ("not YAML", lambda c: (c / "rollout.yaml").write_text("assets: ["), ("rollout.yaml",)),
    ("key twice", lambda c: _edit(c / "risk.yaml", "max_heat:", "max_drawdown: 0.3\nmax_heat:"), ("twice",)),
    ("unknown class", lambda c: _edit(c / "assets_config.yaml", "{asset_class: meme", "{asset_class: mem"), ("'mem'",)),
    ("unknown model key", lambda c: _edit(c / "models.yaml", "seed: 7", "sead: 7"), ("models.yaml", "se")),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "spoil", "names"), CONFIG_FAULTS, ids=[fault[0] for fault in CONFIG_FAULTS])
def test_names_the_file_and_key_of_a_wrong_configuration(
    fault: str, spoil: Callable[[Path], object], names: tuple[str, ...], config: Path, tmp_path: Path
) -> None:
    spoil(config)
    ledger = tmp_path / "ledger.jsonl"
    assert_one_line(chloe("backtest", "--ledger", str(ledger), config=config), *names)
    data = tmp_path / "data"
    assert_one_line(chloe("standalone", "--data", str(data), "--exit", config=config), *names)
    assert not ledger.exists()
    assert not data.exists(), f"{fault}: servers were started before the configuration was read"


def test_names_a_configuration_folder_that_is_not_there(tmp_path: Path) -> None:
    assert_one_line(chloe("backtest", config=tmp_path / "nowhere"), "CHLOE_CONFIG_DIR", "nowhere")


def _truncated(folder: Path) -> None:
    shutil.copy(SAMPLE / "ETH-USDT_1h.parquet", folder)
    whole = (SAMPLE / "BTC-USDT_1h.parquet").read_bytes()
    (folder / "BTC-USDT_1h.parquet").write_bytes(whole[: len(whole) // 2])


def _bad_row(folder: Path) -> None:
    rows = [f"2024-01-01 {hour:02}:00:00,100,110,90,105,{'many' if hour == 7 else 1}" for hour in range(24)]
    (folder / "BTC-USDT_1h.csv").write_text("\n".join(["ts,open,high,low,close,volume", *rows]) + "\n")


def _missing_column(folder: Path) -> None:
    (folder / "BTC-USDT_1h.csv").write_text("ts,open,high,low,volume\n2024-01-01 00:00:00,1,2,1,1\n")


def _bad_symbol(folder: Path) -> None:
    shutil.copy(SAMPLE / "BTC-USDT_1h.parquet", folder / "BTX-USDT_1h.parquet")


def _empty(_: Path) -> None:
    """Leave the folder empty."""


@pytest.mark.parametrize(
    ("spoil", "names"),
    [
        (_truncated, ("BTC-USDT_1h.parquet",)),
        (_bad_row, ("BTC-USDT_1h.csv", "9", "many")),
        (_missing_column, ("BTC-USDT_1h.csv", "close")),
        (_bad_symbol, ("BTX",)),
        (_empty, ("holds no .parquet or .csv",)),
    ],
    ids=["truncated Parquet", "bad row", "missing column", "bad symbol", "empty folder"],
)
def test_names_the_file_and_row_of_bad_data_and_stores_nothing(
    spoil: Callable[[Path], None], names: tuple[str, ...], tmp_path: Path
) -> None:
    folder, data = tmp_path / "candles", tmp_path / "data"
    folder.mkdir()
    spoil(folder)
    assert_one_line(chloe("backtest", "--from", str(folder)), *names)
    assert_one_line(chloe("standalone", "--from", str(folder), "--data", str(data), "--exit"), *names)
    assert not data.exists()


def test_names_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert_one_line(chloe("replay", "--from", str(tmp_path / "nowhere")), "nowhere", "no such folder")


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("--since", "soon"), ("soon",)),
        (("--since", "2024-01-01T00:30"), ("2024-01-01T00:30", "whole hour")),
        (("--since", "2031-01-01"), ("2031-01-01",)),
    ],
)
def test_names_a_span_that_cannot_be(arguments: tuple[str, str], names: tuple[str, ...]) -> None:
    assert_one_line(chloe("backtest", *arguments), *names)


@pytest.mark.parametrize(
    ("env", "names"),
    [
        ({"CHLOE_SOURCE": "magic"}, ("CHLOE_SOURCE", "magic")),
        ({"CHLOE_DATABASE_URL": "postgresql://chloe:postgres@127.0.0.1/chloe"}, ("CHLOE_DATABASE_URL", "password")),
        ({"CHLOE_DATABASE_PASSWORD_FILE": "/nowhere/secret"}, ("/nowhere/secret",)),
        ({"CHLOE_DATABASE_URL": "postgresql://127.0.0.1:1/chloe"}, ("127.0.0.1:1",)),
    ],
    ids=["wrong value", "default password", "missing secret", "no server"],
)
def test_names_the_variable_of_a_wrong_environment(env: dict[str, str], names: tuple[str, ...]) -> None:
    assert_one_line(chloe("migrate", env=env), *names)
