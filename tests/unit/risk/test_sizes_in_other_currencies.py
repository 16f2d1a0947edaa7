"""Prices in other currencies: sizes, reductions and heat are reckoned in the account's."""

from decimal import Decimal
from typing import Any

import pytest
from decision_cases import START, parameters, portfolio, position, target, targets_at

from services.contracts.messages import OrdersDecided, PortfolioSettled, Rate, Target
from services.risk.decide import decide
from services.risk.memory import open_room
from services.risk.state import RiskEvent, RiskParams, RiskState

PARAMS: RiskParams = parameters().risk
RISK = RiskState(enabled=tuple(PARAMS.assets), classes=tuple(PARAMS.class_weights))
LIRA = Rate("TRY", Decimal("0.025000000000"), START)
YEN = Rate("JPY", Decimal("0.006250000000"), None)


def lira_position(quantity: str, stop: str | None = None, **changes: Any) -> PortfolioSettled:
    held = position("USD/TRY", quantity, "40", stop, asset_class="forex", fx=LIRA.rate, **changes)
    return portfolio("10000", held, rates=(LIRA,))


def decided(books: PortfolioSettled, *wanted: Target) -> OrdersDecided:
    return decide(RISK, RiskEvent(targets_at(books.ts, *wanted), books), PARAMS)[1]


@pytest.mark.parametrize(
    ("symbol", "close", "rates", "notional", "units"),
    [
        ("USD/TRY", 40.0, (LIRA,), 300, 300),  # 3 % of 10,000, at a dollar each
        ("GBP/JPY", 200.0, (YEN,), 1000, 800),  # 10 %, at 1.25 dollars
        ("SILVER", 25.0, (LIRA,), 600, 24),  # in dollars whatever other rates there are
    ],
)
def test_a_position_is_as_many_units_as_the_account_can_pay(
    symbol: str, close: float, rates: tuple[Rate, ...], notional: int, units: int
) -> None:
    asset_class = PARAMS.assets[symbol].asset_class
    said = decided(portfolio("10000", rates=rates), target(symbol, "BUY", 0.3, close, asset_class=asset_class))
    (order,) = said.orders
    assert order.quantity == units
    assert f"to {notional}.00 by max_position" in order.notes[-1]


def test_a_reduction_is_told_in_units_too() -> None:
    held = lira_position("1000", market_value=Decimal(1000), cost=Decimal(1000))
    (order,) = decided(held, target("USD/TRY", "BUY", 0.05, 40.0, asset_class="forex")).orders
    assert (order.reason, order.quantity) == ("reduce", Decimal(500))


def test_heat_is_what_the_stop_would_cost_in_account_currency() -> None:
    held = lira_position("1000", "38", market_value=Decimal(1000), cost=Decimal(1000))
    room = open_room(RISK, RiskEvent(targets_at(START), held), PARAMS, None)
    assert room.heat == 50  # 2,000 lira


def test_a_rate_that_is_no_number_stops_entries_and_raises_nothing() -> None:
    for bad in ("NaN", "0", "-1"):
        books = portfolio("10000", rates=(Rate("TRY", Decimal(bad), START),))
        said = decided(books, target("USD/TRY", "BUY", 0.02, 40.0, asset_class="forex"))
        assert said.orders == ()
