"""Prices in other currencies: results arise there and are converted at the newest rate; amounts are in dollars."""

from decimal import Decimal

import pytest
from decision_cases import HOUR, START, bar, flat_bar, order, orders_at, slice_at
from hypothesis import given, settings
from hypothesis import strategies as st
from venues import venue

from services.contracts.messages import Bar, Order, PortfolioSettled, Rate
from services.domain.errors import ConfigError
from services.domain.fx import Currencies, rate_of
from services.domain.money import convert, exchange_rate, money, times
from services.execution.book import Book, imbalance, open_book
from services.execution.decide import Settle, settle

LIRA, POUND, NVDA = "USD/TRY", "GBP/JPY", "NVDA"
RATES = {
    "JPY": {"units": 160, "as_of": "2024-01-01", "source": "made up"},
    "TRY": {"units": 30, "as_of": "2024-01-01", "source": "made up"},
}
ABROAD = venue(fx={"rates": RATES})
rates = st.decimals("0.00000100", "2000", places=8)
prices = st.decimals("0.0001", "100000", places=8)


def fx_bar(symbol: str, o: float, close: float) -> Bar:
    made = bar(symbol, o, max(o, close), min(o, close), close)
    return Bar(symbol, "forex", made.open, made.high, made.low, made.close, 1e9)


def step(book: Book, n: int, *bars: Bar, orders: tuple[Order, ...] = ()) -> tuple[Book, PortfolioSettled]:
    return settle(book, Settle(slice_at(START + n * HOUR, *bars), orders_at(START + (n - 1) * HOUR, *orders)), ABROAD)


def forex(symbol: str, side: str, quantity: str, reason: str = "entry", n: int = 1) -> Order:
    return order(symbol, side, quantity, reason, asset_class="forex", ts=START + (n - 1) * HOUR)


def test_dollars_bought_with_lira_earn_what_the_lira_loses() -> None:
    book, said = step(open_book(money(10_000)), 1, fx_bar(LIRA, 32, 32), orders=(forex(LIRA, "buy", "1000"),))
    (fill,) = said.fills
    assert (fill.price, fill.fx) == (money(32), Decimal("0.03125"))
    assert book.positions[LIRA].cost == 1000  # a thousand dollars' worth, whatever they are bought with
    assert (said.cash, said.equity) == (money(9000), money(10_000))
    book, said = step(book, 2, fx_bar(LIRA, 32, 40))
    assert said.unrealised_pnl == 200  # 8,000 lira at 40
    assert said.positions[0].fx == Decimal("0.025")
    assert said.rates == (Rate("TRY", Decimal("0.025"), said.ts),)
    book, said = step(book, 3, fx_bar(LIRA, 40, 20), orders=(forex(LIRA, "sell", "1000", "exit", 3),))
    assert said.trades[0].pnl == said.realised_pnl == 200
    assert (said.trades[0].entry_price, said.trades[0].exit_price) == (money(32), money(40))
    assert (said.cash, said.equity) == (money(10_200), money(10_200))


def test_a_short_of_a_cross_is_converted_at_the_declared_rate_and_called_stale() -> None:
    book, said = step(open_book(money(10_000)), 1, fx_bar(POUND, 192, 192), orders=(forex(POUND, "sell", "1000"),))
    assert said.positions[0].cost == -1200
    assert said.rates == (Rate("JPY", Decimal("0.00625"), None),)
    assert said.stale_fx == (POUND,)
    book, said = step(book, 2, fx_bar(POUND, 192, 200))
    assert said.unrealised_pnl == -50  # 8,000 yen at 160
    assert said.positions[0].market_value == -1250


def test_a_position_in_dollars_books_what_it_did_before_currencies_were_known() -> None:
    book, said = step(
        open_book(money(10_000)), 1, flat_bar(NVDA, 120.0), fx_bar(LIRA, 32, 40), orders=(order(NVDA, "buy", "3"),)
    )
    held = book.positions[NVDA]
    assert (held.cost, held.foreign_cost, held.fx) == (money(360), None, money(1))
    assert said.fills[0].fx == 1
    assert said.stale_fx == ()


def test_a_rate_stays_as_it_was_last_seen_while_its_pair_has_no_bar() -> None:
    book, _ = step(open_book(money(10_000)), 1, fx_bar(LIRA, 32, 40), orders=(forex(LIRA, "buy", "1000"),))
    book, said = step(book, 2)
    assert (said.stale, said.stale_fx) == ((LIRA,), (LIRA,))
    assert said.rates == (Rate("TRY", Decimal("0.025"), START + HOUR),)
    assert said.unrealised_pnl == 200


