"""The whole test: every planted leak has to be named by a detector, and the clean pipeline by none."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from services.research.leaks import synthetic
from services.research.leaks.detectors import DETECTORS, Case
from services.research.leaks.pipeline import ALL, FEW, WITH_A_NET, Pipeline, quick_settings
from services.research.leaks.planted import PLANTED
from services.research.leaks.planted.kinds import Leak
from services.research.leaks.world import World
from services.signals.decide import SignalParams

SEED = 1
"""Of the worlds that leaks are planted in."""
Tell = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Named:
    """What one planted leak came to: the detector that named it and how, or None and an empty sentence."""

    leak: str
    says: str
    step: str
    detector: str | None
    found: str


@dataclass(frozen=True, slots=True)
class Examined:
    """What the detectors said of a pipeline in one world: detector to sentence; empty when it is clean."""

    world: str
    accused: dict[str, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything that was tried."""

    leaks: tuple[Named, ...]
    clean: tuple[Examined, ...]

    @property
    def missed(self) -> tuple[str, ...]:
        """Names of the leaks that no detector named."""
        return tuple(one.leak for one in self.leaks if one.detector is None)

    @property
    def holds(self) -> bool:
        """Whether all leaks were named and the clean pipeline was not."""
        return not self.missed and not any(one.accused for one in self.clean)

    def as_dict(self) -> dict[str, Any]:
        """Lay out for JSON."""
        return {"holds": self.holds, "missed": list(self.missed), **asdict(self)}


def caught(leak: Leak, signals: SignalParams, seed: int = SEED) -> Named:
    """Try one leak: the expected detector first, then, while none has named it, the others."""
    pipeline = leak.pipeline(quick_settings(WITH_A_NET if leak.net else FEW), signals)
    case = Case(pipeline, synthetic.world(seed), seed, synthetic.noise(seed))
    for name in (leak.expected, *(other for other in DETECTORS if other != leak.expected)):
        found = DETECTORS[name](case)
        if found:
            return Named(leak.name, leak.says, leak.step, name, found)
    return Named(leak.name, leak.says, leak.step, None, "")


def examined(case: Case) -> Examined:
    """Put a pipeline through every detector."""
    said = {name: detector(case) for name, detector in DETECTORS.items()}
    return Examined(case.world.kind, {name: found for name, found in said.items() if found})


def clean_cases(recorded: World | None, signals: SignalParams) -> list[Case]:
    """List what the clean pipeline is put through: made-up worlds, in one of them all models, and a recorded one."""
    cases = [
        Case(Pipeline(quick_settings(models), signals), synthetic.world(seed), seed, synthetic.noise(seed))
        for seed, models in ((1, ALL), (2, FEW), (3, FEW))
    ]
    if recorded is not None:
        cases.append(Case(Pipeline(quick_settings(ALL), signals), recorded, SEED, None))
    return cases


def run(recorded: World | None, signals: SignalParams, tell: Tell) -> Verdict:
    """Try everything; ``tell`` hears (done, total, what comes next)."""
    cases = clean_cases(recorded, signals)
    total = len(PLANTED) + len(cases)
    named: list[Named] = []
    for done, leak in enumerate(PLANTED):
        tell(done, total, leak.name)
        named.append(caught(leak, signals))
    clean: list[Examined] = []
    for done, case in enumerate(cases, start=len(PLANTED)):
        tell(done, total, f"clean, {case.world.kind}")
        clean.append(examined(case))
    tell(total, total, "done")
    return Verdict(tuple(named), tuple(clean))
