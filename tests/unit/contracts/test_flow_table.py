"""The flow table is consistent in itself and with the stages that exist."""

from pathlib import Path
from typing import Any, get_args

import pytest

from services.contracts import topics
from services.contracts.messages import AnyMessage
from services.contracts.topics import BY_NAME, FLOW, Topic
from services.execution.service import load_stage as execution
from services.inference.service import InferenceStage
from services.ingestion.clock import ClockStage
from services.phases.service import load_stage as phases
from services.research.nightly.service import load_stage as research
from services.risk.service import load_stage as risk
from services.signals.service import load_stage as signals

STAGES: dict[str, Any] = {
    "clock": ClockStage(),
    "execution": execution(),
    "inference": InferenceStage,
    "phases": phases(Path("unused")),
    "research": research(),
    "risk": risk(),
    "signals": signals(),
}


def test_every_topic_is_in_the_table_once() -> None:
    declared = [value for value in vars(topics).values() if isinstance(value, Topic)]
    assert list(FLOW) == declared
    assert len(BY_NAME) == len(FLOW)


@pytest.mark.parametrize("topic", FLOW, ids=lambda topic: topic.name)
def test_a_stream_is_named_after_the_folder_that_writes_it(topic: Topic) -> None:
    folder, _, noun = topic.name.partition(".")
    assert noun.isidentifier()
    assert (Path(topics.__file__).parents[1] / folder).is_dir()
    assert folder == topic.writer or (folder, topic.writer) == ("ingestion", "clock")


def test_every_message_travels_on_exactly_one_stream() -> None:
    carried = [kind for topic in FLOW for kind in topic.carries]
    assert len(carried) == len(set(carried))
    assert set(carried) == set(get_args(AnyMessage))


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_reads_and_writes_what_the_table_says(name: str) -> None:
    """Trimming and pruning ask the table who reads: a reader that is not in it would lose messages."""
    stage = STAGES[name]
    assert stage.name == name
    assert stage.output.writer == name
    reads = {topic.name for topic in stage.inputs}
    said = {topic.name for topic in FLOW if name in topic.readers}
    assert reads == said


def test_slices_are_joined_only_on_streams_with_one_message_a_slice() -> None:
    assert [t.name for t in FLOW if t.per_slice] == [
        "ingestion.slices",
        "inference.forecasts",
        "signals.targets",
        "risk.orders",
        "execution.portfolio",
    ]
    assert all(len(t.carries) == 1 for t in FLOW if t.per_slice)
