"""The life of one order, and books that do not depend on the order in which replies arrive."""

from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from uuid import UUID, uuid4

import msgspec
import pytest
from desk_world import START
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.messages import Side
from services.execution.brokers.protocol import BrokerCharge, BrokerFill, BrokerOrder, BrokerStatus
from services.execution.live import desk
from services.execution.live.ledger import LiveLedger
from services.execution.live.state import Account, DeskOrder, StoredCharge, StoredFill, order_id
from services.execution.live.steps import floor_to, nearest

ACCOUNT = Account(uuid4(), "bybit/testnet", "testnet", "USDT", "cash", Decimal(1000), START)
ORDER = DeskOrder(uuid4(), "bybit/testnet", "BTC/USDT", "crypto", "buy", "market", Decimal(2), "entry", "paper", START)
FLIGHT = timedelta(seconds=30)
SOON, LATER = START + timedelta(seconds=5), START + timedelta(seconds=31)
SENT = desk.submitting(ORDER, START)
DOUBTED = desk.in_doubt(SENT, "no answer", START)
ACKED = desk.acknowledged(SENT, "x1", START)


def told(status: BrokerStatus, filled: int) -> BrokerOrder:
    return BrokerOrder(ORDER.id, "x1", "BTC/USDT", "buy", "market", Decimal(2), Decimal(filled), status)


def asked(order: DeskOrder, found: BrokerOrder | None, *, later: bool = False, unique: bool = True) -> DeskOrder:
    return desk.seen(order, found, LATER if later else SOON, unique_ids=unique, in_flight=FLIGHT)


def test_silence_is_no_refusal() -> None:
    assert DOUBTED.status == "ambiguous"
    assert asked(DOUBTED, told("working", 0)).status == "acked"


def test_an_order_that_a_crash_left_submitting_is_asked_for_and_not_sent_again_blindly() -> None:
    assert asked(SENT, told("working", 0)).status == "acked"


def test_an_unknown_order_is_sent_again_under_its_id_at_once_only_where_ids_are_unique() -> None:
    assert asked(DOUBTED, None).status == "decided"
    assert asked(DOUBTED, None, unique=False).status == "ambiguous"
    assert asked(DOUBTED, None, unique=False, later=True).status == "decided"
    assert asked(DOUBTED, None).id == ORDER.id


def test_an_unwanted_order_is_given_up_only_when_it_can_no_longer_arrive() -> None:
    unwanted = msgspec.structs.replace(DOUBTED, cancel_wanted=True)
    assert asked(unwanted, None).status == "ambiguous"
    assert asked(unwanted, None, later=True).status == "cancelled"


def test_an_order_is_over_only_when_its_executions_are_on_the_books() -> None:
    assert asked(ACKED, told("filled", 2)).status == "acked"
    part = desk.booked(ACKED, Decimal(1), SOON)
    assert (part.status, asked(part, told("filled", 2)).status) == ("partly_filled", "partly_filled")
    assert asked(desk.booked(part, Decimal(1), SOON), told("filled", 2)).status == "filled"


def test_what_is_left_of_a_partly_filled_order_is_cancelled_and_what_is_filled_stays() -> None:
    part = desk.booked(ACKED, Decimal(1), SOON)
    over = asked(part, told("expired", 1))
    assert (over.status, over.filled, over.detail) == ("cancelled", Decimal(1), "expired")
    assert asked(ACKED, told("rejected", 0)).status == "rejected"


def test_an_execution_of_an_order_thought_over_opens_it_again() -> None:
    over = desk.given_up(DOUBTED, "never reached the broker", LATER)
    again = desk.booked(over, Decimal(2), LATER)
    assert (again.status, again.open) == ("partly_filled", True)


def test_ids_depend_on_the_account_so_that_two_ledgers_never_share_one() -> None:
    other = msgspec.structs.replace(ACCOUNT, id=uuid4())
    assert order_id(ACCOUNT, "BTC/USDT", 1) == order_id(ACCOUNT, "BTC/USDT", 1)
    assert len({order_id(a, s, n) for a in (ACCOUNT, other) for s in ("BTC/USDT", "NVDA") for n in (1, 2)}) == 8


