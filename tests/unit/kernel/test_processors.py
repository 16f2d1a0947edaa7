"""A container's share of the processors bounds how many workers are started in it."""

import os
from pathlib import Path

import pytest

from services.kernel import processors


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of sixteen processors, all of them allowed."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)


@pytest.mark.parametrize(
    ("limit", "count"), [("150000 100000\n", 2), ("50000 100000\n", 1), ("max 100000\n", 16), ("3200000 100000\n", 16)]
)
def test_counts_a_limit_rounded_up_and_never_more_than_is_allowed(limit: str, count: int, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(limit)
    assert processors.available(tmp_path) == count


@pytest.mark.parametrize(("quota", "count"), [("150000\n", 2), ("-1\n", 16)])
def test_reads_the_first_version_of_control_groups_too(quota: str, count: int, tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert processors.available(tmp_path) == count


def test_counts_what_is_allowed_where_there_are_no_control_groups(tmp_path: Path) -> None:
    assert processors.available(tmp_path / "nowhere") == 16
