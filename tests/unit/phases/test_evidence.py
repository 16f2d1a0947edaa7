"""Evidence beside the thresholds: what makes it strong, what keeps it weak."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phases_cases import PARAMS, merged, record_of, record_of_trades
from pydantic import ValidationError

from services.phases.evidence import assess, judge, profit_factor_low, scopes
from services.phases.record import Record
from services.phases.settings import EvidenceSettings

SETTINGS = PARAMS.settings.evidence
STRONG = {"days": 60, "trades": 30, "sharpe_probability": 0.997, "profit_factor_low": 1.01}


def test_all_four_figures_at_their_bar_make_strong_evidence() -> None:
    found = judge(**STRONG, settings=SETTINGS)  # type: ignore[arg-type]
    assert found.level == "strong"
    assert found.why == "60 days, 30 trades, true Sharpe ratio above 0: 99.7%, profit factor's lower 5 % bound: 1.01"


@pytest.mark.parametrize(
    ("short", "words"),
    [
        ({"days": 59}, "strong takes 1 more day"),
        ({"trades": 26}, "strong takes 4 more trades"),
        ({"sharpe_probability": 0.9969}, "strong takes a Sharpe ratio above 0 with 99.7%"),
        ({"profit_factor_low": 1.0}, "strong takes a lower bound above 1.00"),
        ({"profit_factor_low": None}, "profit factor's lower 5 % bound: not defined; strong takes a lower bound"),
        ({"sharpe_probability": None}, "true Sharpe ratio above 0: not defined"),
    ],
)
def test_each_single_shortfall_is_named_and_is_not_strong(short: dict[str, float | None], words: str) -> None:
    found = judge(**{**STRONG, **short}, settings=SETTINGS)  # type: ignore[arg-type]
    assert found.level == ("weak" if None in short.values() else "fair")
    assert words in found.why


def test_half_the_days_and_trades_are_fair_and_less_is_weak() -> None:
    half = {"days": 30, "trades": 15, "sharpe_probability": 0.9, "profit_factor_low": 0.81}
    assert judge(**half, settings=SETTINGS).level == "fair"  # type: ignore[arg-type]
    for less in ({"days": 29}, {"trades": 14}, {"sharpe_probability": 0.89}, {"profit_factor_low": 0.8}):
        assert judge(**{**half, **less}, settings=SETTINGS).level == "weak"  # type: ignore[arg-type]


def test_a_steady_earner_is_strong_and_an_empty_record_weak() -> None:
    earner = assess(record_of_trades([12.0 if n % 3 else -9.0 for n in range(200)]), "crypto", SETTINGS)
    assert (earner.level, earner.days, earner.trades) == ("strong", 200, 200)
    empty = assess(Record(), "crypto", SETTINGS)
    assert (empty.level, empty.days, empty.trades) == ("weak", 0, 0)
    assert (empty.sharpe_probability, empty.profit_factor_low) == (None, None)


def test_idle_days_and_other_scopes_do_not_count() -> None:
    coin = record_of_trades([12.0, -9.0, 12.0, *([0.0] * 7)])
    other = record_of([5.0] * 10, symbol="NVDA", asset_class="stocks")
    found = assess(merged(coin, other), "BTC/USDT", SETTINGS)
    assert (found.days, found.trades) == (3, 10)
    assert assess(merged(coin, other), "crypto", SETTINGS) == found


def test_only_the_newest_days_of_the_window_count() -> None:
    record = record_of_trades([-9.0] * 100 + [12.0 if n % 3 else -9.0 for n in range(80)])
    window = SETTINGS.model_copy(update={"window_days": 80})
    found = assess(record, "crypto", window)
    assert (found.days, found.trades) == (80, 80)
    assert found == assess(record_of_trades([12.0 if n % 3 else -9.0 for n in range(80)]), "crypto", window)


def test_without_a_loss_there_is_no_bound_and_so_no_strong_evidence() -> None:
    assert profit_factor_low(np.ones(100), np.zeros(100)) is None
    found = assess(record_of_trades([10.0 + n % 3 for n in range(200)]), "crypto", SETTINGS)
    assert found.sharpe_probability == 1.0
    assert found.level == "weak"


def test_one_lucky_day_lifts_the_profit_factor_and_not_its_bound() -> None:
    profits, losses = np.full(60, 1.0), np.full(60, 1.1)
    profits[10] = 100.0
    low = profit_factor_low(profits, losses)
    assert profits.sum() / losses.sum() > 2
    assert low is not None
    assert low < 1.0


def test_the_bound_agrees_with_drawing_days_with_replacement() -> None:
    chance = np.random.default_rng(5)
    profits, losses = chance.exponential(1.3, 250), chance.exponential(1.0, 250)
    drawn = chance.integers(0, 250, (20_000, 250))
    wanted = float(np.quantile(profits[drawn].sum(axis=1) / losses[drawn].sum(axis=1), 0.05))
    assert profit_factor_low(profits, losses) == pytest.approx(wanted, rel=0.02)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 1e6), st.floats(0.01, 1e6)), min_size=1, max_size=600))
def test_the_bound_is_finite_repeats_itself_and_is_no_higher_with_smaller_profits(
    days: list[tuple[float, float]],
) -> None:
    profits, losses = (np.array(column) for column in zip(*days, strict=True))
    low = profit_factor_low(profits, losses)
    assert low is not None
    assert np.isfinite(low)
    assert low == profit_factor_low(profits, losses)
    less = profit_factor_low(profits * 0.5, losses)
    assert less is not None
    assert less <= low


def test_a_gate_names_each_record_that_it_asks_about_once() -> None:
    phases = PARAMS.settings.phases
    assert scopes(phases["phase_0_crypto"].requirements) == ()
    assert scopes(phases["phase_1_stocks"].requirements) == ("crypto",)
    assert scopes(phases["phase_2_leveraged_etfs"].requirements) == ("stocks",)
    assert set(scopes(PARAMS.rollout.assets["AVAX/USDT"])) == {"BTC/USDT", "ETH/USDT"}


def test_settings_where_fair_asks_for_more_than_strong_are_refused() -> None:
    declared = SETTINGS.model_dump()
    declared["fair"]["trades"] = 31
    with pytest.raises(ValidationError, match="fair asks for more trades than strong"):
        EvidenceSettings.model_validate(declared)
