"""What the command line does about forecasts: their evaluation, the features, the models. One function a command."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.execution.settings import ExecutionSettings
from services.gateway import model_views
from services.inference import settings as inference_settings
from services.inference.features import FEATURES
from services.ingestion.replay import read
from services.kernel.config import load
from services.kernel.errors import ConfigError, StartRefused
from services.research import evaluation_report, report_page
from services.research.evaluated_history import evaluate_recorded, read_ledger
from services.research.evaluation_report import EvaluationReport
from services.research.evaluation_rows import ENSEMBLE
from services.research.history import for_inference
from services.research.leaks import table, world
from services.research.leaks.leaktest import run
from services.research.parameters import load_parameters
from services.standalone import servers
from services.standalone.screen import Screen

# What stands in the registry, one line for each model of each asset: its versions, and the newest one in use.
REGISTERED = """
select distinct on (symbol, model) symbol, model, version, standing, note, params ->> 'preset' as preset, trained_from,
       trained_through, valid_from, metrics::text as metrics,
       case when model = 'ensemble' then artefact end as artefact,
       count(*) over one as versions, count(*) filter (where standing = 'refused') over one as refused,
       count(*) filter (where standing = 'withdrawn') over one as withdrawn
from model_registry
window one as (partition by symbol, model)
order by symbol, model, (standing = 'in use') desc, valid_from desc, created_at desc
"""


def evaluate(
    symbols: Sequence[str],
    source: Path,
    since: datetime | None,
    until: datetime | None,
    html: Path | None,
    as_json: Path | None,
    trades: Path | None,
) -> None:
    """Judge walk-forward forecasts beside the random walk; print the verdict and write what was asked for."""
    assets = load(AssetsConfig, ASSETS_FILE)
    configured = inference_settings.load(timeframe=assets.timeframe, replay=True)
    paper = load(ExecutionSettings, "execution.yaml").paper
    wanted = [assets.resolve(symbol) for symbol in symbols]
    ledgers = [] if trades is None else [read_ledger(trades, assets)]
    recorded = read(source, assets, since, until)
    with Screen(Console(stderr=True)).training() as tell:
        report = evaluate_recorded(recorded, configured, assets, paper, symbols=wanted, tell=tell, ledgers=ledgers)
    _show(report)
    for path, written in ((html, report_page.as_html), (as_json, evaluation_report.as_json)):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(written(report), encoding="utf-8")
            Console().print(f"written: {path}", highlight=False, soft_wrap=True)


def _show(report: EvaluationReport) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]{report.verdict}[/]")
    console.print(report.edge_verdict)
    for ledger in report.ledgers:
        console.print(f"{ledger.name}: {ledger.record.verdict}.")
    shown = Table(title=f"The ensemble beside the random walk ({report.kind})", title_justify="left")
    shown.add_column("asset", no_wrap=True)
    for name in ("hours", "ratio", "RMSE", "walk's", "p", "right", "in 80 %", "n"):
        shown.add_column(name, justify="right", no_wrap=True)
    for one in report.models:
        if one.model == ENSEMBLE:
            shown.add_row(
                one.symbol,
                str(one.horizon_hours),
                f"{one.ratio:.4f}",
                f"{one.rmse:.2%}",
                f"{one.rmse_random_walk:.2%}",
                "–" if one.p_holm is None else f"{one.p_holm:.2f}",
                "–" if one.direction_right is None else f"{one.direction_right:.1%}",
                "–" if one.coverage is None else f"{one.coverage:.1%}",
                f"{one.n:,}",
            )
    console.print(shown)


def leaktest(source: Path, *, as_json: bool) -> bool:
    """Plant leaks and look for them, then look for any in the clean pipeline; say whether all went as it should."""
    assets = load(AssetsConfig, ASSETS_FILE)
    if assets.timeframe != "1h":
        raise ConfigError(f"chloe leaktest needs hourly candles, the timeframe is {assets.timeframe}: leave it at 1h")
    candles = for_inference(read(source, assets, None, None).series)
    leaders = inference_settings.load(timeframe=assets.timeframe, replay=True).leaders
    recorded = world.recorded(candles, leaders)
    with Screen(Console(stderr=True)).training("leaks:") as tell:
        verdict = run(recorded, load_parameters().signals, tell)
    if as_json:
        print(json.dumps(verdict.as_dict(), indent=2))  # noqa: T201
        return verdict.holds
    console = Console(highlight=False)
    console.print(table.planted(verdict))
    for line in (*table.clean(verdict), table.summary(verdict)):
        console.print(line, soft_wrap=True)
    return verdict.holds


def features(*, as_json: bool) -> None:
    """List every feature: its formula, what it reads, how many bars it looks back, and its unit."""
    found = [
        {"name": one.name, "formula": one.formula, "source": one.source, "bars": one.bars, "unit": one.unit}
        for one in FEATURES
    ]
    if as_json:
        print(json.dumps(found, indent=2))  # noqa: T201
        return
    shown = Table(title=f"{len(found)} features", title_justify="left")
    shown.add_column("feature", no_wrap=True)
    for name in ("formula", "source", "unit"):
        shown.add_column(name)
    shown.add_column("bars", justify="right")
    for row in found:
        shown.add_row(*(escape(str(row[key])) for key in ("name", "formula", "source", "unit", "bars")))
    Console().print(shown)


def models(data: Path, *, as_json: bool) -> None:
    """List the configured models, and of those that a data folder's platform has trained the newest of each asset."""
    assets = load(AssetsConfig, ASSETS_FILE)
    configured = inference_settings.load(timeframe=assets.timeframe)
    registered = _registered(data)
    lines = [
        {"model": name, "counts": line.counts, "params": line.params, "preset": configured.preset}
        for name, line in configured.models.items()
    ]
    if as_json:
        content = {"horizon_hours": configured.horizon_hours, "configured": lines, "registered": registered}
        print(json.dumps(content, indent=2, default=str))  # noqa: T201
        return
    console = Console(highlight=False)
    console.print(f"Preset {configured.preset}: {configured.says}; {configured.horizon_hours} h ahead", soft_wrap=True)
    shown = Table("model", "in the ensemble", "parameters")
    for name, line in configured.models.items():
        params = ", ".join(f"{key} {value}" for key, value in line.params.items())
        shown.add_row(name, "yes" if line.counts else "no, shown only", params or "its own defaults")
    console.print(shown)
    if not registered:
        console.print(
            f"No model is registered in {data}; 'chloe train' or a standalone run trains them.", soft_wrap=True
        )
        return
    console.print(_versions(registered))
    console.print()
    console.print(_blends(registered))
    for row in registered:
        if row["note"]:
            console.print(
                f"{row['symbol']} {row['model']} {row['version']} {row['standing']}: {escape(row['note'])}",
                soft_wrap=True,
            )


