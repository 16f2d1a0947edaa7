"""What a fill costs: spread by asset and hour, impact by volatility and size, latency, fees of maker and taker."""

import math
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from decision_cases import HOUR, START, bar, order, orders_at, parameters, slice_at
from venues import venue

from services.domain.assets import Asset
from services.domain.errors import ConfigError
from services.domain.money import money
from services.execution.book import open_book
from services.execution.brokers.paper import MOST, PaperVenue, sigma
from services.execution.decide import Settle, settle
from services.execution.settings import PaperSettings
from services.execution.venue import Quote

BTC = "BTC/USDT"
DECLARED = parameters()
HUNDRED = money(100)
EVEN = ["1"] * 24


def quote(
    high: str = "100",
    low: str = "100",
    *,
    hour: int = 9,
    volume: str = "1000000",
    symbol: str = BTC,
    seconds: int = 3600,
) -> Quote:
    """A bar that opens and closes at 100."""
    return Quote(
        symbol, "crypto", HUNDRED, money(high), money(low), HUNDRED, money(volume), START.replace(hour=hour),
        seconds=seconds,
    )  # fmt: skip


def paid(given: PaperVenue, there: Quote, size: str = "1", *, side: str = "buy", late: bool = False) -> Decimal:
    return given.at_market(side, money(size), HUNDRED, there, None, late=late).price  # type: ignore[arg-type]


def test_the_spread_is_its_assets_own_where_it_has_one() -> None:
    settings = PaperSettings.model_validate(
        {"starting_cash": 1000, "max_participation": 1, "slippage_bps": 0, "impact_bps": 0}
    )
    wide = Asset(asset_class="crypto", name="wide", stop_loss=0.1, take_profit=0.1, spread_bps=Decimal(50))
    plain = wide.model_copy(update={"spread_bps": None})
    given = PaperVenue(settings, DECLARED.assets.classes, {"AVAX/USDT": wide, BTC: plain})
    assert paid(given, quote(symbol="AVAX/USDT")) == money("100.25")
    assert paid(given, quote()) == money("100.01")  # the class's 2 bps
    assert paid(given, quote(symbol="OTHER/USDT")) == money("100.01")


def test_the_spread_is_wider_in_the_hours_that_say_so() -> None:
    given = venue(spread="10", spread_by_hour={"crypto": [*EVEN[:21], "3", *EVEN[22:]]})
    assert [paid(given, quote(hour=hour)) for hour in (20, 21, 22)] == [
        money("100.05"),
        money("100.15"),
        money("100.05"),
    ]


def test_the_standard_deviation_of_a_bar_is_parkinsons() -> None:
    expected = math.log(102 / 99) / (2 * math.sqrt(math.log(2)))
    assert abs(float(sigma(quote("102", "99"))) - expected) < 1e-15
    assert sigma(quote()) == 0


def test_impact_is_the_bars_volatility_times_the_root_of_our_share_of_it() -> None:
    given = venue(impact_sigmas=1)
    wild = quote("103", "98", volume="10000")
    part = sigma(wild)
    assert paid(given, wild, "1") == money(HUNDRED * (1 + part / 100))  # sqrt(1 / 10,000)
    assert paid(given, wild, "100") == money(HUNDRED * (1 + part / 10))
    assert paid(given, quote(volume="10000"), "100") == HUNDRED  # nothing moved
    least = venue(impact_sigmas=1, impact_bps=50)
    assert paid(least, quote(volume="10000"), "100") == money("100.05")  # the least impact
    assert paid(least, wild, "100") == paid(given, wild, "100")


def test_a_decided_order_pays_for_what_the_market_moves_while_it_travels() -> None:
    given = venue(latency_ms=2000)
    wild = quote("103", "98")
    move = float(sigma(wild)) * math.sqrt(2 / math.pi) * math.sqrt(2 / 3600)
    assert abs(float(paid(given, wild, late=True)) - 100 * (1 + move)) < 1e-7
    assert abs(float(paid(given, wild, side="sell", late=True)) - 100 * (1 - move)) < 1e-7
    assert paid(given, wild, late=False) == HUNDRED  # a stop waits at the venue already
    day = quote("103", "98", seconds=86400)
    assert HUNDRED < paid(given, day, late=True) < paid(given, wild, late=True)


