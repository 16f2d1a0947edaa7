"""Accuracy and macro-F1 of sentiment by set, beside VADER on the same rows.

Run as ``python -m services.research.sentiment_measure --from DIR``.
The measure is fixed in docs/sentiment.md. VADER (the package vaderSentiment) is needed here only.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.ingestion.sentiment.scorer import shipped
from services.research.sentiment_rows import FILES, LABELS, Row, read_rows

TWO_CLASSES = frozenset({"stock tweets", "crypto comments"})
"""Sets without neutral rows."""
RESAMPLES, SEED = 2000, 7


def predicted(likely: Mapping[str, float], source: str) -> str:
    """The class of our probabilities: the likeliest, or by the sign of the score in a set of two classes."""
    if source in TWO_CLASSES:
        return "positive" if likely["positive"] >= likely["negative"] else "negative"
    return max(LABELS, key=lambda label: likely[label])


def vader_predicted(compound: float, source: str) -> str:
    """The class of VADER's compound, by its authors' thresholds or by its sign in a set of two classes."""
    if source in TWO_CLASSES:
        return "positive" if compound >= 0 else "negative"
    return "positive" if compound >= 0.05 else "negative" if compound <= -0.05 else "neutral"


def macro_f1(labels: Sequence[str], told: Sequence[str]) -> float:
    """The mean of F1 over the classes that ``labels`` have."""
    return _macro_f1(_codes(labels), _codes(told))


def _codes(labels: Sequence[str]) -> NDArray[np.int64]:
    return np.array([LABELS.index(label) for label in labels], dtype=np.int64)


def _macro_f1(labels: NDArray[np.int64], told: NDArray[np.int64]) -> float:
    table = np.bincount(labels * 3 + told, minlength=9).reshape(3, 3)
    present = table.sum(axis=1) > 0
    f1 = 2 * np.diag(table) / np.maximum(table.sum(axis=1) + table.sum(axis=0), 1)
    return float(f1[present].mean())


@dataclass(frozen=True, slots=True)
class Figure:
    """A measure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True, slots=True)
class Measured:
    """One set's test rows by both scorers; ``gain`` is our macro-F1 less VADER's on the same resamples."""

    source: str
    n: int
    accuracy: Figure
    f1: Figure
    vader_accuracy: Figure
    vader_f1: Figure
    gain: Figure


def measure(source: str, labels: Sequence[str], ours: Sequence[str], vader: Sequence[str]) -> Measured:
    """Compare both on one set."""
    y, a, b = _codes(labels), _codes(ours), _codes(vader)
    drawn = np.random.default_rng(SEED).integers(0, len(y), size=(RESAMPLES, len(y)))

    def figure(of: Callable[[NDArray[np.int64]], float]) -> Figure:
        low, high = np.quantile([of(rows) for rows in drawn], (0.025, 0.975))
        return Figure(of(np.arange(len(y))), float(low), float(high))

    return Measured(
        source,
        len(y),
        figure(lambda i: float((y[i] == a[i]).mean())),
        figure(lambda i: _macro_f1(y[i], a[i])),
        figure(lambda i: float((y[i] == b[i]).mean())),
        figure(lambda i: _macro_f1(y[i], b[i])),
        figure(lambda i: _macro_f1(y[i], a[i]) - _macro_f1(y[i], b[i])),
    )


def by_source(rows: Sequence[Row], compound: Callable[[str], float]) -> list[Measured]:
    """Measure the shipped model and VADER on the test rows of every set."""
    model, found = shipped(), []
    for source in FILES:
        these = [row for row in rows if row.fold is None and row.source == source]
        ours = [predicted(model.probabilities(row.text), source) for row in these]
        vader = [vader_predicted(compound(row.text), source) for row in these]
        found.append(measure(source, [row.label for row in these], ours, vader))
    return found


def vader_compound() -> Callable[[str], float]:
    """VADER's compound score of a text, in [-1, 1]."""
    analyzer = import_module("vaderSentiment.vaderSentiment").SentimentIntensityAnalyzer()
    return lambda text: float(analyzer.polarity_scores(text)["compound"])


def main() -> None:
    """Print the table of docs/sentiment.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="folder", type=Path, required=True, help="folder of the labelled sets")
    lines = ["| set | n | accuracy | VADER | macro-F1 | VADER | difference |", "|---|---|---|---|---|---|---|"]
    for m in by_source(read_rows(parser.parse_args().folder), vader_compound()):
        figures = (m.accuracy, m.vader_accuracy, m.f1, m.vader_f1, m.gain)
        lines.append(f"| {m.source} | {m.n} | {' | '.join(str(figure) for figure in figures)} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