def _versions(registered: Sequence[Mapping[str, Any]]) -> Table:
    """Show the models: which version, since when, and its error beside the random walk's on the same bars."""
    title = "Registered, errors on bars not seen in training"
    found = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for name in ("asset", "model", "version", "standing", "trained on", "versions"):
        found.add_column(name, overflow="fold")
    for name in ("n", "RMSE", "walk's", "ratio"):
        found.add_column(name, justify="right", no_wrap=True)
    for row in registered:
        if row["model"] == ENSEMBLE:
            continue
        span = f"{row['trained_from']:%Y-%m-%d} to {row['trained_through']:%Y-%m-%d}"
        others = [f"{row[name]} {name}" for name in ("refused", "withdrawn") if row[name]]
        said = row["out_of_sample"]
        errors = ("–",) * 4
        if said is not None:
            walk = f"{said['rmse_random_walk']:.2%}"
            errors = (f"{said['n']:,}", f"{said['rmse']:.2%}", walk, f"{said['ratio']:.4f}")
        counted = ", ".join([str(row["versions"]), *others])
        found.add_row(row["symbol"], row["model"], row["version"], row["standing"], span, counted, *errors)
    return found


def _blends(registered: Sequence[Mapping[str, Any]]) -> Table | str:
    """Show how each asset's ensemble weighs the models, and how much of what they say it believes."""
    blends = [row for row in registered if row["model"] == ENSEMBLE]
    if not blends:
        return "No ensemble has learnt yet: all parts count alike, and p_up is not given."
    found = Table(title="Ensembles", title_justify="left", box=None, padding=(0, 1, 0, 0))
    for name in ("asset", "version", "standing", "slope", "independent", "p_up", "weights"):
        found.add_column(name, overflow="fold")
    for row in blends:
        blend = row["blend"]
        shown = ("–",) * 4
        if blend is not None:
            weights = ", ".join(f"{name} {share:.0%}" for name, share in sorted(blend["weights"].items()))
            calibrated = "calibrated" if blend["p_up_calibrated"] else "not given"
            shown = (f"{blend['slope']:.2f}", f"{blend['independent']:,.0f}", calibrated, weights)
        found.add_row(row["symbol"], row["version"], row["standing"], *shown)
    return found


def _registered(data: Path) -> list[dict[str, Any]]:
    """Read the registry of a data folder, joining its server or starting it for the moment; none without a folder."""
    if not (data / "pg").exists():
        return []
    started = servers.start(data)

    async def ask() -> list[dict[str, Any]]:
        conn = await asyncpg.connect(started.database_url, server_settings={"timezone": "UTC"})
        try:
            rows = [dict(row) for row in await conn.fetch(REGISTERED)]
        except asyncpg.PostgresError as error:
            raise StartRefused(f"{data}: its registry cannot be read ({error}); run 'chloe standalone' on it") from None
        finally:
            await conn.close()
        return [_with_figures(row) for row in rows]

    try:
        return asyncio.run(ask())
    finally:
        started.stop()


def _with_figures(row: dict[str, Any]) -> dict[str, Any]:
    """Decode a row's metrics, and read from them and from an ensemble's artefact what is to be shown."""
    metrics = json.loads(row["metrics"])
    return {
        **{name: value for name, value in row.items() if name != "artefact"},
        "metrics": metrics,
        "out_of_sample": model_views.out_of_sample(metrics),
        "blend": model_views.blend(row["artefact"]),
    }
