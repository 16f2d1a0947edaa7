import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from services.inference import forest
from services.inference.forest import Forest, Tree, Walk, gather
from services.inference.registry import ModelError
from services.inference.series import Floats

FEATURES = 5


def random_tree(chance: np.random.Generator, splits: int) -> Tree:
    """A tree of any shape whose nodes are numbered as they came to be."""
    size = 2 * splits + 1
    left, right = np.full(size, -1), np.full(size, -1)
    for i in range(splits):
        leaf = chance.choice([node for node in range(2 * i + 1) if left[node] < 0])
        left[leaf], right[leaf] = chance.permutation([2 * i + 1, 2 * i + 2])
    return Tree(
        chance.integers(0, FEATURES, size),
        chance.choice([-1.0, 0.0, 0.5, np.inf], size),
        left,
        right,
        chance.random(size) < 0.5,
        chance.normal(size=size),
    )


def random_trees(seed: int) -> list[Tree]:
    chance = np.random.default_rng(seed)
    return [random_tree(chance, int(chance.integers(0, 12))) for _ in range(int(chance.integers(0, 40)))]


def rows(seed: int, n: int) -> Floats:
    return np.random.default_rng(seed).choice([-2.0, -1.0, 0.0, 0.25, 0.5, 3.0, np.nan], size=(n, FEATURES))


def by_hand(trees: list[Tree], base: float, row: Floats) -> float:
    total = base
    for tree in trees:
        node = 0
        while tree.left[node] >= 0:
            value = row[tree.feature[node]]
            goes_left = tree.nan_left[node] if np.isnan(value) else value <= tree.threshold[node]
            node = int(tree.left[node] if goes_left else tree.right[node])
        total = total + float(tree.value[node])
    return total


@given(st.integers(0, 10_000))
def test_every_row_falls_into_the_leaves_that_walking_by_hand_finds(seed: int) -> None:
    trees, x = random_trees(seed), rows(seed, 7)
    said = Walk([gather(trees, FEATURES, 0.3)]).shared(x)
    assert said.tolist() == [by_hand(trees, 0.3, row) for row in x]


@given(st.integers(0, 10_000), st.integers(1, 9))
def test_a_row_has_the_same_bits_in_any_batch_and_beside_any_forests(seed: int, n: int) -> None:
    forests = [gather(random_trees(seed + i), FEATURES, 0.1 * i) for i in range(n)]
    x = rows(seed, n)
    together = Walk(forests).own(x)
    for i, one in enumerate(forests):
        alone = Walk([one]).shared(x[i : i + 1])
        assert together[i : i + 1].tobytes() == alone.tobytes()
        assert Walk([one]).shared(x)[i : i + 1].tobytes() == alone.tobytes()


def test_more_rows_than_fit_one_block_change_nothing() -> None:
    trees = random_trees(3) * 40
    walk, x = Walk([gather(trees, FEATURES)]), rows(5, 1_000)
    assert len(trees) * len(x) > 2 * forest.PAIRS
    said = walk.shared(x)
    assert said[::97].tolist() == [by_hand(trees, 0.0, row) for row in x[::97]]
    assert said[500:].tobytes() == walk.shared(x[500:]).tobytes()


@given(arrays.arrays(np.float32, 8, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_single_precision_comparisons_become_double_ones(
    threshold: np.ndarray[tuple[int], np.dtype[np.float32]],
) -> None:
    at_most = forest.at_most_float32(threshold.astype(np.float64))
    below = forest.below_float32(threshold)
    with np.errstate(over="ignore"):
        for start in (threshold.astype(np.float64), at_most, below):
            for towards in (-np.inf, np.inf):
                x = start
                for _ in range(4):
                    single = x.astype(np.float32)
                    usual = np.isfinite(single)
                    assert ((x <= at_most) == (single <= threshold))[usual].all()
                    assert ((x <= below) == (single < threshold))[usual].all()
                    x = np.nextafter(x, towards)


def test_a_double_threshold_between_two_single_values_keeps_the_lower_one_left() -> None:
    threshold = np.array([0.1])
    at_most = forest.at_most_float32(threshold)[0]
    below, above = np.float32(0.1), np.nextafter(np.float32(0.1), np.float32(0.0))
    for x in (0.1, float(below), float(above), 0.09999999, 0.10000001):
        assert (x <= at_most) == bool(np.float64(np.float32(x)) <= threshold[0])


@given(st.integers(0, 10_000))
def test_what_is_stored_comes_back_and_equal_forests_give_equal_bytes(seed: int) -> None:
    trees, x = random_trees(seed), rows(seed, 5)
    first, again = (forest.dump(gather(trees, FEATURES, 0.2), {"error": 0.9}) for _ in range(2))
    found, notes = forest.parse(first)
    assert first == again
    assert notes == {"error": 0.9}
    assert Walk([found]).shared(x).tobytes() == Walk([gather(trees, FEATURES, 0.2)]).shared(x).tobytes()


def test_what_is_no_forest_is_refused_in_one_line() -> None:
    whole = forest.dump(gather(random_trees(3), FEATURES), {})
    for artefact in (b"", b"tree\nversion=v4\n", b"\x80\x04N.", whole[:-30]):
        with pytest.raises(ModelError, match=r"^artefact is no forest: [^\n]*$"):
            forest.parse(artefact)


def test_another_version_is_refused_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest, "VERSION", 7)
    later = forest.dump(gather([], FEATURES), {})
    monkeypatch.undo()
    with pytest.raises(ModelError, match="artefact is forest 7, not forest 1"):
        forest.parse(later)


@pytest.mark.parametrize(
    ("split", "sizes"), [([0, -1], [2]), ([0, -1, -1], [1, 1]), ([-1, 0, -1], [3]), ([0, 1, -1], [3]), ([-1], [3])]
)
def test_nodes_that_are_no_whole_trees_are_refused(split: list[int], sizes: list[int]) -> None:
    broken = Forest(2, 0.0, np.array(split, np.int32), np.zeros(len(split)), np.array(sizes, np.int32))
    with pytest.raises(ModelError, match="not"):
        Walk([broken])


def test_a_forest_is_not_asked_about_other_columns() -> None:
    walk = Walk([gather(random_trees(3), FEATURES)])
    with pytest.raises(ModelError, match="over 5 columns was given 4"):
        walk.shared(np.zeros((2, 4)))
    with pytest.raises(ModelError, match="do not all read the same 5 columns"):
        Walk([gather(random_trees(3), FEATURES), gather([], 6)])
