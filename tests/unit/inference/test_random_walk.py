import numpy as np
import pytest
from tree_cases import HORIZON, labels, table

from services.inference import features, models


def test_random_walk_spread_grows_with_volatility_and_horizon() -> None:
    known = table(300)
    walked = models.build("random_walk", {"volatility": "volatility_168"}, HORIZON).untrained()
    assert walked is not None
    said = walked.predict(known.x[:, None, :])
    assert (said.expected_return == 0.0).all()
    assert said.uncertainty == pytest.approx(known.x[:, features.column("volatility_168")] * np.sqrt(HORIZON))


def test_random_walk_learns_a_spread_that_covers_what_came() -> None:
    known = table(2_000)
    rows, y = labels(known)
    model = models.build("random_walk", {"volatility": "volatility_168"}, HORIZON)
    spread = model.load(model.fit(known, rows, y, 1)).predict(known.windows(rows, 1)).uncertainty
    assert np.sqrt(np.mean((y / spread) ** 2)) == pytest.approx(1.0)


def test_random_walks_of_several_assets_keep_their_own_spreads() -> None:
    known = table(500)
    rows, y = labels(known)
    model = models.build("random_walk", {"volatility": "volatility_168"}, HORIZON)
    fitted = [model.load(model.fit(known, rows, y * wide, 1)) for wide in (1.0, 2.0, 3.0)]
    windows = known.x[:3, None, :]
    together = model.predict_each(fitted, windows)
    alone = [one.predict(windows[i : i + 1]) for i, one in enumerate(fitted)]
    assert together.uncertainty.tobytes() == b"".join(one.uncertainty.tobytes() for one in alone)
    assert together.expected_return.tolist() == [0.0, 0.0, 0.0]


def test_random_walk_of_a_span_in_which_nothing_moved_keeps_the_textbook_spread() -> None:
    known = table(100)
    rows, y = labels(known)
    model = models.build("random_walk", {"volatility": "volatility_168"}, HORIZON)
    fitted = model.load(model.fit(known, rows, np.zeros(len(y)), 1))
    assert fitted == model.untrained()
