"""What can go wrong with somebody else's server, by what to do about it. Messages never carry a key."""

from services.kernel.errors import ChloeError


class FeedError(ChloeError):
    """A provider did not deliver what was asked."""


class RateLimited(FeedError):
    """The provider asks us to slow down; asking again later helps. ``wait_s`` is its own advice, if it gave any."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class SourceDown(FeedError):
    """The provider cannot be reached or fails; asking again may help."""

    sent = True
    """False where no connection came about: the provider has received nothing."""


class BadReply(FeedError):
    """The provider answered something unreadable (HTML, half a body); asking again may help."""


class OutcomeUnknown(FeedError):
    """A request to change something left, and no clear answer came; it may have been obeyed: ask before repeating."""


class SymbolNotOffered(FeedError):
    """The provider does not have this symbol; asking again does not help."""


class Blocked(FeedError):
    """The provider refuses this place or address (HTTP 403, 451); asking again does not help."""


class BadKey(FeedError):
    """The provider does not accept the key; a person must mend it."""


class NotEntitled(FeedError):
    """The key is good, but its plan does not cover this; asking again does not help."""


class BadRequest(FeedError):
    """The provider refuses the request as wrong; asking again does not help."""


class BudgetSpent(FeedError):
    """The day's requests or the money set aside are used up; ``until_s`` says for how many seconds, if known."""

    def __init__(self, message: str, until_s: float | None = None) -> None:
        super().__init__(message)
        self.until_s = until_s


RETRYABLE = (RateLimited, SourceDown, BadReply)
