"""Symbols as people type them."""

import pytest

from services.domain.assets import normalise_symbol
from services.domain.errors import BadSymbol

KNOWN = ["BTC/USDT", "ETH/USDT", "NVDA"]


@pytest.mark.parametrize("text", ["BTC/USDT", "BTCUSDT", "BTC-USDT", "btc-usdt", " btc_usdt "])
def test_accepts_every_spelling_of_a_symbol(text: str) -> None:
    assert normalise_symbol(text, KNOWN) == "BTC/USDT"


def test_names_near_symbols_for_a_wrong_one() -> None:
    with pytest.raises(BadSymbol, match="'BTCUSD' is not known; did you mean BTC/USDT"):
        normalise_symbol("BTCUSD", KNOWN)
