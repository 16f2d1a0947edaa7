"""The broker simulator lives with its thousand runs."""

import sys
from pathlib import Path

SIMULATOR = str(Path(__file__).parents[3] / "unit" / "execution" / "live")

if SIMULATOR not in sys.path:
    sys.path.append(SIMULATOR)
