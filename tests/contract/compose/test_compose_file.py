"""What docker-compose.yml promises: the services of the flow, shut in, with no secret of their own."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.contracts.topics import FLOW
from services.execution.live.settings import SWITCH
from services.inference.settings import PRESET
from services.kernel import config
from services.kernel.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
FAMILIES = ("crypto", "stocks", "forex", "sentiment", "macro")
AROUND = {"timescaledb", "redis", "prometheus", "grafana", "migrate", "train"}
ONE_SHOT = {"migrate", "train"}
BESIDE_THE_FLOW = {"trainer", "live", "watchdog"}
"""Run like the others, but have no stream of their own: what they read and make is in the database."""
MODULES = {
    "clock": "services.ingestion.clock",
    "trainer": "services.inference.trainer",
    "live": "services.execution.live",
}
"""Services that are a second process of another one's package."""
READ_ELSEWHERE = {
    config.ENV, config.TIMEFRAME_ENV, PRESET, SWITCH, "X_SPEND_FILE", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
}  # fmt: skip
"""Variables that are no fields of the settings: configuration files, one adapter and numeric libraries read them."""

Service = dict[str, Any]


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return content


COMPOSE = read("docker-compose.yml")
SERVICES: dict[str, Service] = COMPOSE["services"]
APPS = sorted(set(SERVICES) - AROUND)
STARTED = [name for name in APPS if "profiles" not in SERVICES[name]]
BROKERS_ENV = "infrastructure/brokers.env"
OURS = [*APPS, *sorted(ONE_SHOT)]


def test_every_role_of_the_flow_has_its_service_and_no_other_runs() -> None:
    roles = {topic.writer for topic in FLOW} | {reader for topic in FLOW for reader in topic.readers}
    expected = (roles - {"ingestion"}) | {f"ingestion-{family}" for family in FAMILIES}
    assert not BESIDE_THE_FLOW & expected
    assert set(APPS) == expected | BESIDE_THE_FLOW


@pytest.mark.parametrize("name", APPS)
def test_service_runs_a_module_of_its_own_name(name: str) -> None:
    interpreter, option, module, *arguments = SERVICES[name]["command"]
    assert (interpreter, option) == ("python", "-m")
    stage, _, family = name.partition("-")
    assert module == MODULES.get(stage, f"services.{stage}")
    assert arguments == (["--family", family] if family else [])
    path = ROOT.joinpath(*module.split("."))
    assert (path / "__main__.py").is_file() or path.with_suffix(".py").is_file()


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_published_ports_bind_to_loopback(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))
    assert "network_mode" not in SERVICES[name]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_service_is_confined_and_limited(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "devices", "pid", "ipc"} & set(service)
    limits = service["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory", "pids"}
    assert float(limits["cpus"]) <= 2, "a machine of two cores must be able to start it"
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")
    assert name in ONE_SHOT or "test" in service["healthcheck"]


@pytest.mark.parametrize("name", OURS)
def test_our_containers_run_without_any_privilege(name: str) -> None:
    assert SERVICES[name]["user"] == "10001:10001"
    assert "cap_add" not in SERVICES[name]


def test_only_servers_that_step_down_by_themselves_start_as_root() -> None:
    assert {name for name, service in SERVICES.items() if "cap_add" in service} == {"timescaledb", "redis"}


@pytest.mark.parametrize("name", sorted(set(SERVICES) - set(OURS)))
def test_foreign_images_are_pinned_to_a_version(name: str) -> None:
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+[\w.-]*", SERVICES[name]["image"])


@pytest.mark.parametrize("name", APPS)
def test_services_start_after_the_schema_is_there(name: str) -> None:
    waits = {other: how["condition"] for other, how in SERVICES[name]["depends_on"].items()}
    models = {"train": "service_completed_successfully"} if name == "inference" else {}
    assert waits == models | {
        "migrate": "service_completed_successfully",
        "timescaledb": "service_healthy",
        "redis": "service_healthy",
    }


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_the_signal_to_stop_reaches_the_service(name: str) -> None:
    # An init that runs as root without CAP_KILL cannot signal a process that has stepped down to another user.
    assert SERVICES[name]["init"] is ("cap_add" not in SERVICES[name])


def test_base_image_is_built_by_the_service_that_all_wait_for() -> None:
    building = {name: service["build"]["target"] for name, service in SERVICES.items() if "build" in service}
    assert building == {"migrate": "base", "inference": "ml", "train": "ml", "trainer": "ml"}
    for name in OURS:
        flavour = building.get(name, "base")
        assert SERVICES[name]["image"].startswith(f"chloe-{flavour}:"), name


def test_secrets_are_files_that_someone_has_to_have_generated() -> None:
    for name, secret in COMPOSE["secrets"].items():
        assert re.fullmatch(r"\$\{CHLOE_SECRETS_DIR:\?[^}]*make up[^}]*\}/" + name, secret["file"]), name


