"""Regression trees of any library as flat arrays: kept without pickle, walked without the library that grew them.

Every split reads "x <= threshold goes left" on doubles, whatever the library compared. Trees lie one after another,
each level by level, so that the children of a tree's k-th split are its nodes 2k + 1 and 2k + 2 and need no pointers.
A forest's value is ``base`` plus its leaves, added tree by tree in order: the same bits for a row alone, among others,
or beside rows that belong to other forests.
"""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from services.inference.registry import ModelError
from services.inference.series import Flags, Floats, Ints

KIND, VERSION = "forest", 1

PAIRS = 16_384
"""Rows times trees walked at once: what such a block needs stays in the processor's second cache."""

_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """One tree in its library's own order, node 0 the root, every array (nodes,); a leaf's ``left`` is negative."""

    feature: Ints
    threshold: Floats
    left: Ints
    right: Ints
    nan_left: Flags
    value: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Trees over ``features`` columns, as they are stored; the node arrays hold all trees, (nodes,)."""

    features: int
    base: float
    split: npt.NDArray[np.int32]
    """The column compared, plus ``features`` where NaN goes right; -1 at a leaf."""
    number: Floats
    """The threshold of a split, the value of a leaf."""
    sizes: npt.NDArray[np.int32]
    """(trees,) nodes of each tree."""


def gather(trees: Sequence[Tree], features: int, base: float = 0.0) -> Forest:
    """Put trees into one forest."""
    split, number = [np.empty(0, np.int32)], [np.empty(0)]
    for tree in trees:
        order = _level_order(tree)
        leaf = tree.left[order] < 0
        column = tree.feature[order] + features * ~tree.nan_left[order]
        split.append(np.where(leaf, -1, column).astype(np.int32))
        # No value lies above the largest double, so that a threshold of infinity still sends NaN right.
        number.append(np.where(leaf, tree.value[order], np.minimum(tree.threshold[order], _LARGEST)))
    sizes = np.array([len(part) for part in split[1:]], dtype=np.int32)
    return Forest(features, base, np.concatenate(split), np.concatenate(number), sizes)


def _level_order(tree: Tree) -> Ints:
    level = np.zeros(1, dtype=np.int64)
    order = [level]
    while len(level):
        splits = level[tree.left[level] >= 0]
        level = np.stack((tree.left[splits], tree.right[splits]), axis=1).ravel().astype(np.int64)
        order.append(level)
    return np.concatenate(order)


def at_most_float32(threshold: Floats) -> Floats:
    """Return the largest double t, such that ``x <= t`` is what ``float32(x) <= threshold`` is, for each threshold."""
    with np.errstate(over="ignore"):
        low = threshold.astype(np.float32)
        low = np.where(low > threshold, np.nextafter(low, np.float32(-np.inf)), low)
        high = np.nextafter(low, np.float32(np.inf))
        middle = (low.astype(np.float64) + high.astype(np.float64)) / 2.0
    even = low.view(np.int32) & 1 == 0
    return np.where(even, middle, np.nextafter(middle, -np.inf))


def below_float32(threshold: npt.NDArray[np.float32]) -> Floats:
    """Return the largest double t, such that ``x <= t`` is what ``float32(x) < threshold`` is, for each threshold."""
    with np.errstate(over="ignore"):
        under = np.nextafter(threshold, np.float32(-np.inf))
    return at_most_float32(under.astype(np.float64))


def dump(forest: Forest, notes: Mapping[str, Any]) -> bytes:
    """Write a forest and some notes; equal ones give equal bytes."""
    head = {"kind": KIND, "version": VERSION, "features": forest.features, "base": forest.base, "notes": dict(notes)}
    out = io.BytesIO()
    np.savez_compressed(
        out,
        head=np.frombuffer(json.dumps(head, sort_keys=True).encode(), dtype=np.uint8),
        split=forest.split,
        number=forest.number,
        sizes=forest.sizes,
    )
    return out.getvalue()


def parse(artefact: bytes) -> tuple[Forest, dict[str, Any]]:
    """Read what ``dump`` wrote, running nothing of it; raises :class:`ModelError` where it is no forest."""
    try:
        with np.load(io.BytesIO(artefact), allow_pickle=False) as stored:
            head = json.loads(stored["head"].tobytes())
            if (head["kind"], head["version"]) != (KIND, VERSION):
                raise ModelError(f"artefact is {head['kind']} {head['version']}, not {KIND} {VERSION}")
            forest = Forest(
                int(head["features"]),
                float(head["base"]),
                stored["split"].astype(np.int32, casting="safe"),
                stored["number"].astype(np.float64, casting="safe"),
                stored["sizes"].astype(np.int32, casting="safe"),
            )
            notes: dict[str, Any] = head["notes"]
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ModelError(f"artefact is no {KIND}: {' '.join(str(error).split())}") from None
    return forest, notes


class Walk:
    """Some forests over the same columns, ready to be walked together."""

    def __init__(self, forests: Sequence[Forest]) -> None:
        split = np.concatenate([forest.split for forest in forests]).astype(np.int64)
        number = np.concatenate([forest.number for forest in forests])
        sizes = np.concatenate([forest.sizes for forest in forests]).astype(np.int64)
        self.features = forests[0].features
        if any(forest.features != self.features for forest in forests) or (split >= 2 * self.features).any():
            raise ModelError(f"forests do not all read the same {self.features} columns")
        leaf = split < 0
        self.roots = np.cumsum(sizes) - sizes
        self.first = _first_children(leaf, sizes, self.roots)
        self.split = np.where(leaf, 0, split)
        self.threshold = np.where(leaf, np.inf, number)
        self.value = np.where(leaf, number, 0.0)
        self.depth = self._deepest()
        self.base = np.array([forest.base for forest in forests])
        self._row = np.repeat(np.arange(len(forests)), [len(forest.sizes) for forest in forests])
        self._place = np.concatenate([np.arange(len(forest.sizes)) for forest in forests])

    def shared(self, x: Floats) -> Floats:
        """Give every row (n, F) the value of the first and only forest, (n,)."""
        out = np.empty(len(x))
        trees = len(self.roots)
        step = max(PAIRS // max(trees, 1), 1)
        for start in range(0, len(x), step):
            rows = x[start : start + step]
            offset = np.tile(np.arange(len(rows)), (trees, 1))
            node = np.repeat(self.roots[:, None], len(rows), axis=1)
            out[start : start + step] = _total(np.full(len(rows), self.base[0]), self._leaves(rows, node, offset))
        return out

    def own(self, x: Floats) -> Floats:
        """Give row i of (forests, F) the value of forest i, (forests,)."""
        # Trees that a smaller forest lacks add 0.0, which changes no bits.
        leaves = np.zeros((int(self._place.max(initial=-1)) + 1, len(x)))
        leaves[self._place, self._row] = self._leaves(x, self.roots, self._row)
        return _total(self.base, leaves)

    def _leaves(self, x: Floats, node: Ints, row: Ints) -> Floats:
        if x.shape[1] != self.features:
            raise ModelError(f"a forest over {self.features} columns was given {x.shape[1]}")
        # NaN becomes what its side of each split needs, so that the walk itself never asks.
        unknown = np.isnan(x)
        flat = np.concatenate((np.where(unknown, -np.inf, x), np.where(unknown, np.inf, x)), axis=1).ravel()
        offset = row * (2 * self.features)
        for _ in range(self.depth):
            right = flat.take(self.split.take(node) + offset) > self.threshold.take(node)
            node = self.first.take(node) + right
        return self.value.take(node)

    def _deepest(self) -> int:
        depth, level = 0, self.roots
        while len(level := level[self.first[level] != level]):
            level = np.concatenate((self.first[level], self.first[level] + 1))
            depth += 1
        return depth


def _first_children(leaf: Flags, sizes: Ints, roots: Ints) -> Ints:
    """Return where each node's left child stands, the right one being next to it; a leaf stands for itself."""
    nodes = np.arange(len(leaf))
    if (sizes % 2 != 1).any() or sizes.sum() != len(leaf):
        raise ModelError("forest's trees and nodes do not match")
    before = np.concatenate(([0], np.cumsum(~leaf)))
    splits_before = before[:-1] - np.repeat(before[roots], sizes)
    first: Ints = np.where(leaf, nodes, np.repeat(roots, sizes) + 2 * splits_before + 1)
    if (before[roots + sizes] - before[roots] != sizes // 2).any() or (first[~leaf] <= nodes[~leaf]).any():
        raise ModelError("forest's nodes are not whole trees")
    return first


def _total(base: Floats, leaves: Floats) -> Floats:
    """Add (trees, n) to (n,) one tree after another; NumPy's own sum orders its additions by the array's shape."""
    total = base
    for one in leaves:
        total = total + one
    return total
