"""Correlations of common returns, and the clusters that follow from them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.correlations import AT_LEAST, Closes, Pair, clusters, correlations

HOUR = 3_600
UNTIL = 2_000 * HOUR
SPAN = 720 * HOUR


def closes(returns: np.ndarray, until: int = UNTIL) -> Closes:
    slices = until - HOUR * np.arange(len(returns) - 1, -1, -1, dtype=np.int64)
    return Closes(slices, 100.0 * np.exp(np.cumsum(returns)))


def moves(seed: int, n: int = 900) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 0.01, n)


def only(found: list[Pair]) -> float:
    assert len(found) == 1
    return found[0].correlation


def test_the_correlation_is_pearsons_over_the_span_and_nothing_else() -> None:
    a, b = moves(1), 0.6 * moves(1) + 0.8 * moves(2)
    found = only(correlations({"B": closes(b), "A": closes(a)}, UNTIL, SPAN, HOUR))
    assert found == pytest.approx(np.corrcoef(a[-720:], b[-720:])[0, 1], abs=1e-12)
    other = a.copy()
    other[:100] *= 30.0
    assert only(correlations({"A": closes(other), "B": closes(b)}, UNTIL, SPAN, HOUR)) == pytest.approx(found, abs=1e-9)


def test_bars_after_the_time_asked_for_change_nothing() -> None:
    a, b = closes(moves(1), UNTIL + 24 * HOUR), closes(moves(2), UNTIL + 24 * HOUR)
    cut = {name: Closes(one.slices[:-24], one.close[:-24]) for name, one in (("A", a), ("B", b))}
    whole = correlations({"A": a, "B": b}, UNTIL, SPAN, HOUR)
    assert whole == correlations(cut, UNTIL, SPAN, HOUR)
    assert len(whole) == 1


def test_only_returns_over_the_very_same_hours_are_compared() -> None:
    coin = closes(moves(1))
    hours = coin.slices // HOUR % 24
    session = (hours >= 14) & (hours <= 20)
    share = Closes(coin.slices[session], coin.close[session] ** 2)
    # In the session the share moves as the coin does; its step over the night is compared with nothing of the coin's.
    assert only(correlations({"A": coin, "B": share}, UNTIL, SPAN, HOUR)) == pytest.approx(1.0)
    both = {"B": share, "C": Closes(share.slices, share.close**0.5)}
    assert only(correlations(both, UNTIL, SPAN, HOUR)) == pytest.approx(1.0)


def test_too_few_common_returns_or_no_move_say_nothing() -> None:
    short = closes(moves(2, AT_LEAST))  # one return less, for the first bar has none
    assert correlations({"A": closes(moves(1)), "B": short}, UNTIL, SPAN, HOUR) == []
    enough = closes(moves(2, AT_LEAST + 1))
    assert len(correlations({"A": closes(moves(1)), "B": enough}, UNTIL, SPAN, HOUR)) == 1
    assert correlations({"A": closes(moves(1)), "B": closes(np.zeros(900))}, UNTIL, SPAN, HOUR) == []
    assert correlations({"A": closes(moves(1))}, UNTIL, SPAN, HOUR) == []
    assert correlations({}, UNTIL, SPAN, HOUR) == []


def test_a_price_that_is_no_price_takes_two_returns_out() -> None:
    a, b = closes(moves(1)), closes(moves(2))
    oil = b.close.copy()
    oil[-300] = -37.0
    found = only(correlations({"A": a, "B": Closes(b.slices, oil)}, UNTIL, SPAN, HOUR))
    rest = np.delete(np.arange(-720, 0), [720 - 300, 720 - 299])
    assert found == pytest.approx(np.corrcoef(moves(1)[rest], moves(2)[rest])[0, 1], abs=1e-12)


def test_clusters_join_directly_and_through_others_and_by_either_sign() -> None:
    pairs = [Pair("A", "B", 0.8), Pair("B", "C", -0.75), Pair("D", "E", 0.7), Pair("A", "D", 0.69), Pair("F", "A", 0.1)]
    assert clusters(pairs, 0.7) == (("A", "B", "C"), ("D", "E"))
    assert clusters(pairs, 0.69) == (("A", "B", "C", "D", "E"),)
    assert clusters(pairs, 0.9) == ()


@settings(max_examples=25, deadline=None)
@given(order=st.permutations([("A", "B"), ("B", "C"), ("D", "E"), ("E", "F"), ("C", "D")]))
def test_the_order_of_pairs_does_not_matter(order: list[tuple[str, str]]) -> None:
    assert clusters([Pair(*pair, 0.9) for pair in order], 0.7) == (("A", "B", "C", "D", "E", "F"),)


def test_one_assets_correlations_have_the_same_bits_among_few_and_many() -> None:
    every = {f"S{i:02}": closes(moves(i)) for i in range(12)}
    whole = {(one.symbol, one.other): one.correlation for one in correlations(every, UNTIL, SPAN, HOUR)}
    few = correlations({name: every[name] for name in ("S03", "S11")}, UNTIL, SPAN, HOUR)
    assert [(one.symbol, one.other, one.correlation) for one in few] == [("S03", "S11", whole["S03", "S11"])]
    assert len(whole) == 66
