"""The division of the portfolio: costs, prior, bounds, the band, and what is said of each symbol."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.execution.settings import ExecutionSettings
from services.kernel.config import load
from services.signals.allocation import Allocation, Wanted, allocate
from services.signals.settings import AllocationSettings, SignalSettings


@dataclass(frozen=True)
class Within:
    min_weight: float = 0.10
    max_weight: float = 0.45
    min_cash: float = 0.20


PLAIN = AllocationSettings()
DOMINANT = {"BTC/USDT": 0.70, "ETH/USDT": 0.15, "SOL/USDT": 0.15}


def wants(score: float, expected: float = 0.01, asset_class: str = "crypto", most: float | None = None) -> Wanted:
    return Wanted(score, expected, 0.02, asset_class, "long" if expected > 0 else "short", most)


def divided(
    wanted: dict[str, Wanted],
    settings: AllocationSettings = PLAIN,
    held: dict[str, float] | None = None,
    prior: dict[str, float] | None = None,
    caps: dict[str, float] | None = None,
) -> Allocation:
    return allocate(wanted, held, settings, prior, caps or {}, {}, bounds=Within())


def test_shares_follow_scores_and_the_rest_is_cash() -> None:
    found = divided({"A": wants(2.0), "B": wants(1.0), "C": wants(1.0)})
    assert found.weights == pytest.approx({"A": 0.40, "B": 0.20, "C": 0.20})
    assert found.cash == pytest.approx(0.20)
    assert found.notes["A"] == "gets 40.0% of the portfolio by score"


def test_without_wishes_all_is_cash() -> None:
    assert divided({}) == Allocation({}, 1.0, {})


def test_who_would_get_too_little_is_told_so() -> None:
    found = divided({"A": wants(1.0), "B": wants(1.0), "C": wants(0.1), "D": wants(0.0)})
    assert sorted(found.weights) == ["A", "B"]
    assert found.notes["C"] == "its share would be below 10.0%, by score"
    assert found.notes["D"] == "its score is zero"


def test_the_markets_base_weights_move_scores_by_their_strength() -> None:
    wanted = {"BTC/USDT": wants(1.0), "ETH/USDT": wants(1.0), "XRP/USDT": wants(1.0)}
    assert divided(wanted, prior=DOMINANT).weights == pytest.approx(dict.fromkeys(wanted, 0.8 / 3))
    half = divided(wanted, AllocationSettings(prior_strength=0.5), prior=DOMINANT)
    total = 1.55 + 0.725 + 1.0  # 0.70 and 0.15 against a third, half way
    expected = {"BTC/USDT": 0.8 * 1.55 / total, "ETH/USDT": 0.8 * 0.725 / total, "XRP/USDT": 0.8 / total}
    assert half.weights == pytest.approx(expected)
    assert half.notes["BTC/USDT"].endswith("by score times 1.55 for the market's base weights")
    assert half.notes["XRP/USDT"].endswith("by score")


def test_a_class_gets_no_more_than_its_cap() -> None:
    wanted = {"BTC": wants(1.0), "NVDA": wants(3.0, asset_class="stocks"), "AMD": wants(1.0, asset_class="stocks")}
    found = divided(wanted, caps={"stocks": 0.40, "crypto": 1.0})
    assert found.weights == pytest.approx({"BTC": 0.40, "NVDA": 0.30, "AMD": 0.10})


def test_an_asset_of_a_small_class_gets_its_own_bound() -> None:
    wanted = {"GME": wants(5.0, asset_class="meme", most=0.02), "BTC": wants(1.0)}
    found = divided(wanted, caps={"meme": 0.05})
    assert found.weights == pytest.approx({"GME": 0.02, "BTC": 0.45})


def test_what_does_not_pay_its_costs_is_not_entered_and_leaves_room_for_others() -> None:
    settings = AllocationSettings(cost_bps={"crypto": 24})
    found = divided({"A": wants(1.0, 0.0023), "B": wants(1.0, -0.0025)}, settings)
    assert found.weights == pytest.approx({"B": 0.45})
    assert found.notes["A"] == "not entered: expects 0.230%, in and out costs 0.240%"


def test_what_does_not_pay_its_costs_keeps_at_most_what_it_has() -> None:
    settings = AllocationSettings(cost_bps={"crypto": 24}, cost_multiple=2.0)
    found = divided({"A": wants(3.0, 0.003), "B": wants(1.0, 0.01)}, settings, held={"A": 0.15})
    assert found.weights == pytest.approx({"A": 0.15, "B": 0.45})
    assert found.notes["A"].endswith("not increased: expects 0.300%, in and out costs 0.480%")


def test_a_smaller_share_is_never_held_back_by_costs() -> None:
    settings = AllocationSettings(cost_bps={"crypto": 24})
    found = divided({"A": wants(1.0, 0.001), "B": wants(3.0, 0.01)}, settings, held={"A": 0.45})
    assert found.weights == pytest.approx({"A": 0.35, "B": 0.45})


def test_a_change_within_the_band_is_not_made() -> None:
    settings = AllocationSettings(turnover_band=0.05)
    wanted = {"A": wants(1.0), "B": wants(1.0)}
    found = divided(wanted, settings, held={"A": 0.37, "B": 0.30})
    assert found.weights == pytest.approx({"A": 0.37, "B": 0.40})
    assert found.notes["A"] == ("stays at 37.0% of the portfolio, by score, a change to 40.0% would be less than 5.0%")


def test_the_band_gives_way_where_the_cash_reserve_would_shrink() -> None:
    settings = AllocationSettings(turnover_band=0.05)
    found = divided({"A": wants(1.0), "B": wants(1.0)}, settings, held={"A": 0.44, "B": 0.42})
    assert found.weights["A"] == pytest.approx(0.40)  # furthest above what it should have
    assert found.weights["B"] == pytest.approx(0.40)
    roomy = divided({"A": wants(1.0), "B": wants(1.0)}, settings, held={"A": 0.42, "B": 0.38})
    assert roomy.weights == pytest.approx({"A": 0.42, "B": 0.38})


def test_a_position_on_the_other_side_is_no_reason_to_keep_its_size() -> None:
    settings = AllocationSettings(turnover_band=0.05)
    found = divided({"A": wants(1.0), "B": wants(1.0, -0.01)}, settings, held={"A": -0.38, "B": -0.38})
    assert found.weights == pytest.approx({"A": 0.40, "B": 0.38})


symbols = st.sampled_from(["AMD", "BTC/USDT", "ETH/USDT", "GME", "NVDA", "SOL/USDT", "XRP/USDT"])
classes = {"AMD": "stocks", "NVDA": "stocks", "GME": "meme"}


@st.composite
def portfolios(draw: st.DrawFn) -> tuple[dict[str, Wanted], dict[str, float], AllocationSettings]:
    wanted = {
        symbol: wants(
            draw(st.floats(0, 10)),
            draw(st.floats(-0.05, 0.05)),
            classes.get(symbol, "crypto"),
            draw(st.none() | st.floats(0.01, 1.0)),
        )
        for symbol in draw(st.sets(symbols))
    }
    settings = AllocationSettings(
        prior_strength=draw(st.floats(0, 1)),
        turnover_band=draw(st.floats(0, 0.3)),
        cost_bps={"crypto": draw(st.floats(0, 100))},
    )
    return wanted, draw(st.dictionaries(symbols, st.floats(-1, 1))), settings


@examples(max_examples=600)
@given(portfolios())
def test_whatever_is_held_no_bound_is_passed_and_all_are_spoken_of(
    portfolio: tuple[dict[str, Wanted], dict[str, float], AllocationSettings],
) -> None:
    wanted, held, settings = portfolio
    caps = {"meme": 0.05, "stocks": 0.40}
    found = divided(wanted, settings, held, DOMINANT, caps)
    assert sum(found.weights.values()) + found.cash == pytest.approx(1.0, abs=1e-12)
    assert found.cash >= 0.20 - 1e-9
    assert found.notes.keys() == wanted.keys()
    for symbol, weight in found.weights.items():
        most = min(0.45, wanted[symbol].max_weight or 1.0, caps.get(wanted[symbol].asset_class, 1.0))
        assert 0 < weight <= most + 1e-9
    for name, cap in caps.items():
        assert sum(w for s, w in found.weights.items() if wanted[s].asset_class == name) <= cap + 1e-9


@examples(max_examples=200)
@given(portfolios())
def test_the_same_again_changes_nothing(
    portfolio: tuple[dict[str, Wanted], dict[str, float], AllocationSettings],
) -> None:
    wanted, held, settings = portfolio
    first = divided(wanted, settings, held, DOMINANT)
    backwards = dict(reversed(wanted.items()))
    assert divided(backwards, settings, held, DOMINANT) == first


def test_the_costs_in_the_configuration_follow_from_fees_spreads_and_slippage() -> None:
    declared = load(SignalSettings, "signals.yaml").allocation.cost_bps
    slippage = load(ExecutionSettings, "execution.yaml").paper.slippage_bps
    for name, one in load(AssetsConfig, ASSETS_FILE).classes.items():
        assert declared[name] == float(2 * one.fee_bps + one.spread_bps + 2 * slippage), name
