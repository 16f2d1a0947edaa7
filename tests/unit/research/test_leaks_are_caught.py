"""The corpus: each planted leak is named by the detector that is meant for it."""

import pytest
from leak_cases import signals

from services.research.leaks.detectors import DETECTORS
from services.research.leaks.leaktest import caught
from services.research.leaks.planted import PLANTED
from services.research.leaks.planted.kinds import Leak


@pytest.mark.parametrize("leak", PLANTED, ids=lambda leak: leak.name)
def test_a_planted_leak_is_named_by_its_detector(leak: Leak) -> None:
    named = caught(leak, signals())
    assert named.detector == leak.expected, named
    assert named.found


@pytest.mark.parametrize("seed", [2, 7])
@pytest.mark.parametrize("name", ["centred window", "lagged target", "latest vintage", "no purge", "survivors only"])
def test_it_is_not_by_luck_of_one_world_that_a_leak_is_named(name: str, seed: int) -> None:
    leak = next(leak for leak in PLANTED if leak.name == name)
    assert caught(leak, signals(), seed).detector == leak.expected


def test_the_corpus_is_large_and_every_leak_says_what_it_is() -> None:
    names = [leak.name for leak in PLANTED]
    assert len(names) >= 30
    assert len(set(names)) == len(names)
    assert len({leak.says for leak in PLANTED}) == len(names)
    assert {leak.expected for leak in PLANTED} <= set(DETECTORS)
    assert {leak.step for leak in PLANTED} == {
        "market", "universe", "rows", "windows", "train", "blend", "forecast", "targets", "scores",
    }  # fmt: skip
