"""A day's money is never overspent, across restarts too."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingestion.errors import BudgetSpent
from services.ingestion.spending import Spending

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
CENTS = st.decimals(min_value=0, max_value=1, places=3)


def test_a_request_over_the_cap_is_refused_until_midnight_utc() -> None:
    spending = Spending("x", Decimal("0.10"), lambda: NOW)
    spending.reserve(Decimal("0.10"))
    with pytest.raises(BudgetSpent, match=r"0\.10 of 0\.10 USD") as caught:
        spending.reserve(Decimal("0.001"))
    assert caught.value.until_s == 9 * 3600


def test_what_was_set_aside_and_not_used_is_given_back() -> None:
    spending = Spending("x", Decimal("0.10"), lambda: NOW)
    spending.reserve(Decimal("0.08"))
    spending.settle(Decimal("0.08"), Decimal("0.01"))
    assert spending.spent_usd == Decimal("0.01")


def test_a_new_utc_day_starts_at_nothing() -> None:
    now = [NOW]
    spending = Spending("x", Decimal("0.10"), lambda: now[0])
    spending.reserve(Decimal("0.10"))
    now[0] += timedelta(hours=9)
    assert spending.spent_usd == 0
    spending.reserve(Decimal("0.10"))


def test_the_sum_is_kept_over_a_restart_and_an_unreadable_file_counts_as_all_spent(tmp_path: Path) -> None:
    path = tmp_path / "spend.json"
    Spending("x", Decimal(1), lambda: NOW, path).reserve(Decimal("0.25"))
    assert Spending("x", Decimal(1), lambda: NOW, path).spent_usd == Decimal("0.25")
    assert Spending("x", Decimal(1), lambda: NOW + timedelta(days=1), path).spent_usd == 0
    path.write_text("half a fi")
    assert Spending("x", Decimal(1), lambda: NOW, path).spent_usd == Decimal(1)


@given(st.lists(st.tuples(CENTS, CENTS), max_size=30))
def test_the_cap_holds_whatever_is_asked(requests: list[tuple[Decimal, Decimal]]) -> None:
    spending = Spending("x", Decimal(2), lambda: NOW)
    paid = Decimal(0)
    for dearest, actual in requests:
        try:
            spending.reserve(dearest)
        except BudgetSpent:
            continue
        spending.settle(dearest, actual)
        paid += min(dearest, actual)
        assert spending.spent_usd == paid <= 2
