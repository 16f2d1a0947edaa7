"""Compare the desk's books with the broker's word. Pure; what differs is named in words for people."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from services.domain.money import ZERO, money
from services.execution.brokers.protocol import BrokerCash, BrokerOrder, BrokerPosition
from services.execution.live.ledger import LiveLedger
from services.execution.live.state import FINAL, DeskOrder

MISMATCH = "live_mismatch"
"""Flag of an asset: nothing is entered in it."""
CASH_MISMATCH = "live_cash_mismatch"
"""Flag of a broker: nothing is entered there."""
DOWN = "live_broker_down"
STUCK = "live_cannot_reduce"
NAMES = (MISMATCH, CASH_MISMATCH, DOWN, STUCK)


class Told(msgspec.Struct, frozen=True):
    """The broker's word at one moment."""

    orders: Sequence[BrokerOrder]
    positions: Sequence[BrokerPosition]
    cash: BrokerCash


def differences(ledger: LiveLedger, orders: Mapping[UUID, DeskOrder], told: Told, tolerance: Decimal) -> dict[str, str]:
    """Return what differs, by asset, and under the broker's name for the cash; empty when all agrees."""
    found: dict[str, list[str]] = {}
    theirs = {p.symbol: money(p.quantity) for p in told.positions}
    ours = ledger.positions()
    foreign = {f.fill.symbol for f in ledger.fills.values() if f.order_id is None}
    for symbol in sorted(theirs.keys() | ours.keys()):
        there, here = theirs.get(symbol, ZERO), ours.get(symbol, ZERO)
        if there != here:
            why = "; some executions are not of our orders" if symbol in foreign else ""
            found.setdefault(symbol, []).append(f"position: books {here:f}, broker {there:f}{why}")
    for order in told.orders:
        if order.client_id is None or order.client_id not in orders:
            words = f"open order {order.broker_id} ({order.side} {order.quantity:f}) is not ours"
            found.setdefault(order.symbol, []).append(words)
    account, cash = ledger.account, told.cash
    gap = cash.amount - ledger.expected_cash()
    if (cash.currency, cash.basis) != (account.currency, account.basis):
        words = f"account: taken over as {account.currency} {account.basis}, now {cash.currency} {cash.basis}"
        found.setdefault(account.broker, []).append(words)
    elif abs(gap) > tolerance:
        words = f"cash: books {ledger.expected_cash():f}, broker {cash.amount:f}, difference {gap:f}"
        found.setdefault(account.broker, []).append(words)
    return {subject: "; ".join(lines) for subject, lines in found.items()}


def opening_objections(told: Told) -> dict[str, str]:
    """Return what keeps an account from being taken over: it must be flat and have no orders."""
    found = {p.symbol: f"position: {p.quantity:f} from before the desk began" for p in told.positions}
    for order in told.orders:
        found.setdefault(order.symbol, f"open order {order.broker_id} from before the desk began")
    return found


def revived(orders: Mapping[UUID, DeskOrder], told: Sequence[BrokerOrder]) -> list[DeskOrder]:
    """Return our orders that were thought to be over and are open at the broker: they had only been late."""
    found = []
    for order in told:
        ours = orders.get(order.client_id) if order.client_id is not None else None
        if ours is not None and ours.status in FINAL and order.filled < order.quantity:
            found.append(msgspec.structs.replace(ours, status="acked", detail="it reached the broker late"))
    return found