def test_a_stop_in_another_currency_is_at_its_own_price() -> None:
    entry = order(LIRA, "buy", "1000", asset_class="forex", stop_price=money(31))
    book, _ = step(open_book(money(10_000)), 1, fx_bar(LIRA, 32, 32), orders=(entry,))
    _, said = step(book, 2, fx_bar(LIRA, 32, 30))
    (fill,) = said.fills
    assert (fill.reason, fill.price) == ("stop", money(31))
    assert said.trades[0].pnl == money(Decimal(-1000) / 32)  # in the bar's opening rate


def test_an_order_buys_no_more_abroad_than_the_cash_there_is() -> None:
    book, said = step(open_book(money(500)), 1, fx_bar(POUND, 192, 192), orders=(forex(POUND, "buy", "1000"),))
    assert said.outcomes[0].detail == "cut to the cash there is"
    assert 0 <= book.cash < Decimal("0.0001")
    assert abs(book.positions[POUND].quantity - Decimal(500) * 160 / 192) < Decimal("0.001")


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(prices, rates, st.booleans()), min_size=2, max_size=8), st.booleans())
def test_the_identity_holds_to_the_last_place_at_any_rate(
    path: list[tuple[Decimal, Decimal, bool]], long: bool
) -> None:
    book = open_book(money(10_000))
    there = venue(fx={"rates": {"JPY": {"units": "0.37", "as_of": "2024-01-01", "source": "made up"}}})
    for n, (price, units, add) in enumerate(path, start=1):
        pair = Bar("USD/JPY", "forex", float(units), float(units), float(units), float(units), 1e9)
        cross = Bar(POUND, "forex", float(price), float(price), float(price), float(price), 1e12)
        enters = n == 1 or add
        side = "buy" if long == enters else "sell"
        wanted = forex(
            POUND, side, "3.33333333", "increase" if enters and n > 1 else "entry" if enters else "reduce", n
        )
        closed = slice_at(START + n * HOUR, pair, cross)
        book, said = settle(book, Settle(closed, orders_at(START + (n - 1) * HOUR, wanted)), there)
        assert imbalance(book) == 0
        cost = sum((one.cost for one in book.positions.values()), Decimal(0))
        assert book.cash == 10_000 - cost + book.realised_pnl - book.fees - book.carry
        assert said.equity == said.cash + sum(one.market_value for one in said.positions)
        for held in book.positions.values():
            result = convert(times(held.quantity, held.mark_price) - held.basis, held.fx)
            assert held.market_value == held.cost + result
            assert held.fx == exchange_rate(float(units), inverse=True)


def test_a_rate_of_exactly_one_is_left_again_without_loss() -> None:
    book, _ = step(open_book(money(10_000)), 1, fx_bar("USD/CHF", 1, 1), orders=(forex("USD/CHF", "buy", "1000"),))
    assert book.positions["USD/CHF"].foreign_cost is None
    book, said = step(book, 2, fx_bar("USD/CHF", 1, 1.25))
    assert said.unrealised_pnl == 200  # 250 francs at 1.25
    book, _ = step(book, 3, fx_bar("USD/CHF", 1.25, 1.25), orders=(forex("USD/CHF", "buy", "1000", "increase", 3),))
    assert book.positions["USD/CHF"].foreign_cost == 2250
    assert imbalance(book) == 0


def test_currencies_know_what_a_symbol_is_quoted_in() -> None:
    known = Currencies("USD", ["USDT"], {"JPY": Decimal(160)})
    assert [known.foreign(s) for s in ("BTC/USDT", "NVDA", "EUR/USD", "GBP/JPY")] == [None, None, None, "JPY"]
    assert known.rate("JPY", {}).rate == Decimal("0.00625")
    with pytest.raises(ConfigError, match=r"paper\.fx\.rates has no TRY"):
        known.rate("TRY", {})
    euros = known.observed([fx_bar("EUR/USD", 1.1, 1.2)], START, {}, at_open=False)
    assert euros == {"EUR": Rate("EUR", Decimal("1.2"), START)}


def test_sizes_use_the_rate_of_the_currency_a_symbol_is_quoted_in() -> None:
    told = (Rate("JPY", Decimal("0.00625"), None),)
    assert rate_of("GBP/JPY", told) == Decimal("0.00625")
    assert rate_of("NVDA", told) == rate_of("BTC/USDT", told) == 1
