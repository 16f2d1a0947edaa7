"""Put the Informer in its place on ETTh1: ``python -m services.research.ett --data DIR --out results.jsonl``.

All models forecast the same test windows (48 hours to 24), scored on z-scored values as in the paper. Every finished
run is one line of JSON. ``--table results.jsonl --into docs/benchmarks.md`` writes the lines into the document.
"""

import argparse
import importlib.util
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from services.kernel.errors import ChloeError
from services.research import ett_baselines, ett_data, ett_table
from services.research.ett_data import EttData, Floats

MODELS = ("repeat-last", "seasonal-24", "ridge-nlinear", "dlinear", "informer", "neuralforecast")
SEEDED = ("dlinear", "informer", "neuralforecast")
# As the authors ran their tables: hours that Informer reads, of these the start of the decoder, and the factor.
LOOKBACKS = {"multivariate": (48, 48), "univariate": (720, 168)}
FACTORS = {"multivariate": 3, "univariate": 5}


def say(line: str) -> None:
    """Show progress on standard error."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def hardware(device: str) -> str:
    """Say in words what this ran on."""
    if device == "cpu":
        return f"{os.cpu_count()} cores, no GPU"
    import torch

    name: str = torch.cuda.get_device_name(device)
    return name


def forecast(
    model: str, task: str, data: EttData, seed: int, options: argparse.Namespace
) -> tuple[Floats, dict[str, Any]]:
    """Return a model's forecasts of all test windows (n, 24, C) and what it says about its training."""
    match model:
        case "repeat-last":
            return ett_baselines.repeat_last(data), {}
        case "seasonal-24":
            return ett_baselines.seasonal(data), {}
        case "ridge-nlinear":
            return ett_baselines.ridge_nlinear(data)
        case "dlinear":
            return ett_baselines.dlinear(data, seed, say)
        case "neuralforecast":
            from services.research import ett_neuralforecast

            return ett_neuralforecast.forecast(data, seed, options.steps)
        case _:
            from services.research import ett_informer

            asked, label = LOOKBACKS[task]
            lookback = options.lookback or asked
            budget = ett_informer.Budget(
                factor=options.factor or FACTORS[task],
                epochs=options.epochs,
                label=min(lookback, label),
                patience=options.patience,
                precision=options.precision,
                device=options.device,
            )
            return ett_informer.forecast(replace(data, lookback=lookback), seed, budget, say)


def score(model: str, task: str, data: EttData, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Run one model with one seed and return its line of results."""
    began = time.perf_counter()
    said, notes = forecast(model, task, data, seed, options)
    off = said.astype(np.float64) - data.future(data.starts("test"))
    return {
        "task": task,
        "model": model,
        "seed": seed,
        "mse": float(np.mean(off * off)),
        "mae": float(np.mean(np.abs(off))),
        "windows": len(off),
        "minutes": (time.perf_counter() - began) / 60,
        "hardware": hardware(options.device),
        **notes,
    }


def run(options: argparse.Namespace) -> None:
    """Run what was asked for, one line of results each."""
    for task in options.task:
        data = ett_data.read(options.data, task)
        for model in options.model:
            if model == "neuralforecast" and importlib.util.find_spec("neuralforecast") is None:
                say("neuralforecast: not installed here, left out")
                continue
            for seed in options.seed if model in SEEDED else options.seed[:1]:
                say(f"{task}, {model}, seed {seed}")
                line = json.dumps(score(model, task, data, seed, options))
                say(line)
                with options.out.open("a", encoding="utf-8") as out:
                    out.write(line + "\n")


def arguments() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder with ETTh1.parquet")
    parser.add_argument("--out", type=Path, default=Path("ett.jsonl"), help="file that results are added to")
    parser.add_argument("--task", nargs="+", choices=sorted(ett_data.TASKS), default=["multivariate"])
    parser.add_argument("--model", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seed", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--factor", type=int, help="of ProbSparse attention; 3 or, univariate, 5")
    parser.add_argument("--lookback", type=int, help="hours that Informer reads; 48 or, univariate, 720")
    parser.add_argument("--epochs", type=int, default=6, help="that Informer trains at most")
    parser.add_argument("--patience", type=int, default=3, help="epochs without a better validation before it stops")
    parser.add_argument("--precision", choices=("bfloat16", "float32"), default="bfloat16", help="in training")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=1000, help="of neuralforecast's training")
    parser.add_argument("--table", type=Path, help="write the table of these results instead of running")
    parser.add_argument("--into", type=Path, help="document to write the table into; without it the table is printed")
    return parser


def main() -> int:
    """Run or write the table; 1 and one line on an error that a person can mend."""
    options = arguments().parse_args()
    try:
        if options.table:
            ett_table.write(options.table, options.into)
        elif options.data is None:
            say("ett: --data is needed: the folder with ETTh1.parquet")
            return 1
        else:
            import torch

            torch.set_num_threads(options.threads)
            run(options)
    except ChloeError as error:
        say(f"ett: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
