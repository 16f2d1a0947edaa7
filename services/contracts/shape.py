"""What all messages and their parts have in common."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""An aware datetime: one without a zone is refused when a message is read."""

Side = Literal["buy", "sell"]


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A frozen part of a message."""


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag=True):
    """A whole message; the JSON field ``type`` names its class."""

    ts: Time
    """The moment the message is about: the slice's close, the bar's open for candles."""


class Missing(Struct, frozen=True):
    """A symbol whose data is not there for the slice, or not to be trusted, and why."""

    symbol: str
    reason: str
