"""Days, and what a slice must have seen of them, where slices are a day or a minute apart."""

from datetime import UTC, datetime, timedelta

import pytest

from services.domain.lockstep import required_evaluation
from services.phases.decide import day_of, ends_day

MIDNIGHT = datetime(2024, 6, 8, tzinfo=UTC)


def test_every_daily_slice_ends_its_own_day_and_waits_for_the_judgement_of_the_one_before() -> None:
    days = [MIDNIGHT + timedelta(days=n) for n in range(4)]
    assert [day_of(ts) for ts in days] == ["2024-06-07", "2024-06-08", "2024-06-09", "2024-06-10"]
    assert all(ends_day(ts) for ts in days)
    first = days[0]
    assert [required_evaluation(ts, first) for ts in days] == [None, *days[:-1]]
    assert required_evaluation(first, None) is None


@pytest.mark.parametrize(("timeframe", "slices"), [("1m", 1440), ("1h", 24), ("1d", 1)])
def test_a_day_has_one_last_slice_and_the_next_days_slices_wait_for_it(timeframe: str, slices: int) -> None:
    step = timedelta(days=1) / slices
    day = [MIDNIGHT + n * step for n in range(1, slices + 1)]
    assert {day_of(ts) for ts in day} == {"2024-06-08"}
    assert [ts for ts in day if ends_day(ts)] == [MIDNIGHT + timedelta(days=1)]
    begun = MIDNIGHT - timedelta(days=3)
    assert {required_evaluation(ts, begun) for ts in day} == {MIDNIGHT}, timeframe
