"""Every command on the README's page is tried as it is printed; :mod:`readme_recipes` says how each.

Lines of code blocks run in a shell of their own. SQL and the commands of the tables run through the same ``main`` in
this process, which spares each the seconds of importing. Commands that change something run after the replay has ended
and stay pending there, as the page says.
"""

import contextlib
import io
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Timer

import httpx
import polars as pl
import pytest
import yaml
from readme_page import ROOT, commands, paths, shell_lines
from readme_recipes import RECIPES, Ask, Compose, Known, Planned, Recipe, Run, Started
from typer.main import get_command

from services.cli import app, main

UNTIL = datetime(2024, 3, 26, tzinfo=UTC)
START_LIMIT_SECONDS = 300.0
COMMAND_LIMIT_SECONDS = 240
# A background job's children inherit an ignored SIGINT; this platform shall stop as by Ctrl-C.
AS_BY_HAND = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); sys.argv[0] = 'chloe';"
    "from services.cli import main; main()"
)


@dataclass(frozen=True)
class Place:
    """A folder to type commands in, and the API that answers there."""

    folder: Path
    url: str

    def settings(self) -> dict[str, str]:
        """Return what has to be known to reach the platform of this folder."""
        return {"CHLOE_URL": self.url, "CHLOE_DATABASE_URL": database_url(self.folder), "COLUMNS": "120"}

    def type(self, line: str) -> "subprocess.CompletedProcess[str]":
        """Run one line in a shell, in this folder, with the tests' own ``chloe`` first in PATH."""
        return subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=environment(**self.settings()),
            capture_output=True,
            text=True,
            timeout=COMMAND_LIMIT_SECONDS,
            check=False,
        )


