"""How many processors this process may use: those it is allowed to run on, and what its container's limit leaves."""

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def available(cgroups: Path = CGROUPS) -> int:
    """Count the processors; a limit of one and a half counts as two."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = _limit(cgroups)
    return allowed if limit is None else max(1, min(allowed, math.ceil(limit)))


def _limit(cgroups: Path) -> float | None:
    """Read the container's limit in processors, as either version of Linux' control groups tells it; None without."""
    try:
        if (cgroups / "cpu.max").exists():
            quota, period = (cgroups / "cpu.max").read_text(encoding="ascii").split()
        else:
            quota = (cgroups / "cpu" / "cpu.cfs_quota_us").read_text(encoding="ascii").strip()
            period = (cgroups / "cpu" / "cpu.cfs_period_us").read_text(encoding="ascii").strip()
    except OSError:
        return None
    return None if quota in {"max", "-1"} else int(quota) / int(period)
