"""Labelled texts from a folder and the part of the split that each belongs to: docs/sentiment.md."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import polars as pl

from services.ingestion.sentiment.words import normalised
from services.kernel.errors import ChloeError

LABELS = ("negative", "neutral", "positive")
FILES = {
    "news": "twitter_financial_news.parquet",
    "wallstreetbets": "wsb_posts_labeled.parquet",
    "stock tweets": "stock_tweets_surge.parquet",
    "crypto comments": "crypto_reddit_surge.parquet",
}
TEST_PER_CENT = 30
FOLDS = 5


class LabelledTextError(ChloeError):
    """A folder of labelled texts is not what training needs."""


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled text; ``fold`` is None in the test part, else its validation fold."""

    source: str
    text: str
    label: str
    fold: int | None


def part(text: str) -> int | None:
    """None for the test part, else the validation fold 0 to 4."""
    h = int.from_bytes(sha256(normalised(text).encode()).digest()[:8], "big")
    return None if h % 100 < TEST_PER_CENT else h // 100 % FOLDS


def read_rows(folder: Path) -> list[Row]:
    """All rows of the four sets, in file order, empty ones and copies within a set left out.

    Raises LabelledTextError naming the file for a missing one, a missing column or an unknown label.
    """
    return [row for source, name in FILES.items() for row in _unique(source, _read(folder / name))]


def _read(path: Path) -> list[tuple[str, str]]:
    if not path.exists():
        raise LabelledTextError(f"{path}: no such file")
    frame = pl.read_parquet(path)
    if not {"text", "label"} <= set(frame.columns):
        raise LabelledTextError(f"{path}: columns text and label are needed, found {frame.columns}")
    titles = frame["title"].to_list() if "title" in frame.columns else [""] * len(frame)
    texts = [
        f"{title or ''}\n\n{text or ''}".strip() for title, text in zip(titles, frame["text"].to_list(), strict=True)
    ]
    labels = frame["label"].to_list()
    for number, label in enumerate(labels):
        if label not in LABELS:
            raise LabelledTextError(f"{path}: row {number}: label {label!r} is none of {LABELS}")
    return list(zip(texts, labels, strict=True))


def _unique(source: str, pairs: Iterable[tuple[str, str]]) -> Iterable[Row]:
    seen: set[str] = set()
    for text, label in pairs:
        key = normalised(text)
        if key and key not in seen:
            seen.add(key)
            yield Row(source, text, label, part(text))
