"""The secrets of an installation: made once, each its own, closed to others, and in no file of the repository."""

import json
import re
import shutil
import stat
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from services.execution.brokers import alpaca, bybit, oanda
from services.ingestion.adapters import adapters

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "infrastructure" / "scripts" / "make-secrets"
SETTINGS = {".yml", ".yaml", ".conf", ".env", ".ini", ".toml", ".json", ".sh", ".cfg", ""}
# The value of a password-like key may be a file's place, a variable or nothing; never the thing itself.
ASSIGNED = re.compile(r"(?i)[\w-]*(?:password|passwd|secret|api_?key|token)[\w-]*[\"']?\s*[:=]\s*[\"']?([^\s\"',}#]+)")
ALLOWED = re.compile(r"^(\$|/run/secrets|\./|\[|\{|<|null|true|false|none|\d+$)", re.IGNORECASE)
IN_URL = re.compile(r"://(?!user:password@)[^\s/:@{}$<>\"']*:[^\s/@{}$<>\"'*…]+@")


def generate(folder: Path) -> str:
    return subprocess.run([SCRIPT, folder], check=True, capture_output=True, text=True).stdout


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.name != ".gitignore"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generate(tmp_path / "secrets")
    return tmp_path / "secrets"


def test_generates_every_secret_that_compose_mounts(folder: Path) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert set(contents(folder)) == set(compose["secrets"])


def test_passwords_are_long_and_each_its_own(folder: Path) -> None:
    found = contents(folder)
    tokens = json.loads(found.pop("api_tokens"))
    assert set(tokens) == {"read", "operate", "live"}
    del found["redis_users"]
    values = [*found.values(), *tokens.values()]
    assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in values)
    assert len(set(values)) == len(values)


def test_only_the_owner_can_enter_and_git_sees_nothing(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text(encoding="utf-8") == "*\n"
    for name in contents(folder):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o444, name


def test_a_second_run_changes_nothing_and_says_nothing(folder: Path) -> None:
    before = contents(folder)
    assert generate(folder) == ""
    assert contents(folder) == before


def test_a_lost_secret_is_replaced_and_named_and_the_others_stay(folder: Path) -> None:
    before = contents(folder)
    (folder / "grafana_admin").unlink()
    assert generate(folder).rstrip().endswith(": grafana_admin")
    after = contents(folder)
    assert {name for name in after if after[name] != before[name]} == {"grafana_admin"}


def test_redis_is_given_a_hash_and_never_the_password(folder: Path) -> None:
    found = contents(folder)
    assert found["redis"] not in found["redis_users"]
    assert f"#{sha256(found['redis'].encode()).hexdigest()} " in found["redis_users"]


def test_no_secret_is_printed(tmp_path: Path) -> None:
    said = generate(tmp_path / "secrets")
    assert not re.search(r"[0-9a-f]{16}", said)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of its own in which nothing has been generated yet, and then everything has."""
    scripts = tmp_path / "infrastructure" / "scripts"
    scripts.mkdir(parents=True)
    shutil.copy2(SCRIPT, scripts)
    subprocess.run([scripts / SCRIPT.name], check=True, capture_output=True)
    return tmp_path


def listed_keys(path: Path) -> set[str]:
    first, *lines = path.read_text(encoding="utf-8").splitlines()
    assert first.startswith("# ")
    assert all(re.fullmatch(r"#[A-Z_]+=", line) for line in lines), "names only, and none of them set"
    return {line[1:-1] for line in lines}


def test_key_files_name_what_sources_and_brokers_need_and_are_their_owners_alone(checkout: Path) -> None:
    sources, brokers = (checkout / "infrastructure" / name for name in ("providers.env", "brokers.env"))
    needed = {key for module in adapters().values() for key in module.NEEDS}
    assert listed_keys(sources) == needed | {"COINGECKO_API_KEY"}, "CoinGecko's key is optional"
    assert listed_keys(brokers) == {key for module in (bybit, alpaca, oanda) for key in module.NEEDS}
    notify = checkout / "infrastructure" / "notify.env"
    assert listed_keys(notify) == {"CHLOE_NOTIFY_URL"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (sources, brokers, notify)} == {0o600}


def test_keys_that_are_filled_in_are_never_written_over(checkout: Path) -> None:
    for name in ("providers.env", "brokers.env", "notify.env"):
        (checkout / "infrastructure" / name).write_text(f"{name} of mine\n", encoding="utf-8")
    subprocess.run([checkout / "infrastructure" / "scripts" / SCRIPT.name], check=True, capture_output=True)
    for name in ("providers.env", "brokers.env", "notify.env"):
        assert (checkout / "infrastructure" / name).read_text(encoding="utf-8") == f"{name} of mine\n"


def repository_files() -> list[Path]:
    """All files that git tracks or would track, without the tests, whose passwords open nothing."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    return [ROOT / name for name in listed if not name.startswith("tests/") and (ROOT / name).is_file()]


def test_no_file_of_the_repository_holds_a_password() -> None:
    found = []
    for path in repository_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(re.sub(r"\$\{[^}]*\}", "$", text).splitlines(), 1):
            suspicious = IN_URL.search(line) is not None
            if path.suffix in SETTINGS and not line.lstrip().startswith("#"):
                suspicious |= any(not ALLOWED.match(value) for value in ASSIGNED.findall(line))
            if suspicious:
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found
