"""Reading providers' replies field by field: a wrong one is a BadReply that names its place, never a guess."""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from services.ingestion.errors import BadReply
from services.ingestion.observations import Observation

_DAY = re.compile(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?")


def member(reply: Any, key: str, where: str) -> Any:
    """The value under ``key`` of a JSON object."""
    if not isinstance(reply, Mapping) or key not in reply:
        raise BadReply(f"{where}: no {key!r} in the reply")
    return reply[key]


def listed(reply: Any, where: str) -> list[dict[str, Any]]:
    """A JSON list of objects, as it is."""
    if not isinstance(reply, list) or not all(isinstance(row, dict) for row in reply):
        raise BadReply(f"{where}: expected a list of objects, not {type(reply).__name__}")
    return reply


def number(value: Any, where: str) -> float:
    """A finite number, given as such or as text."""
    try:
        plain = isinstance(value, int | float) or (isinstance(value, str) and "_" not in value)
        read = float(value) if plain and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        read = math.nan
    if not math.isfinite(read):
        raise BadReply(f"{where}: {str(value)[:40]!r} is not a number")
    return read


def whole(value: Any, where: str) -> int:
    """A whole number, given as such or as text; integers of any size keep every digit."""
    if isinstance(value, bool) or not isinstance(value, int | str) or not re.fullmatch(r"-?[0-9]{1,60}", str(value)):
        raise BadReply(f"{where}: {str(value)[:40]!r} is not a whole number")
    return int(value)


def text(value: Any, where: str) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise BadReply(f"{where}: {str(value)[:40]!r} is not a text")
    return value


def instant(value: Any, where: str) -> datetime:
    """RFC 3339 with any number of decimals and a zone, as UTC to the microsecond (later decimals are cut)."""
    try:
        read = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text(value, where)))
    except ValueError:
        raise BadReply(f"{where}: {value[:40]!r} is not a time") from None
    if read.tzinfo is None:
        raise BadReply(f"{where}: {value[:40]!r} has no time zone")
    return read.astimezone(UTC)


def unix(value: Any, where: str) -> datetime:
    """Unix seconds as UTC."""
    try:
        return datetime.fromtimestamp(number(value, where), UTC)
    except (OverflowError, ValueError, OSError):
        raise BadReply(f"{where}: {str(value)[:40]!r} is not a unix time") from None


def day(value: Any, where: str) -> datetime:
    """The first midnight (UTC) of ``YYYY``, ``YYYY-MM`` or ``YYYY-MM-DD``."""
    found = _DAY.fullmatch(text(value, where))
    try:
        if found:
            return datetime(int(found[1]), int(found[2] or 1), int(found[3] or 1), tzinfo=UTC)
    except ValueError:
        pass
    raise BadReply(f"{where}: {value[:40]!r} is not a date")


def newly_known(observations: Iterable[Observation], since: datetime, now: datetime) -> list[Observation]:
    """What became available in [since, now], in that order, each once.

    A page that comes twice does no harm; raises BadReply where the same observation comes with two values.
    """
    known: dict[tuple[datetime, datetime, str, str], Observation] = {}
    for one in observations:
        if not since <= one.available_at <= now:
            continue
        key = (one.available_at, one.observed_at, one.name, one.symbol or "")
        if known.setdefault(key, one).value != one.value:
            raise BadReply(f"{one.name} {one.observed_at.isoformat()} comes with two values in one reply")
    return [known[key] for key in sorted(known)]
