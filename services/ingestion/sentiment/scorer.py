"""The shipped model: one text in, how likely it is negative, neutral or positive. numpy only; nothing is downloaded."""

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Protocol
from zipfile import BadZipFile

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.ingestion.sentiment.features import BUCKETS, SLOTS, WIDTH, hashed, listed
from services.kernel.errors import ChloeError

CLASSES = ("negative", "neutral", "positive")
MODEL, CARD = "model.npz", "model.json"


class SentimentModelError(ChloeError):
    """The shipped model cannot be used; reinstall the package."""


class Scorer(Protocol):
    """Anything that reads a text: the shipped model, or another in its place."""

    def score(self, text: str) -> float:
        """How positive the text is, in [-1, 1]."""
        ...

    def probabilities(self, text: str) -> Mapping[str, float]:
        """The probability of each class; they add up to 1."""
        ...


@dataclass(frozen=True, slots=True)
class LinearModel:
    """Multinomial logistic regression over `features`. ``idf`` (BUCKETS,), ``weights`` (WIDTH, 3), ``bias`` (3,)."""

    idf: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    lists_scale: float

    def probabilities(self, text: str) -> dict[str, float]:
        """The probability of each class. A text without a word is neutral."""
        lists = listed(text)
        if lists["empty"]:
            return {"negative": 0.0, "neutral": 1.0, "positive": 0.0}
        counts = hashed(text)
        buckets = np.fromiter(counts, dtype=np.int64, count=len(counts))
        values = np.fromiter(counts.values(), dtype=np.float64, count=len(counts)) * self.idf[buckets]
        norm = math.sqrt(float(values @ values)) or 1.0
        slots = np.fromiter((lists[name] for name in SLOTS), dtype=np.float64, count=len(SLOTS)) * self.lists_scale
        logits = (values / norm) @ self.weights[buckets] + slots @ self.weights[BUCKETS:] + self.bias
        likely = np.exp(logits - logits.max())
        likely /= likely.sum()
        return dict(zip(CLASSES, likely.tolist(), strict=True))

    def score(self, text: str) -> float:
        """P(positive) − P(negative), in [-1, 1]."""
        likely = self.probabilities(text)
        return max(-1.0, min(1.0, likely["positive"] - likely["negative"]))


def packed(model: LinearModel) -> bytes:
    """The model as a compressed npz of half-precision arrays; the same model gives the same bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        idf=model.idf.astype(np.float16),
        weights=model.weights.astype(np.float16),
        bias=model.bias.astype(np.float32),
        lists_scale=np.float32(model.lists_scale),
    )
    return buffer.getvalue()


def unpacked(data: bytes) -> LinearModel:
    """Read what `packed` wrote. Raises SentimentModelError if it is something else."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            idf, weights, bias = (arrays[name].astype(np.float32) for name in ("idf", "weights", "bias"))
            scale = float(arrays["lists_scale"])
    except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
        raise SentimentModelError(f"{MODEL}: unreadable: {error}") from error
    if idf.shape != (BUCKETS,) or weights.shape != (WIDTH, len(CLASSES)) or bias.shape != (len(CLASSES),):
        raise SentimentModelError(f"{MODEL}: arrays {idf.shape}, {weights.shape}, {bias.shape} do not fit the features")
    return LinearModel(idf, weights, bias, scale)


@lru_cache(maxsize=1)
def shipped() -> LinearModel:
    """The model of this package, read once. Raises SentimentModelError if its checksum is not the card's."""
    folder = files("services.ingestion.sentiment")
    try:
        data, card = (folder / MODEL).read_bytes(), msgspec.json.decode((folder / CARD).read_bytes())
        stated = card["sha256"]
    except (OSError, msgspec.DecodeError, KeyError, TypeError) as error:
        raise SentimentModelError(f"{MODEL} or {CARD} is missing or unreadable: {error}") from error
    if sha256(data).hexdigest() != stated:
        raise SentimentModelError(f"{MODEL}: SHA-256 differs from the one in {CARD}")
    return unpacked(data)


def score(text: str) -> float:
    """How positive a text is by the shipped model, in [-1, 1]."""
    return shipped().score(text)


def probabilities(text: str) -> dict[str, float]:
    """How likely a text is negative, neutral and positive by the shipped model."""
    return shipped().probabilities(text)
