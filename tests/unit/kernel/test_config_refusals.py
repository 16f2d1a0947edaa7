"""Configuration is read strictly: every mistake is one line that names file and key."""

from pathlib import Path
from shutil import copytree
from typing import Literal

import pytest
from pydantic import Field, model_validator

from services.kernel.config import Strict, config_dir, config_version, load, read_yaml
from services.kernel.errors import ConfigError
from services.research.parameters import load_parameters

CONFIG = Path(__file__).parents[3] / "config"


class Inner(Strict):
    size: int = Field(gt=0)
    side: Literal["long", "short"] = "long"


class Sample(Strict):
    name: str
    share: float = 0.5
    inner: dict[str, Inner] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _share_is_small(self) -> "Sample":
        if self.share > 0.9:
            raise ValueError("share is above 0.9")
        return self


def refusal(folder: Path, text: str) -> str:
    (folder / "sample.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(Sample, "sample.yaml", folder)
    said = str(refused.value)
    assert "\n" not in said
    assert said.startswith(f"{folder / 'sample.yaml'}: ")
    return said.removeprefix(f"{folder / 'sample.yaml'}: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: x\nsurprise: 1\n", "unknown key 'surprise'"),
        ("name: x\ninner: {a: {size: 1, sise: 2}}\n", "unknown key 'inner.a.sise'"),
        ("share: 0.1\n", "key 'name' is missing"),
        ("name: x\ninner: {a: {}}\n", "key 'inner.a.size' is missing"),
        (
            "name: x\nshare: lots\n",
            "unable to parse string as a number, got 'lots'",
        ),
        ("name: [x]\n", "key 'name': Input should be a valid string, got ['x']"),
        ("name: x\nshare: .nan\n", "key 'share': Input should be a finite number, got nan"),
        ("name: x\nshare: .inf\n", "key 'share': Input should be a finite number, got inf"),
        ("name: x\ninner: {a: {size: 0}}\n", "key 'inner.a.size': Input should be greater than 0, got 0"),
        (
            "name: x\ninner: {a: {size: 1, side: up}}\n",
            "key 'inner.a.side': Input should be 'long' or",
        ),
        ("name: x\nshare: 0.95\n", "key '(whole file)': Value error, share is above 0.9"),
        ("name: x\nname: y\n", "key 'name' stands twice in"),
        ("name: x\ninner:\n  a: {size: 1}\n  a: {size: 2}\n", "key 'a' stands twice in"),
        ("name: x\n[1]: y\n", "key [1] is no name"),
        ("{[1, {b: c}]: y}\n", "is no name"),
        ("name: [unclosed\n", "line 2"),
        ("name: 'x\n", "found unexpected end of stream"),
        ("name: *nowhere\n", "found undefined alias"),
        ("name: !!python/object:os.system x\n", "could not determine a constructor"),
        ("", "expected a mapping of keys, found NoneType"),
        ("- a\n- b\n", "expected a mapping of keys, found list"),
        ("name: x\nsurprise: 1\nother: 2\n", "(and 1 more)"),
    ],
)
def test_each_mistake_is_one_line_naming_file_and_key(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(tmp_path, text)


def test_a_huge_wrong_value_is_shown_in_short(tmp_path: Path) -> None:
    assert len(refusal(tmp_path, f"name: x\nshare: {'9a' * 5000}\n")) < 300


def test_the_line_of_a_mistake_in_the_yaml_itself_is_named(tmp_path: Path) -> None:
    assert "line 3" in refusal(tmp_path, "name: x\nshare: 0.1\nname: y\n")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sample\.yaml: file not found"):
        load(Sample, "sample.yaml", tmp_path)


def test_a_folder_or_binary_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for name in ("folder.yaml", "binary.yaml"):
        with pytest.raises(ConfigError, match=rf"{name}: cannot be read"):
            read_yaml(tmp_path / name)


def test_a_config_folder_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHLOE_CONFIG_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"CHLOE_CONFIG_DIR=.*nowhere: no such folder"):
        config_dir()


def test_the_config_folder_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHLOE_CONFIG_DIR", str(tmp_path))
    assert config_dir() == tmp_path
    monkeypatch.delenv("CHLOE_CONFIG_DIR")
    monkeypatch.chdir(tmp_path)
    assert (config_dir() / "risk.yaml").is_file(), "without one, the checkout's own"


def test_the_declared_configuration_is_accepted() -> None:
    assert len(load_parameters(CONFIG).assets.assets) == 32


@pytest.mark.parametrize("name", ["assets_config", "execution", "phases", "research", "risk", "rollout", "signals"])
def test_an_unknown_key_in_any_declared_file_is_refused(tmp_path: Path, name: str) -> None:
    folder = Path(copytree(CONFIG, tmp_path / "config"))
    path = folder / f"{name}.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "\nsurprise: 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"{name}\.yaml: unknown key 'surprise'"):
        load_parameters(folder)


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("risk", "max_heat: 0.25", "max_heat: much", "key 'max_heat'"),
        ("signals", "min_weight: 0.10", "min_weight: 0.50", "min_weight is above max_weight"),
        ("phases", "order: 1", "order: 7", "their orders must be 0, 1, 2"),
        ("phases", "metric: win_rate", "metric: luck", "requirements.3.metric'"),
        (
            "assets_config",
            "class: crypto, name: Bitcoin",
            "class: tulips, name: Bitcoin",
            "no class 'tulips'",
        ),
        ("assets_config", "stop_loss: 0.04", "stop_loss: 4", "key 'assets.BTC/USDT.stop_loss'"),
        ("execution", "starting_cash: 2500", "starting_cash: 0", "key 'paper.starting_cash'"),
        ("research", "[0.0015, 0.0030,", "[0.0030, 0.0015,", "must be above 0 and ascend"),
    ],
)
def test_a_wrong_value_in_a_declared_file_is_refused(tmp_path: Path, name: str, old: str, new: str, words: str) -> None:
    folder = Path(copytree(CONFIG, tmp_path / "config"))
    path = folder / f"{name}.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_parameters(folder)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 500


def test_outside_crypto_positions_and_stops_stay_within_the_plan() -> None:
    for symbol, asset in load_parameters(CONFIG).assets.assets.items():
        if asset.asset_class != "crypto":
            assert asset.max_position is not None, symbol
            assert 0.02 <= asset.max_position <= 0.10, symbol
            assert 0.05 <= asset.stop_loss <= 0.20, symbol


def test_the_version_changes_with_any_byte_of_any_file(tmp_path: Path) -> None:
    folder = Path(copytree(CONFIG, tmp_path / "config"))
    before = config_version(folder)
    assert before == config_version(CONFIG)
    with (folder / "risk.yaml").open("a", encoding="utf-8") as file:
        file.write("# a remark\n")
    assert config_version(folder) != before
