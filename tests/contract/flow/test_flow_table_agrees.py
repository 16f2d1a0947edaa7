"""topics.py, the stages' own inputs, the README's diagram and docker-compose.yml tell of the same flow."""

import re
from pathlib import Path

import yaml

from services.contracts.topics import FLOW
from services.standalone.platform import STAGES, Platform

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARROW = re.compile(r'^(\w+) -->\|([\w.]+)\| (\w+)(\["[\w ]+"\])?$')
NOBODY = "nobody"
"""Who reads a stream that has no reader yet."""

Edge = tuple[str, str, str]
TABLE: set[Edge] = {(t.writer, t.name, reader) for t in FLOW for reader in t.readers or (NOBODY,)}


def drawn() -> set[Edge]:
    """Return the diagram's arrows (writer, stream, reader); a line that is no arrow fails."""
    (diagram,) = re.findall(r"^```mermaid\nflowchart LR\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    found = set()
    for line in diagram.splitlines():
        match = ARROW.match(line.strip())
        assert match, line
        found.add((match[1], match[2], match[3]))
    return found


def test_the_diagram_shows_every_stream_with_its_writer_and_readers() -> None:
    assert drawn() == TABLE


def test_streams_are_named_after_their_writer_or_its_room() -> None:
    assert {(t.writer, t.name.partition(".")[0]) for t in FLOW if not t.name.startswith(t.writer)} == {
        ("clock", "ingestion")
    }


def test_every_stage_reads_and_writes_what_the_table_says(tmp_path: Path) -> None:
    stages = Platform(pool=None, redis=None, reports=tmp_path, live=False).stages()
    reads = {(topic.name, stage.name) for stage in stages for topic in stage.inputs}
    writes = {(stage.output.name, stage.name) for stage in stages}
    assert [stage.name for stage in stages] == list(STAGES)
    assert reads == {(t.name, reader) for t in FLOW for reader in t.readers}
    assert writes == {(t.name, t.writer) for t in FLOW if t.writer in STAGES}


def test_every_role_of_the_diagram_is_a_service_of_compose() -> None:
    services = set(yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"])
    roles = {name.partition("-")[0] for name in services}
    drawn_roles = {role for writer, _, reader in drawn() for role in (writer, reader)} - {NOBODY}
    assert drawn_roles <= roles
    assert roles - drawn_roles == {
        "timescaledb",
        "redis",
        "migrate",
        "train",
        "trainer",
        "live",
        "watchdog",
        "prometheus",
        "grafana",
    }


def test_the_page_names_every_family_of_ingestion() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    families = [name.removeprefix("ingestion") for name in services if name.startswith("ingestion-")]
    assert [f for f in families if f"`{f}`" not in README and f"`ingestion{f}`" not in README] == []
