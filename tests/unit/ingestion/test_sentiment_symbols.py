"""Which symbols a text names, and which words only look like one."""

import pytest

from services.ingestion.sentiment.symbols import Mentions, symbols_in, trending


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$TSLA and $gme", {"TSLA", "GME"}),
        ("NVDA beats, CEO says YOLO", {"NVDA"}),
        ("DD on FOMO: I AM ALL IN", set()),
        ("$YOLO is a fund", {"YOLO"}),
        ("HOLD THE LINE GAMERS", set()),
        ("GME HOLD THE $LINE", {"LINE"}),
        ("BRK.B and https://x.com/AMD are no bare tickers", set()),
        ("$BRK.B is one", {"BRK.B"}),
        ("$5000 gone", set()),
        ("", set()),
    ],
)
def test_a_ticker_is_told_from_a_word(text: str, found: set[str]) -> None:
    assert symbols_in(text) == found


def test_trending_counts_texts_and_orders_by_count_then_name() -> None:
    assert trending(["$B $B and $A", "$C", "$C here"], most=2) == {"C": 2, "A": 1}


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("Tesla and bitcoin", {"TSLA", "BTC/USDT"}),
        ("$btc", {"BTC/USDT"}),
        ("nothing here", set()),
        ("GBPJPY long, or GBP/JPY", {"GBP/JPY"}),
        ("the stores OPEN now, link below", set()),
        ("$OPEN and $LINK", {"OPEN", "LINK/USDT"}),
        ("the POL migration", {"MATIC/USDT"}),
        ("GameStop's earnings", {"GME"}),
    ],
)
def test_a_text_is_about_an_asset_by_ticker_pair_or_name(text: str, symbols: set[str]) -> None:
    ours = ["TSLA", "GME", "OPEN", "BTC/USDT", "LINK/USDT", "MATIC/USDT", "GBP/JPY"]
    assert Mentions(ours, {"MATIC/USDT": "POL/USDT"}).of(text) == symbols