def environment(**more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CHLOE_", "MAKE"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    return {**clean, "PATH": path, "PYTHONUNBUFFERED": "1", **more}


def database_url(folder: Path) -> str:
    return f"postgresql://postgres@/chloe?host={folder}/var/standalone/pg"


def write_sample(folder: Path) -> None:
    """Copy the first weeks of the sample, just enough for a trade, and twenty days as Binance publishes them."""
    (folder / "sample").mkdir()
    for path in sorted((ROOT / "sample").glob("*.parquet")):
        pl.read_parquet(path).filter(pl.col("ts") < UNTIL).write_parquet(folder / "sample" / path.name)
    (folder / "my-candles").mkdir()
    bars = pl.read_parquet(ROOT / "sample" / "BTC-USDT_1h.parquet").head(480)
    opened = pl.col("ts").dt.epoch("ms")
    prices = ("open", "high", "low", "close", "volume")
    rest = [pl.lit(0).alias(f"rest_{i}") for i in range(6)]
    klines = bars.select(opened, *prices, *rest)
    klines.write_csv(folder / "my-candles" / "BTCUSDT-1h-2024-01.csv", include_header=False)
    days = bars.group_by_dynamic("ts", every="1d").agg(
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
    )
    days.write_parquet(folder / "my-candles" / "BTC-USDT_1d.parquet")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """``chloe standalone`` with its replay ended and its API serving."""
    folder, port = tmp_path_factory.mktemp("readme"), free_port()
    write_sample(folder)
    command = [sys.executable, "-c", AS_BY_HAND, "standalone", "--port", str(port)]
    with subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        limit = Timer(START_LIMIT_SECONDS, process.kill)
        limit.start()
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("Ctrl-C stops"):
                break
        limit.cancel()
        try:
            assert said[-1].startswith("Ctrl-C stops"), "".join(said)
            yield Place(folder, f"http://127.0.0.1:{port}")
        finally:
            process.send_signal(signal.SIGINT)
            process.stdout.read()
            code = process.wait(timeout=30)
    assert code in {0, 130}, "Ctrl-C ends the platform in order"


@pytest.fixture
def apart(tmp_path: Path) -> Place:
    """A folder with the candles only; nothing runs and nothing answers."""
    write_sample(tmp_path)
    return Place(tmp_path, "http://127.0.0.1:9")


def having(kind: type[Recipe]) -> list[str]:
    """Return the README's commands of one kind, in the page's order."""
    return [line for line in commands() if isinstance(RECIPES.get(line), kind)]


def test_every_command_on_the_page_has_a_recipe_and_no_recipe_is_left_over() -> None:
    assert set(commands()) == set(RECIPES)


def test_every_file_named_on_the_page_exists() -> None:
    made_by_users = {"infrastructure/secrets", "infrastructure/secrets/grafana_admin", "infrastructure/providers.env"}
    assert [name for name in paths() if name not in made_by_users and not (ROOT / name).exists()] == []


@pytest.mark.parametrize("line", having(Run))
def test_command_runs_and_shows_what_it_should(line: str, request: pytest.FixtureRequest) -> None:
    recipe = RECIPES[line]
    assert isinstance(recipe, Run)
    place: Place = request.getfixturevalue("apart" if recipe.apart else "platform")
    typed = as_typed_here(line, place)
    in_block = line in shell_lines() or not typed.startswith("chloe ")
    done = place.type(typed) if in_block or recipe.apart else call(typed, place)
    assert done.returncode == recipe.code, done.stdout + done.stderr
    assert recipe.shows in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def call(line: str, place: Place) -> "subprocess.CompletedProcess[str]":
    """Run a ``chloe`` command in this process, in the place's folder."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as here, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        here.chdir(place.folder)
        here.setattr(sys, "argv", shlex.split(line))
        for name, value in place.settings().items():
            here.setenv(name, value)
        try:
            main()
            code: object = 0
        except SystemExit as ended:
            code = ended.code
    if isinstance(code, str):  # what the interpreter would print
        err.write(code)
    return subprocess.CompletedProcess(
        line, 1 if isinstance(code, str) else int(str(code or 0)), out.getvalue(), err.getvalue()
    )


def as_typed_here(line: str, place: Place) -> str:
    """Say the line as it is typed here: SQL through ``chloe sql``, make in the checkout, the API on its free port."""
    if line.startswith("select "):
        line = f"chloe sql '{line.rstrip(';')}'"
    if line.startswith("curl ") and shutil.which("curl") is None:
        line = line.replace("curl ", "python -c 'import sys, httpx; print(httpx.get(sys.argv[1]).text)' ")
    return re.sub("^make ", f"make -C {ROOT} ", line).replace("http://127.0.0.1:8000", place.url)


@pytest.mark.parametrize("line", having(Ask))
def test_route_answers(line: str, platform: Place) -> None:
    recipe, (method, path) = RECIPES[line], line.split()
    assert isinstance(recipe, Ask)
    with httpx.Client(base_url=platform.url, trust_env=False, timeout=20) as client:
        if method == "GET":
            reply = client.get(path)
        else:
            assert client.post(path).status_code == 401
            tokens = yaml.safe_load((platform.folder / "var/standalone/api_tokens.yaml").read_text(encoding="utf-8"))
            reply = client.post(path, headers={"Authorization": f"Bearer {tokens['operate']}"})
    assert reply.status_code == recipe.status, reply.text
    assert recipe.shows in reply.text


@pytest.mark.parametrize("line", having(Planned))
def test_target_would_run_what_the_page_says(line: str) -> None:
    recipe = RECIPES[line]
    assert isinstance(recipe, Planned)
    targets = line.split()[line.split().index("make") + 1 :]
    # -W: as if the environment were not there yet, for else a plan may be empty.
    plan = subprocess.run(
        ["make", "-n", "-W", "pyproject.toml", "-C", str(ROOT), *targets],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=COMMAND_LIMIT_SECONDS,
        check=False,
    )
    assert plan.returncode == 0, plan.stderr
    assert recipe.would_run in plan.stdout


@pytest.mark.parametrize("line", having(Compose))
def test_compose_line_names_what_the_compose_file_has(line: str, tmp_path: Path) -> None:
    words = [word for word in line.partition("docker compose ")[2].split() if not word.startswith("--")]
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    assert words[0] in {"up", "down", "run"}
    assert set(words[1:2]) <= set(services)
    assert words[2:] == [] or " ".join(words[2:]) in commands()
    if not docker_compose_is_here():
        return  # what can be known without the client has been checked above
    assignments = dict(word.split("=") for word in line.partition("docker ")[0].split())
    checked = subprocess.run(
        ["docker", "compose", "--profile", "tools", "config", "--quiet"],
        cwd=ROOT,
        env=environment(CHLOE_SECRETS_DIR=str(tmp_path), **assignments),
        capture_output=True,
        text=True,
        timeout=COMMAND_LIMIT_SECONDS,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def docker_compose_is_here() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0


def test_running_platform_is_the_command_of_the_page(platform: Place) -> None:
    assert having(Started) == ["chloe standalone"]
    assert (platform.folder / "var/standalone/pg").is_dir()


def test_only_what_cannot_be_executed_is_left_out() -> None:
    assert set(having(Known)) == {
        "sudo apt-get install --yes make python3 python3-venv libgomp1",
        "source .venv/bin/activate",
        "chloe COMMAND --help",
        "chloe standalone --live",
        "chloe leaktest",
        "chloe ablate",
        "chloe backfill BTC/USDT --from 2024-01-01",
    }


def test_every_command_and_its_help_are_on_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    words = {" ".join(line.split()[1:3]) for line in commands() if line.startswith("chloe ")}
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        for full in [f"{name} {sub}" for sub in inner] if inner else [name]:
            assert any(word == full or word.split()[0] == full for word in words), f"chloe {full} is not on the page"
            with pytest.raises(SystemExit) as ended:
                get_command(app)([*full.split(), "--help"])
            assert ended.value.code == 0
            assert "--help" in capsys.readouterr().out


def test_every_target_of_make_is_on_the_page() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))
    assert targets == {line.split()[1] for line in commands() if line.startswith("make ")}
