"""What the command line does to find out what parts of the decision are worth. One function a command."""

from datetime import datetime
from pathlib import Path

from rich.console import Console

from services.inference import settings as inference_settings
from services.ingestion.replay import Recorded, read
from services.research import ablation_table, allocators
from services.research.ablation import History, ablate
from services.research.history import forecasts, slices
from services.research.parameters import Parameters, load_parameters
from services.standalone.screen import Screen


def run_ablation(source: Path, since: datetime | None, until: datetime | None, *, as_json: bool) -> None:
    """Train and forecast once, back-test with each part off, and print what each is worth."""
    parameters, recorded, history = _forecast(source, since, until)
    with Screen(Console(stderr=True)).training("back-tests:") as tell:
        found = ablate(history, parameters, {"crypto": True}, tell=tell)
    if as_json:
        print(ablation_table.as_json(found, recorded.description))  # noqa: T201
        return
    ablation_table.show(found, recorded.description, Console())


def compare_allocators(source: Path, since: datetime | None, until: datetime | None, *, as_json: bool) -> None:
    """Train and forecast once, back-test with each way to divide the portfolio, and print what each came to."""
    parameters, recorded, history = _forecast(source, since, until)
    found = allocators.compare(history, parameters, {"crypto": True})
    what_if = allocators.compare(history, allocators.eager(parameters), {"crypto": True})
    if as_json:
        print(allocators.as_json(found, recorded.description, what_if))  # noqa: T201
        return
    allocators.show(found, recorded.description, Console())
    allocators.show(what_if, recorded.description, Console(), what_if=True)


def _forecast(source: Path, since: datetime | None, until: datetime | None) -> tuple[Parameters, Recorded, History]:
    """Train by walk-forward and forecast every slice of a folder, once for all back-tests."""
    parameters = load_parameters()
    configured = inference_settings.load(timeframe=parameters.assets.timeframe, replay=True)
    recorded = read(source, parameters.assets, since, until)
    closed = slices(recorded.series, recorded.span)
    made = forecasts(recorded.series, closed, configured)
    history = list(zip(closed, made, strict=True))
    return parameters, recorded, history
