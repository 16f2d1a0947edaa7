"""What can go wrong with a source, by what to do about it."""

from services.kernel.errors import ChloeError


class FeedError(ChloeError):
    """A source did not deliver what was asked."""


class RateLimited(FeedError):
    """The source asks us to slow down; asking again later helps. ``wait_s`` is its own advice, if it gave any."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class SourceDown(FeedError):
    """The source cannot be reached or fails; asking again may help."""


class BadReply(FeedError):
    """The source answered something that is no candle data (HTML, half a body); asking again may help."""


class SymbolNotOffered(FeedError):
    """The source does not trade this symbol; asking again does not help."""


class Blocked(FeedError):
    """The source refuses this place or address (HTTP 403, 451); asking again does not help."""


RETRYABLE = (RateLimited, SourceDown, BadReply)
