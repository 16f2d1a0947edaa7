"""What a flag of ``system_flags`` may say of itself."""

from typing import Literal

Severity = Literal["info", "warning", "critical"]
Blocks = Literal["", "live", "entries"]
"""'': only seen; live: no live entries; entries: no entries at all, which the watchdog makes a ``block`` of."""

EVERYTHING = "all"
"""The subject of what concerns the whole platform; others are a symbol, an asset class, a stage or a source."""
