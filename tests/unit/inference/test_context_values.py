import pytest
from inference_cases import LEADERS, walk

from services.inference.context_store import MOOD_SECONDS, moods
from services.inference.market import Market, with_leaders

HOUR = 3_600


def test_sources_are_added_up_and_weighed_by_their_mentions() -> None:
    rows = [("GME", 0, "reddit", 0.5, 30), ("GME", HOUR, "x", -1.0, 10), ("GME", 2 * HOUR, "reddit", 0.0, 10)]
    found = list(moods(rows))
    assert [known for _, known, _, _ in found] == [0, HOUR, 2 * HOUR]
    assert [mentions for *_, mentions in found] == [30.0, 40.0, 20.0]
    assert [mood for _, _, mood, _ in found] == pytest.approx([0.5, (0.5 * 30 - 10) / 40, -0.5])


def test_a_source_that_fell_silent_is_left_out_and_symbols_are_apart() -> None:
    rows = [
        ("AMC", 0, "reddit", 1.0, 5),
        ("AMC", MOOD_SECONDS, "x", 0.0, 5),
        ("GME", MOOD_SECONDS, "x", None, 7),
    ]
    assert list(moods(rows))[1:] == [("AMC", MOOD_SECONDS, 0.0, 5.0), ("GME", MOOD_SECONDS, None, 7.0)]


def test_no_asset_leads_itself_and_at_most_two_lead() -> None:
    names = ["BTC/USDT", "ETH/USDT", "SOL/USDT"]
    leaders = {"crypto": tuple(names)}
    candles = {name: walk(5, symbol=name) for name in names}
    market = Market(candles, leaders)
    assert [one.symbol for one in market.context("BTC/USDT").leaders] == ["ETH/USDT", "SOL/USDT"]
    assert [one.symbol for one in market.context("SOL/USDT").leaders] == ["BTC/USDT", "ETH/USDT"]
    assert Market({"BTC/USDT": candles["BTC/USDT"]}, leaders).context("BTC/USDT").leaders == ()
    assert market.context("DOGE/USDT").leaders == ()


def test_leaders_candles_are_read_with_those_of_the_asset() -> None:
    assert with_leaders(["SOL/USDT"], {"SOL/USDT": "crypto"}, LEADERS) == ["BTC/USDT", "ETH/USDT", "SOL/USDT"]
    assert with_leaders(["NVDA"], {"NVDA": "stocks"}, LEADERS) == ["NVDA"]