def execution(
    name: str, side: Side, quantity: str, price: str, seconds: int, order: UUID | None = ORDER.id, **more: Decimal
) -> StoredFill:
    at = START + timedelta(seconds=seconds)
    one = BrokerFill(name, order, "BTC/USDT", side, Decimal(quantity), Decimal(price), Decimal("0.01"), at, **more)
    return StoredFill("bybit/testnet", one, order)


DAY = [
    execution("a", "buy", "2", "20", 1),
    execution("b", "buy", "1", "23", 2),
    execution("c", "sell", "2.5", "22", 3),
    execution("d", "sell", "0.5", "21", 4),
]


def books(fills: list[StoredFill]) -> LiveLedger:
    ledger = LiveLedger(ACCOUNT, {"BTC/USDT": "crypto"})
    for one in fills:
        ledger.enter([one])
    return ledger


def test_the_books_are_the_same_in_whatever_order_reports_arrive() -> None:
    whole = books(DAY)
    assert whole.positions() == {}
    assert whole.expected_cash() == Decimal(1000) - 40 - 23 + 55 + Decimal("10.5") - Decimal("0.04")
    for arrival in permutations(DAY):
        other = books(list(arrival))
        assert (other.book, other.expected_cash()) == (whole.book, whole.expected_cash())


def test_a_report_that_comes_twice_changes_nothing() -> None:
    assert books([*DAY, *DAY]).book == books(DAY).book


def test_an_execution_of_somebody_else_is_remembered_and_not_booked() -> None:
    ledger = books([execution("x", "buy", "1", "20", 1, None)])
    assert (ledger.positions(), ledger.expected_cash(), list(ledger.fills)) == ({}, Decimal(1000), ["x"])


def test_units_that_the_broker_keeps_as_its_fee_leave_the_position_and_not_the_cash() -> None:
    ledger = books([execution("a", "buy", "2", "20", 1, withheld=Decimal("0.002"))])
    assert ledger.held("BTC/USDT") == Decimal("1.998")
    assert ledger.expected_cash() == Decimal(1000) - 40 - Decimal("0.01")


def test_an_execution_through_flat_turns_the_position_and_the_cash_is_exact() -> None:
    ledger = books([execution("a", "buy", "2", "20", 1), execution("b", "sell", "3", "21", 2)])
    assert ledger.held("BTC/USDT") == Decimal(-1)
    assert ledger.expected_cash() == Decimal(1000) - 40 + 63 - Decimal("0.02")


def test_a_margin_account_shows_results_fees_and_charges_only() -> None:
    ledger = LiveLedger(msgspec.structs.replace(ACCOUNT, basis="margin"), {})
    ledger.enter([execution("a", "buy", "2", "20", 1), execution("b", "sell", "1", "23", 2)])
    ledger.charge([StoredCharge("bybit/testnet", BrokerCharge("f", "funding", Decimal("-0.5"), START))])
    ledger.charge([StoredCharge("bybit/testnet", BrokerCharge("f", "funding", Decimal("-0.5"), START))])
    assert ledger.expected_cash() == Decimal(1000) + 3 - Decimal("0.02") - Decimal("0.5")
    ledger.enter([execution("c", "sell", "1", "23", 3, realised=Decimal("2.99"))])
    assert ledger.expected_cash() == Decimal(1000) + 3 + Decimal("2.99") - Decimal("0.03") - Decimal("0.5")


@given(
    quantity=st.decimals(min_value="-1000", max_value="1000", places=8),
    step=st.sampled_from([Decimal(s) for s in ("1", "0.5", "0.25", "0.001", "0.00000001", "10", "0.1")]),
)
def test_rounding_to_a_step_goes_toward_zero_and_never_further_than_a_step(quantity: Decimal, step: Decimal) -> None:
    rounded = floor_to(quantity, step)
    assert abs(rounded) <= abs(quantity)
    assert abs(quantity) - abs(rounded) < step
    assert rounded % step == 0


@pytest.mark.parametrize(("price", "step", "rounded"), [("19.994", "0.01", "19.99"), ("1.00126", "0.0005", "1.0015")])
def test_stop_prices_are_rounded_to_the_nearest_step(price: str, step: str, rounded: str) -> None:
    assert nearest(Decimal(price), Decimal(step)) == Decimal(rounded)
