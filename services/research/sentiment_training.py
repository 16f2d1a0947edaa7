"""Train the sentiment model: ``python -m services.research.sentiment_training --from DIR``.

The same folder and the same versions of numpy and scikit-learn give the same model. ``--search`` shows the macro-F1 of
the grid on the validation folds and trains nothing; the test part is never read here.
"""

import argparse
import itertools
import sys
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.ingestion.sentiment import scorer
from services.ingestion.sentiment.features import BUCKETS, SLOTS, hashed, listed
from services.ingestion.sentiment.scorer import CARD, CLASSES, MODEL, LinearModel, packed
from services.research.sentiment_measure import macro_f1, predicted
from services.research.sentiment_rows import FILES, FOLDS, LABELS, Row, read_rows


@dataclass(frozen=True, slots=True)
class Choice:
    """What the validation folds decide: inverse regularisation, weights of word lists, forum rows and rare classes."""

    c: float = 10.0
    lists_scale: float = 1.0
    forum_weight: float = 3.0
    class_balance: float = 0.5


GRID = tuple(
    Choice(c, lists, forum, balance)
    for c, lists, forum, balance in itertools.product((3.0, 10.0), (0.3, 1.0), (3.0, 10.0), (0.5,))
)


@dataclass(frozen=True, slots=True)
class Matrices:
    """Rows as arrays: hashed counts (n, BUCKETS) sparse, word lists (n, slots), class indices (n,)."""

    counts: Any
    lists: NDArray[np.float64]
    labels: NDArray[np.int64]


def matrices(rows: list[Row]) -> Matrices:
    """Extract the features of all rows."""
    from scipy.sparse import csr_matrix

    starts, columns, values = [0], list[int](), list[float]()
    for row in rows:
        found = hashed(row.text)
        columns += found.keys()
        values += found.values()
        starts.append(len(columns))
    lists = np.array([[found[name] for name in SLOTS] for found in (listed(row.text) for row in rows)])
    labels = np.array([LABELS.index(row.label) for row in rows])
    return Matrices(csr_matrix((values, columns, starts), shape=(len(rows), BUCKETS)), lists, labels)


def weights(rows: list[Row], choice: Choice) -> NDArray[np.float64]:
    """One weight per row: forum rows count more, and rare classes of a set do, by the powers chosen."""
    found = np.ones(len(rows))
    for source in FILES:
        of_source = np.array([row.source == source for row in rows])
        labels = {row.label for row in rows if row.source == source}
        for label in labels:
            these = of_source & np.array([row.label == label for row in rows])
            found[these] = (of_source.sum() / these.sum() / len(labels)) ** choice.class_balance
        if source != "news":
            found[of_source] *= choice.forum_weight
    return found


def fitted(rows: list[Row], arrays: Matrices, choice: Choice) -> LinearModel:
    """Fit the model on rows and round it as it will be shipped."""
    from scipy.sparse import csr_matrix, diags, hstack
    from sklearn.linear_model import LogisticRegression

    seen = np.asarray((arrays.counts > 0).sum(axis=0)).ravel()
    idf = (np.log((1 + len(rows)) / (1 + seen)) + 1).astype(np.float16).astype(np.float64)
    scaled = arrays.counts.multiply(idf).tocsr()
    norms = np.sqrt(np.asarray(scaled.multiply(scaled).sum(axis=1)).ravel())
    scaled = diags(1.0 / np.where(norms > 0, norms, 1.0)) @ scaled
    design = hstack([scaled, csr_matrix(arrays.lists * choice.lists_scale)]).tocsr()
    regression = LogisticRegression(C=choice.c, max_iter=400, tol=1e-3)
    with import_module("threadpoolctl").threadpool_limits(
        1
    ):  # one thread gives the same sums everywhere and leaves the other cores to the services
        regression.fit(design, arrays.labels, sample_weight=weights(rows, choice))
    model = LinearModel(
        idf.astype(np.float32),
        np.ascontiguousarray(regression.coef_.T, dtype=np.float32),
        regression.intercept_.astype(np.float32),
        choice.lists_scale,
    )
    return scorer.unpacked(packed(model))


def validated(rows: list[Row], choice: Choice) -> dict[str, float]:
    """Macro-F1 of each set over the rotating validation folds."""
    told: list[tuple[Row, str]] = []
    for fold in range(FOLDS):
        learn = [row for row in rows if row.fold != fold]
        held = [row for row in rows if row.fold == fold]
        model = fitted(learn, matrices(learn), choice)
        told += [(row, predicted(model.probabilities(row.text), row.source)) for row in held]
    by_source = {source: [(row.label, label) for row, label in told if row.source == source] for source in FILES}
    return {source: macro_f1(*zip(*pairs, strict=True)) for source, pairs in by_source.items()}


def train(folder: Path, into: Path, choice: Choice) -> dict[str, Any]:
    """Fit on the development part and write the model and its card; gives the card."""
    rows = [row for row in read_rows(folder) if row.fold is not None]
    data = packed(fitted(rows, matrices(rows), choice))
    card = {
        "sha256": sha256(data).hexdigest(),
        "classes": CLASSES,
        "chosen": asdict(choice),
        "rows": {source: sum(row.source == source for row in rows) for source in FILES},
        "texts_sha256": sha256("\0".join(f"{row.label} {row.text}" for row in rows).encode()).hexdigest(),
    }
    (into / MODEL).write_bytes(data)
    (into / CARD).write_bytes(msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")
    return card


def main() -> None:
    """Train, or with ``--search`` compare the grid on the validation folds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="folder", type=Path, required=True, help="folder of the labelled sets")
    parser.add_argument("--into", type=Path, default=Path(scorer.__file__).parent, help="where the model is written")
    parser.add_argument("--search", action="store_true", help="compare the grid on the validation folds, write nothing")
    args = parser.parse_args()
    if not args.search:
        sys.stdout.write(f"{train(args.folder, args.into, Choice())}\n")
        return
    rows = [row for row in read_rows(args.folder) if row.fold is not None]
    for choice in GRID:
        found = validated(rows, choice)
        told = ", ".join(f"{source} {f1:.3f}" for source, f1 in found.items())
        sys.stdout.write(f"{choice}: mean {fmean(found.values()):.4f}; {told}\n")


if __name__ == "__main__":
    main()
