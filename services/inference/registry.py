"""Trained models as rows: what they were trained on, from when they may be used, and proof that they are unchanged."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from services.kernel.errors import ChloeError

Standing = Literal["in use", "refused", "withdrawn"]


class ModelError(ChloeError):
    """A stored model is not what was trained, or was trained for other features or another horizon."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedModel:
    """One row of ``model_registry``.

    ``trained_from`` and ``trained_through`` are the closes of the first and last training row; the last row's label
    reaches one horizon further, and never beyond ``valid_from``. ``valid_until`` None means: until replaced.
    """

    model: str
    version: str
    symbol: str
    asset_class: str
    horizon_hours: int
    trained_from: datetime
    trained_through: datetime
    valid_from: datetime
    valid_until: datetime | None
    features_hash: str
    params: Mapping[str, Any]
    metrics: Mapping[str, Any]
    artefact: bytes
    artefact_sha256: str
    standing: Standing = "in use"
    note: str = ""


def digest(artefact: bytes) -> str:
    """Return the SHA-256 of an artefact in hex."""
    return hashlib.sha256(artefact).hexdigest()


def checked_artefact(model: TrainedModel, features_hash: str, horizon_hours: int) -> bytes:
    """Return the artefact if it may be used; raises :class:`ModelError` that names the model and what to do."""
    name = f"model {model.model} {model.version} of {model.symbol}"
    if digest(model.artefact) != model.artefact_sha256:
        raise ModelError(
            f"{name}: its artefact was changed after training (SHA-256 {digest(model.artefact)[:12]}, "
            f"registered {model.artefact_sha256[:12]}); delete the row and run 'chloe train'"
        )
    if model.features_hash != features_hash:
        raise ModelError(f"{name}: trained on other features ({model.features_hash[:12]}); run 'chloe train'")
    if model.horizon_hours != horizon_hours:
        raise ModelError(
            f"{name}: forecasts {model.horizon_hours} h, models.yaml asks {horizon_hours} h; run 'chloe train'"
        )
    if model.trained_through + timedelta(hours=horizon_hours) > model.valid_from:
        raise ModelError(f"{name}: trained on hours after {model.valid_from:%Y-%m-%d %H:%M}; run 'chloe train'")
    return model.artefact


def by_model(trained: Sequence[TrainedModel]) -> dict[tuple[str, str], list[TrainedModel]]:
    """Group by (symbol, model), each in order of ``valid_from``; of equals the later in the input stands last."""
    groups: dict[tuple[str, str], list[TrainedModel]] = {}
    for row in trained:
        groups.setdefault((row.symbol, row.model), []).append(row)
    return {key: sorted(rows, key=lambda row: row.valid_from) for key, rows in groups.items()}
