"""Train neuralforecast's Informer on ETTh1, where that library is installed; it is no dependency of this project.

It learns from all columns as series of their own. Sizes and loss are the library's defaults, and the loss is the
absolute error: squared, one run went astray (a test MSE of 17.7). The windows are scaled by its ``standard`` scaler,
because its default is not to scale at all.
"""

import importlib
import logging
import warnings
from typing import Any

import numpy as np

from services.kernel.errors import DataError
from services.research.ett_data import HISTORY, HORIZON, EttData, Floats

WINDOWS_PER_STEP = 256


def forecast(data: EttData, seed: int, steps: int) -> tuple[Floats, dict[str, Any]]:
    """Train for at most `steps` steps and forecast all test windows: (n, 24, C), and how the training went."""
    warnings.filterwarnings("ignore")  # of the library's own parts about each other
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    library: Any = importlib.import_module("neuralforecast")
    models: Any = importlib.import_module("neuralforecast.models")
    calendar = [f"calendar_{i}" for i in range(data.time.shape[1])]
    starts = data.starts("test")
    model = models.Informer(
        h=HORIZON,
        input_size=HISTORY,
        futr_exog_list=calendar,
        scaler_type="standard",
        max_steps=steps,
        val_check_steps=max(1, steps // 10),
        early_stop_patience_steps=3,
        windows_batch_size=WINDOWS_PER_STEP,
        random_seed=seed,
        accelerator="cpu",
        enable_progress_bar=False,
        logger=False,
    )
    runner = library.NeuralForecast(models=[model], freq="h")
    table = runner.cross_validation(
        _table(data, calendar),
        val_size=len(data.starts("validation")) + HORIZON - 1,
        n_windows=None,
        test_size=len(starts) + HORIZON - 1,
    )
    ordered = table.sort_values(["unique_id", "cutoff", "ds"])
    said, truth = (_windows(ordered[name].to_numpy(), data, len(starts)) for name in ("Informer", "y"))
    if not np.allclose(truth, data.future(starts), atol=1e-5):
        raise DataError("neuralforecast: its test windows are not the ones of the other models")
    return said, {"steps": steps, "version": library.__version__}


def _windows(column: Any, data: EttData, count: int) -> Floats:
    """Bring values ordered by series, window and hour into (n, 24, C)."""
    found: Floats = np.moveaxis(column.reshape(data.values.shape[1], count, HORIZON), 0, 2).astype(np.float32)
    return found


def _table(data: EttData, calendar: list[str]) -> Any:
    """Return the long table that the library reads: one row per column and hour, columns in their order."""
    import pandas

    hours = pandas.date_range("2016-07-01", periods=len(data.values), freq="h")
    parts = [
        pandas.DataFrame(
            {"unique_id": f"{i:02d}", "ds": hours, "y": column, **dict(zip(calendar, data.time.T, strict=True))}
        )
        for i, column in enumerate(data.values.T)
    ]
    return pandas.concat(parts, ignore_index=True)
