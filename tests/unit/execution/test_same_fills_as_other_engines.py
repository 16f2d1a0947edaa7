"""Chloe's fills on the sample beside those that other engines gave for the same rule (docs/peers.md)."""

import pytest

from peers.chloe_side import run
from peers.run import made_up, sample

# What backtesting.py 0.6.6, backtrader 1.9.78.123 and nautilus_trader 1.221.0 came to, all three to the cent.
PEERS_FILLS = 211
PEERS_EQUITY = 12_681.142195
FIRST = [[1704423600, "buy", 43506.01, 0.22962367], [1704538800, "sell", 43694.47, 0.22962367]]


def test_the_sma_cross_over_the_sample_fills_as_the_peers_filled_it() -> None:
    found = run(sample())
    assert found["fills"]["BTC"][:2] == FIRST
    assert len(found["fills"]["BTC"]) == PEERS_FILLS
    assert found["equity"] == pytest.approx(PEERS_EQUITY, abs=0.01)


def test_many_assets_share_one_account_to_the_cent() -> None:
    rule = made_up(4, 400)
    found = run(rule)
    cash = rule.cash
    for name, fills in found["fills"].items():
        held = 0.0
        for _, side, price, quantity in fills:
            sign = 1 if side == "buy" else -1
            cash -= sign * price * quantity + rule.fee * price * quantity
            held += sign * quantity
        cash += held * float(rule.data[f"{name}_close"][-1])
    assert found["equity"] == pytest.approx(cash, abs=0.01)
