"""The ways to divide the portfolio, compared on the same forecasts."""

import json
from collections.abc import Sequence
from io import StringIO

import msgspec
import pytest
from rich.console import Console

from bench.made_up_market import market
from services.contracts.messages import ForecastsMade, SliceClosed
from services.research import allocators
from services.research.allocators import METHODS, compare, eager, with_method
from services.research.parameters import Parameters, load_parameters

History = Sequence[tuple[SliceClosed, ForecastsMade]]
HOURS = 24 * 12
CRYPTO = {"crypto": True}
PAIR = ("BTC/USDT", "ETH/USDT")


@pytest.fixture(scope="module")
def parameters() -> Parameters:
    """With next to nothing asked before an entry, so that both assets are wanted at once."""
    return eager(load_parameters())


@pytest.fixture(scope="module")
def history(parameters: Parameters) -> History:
    pair = {symbol: parameters.assets.assets[symbol] for symbol in PAIR}
    return list(market(parameters.assets.model_copy(update={"assets": pair}), HOURS))


def test_every_method_runs_over_the_same_forecasts_and_the_configured_one_is_marked(
    parameters: Parameters, history: History
) -> None:
    found = compare(history, parameters, CRYPTO)
    assert [one.method for one in found.results] == list(METHODS)
    assert [one.method for one in found.results if one.configured] == ["score"]
    assert found.slices == HOURS
    assert not found.alike
    for one in found.results:
        assert one.trades > 0
        assert one.turnover > 0
        assert -1 < one.total_return < 1
        assert 0 <= one.max_drawdown < 1


def test_the_comparison_says_the_same_twice(parameters: Parameters, history: History) -> None:
    assert compare(history, parameters, CRYPTO) == compare(history, parameters, CRYPTO)


def test_methods_that_had_nothing_to_divide_are_said_to_be_alike(parameters: Parameters, history: History) -> None:
    found = compare([(closed, _silent(made)) for closed, made in history[:48]], parameters, CRYPTO)
    assert found.alike
    assert {one.trades for one in found.results} == {0}
    screen = StringIO()
    allocators.show(found, "two days", Console(file=screen, width=100), what_if=True)
    text = " ".join(screen.getvalue().split())
    assert "Ways to divide the portfolio (two days)" in text
    assert "All methods traded alike: there never were two assets to divide between" in text
    assert "not what anyone should trade" in text
    assert "score (configured)" in text


def test_the_comparison_is_written_as_json_and_says_that_it_is_simulated(
    parameters: Parameters, history: History
) -> None:
    found = compare(history[:48], parameters, CRYPTO)
    content = json.loads(allocators.as_json(found, "two days", found))
    assert content["simulated"] is True
    assert [one["method"] for one in content["results"]] == list(METHODS)
    assert content["what_if"]["results"] == content["results"]
    assert content["what_if"]["about"].startswith("What if")


def test_eager_parameters_want_whatever_is_expected_to_rise(parameters: Parameters, history: History) -> None:
    usual = compare(history[:96], load_parameters(), CRYPTO).results[0]
    assert compare(history[:96], parameters, CRYPTO).results[0].turnover > usual.turnover


def test_only_the_method_changes(parameters: Parameters) -> None:
    changed = with_method(parameters, "hrp")
    assert changed.signals.settings.allocation.method == "hrp"
    assert with_method(changed, "score") == parameters


def _silent(made: ForecastsMade) -> ForecastsMade:
    forecasts = tuple(msgspec.structs.replace(f, expected_return=0.0) for f in made.forecasts)
    return msgspec.structs.replace(made, forecasts=forecasts)
