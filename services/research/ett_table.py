"""Write the results of the ETTh1 runs as a table into a document, between two marks that stay there."""

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

from services.kernel.errors import DataError

BEGIN, END = "<!-- etth1: begin -->", "<!-- etth1: end -->"
TITLES = {
    "repeat-last": "repeat-last",
    "seasonal-24": "seasonal-24",
    "ridge-nlinear": "ridge-NLinear",
    "dlinear": "DLinear",
    "informer": "**Informer (ours)**",
    "neuralforecast": "Informer of neuralforecast",
}
PAPER = {"multivariate": ("0.577", "0.549"), "univariate": ("0.098", "0.247")}
TASKS = {
    "multivariate": "Multivariate, 7 columns, 48 → 24 hours",
    "univariate": "Univariate (OT), 48 → 24 hours (Informer 720 → 24)",
}


def write(results: Path, document: Path | None) -> None:
    """Write the table into the document, or print it; raises :class:`DataError` where there are no results."""
    if not results.is_file():
        raise DataError(f"{results}: no such file; run without --table first")
    lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines() if line]
    text = f"{BEGIN}\n{tables(lines)}{END}\n"
    if document is None:
        print(text)  # noqa: T201  asked for on the command line
        return
    before, after = _around(document)
    document.write_text(before + text + after, encoding="utf-8")


def _around(document: Path) -> tuple[str, str]:
    """Return what stands before and after the marks; all of it comes before where there are none."""
    found = document.read_text(encoding="utf-8") if document.is_file() else "# Benchmarks\n"
    if BEGIN not in found:
        return found.rstrip() + "\n\n## Informer on ETTh1\n\n", ""
    before, rest = found.split(BEGIN, 1)
    return before, rest.partition(END)[2].removeprefix("\n")


def tables(lines: Iterable[dict[str, Any]]) -> str:
    """Return one table per task: the mean over seeds, and every seed's MSE."""
    runs = list(lines)
    return "\n".join(_table(task, [one for one in runs if one["task"] == task]) for task in TASKS) if runs else ""


def _table(task: str, runs: list[dict[str, Any]]) -> str:
    windows = {one["windows"] for one in runs}
    head = [
        f"{TASKS[task]}, {', '.join(f'{n:,}' for n in sorted(windows))} test windows:",
        "",
        "| model | MSE | MAE | seeds (MSE of each) | minutes a seed | on |",
        "|---|---|---|---|---|---|",
        "| Informer, as printed in the paper | {} | {} | | | |".format(*PAPER[task]),
    ]
    by_model = {model: [one for one in runs if one["model"] == model] for model in TITLES}
    ranked = sorted((model for model in by_model if by_model[model]), key=lambda m: -_mean(by_model[m], "mse"))
    return "\n".join([*head, *(_row(model, by_model[model]) for model in ranked), ""])


def _row(model: str, runs: list[dict[str, Any]]) -> str:
    epochs = _seen(runs, "best_epoch")
    patience = _seen(runs, "patience")
    each = ", ".join(f"{one['mse']:.4f}" for one in sorted(runs, key=lambda one: int(one["seed"])))
    seeds = f"{len(runs)} ({each})" if "epochs" in runs[0] or "steps" in runs[0] else "needs none"
    best = f"; best epoch {epochs}, patience {patience}" if epochs else ""
    minutes = _mean(runs, "minutes")
    shown = f"{minutes:.1f}" if minutes >= 0.05 else "under 0.1"
    cells = (TITLES[model], f"{_mean(runs, 'mse'):.4f}", f"{_mean(runs, 'mae'):.4f}", seeds + best, shown)
    return f"| {' | '.join(cells)} | {', '.join(sorted({one['hardware'] for one in runs}))} |"


def _seen(runs: list[dict[str, Any]], key: str) -> str:
    return " and ".join(str(one) for one in sorted({run[key] for run in runs if key in run}))


def _mean(runs: list[dict[str, Any]], key: str) -> float:
    return fmean(one[key] for one in runs)
