"""How brokers' replies are read: exactly, or not at all."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.execution.brokers.protocol import Ambiguous, BrokerOrder, LiveOrder, Rejected
from services.execution.brokers.wire import (
    Absent,
    Names,
    Said,
    changing,
    client_id,
    listed,
    plain,
    there_already,
)
from services.kernel.provider_errors import (
    BadKey,
    BadReply,
    BadRequest,
    Blocked,
    FeedError,
    OutcomeUnknown,
    RateLimited,
    SourceDown,
    SymbolNotOffered,
)

ID = UUID("6a1f0b52-8d0e-5c57-9f7b-0c8f3a3f9d21")
WANTED = LiveOrder(ID, "BTC/USDT", "buy", "market", Decimal(1))


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=8))
def test_what_is_written_is_read_back_exactly_and_has_no_exponent(value: Decimal) -> None:
    assert Said("x", {"n": plain(value)}).number("n") == value
    assert "E" not in plain(value)


@pytest.mark.parametrize("value", [1.5, True, None, "", "x", "NaN", "Infinity", "-inf", [], {}, "1,5", b"1"])
def test_what_is_no_exact_number_is_refused_by_name(value: Any) -> None:
    with pytest.raises(BadReply, match=r"^here: the field 'n' is missing or unreadable$"):
        Said("here", {"n": value}).number("n")


def test_a_number_that_may_be_missing_has_its_stand_in_and_a_wrong_one_has_none() -> None:
    zero = Decimal(0)
    assert [Said("x", body).number("n", zero) for body in ({}, {"n": None}, {"n": ""}, {"n": "2"})] == [0, 0, 0, 2]
    with pytest.raises(BadReply):
        Said("x", {"n": 0.5}).number("n", zero)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-04T09:31:00.593753865Z", datetime(2026, 3, 4, 9, 31, 0, 593753, UTC)),
        ("2026-03-04T04:31:00-05:00", datetime(2026, 3, 4, 9, 31, tzinfo=UTC)),
    ],
)
def test_moments_are_told_in_utc(text: str, moment: datetime) -> None:
    found = Said("x", {"t": text}).moment("t")
    assert found == moment
    assert found.tzinfo is UTC


@pytest.mark.parametrize("text", ["2026-03-04T09:31:00", "2026-03-04", "yesterday", "", None, 7])
def test_a_moment_without_a_zone_is_no_moment(text: Any) -> None:
    with pytest.raises(BadReply):
        Said("x", {"t": text}).moment("t")


@pytest.mark.parametrize("value", ["x", 1.5, "1e40", None])
def test_milliseconds_that_are_none_are_refused(value: Any) -> None:
    with pytest.raises(BadReply):
        Said("x", {"t": value}).milliseconds("t")


@pytest.mark.parametrize("body", [None, [], "x", 7])
def test_what_is_no_object_is_refused_and_not_quoted(body: Any) -> None:
    with pytest.raises(BadReply, match="instead of an object"):
        Said("here", body)
    if body != []:
        with pytest.raises(BadReply, match="instead of a list"):
            listed("here", body)


def test_only_an_id_as_we_write_it_is_ours() -> None:
    assert client_id(str(ID)) == ID
    for text in (None, "", "by hand", str(ID).upper(), ID.hex, f"{{{ID}}}"):
        assert client_id(text) is None


def test_names_go_there_and_back() -> None:
    names = Names({"SILVER": "SLV", "MATIC/USDT": "POL/USDT"}, "_")
    assert [names.told(one) for one in ("SILVER", "GBP/JPY", "NVDA")] == ["SLV", "GBP_JPY", "NVDA"]
    assert [names.ours(one) for one in ("SLV", "GBP_JPY", "NVDA", "POL/USDT")] == [
        "SILVER",
        "GBP/JPY",
        "NVDA",
        "MATIC/USDT",
    ]


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (OutcomeUnknown("x POST /o: no answer"), Ambiguous("x POST /o: no answer")),
        (SourceDown("x POST /o: down"), Ambiguous("x POST /o: down")),
        (BadReply("x POST /o: garbled"), Ambiguous("x POST /o: garbled")),
        (BadRequest("x POST /o: too small: by half"), Rejected("too small: by half")),
        (Absent("bare"), Rejected("bare")),
        (RateLimited("slow down"), None),
        (BadKey("bad"), None),
        (Blocked("blocked"), None),
        (SymbolNotOffered("which?"), None),
    ],
)
def test_a_failed_change_is_refused_unknown_or_not_carried_out(failure: FeedError, told: Exception | None) -> None:
    with pytest.raises(type(told or failure)) as caught, changing():
        raise failure
    assert str(caught.value) == str(told or failure)
    if told is None:
        assert caught.value is failure


def test_what_goes_well_goes_through() -> None:
    with changing():
        done = True
    assert done


@pytest.mark.parametrize("failure", [None, SourceDown("down"), RateLimited("slow"), BadKey("bad")])
def test_an_order_that_is_said_to_be_there_and_cannot_be_seen_is_uncertain(failure: FeedError | None) -> None:
    async def lookup() -> BrokerOrder | None:
        if failure is not None:
            raise failure
        return None

    with pytest.raises(BadReply, match=str(ID)):
        asyncio.run(there_already(WANTED, lookup()))


def test_an_order_that_is_there_is_acknowledged() -> None:
    async def lookup() -> BrokerOrder | None:
        return BrokerOrder(ID, "77", "BTC/USDT", "buy", "market", Decimal(1), Decimal(0), "working")

    assert asyncio.run(there_already(WANTED, lookup())).broker_id == "77"