def test_each_secret_reaches_only_the_services_that_need_it() -> None:
    holders: dict[str, set[str]] = {name: set() for name in COMPOSE["secrets"]}
    for name, service in SERVICES.items():
        for secret in service.get("secrets", []):
            holders[secret].add(name)
    apps = set(APPS) | {"train"}
    assert holders == {
        "database_owner": {"timescaledb", "migrate"},
        "database_app": apps | {"migrate"},
        "database_reader": {"migrate", "grafana"},
        "redis": apps,
        "redis_users": {"redis"},
        "api_tokens": {"gateway"},
        "grafana_admin": {"grafana"},
    }


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_environment_holds_no_secret(name: str) -> None:
    for key, value in (SERVICES[name].get("environment") or {}).items():
        if re.search(r"PASSWORD|SECRET|TOKEN|_KEY", key):
            assert str(value).startswith("/run/secrets/"), key
        assert not re.search(r"://[^/]*:[^/]*@", str(value)), key


@pytest.mark.parametrize("name", OURS)
def test_environment_names_are_known_to_the_settings(name: str) -> None:
    known = {f"CHLOE_{field.upper()}" for field in Settings.model_fields}
    assert set(SERVICES[name]["environment"]) <= known | READ_ELSEWHERE


@pytest.mark.parametrize(("source", "trains"), [("replay", True), ("live", False)])
def test_recorded_candles_are_trained_on_in_a_replay_only(source: str, trains: bool, tmp_path: Path) -> None:
    told = tmp_path / "told"
    (tmp_path / "chloe").write_text(f'#!/bin/sh\necho "$@" >{told}\n', encoding="utf-8")
    (tmp_path / "chloe").chmod(0o700)
    words = [word.replace("$$", "$") for word in SERVICES["train"]["command"]]
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "CHLOE_SOURCE": source}
    subprocess.run(words, env=environment, check=True, timeout=60)
    assert told.exists() is trains
    if trains:
        assert told.read_text(encoding="utf-8") == "train --from /data/replay\n"


@pytest.mark.parametrize("name", OURS)
def test_a_library_starts_no_more_threads_than_a_container_may_have(name: str) -> None:
    asked = {key: SERVICES[name]["environment"][key] for key in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    assert asked == {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def test_the_backend_network_has_no_way_out() -> None:
    assert COMPOSE["networks"]["backend"] == {"internal": True}
    outside = {name for name, service in SERVICES.items() if "edge" in service["networks"]}
    ingestion = {f"ingestion-{family}" for family in FAMILIES}
    assert outside == ingestion | {"live", "watchdog", "gateway", "prometheus", "grafana"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_what_is_mounted_from_the_repository_exists_and_is_read_only(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        if isinstance(volume, str):
            assert volume.partition(":")[0] in COMPOSE["volumes"]
            continue
        assert volume["read_only"] is True
        source = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume["source"])
        assert (ROOT / source).exists(), source


def test_prometheus_scrapes_every_service() -> None:
    jobs = read("infrastructure/prometheus/prometheus.yml")["scrape_configs"]
    (targets,) = [job["static_configs"][0]["targets"] for job in jobs if job["job_name"] == "chloe"]
    assert sorted(targets) == sorted(f"{name}:{SERVICES[name]['environment']['CHLOE_HTTP_PORT']}" for name in STARTED)


def test_the_live_desk_starts_only_when_asked_for_and_alone_has_the_brokers_keys() -> None:
    assert [name for name, service in SERVICES.items() if "profiles" in service] == ["live"]
    assert SERVICES["live"]["environment"][SWITCH] == "${CHLOE_LIVE:-no}"
    holders = [n for n, s in SERVICES.items() if {"path": BROKERS_ENV, "required": False} in s.get("env_file", [])]
    assert holders == ["live"]
    assert f"{BROKERS_ENV}\n" in (ROOT / ".gitignore").read_text(encoding="utf-8")
    assert [name for name, service in SERVICES.items() if SWITCH in (service.get("environment") or {})] == ["live"]


def test_the_watchdog_alone_knows_where_people_are_told() -> None:
    notify = "infrastructure/notify.env"
    holders = [n for n, s in SERVICES.items() if {"path": notify, "required": False} in s.get("env_file", [])]
    assert holders == ["watchdog"]
    assert f"{notify}\n" in (ROOT / ".gitignore").read_text(encoding="utf-8")


def test_the_gpu_file_only_adds_a_gpu_to_what_uses_torch() -> None:
    for name, service in read("docker-compose.gpu.yml")["services"].items():
        assert SERVICES[name]["build"]["target"] == "ml"
        (device,) = service["deploy"]["resources"]["reservations"]["devices"]
        assert device["capabilities"] == ["gpu"]
