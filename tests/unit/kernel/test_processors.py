import os
from pathlib import Path

import pytest

from services.kernel.processors import available

ALLOWED = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("quota", "asked"), [("150000 100000", 2), ("50000 100000", 1), ("max 100000", 10_000), ("1000000 100000", 10)]
)
def test_a_container_s_limit_counts_beside_the_processors_allowed(tmp_path: Path, quota: str, asked: int) -> None:
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert available(tmp_path) == min(ALLOWED, asked)


def test_the_older_control_groups_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert available(tmp_path) == ALLOWED
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("40000\n")
    assert available(tmp_path) == 1


def test_without_control_groups_the_processors_allowed_are_counted(tmp_path: Path) -> None:
    assert available(tmp_path) == ALLOWED
