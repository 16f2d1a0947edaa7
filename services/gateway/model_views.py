"""What the API answers about trained models: standing, what each one saw, how it did beside the random walk."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from services.gateway.views import View


class OutOfSample(View):
    """Errors of log returns over the horizon on bars that the model had not seen, and the random walk's there."""

    n: int = Field(description="Bars; overlapping horizons make them count for less")
    rmse: float
    rmse_random_walk: float
    ratio: float = Field(description="Below 1 is better than the random walk")


class BlendView(View):
    """How the ensemble makes one forecast of the models' parts."""

    weights: dict[str, float] = Field(description="Each model's share; they sum to 1")
    slope: float = Field(description="How much of the weighted mean is believed; 0 would be the random walk")
    independent: float = Field(description="Independent out-of-sample forecasts that it was learnt from")
    p_up_calibrated: bool = Field(description="False: too little past, so that no probability is given")


class ModelView(View):
    """A trained model: the data it saw, how it did beside the random walk, and whether it is used."""

    model: str
    version: str
    symbol: str
    asset_class: str
    horizon_hours: int
    standing: Literal["in use", "refused", "withdrawn"] = Field(
        description="In use from valid_from on; refused: worse than the one in use; withdrawn: taken back by a person"
    )
    note: str = Field(description="Why it stands so")
    preset: str | None
    trained_from: datetime
    trained_through: datetime
    valid_from: datetime
    valid_until: datetime | None
    out_of_sample: OutOfSample | None = Field(description="None before its first horizon has passed, and for ensembles")
    blend: BlendView | None = Field(description="Of the ensemble only")
    features_hash: str
    params: Any
    metrics: Any
    artefact_sha256: str
    created_at: datetime


class RolledBack(View):
    """What taking a version back has changed; forecasts follow with the next batch of slices."""

    symbol: str = Field(examples=["BTC/USDT"])
    model: str = Field(examples=["lightgbm"])
    withdrawn: str = Field(examples=["20241120-0f4c9a1e"])
    in_use: str | None = Field(description="The version in use now; None: the ensemble goes on without this model")
    by: str
    note: str


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Show one row of the registry: ``params`` and ``metrics`` decoded, ``artefact`` None but for ensembles."""
    return {
        **{name: row[name] for name in ModelView.model_fields if name in row},
        "preset": row["params"].get("preset"),
        "out_of_sample": out_of_sample(row["metrics"]),
        "blend": blend(row["artefact"]),
    }


def out_of_sample(metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    """Pick the errors on bars that the model had not seen; None where there are none."""
    errors = metrics.get("out_of_sample")
    return {name: errors[name] for name in OutOfSample.model_fields} if errors else None


def blend(artefact: bytes | None) -> dict[str, Any] | None:
    """Read an ensemble's weights; None where there is no artefact, or it is not one that can be read."""
    try:
        found = json.loads(artefact or b"")
        return {
            "weights": found["weights"],
            "slope": found["slope"],
            "independent": found["evidence"],
            "p_up_calibrated": found["base"] is not None,
        }
    except (ValueError, KeyError, TypeError):
        # Inference refuses such a row by its hash; a list of models shall still come.
        return None
