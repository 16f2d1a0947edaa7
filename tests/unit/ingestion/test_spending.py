"""A day's money is never overspent, across restarts too."""

import os
import subprocess
import sys
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


def test_a_kill_between_a_request_and_its_answer_leaves_it_at_its_dearest(tmp_path: Path) -> None:
    path = tmp_path / "spend.json"
    spending = Spending("x", Decimal("0.10"), lambda: NOW, path)
    spending.reserve(Decimal("0.08"))
    del spending  # the request is out, its answer never comes
    after = Spending("x", Decimal("0.10"), lambda: NOW, path)
    assert after.spent_usd == Decimal("0.08")
    with pytest.raises(BudgetSpent):
        after.reserve(Decimal("0.08"))


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_kill_while_writing_spends_nothing_and_the_request_never_leaves(
    fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "spend.json"
    Spending("x", Decimal(1), lambda: NOW, path).reserve(Decimal("0.25"))
    second = Spending("x", Decimal(1), lambda: NOW, path)
    with monkeypatch.context() as patched:
        patched.setattr(os, fails, killed)
        with pytest.raises(KeyboardInterrupt):
            second.reserve(Decimal("0.5"))
    after = Spending("x", Decimal(1), lambda: NOW, path)
    assert after.spent_usd == Decimal("0.25")
    after.reserve(Decimal("0.75"))


@pytest.mark.parametrize("kept", ['{"day":"2026-03-04","spent_usd":"NaN"}', '{"day":"2026-03-04","spent_usd":"-3"}'])
def test_a_sum_that_makes_no_sense_counts_as_all_spent(kept: str, tmp_path: Path) -> None:
    path = tmp_path / "spend.json"
    path.write_text(kept)
    with pytest.raises(BudgetSpent):
        Spending("x", Decimal(1), lambda: NOW, path).reserve(Decimal("0.01"))


def test_a_clock_that_is_set_back_gives_no_money_back(tmp_path: Path) -> None:
    path = tmp_path / "spend.json"
    Spending("x", Decimal(1), lambda: NOW, path).reserve(Decimal(1))
    with pytest.raises(BudgetSpent):
        Spending("x", Decimal(1), lambda: NOW - timedelta(days=1), path).reserve(Decimal("0.01"))


def test_what_cannot_be_written_down_is_not_spent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    spending = Spending("x", Decimal(1), lambda: NOW, tmp_path / "file" / "spend.json")
    with pytest.raises(BudgetSpent, match="cannot be kept there"):
        spending.reserve(Decimal("0.01"))


SPENDER = """
import sys
import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from services.ingestion.errors import BudgetSpent
from services.ingestion.spending import Spending
spending = Spending("x", Decimal("0.50"), lambda: datetime(2026, 3, 4, 15, tzinfo=UTC), Path(sys.argv[1]))
sys.stdin.readline()
done = 0
for _ in range(40):
    try:
        spending.reserve(Decimal("0.01"))
    except BudgetSpent:
        break
    done += 1
print(done)
"""


def test_two_processes_spend_one_cap(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SPENDER, str(tmp_path / "spend.json")]
    root = Path(__file__).parents[3]
    both = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(2)
    ]
    for one in both:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    done = [int(one.communicate()[0]) for one in both]
    assert sum(done) == 50, "together they have the cap, not each"
    assert max(done) <= 40


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
