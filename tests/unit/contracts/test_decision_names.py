"""Decisions are named as RFC 9562 names things by SHA-1: as `uuid.uuid5` does."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid5

from hypothesis import given
from hypothesis import strategies as st

from services.contracts.names import CHLOE_NAMESPACE, decision_id

ZONES = st.sampled_from([UTC, timezone(timedelta(hours=2)), timezone(timedelta(0), "Z")])


@given(st.datetimes(timezones=ZONES), st.text(max_size=12), st.text(max_size=40))
def test_a_decision_is_named_by_its_moment_its_stage_and_its_subject(ts: datetime, stage: str, subject: str) -> None:
    expected = uuid5(CHLOE_NAMESPACE, f"{ts.isoformat()}|{stage}|{subject}")
    found = decision_id(ts, stage, subject)
    assert found == expected
    assert (str(found), found.version, hash(found)) == (str(expected), 5, hash(expected))


def test_the_same_moment_written_in_another_zone_is_another_name() -> None:
    here = datetime(2024, 1, 1, 2, tzinfo=UTC)
    there = here.astimezone(timezone(timedelta(hours=2)))
    assert here == there
    assert decision_id(here, "risk", "BTC/USDT") != decision_id(there, "risk", "BTC/USDT")