def test_an_order_that_is_there_before_the_market_opens_pays_for_no_latency() -> None:
    given = venue(latency_ms=2000)
    moving = bar("NVDA", 100, 103, 98, 101)
    half_past = msgspec.structs.replace(moving, opened_at=START + HOUR / 2)
    prices = []
    for one in (moving, half_past):
        wanted = orders_at(START, order("NVDA", "buy", "1"))
        _, said = settle(open_book(money(1000)), Settle(slice_at(START + HOUR, one), wanted), given)
        prices.append(said.fills[0].price)
    assert prices[0] > HUNDRED == prices[1]


def test_no_sale_brings_less_than_half_its_price() -> None:
    given = venue(impact_sigmas=10)
    torn = quote("1000", "0.001", volume="1")
    assert paid(given, torn, side="sell") == HUNDRED * (1 - MOST)


def test_limits_pay_the_makers_fee_and_all_else_the_takers() -> None:
    given = venue(fees={"crypto": {"venue": "made up", "maker_bps": 2, "taker_bps": 10}})
    maker = given.at_limit("buy", money(3), HUNDRED, quote())
    taker = given.at_market("buy", money(3), HUNDRED, quote(), None)
    assert (maker.fee, maker.liquidity, maker.slippage) == (money("0.06"), "maker", money(0))
    assert (taker.fee, taker.liquidity) == (money("0.30"), "taker")


def test_a_limit_fill_takes_no_more_of_a_bar_than_the_participation_cap_and_no_more_cash_than_there_is() -> None:
    given = venue(max_participation="0.1")
    cut = given.at_limit("buy", money(3), HUNDRED, quote(volume="20"))
    assert (cut.quantity, cut.more, cut.detail) == (money(2), True, "cut by the participation cap")
    poor = given.at_limit("buy", money(3), HUNDRED, quote(), money(100))
    assert money("0.99") < poor.quantity < 1
    assert (poor.more, poor.detail) == (False, "cut to the cash there is")
    none = given.at_limit("sell", money(3), HUNDRED, quote(volume="0"))
    assert (none.quantity, none.detail) == (money(0), "no volume in the bar")


def test_every_class_is_declared_whole_and_takers_pay_what_forecasts_are_judged_by() -> None:
    settings = DECLARED.venue.settings
    for name, one in DECLARED.assets.classes.items():
        assert settings.fees[name].taker_bps == one.fee_bps
        assert name in settings.carry.classes
        hours: tuple[Decimal, ...] = settings.spread_by_hour[name]
        assert len(hours) == 24
        assert all(Decimal("0.5") < hour < 6 for hour in hours)
    around_the_clock: tuple[Decimal, ...] = settings.spread_by_hour["crypto"]
    assert abs(sum(around_the_clock, Decimal(0)) / 24 - 1) < Decimal("0.01")


def test_an_asset_in_a_currency_without_a_rate_is_refused_at_the_start() -> None:
    settings = PaperSettings.model_validate(
        {"starting_cash": 1000, "max_participation": 1, "slippage_bps": 0, "impact_bps": 0}
    )
    odd = Asset(asset_class="forex", name="odd", stop_loss=0.1, take_profit=0.1)
    with pytest.raises(ConfigError, match=r"paper\.fx\.rates has no NOK, the currency of USD/NOK"):
        PaperVenue(settings, DECLARED.assets.classes, {"USD/NOK": odd})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"spread_by_hour": {"crypto": ["1"] * 23}}, "at least 24"),
        ({"spread_by_hour": {"crypto": ["1"] * 23 + ["0"]}}, "greater than 0"),
        ({"carry": {"classes": {"crypto": {"long": {"kind": "funding", "at_hour": 0}}}}}, "either rate or annual"),
        ({"carry": {"classes": {"crypto": {"long": {"kind": "rent", "rate": 0, "at_hour": 0}}}}}, "funding"),
        ({"latency_ms": -1}, "greater than or equal to 0"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        venue(**changes)
