"""Two years of all crypto with the gates on: ``python -m services.research.ladder_replay --data DIR --into DOCUMENT``.

Every forecast is made by walk-forward; slices and forecasts then go through the services' own decisions, research and
phases among them, and the ladder moves by itself. The figures go between two marks of the document.
"""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.contracts.messages import ForecastsMade, SliceClosed, encode
from services.domain.ledger import fills_jsonl, trades_jsonl
from services.inference import settings as inference
from services.inference.forecasting import Forecaster
from services.inference.parallel import cores
from services.inference.settings import ModelsSettings
from services.inference.walk_forward import walk_forward
from services.ingestion.replay import Recorded, read
from services.kernel.errors import ChloeError, ConfigError, DataError
from services.phases.chain_check import as_lines, verify
from services.research.backtest import BacktestResult, backtest
from services.research.documents import put
from services.research.history import market_of, slices
from services.research.ladder_page import Section, page
from services.research.ladder_runs import CLASS, Ran, loosened, loosened_in_words
from services.research.parameters import Parameters, load_parameters

BEGIN, END = "<!-- ladder: begin -->", "<!-- ladder: end -->"
SINCE, UNTIL = datetime(2022, 11, 1, tzinfo=UTC), datetime(2024, 11, 1, tzinfo=UTC)
"""Two years to the day; MATIC's candles end within them, so its feed can be seen to go stale."""
PRESET = "quarterly"
TREES = "random_walk,random_forest,xgboost,lightgbm"
"""All that need no net; the random walk is never weighed, it is the unit of uncertainty."""


class NotRepeatable(ChloeError):
    """Two runs of the same history differ."""


@dataclass(frozen=True, slots=True)
class Told:
    """The history that all runs of one set of models go through."""

    models: str
    closed: list[SliceClosed]
    made: list[ForecastsMade]
    hash: str


def main() -> None:
    """Run, and write the figures; one line and exit code 1 for what cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m services.research.ladder_replay")
    parser.add_argument("--data", type=Path, required=True, help="folder of hourly candles")
    parser.add_argument("--since", type=_moment, default=SINCE)
    parser.add_argument("--until", type=_moment, default=UNTIL)
    parser.add_argument("--preset", default=PRESET, help="of models.yaml")
    parser.add_argument(
        "--models", action="append", help=f"those of the preset, by comma; again for another set (default: {TREES})"
    )
    parser.add_argument(
        "--looser", action="store_true", help="the first set also with looser gates, as a demonstration"
    )
    parser.add_argument("--into", type=Path, help="document to write the figures into; without it they are printed")
    asked = parser.parse_args()
    try:
        recorded = recorded_crypto(asked.data, asked.since, asked.until)
        sections: list[Section] = []
        for number, models in enumerate(asked.models or [TREES]):
            told = forecast(recorded, chosen(asked.preset, models.split(",")))
            sections += runs(recorded, told, load_parameters(), looser=asked.looser and number == 0)
        text = page(sections, f"{recorded.span.begins:%Y-%m-%d} to {recorded.span.until:%Y-%m-%d}")
        if asked.into is None:
            sys.stdout.write(text)
        else:
            put(text, asked.into, BEGIN, END)
    except ChloeError as error:
        sys.exit(f"chloe: {error}")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def recorded_crypto(folder: Path, since: datetime | None, until: datetime | None) -> Recorded:
    """Read a folder's coins; raises DataError where it has none."""
    found = read(folder, load_parameters().assets, since, until)
    series = tuple(one for one in found.series if one.asset_class == CLASS)
    if not series:
        raise DataError(f"{folder}: holds no {CLASS}")
    return replace(found, series=series)


def chosen(preset: str, names: Sequence[str]) -> ModelsSettings:
    """Return a preset with only the named models; raises ConfigError for one that it does not have."""
    settings = inference.load(preset=preset)
    unknown = sorted(set(names) - settings.models.keys())
    if unknown:
        raise ConfigError(f"preset {preset!r} has no model {', '.join(unknown)}; it has {', '.join(settings.models)}")
    kept = {name: model for name, model in settings.models.items() if name in names}
    return settings.model_copy(update={"models": kept})


def forecast(recorded: Recorded, settings: ModelsSettings) -> Told:
    """Train by walk-forward and forecast every slice."""
    market = market_of(recorded.series, settings)
    trained = list(walk_forward(market, settings, workers=cores(), since=earliest(recorded, settings)))
    closed = slices(recorded.series, recorded.span)
    made, _ = Forecaster(settings, trained).forecast(market, closed, {})
    counted = ", ".join(settings.counted)
    words = f"{counted}; trained anew every {settings.walk_forward.retrain_days} days (preset {settings.preset})"
    return Told(words, closed, made, _hash(b"".join(encode(one) + b"\n" for one in made)))


def earliest(recorded: Recorded, settings: ModelsSettings) -> datetime:
    """Return from where on windows matter: the first blend learns from so much before the span."""
    return recorded.span.begins - timedelta(days=settings.ensemble.history_days)


def runs(recorded: Recorded, told: Told, parameters: Parameters, *, looser: bool) -> list[Section]:
    """Run with the gates as declared and, where asked for, once more with looser ones."""
    sections = [_run(recorded, told, parameters, "As declared", "those of `config/`, nothing changed")]
    if looser:
        rollout = parameters.phases.rollout
        looser_ones = replace(parameters, phases=replace(parameters.phases, rollout=loosened(rollout)))
        gates = f"loosened for this demonstration only: {', '.join(loosened_in_words(rollout))}; floors as declared"
        sections.append(_run(recorded, told, looser_ones, "Demonstration with looser gates", gates))
    return sections


def _run(recorded: Recorded, told: Told, parameters: Parameters, title: str, gates: str) -> Section:
    """Run twice; raises NotRepeatable where the bytes differ, ChainBroken where the log does not verify."""
    first, second = (once(told, parameters) for _ in range(2))
    if _bytes(first) != _bytes(second):
        raise NotRepeatable(f"{title}: two runs over the same history differ")
    lines = as_lines(first.log)
    symbols = tuple(sorted(one.symbol for one in recorded.series))
    ran = Ran(tuple(first.log), tuple(first.words), tuple(first.trades), first.record, first.equity[-1])
    title = f"{title}: {told.models.partition(';')[0]}"
    verified = verify("the run", first.log, None)
    hashes = told.hash, _hash(lines)
    return Section(
        title, gates, told.models, len(told.closed), symbols, parameters.starting_cash, ran, *hashes, verified
    )


def once(told: Told, parameters: Parameters) -> BacktestResult:
    """Send the history through the decisions."""
    configured = {name: "replay" in one.sources for name, one in parameters.assets.classes.items()}
    return backtest(zip(told.closed, told.made, strict=True), parameters, configured, tell=True)


def _bytes(result: BacktestResult) -> tuple[bytes, ...]:
    equity = "\n".join(f"{ts.isoformat()} {amount}" for ts, amount in result.equity).encode()
    return as_lines(result.log), trades_jsonl(result.trades), fills_jsonl(result.fills), equity


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main()
