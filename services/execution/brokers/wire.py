"""What brokers reached over the network share: where orders go, what a failure means, and how replies are read."""

from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, overload
from uuid import UUID

from services.contracts.messages import Side
from services.execution.brokers.protocol import Ack, Ambiguous, BrokerOrder, Environment, LiveOrder, Rejected
from services.kernel.errors import StartRefused
from services.kernel.provider_errors import BadReply, BadRequest, FeedError, OutcomeUnknown, SourceDown

LIVE_SWITCH = "CHLOE_LIVE"
"""The environment variable that must be ``yes`` beside the configured venue before an order goes to a live account."""

ATTEMPTS = 3
"""Tries of a question: enough for a hiccup, few enough that the desk is not kept from the other brokers."""
TIMEOUT_S = 15.0
"""Seconds until an answer is given up; the desk waits twice as long before it calls a silent order lost."""
LEFT_ALONE_S = 10.0
"""Seconds that a broker is left alone after failing repeatedly: an exit must not wait long for one that is back."""

PAGES_MAX = 1_000
"""Pages of one question; a broker that gives more is going round in circles."""


class Duplicate(BadRequest):
    """The broker has an order under this client id already."""


class Absent(BadRequest):
    """The broker says that it does not know what was asked for, or that it is over."""


def utc_now() -> datetime:
    """The clock of a live broker."""
    return datetime.now(UTC)


def credentials(name: str, environment: Mapping[str, str], needs: Sequence[str]) -> list[str]:
    """Return the values of the variables; raises StartRefused naming those that are missing or empty."""
    if missing := [variable for variable in needs if not environment.get(variable)]:
        raise StartRefused(f"broker {name}: set {', '.join(missing)} in the environment")
    return [environment[variable] for variable in needs]


def endpoint(
    name: str,
    urls: Mapping[Environment, str],
    venue: Environment,
    environment: Mapping[str, str],
    base_url: str | None,
) -> str:
    """Return where a venue is reached. Raises StartRefused for one there is not, and for live without the switch."""
    if venue not in urls:
        raise StartRefused(f"broker {name}: environment {venue!r} does not exist; choose one of {', '.join(urls)}")
    if venue == "live" and environment.get(LIVE_SWITCH) != "yes":
        raise StartRefused(f"broker {name}: live orders need {LIVE_SWITCH}=yes in the environment as well")
    return base_url or urls[venue]


@contextmanager
def changing() -> Iterator[None]:
    """Turn the failure of a submission or cancellation into Rejected (definite) or Ambiguous (unknown).

    What says by its type that nothing was carried out (RateLimited, BadKey, Blocked, ...) is left as it is.
    """
    try:
        yield
    except (OutcomeUnknown, SourceDown, BadReply) as error:
        failure: Rejected | Ambiguous = Ambiguous(str(error))
    except BadRequest as error:
        # The broker's own reason stands after the name of the request.
        failure = Rejected(str(error).partition(": ")[2] or str(error))
    else:
        return
    raise failure


async def there_already(request: LiveOrder, lookup: Awaitable[BrokerOrder | None]) -> Ack:
    """Acknowledge an order that the broker refuses as seen; raises BadReply where it cannot show it."""
    try:
        found = await lookup
    except FeedError as error:
        found, why = None, str(error)
    else:
        why = "it does not know it either"
    if found is None:
        raise BadReply(f"it says that it has order {request.id} already, but: {why}")
    return Ack(request.id, found.broker_id)


class Said:
    """One object of a reply. Whatever cannot be read raises BadReply with the field's name; values are not quoted."""

    def __init__(self, where: str, body: Any) -> None:
        if not isinstance(body, dict):
            raise BadReply(f"{where}: a {type(body).__name__} instead of an object")
        self.where = where
        self.body: Mapping[str, Any] = body

    @overload
    def text(self, key: str) -> str: ...
    @overload
    def text(self, key: str, otherwise: str) -> str: ...
    def text(self, key: str, otherwise: str | None = None) -> str:
        """A text that is not empty, or ``otherwise``."""
        value = self.body.get(key)
        if isinstance(value, str) and value:
            return value
        if otherwise is not None and value in (None, ""):
            return otherwise
        raise self.unreadable(key)

    @overload
    def number(self, key: str) -> Decimal: ...
    @overload
    def number(self, key: str, otherwise: Decimal) -> Decimal: ...
    def number(self, key: str, otherwise: Decimal | None = None) -> Decimal:
        """A number written as text or as an integer; a float has been rounded by somebody and is refused."""
        value = self.body.get(key)
        if otherwise is not None and value in (None, ""):
            return otherwise
        if isinstance(value, str) or type(value) is int:
            try:
                found = Decimal(value)
            except ArithmeticError:
                raise self.unreadable(key) from None
            if found.is_finite():
                return found
        raise self.unreadable(key)

    def moment(self, key: str) -> datetime:
        """A date and time with its zone, in UTC."""
        try:
            found = datetime.fromisoformat(self.text(key))
        except ValueError:
            raise self.unreadable(key) from None
        if found.tzinfo is None:
            raise self.unreadable(key)
        return found.astimezone(UTC)

    def milliseconds(self, key: str) -> datetime:
        """A moment given as milliseconds since 1970."""
        try:
            return datetime.fromtimestamp(int(self.number(key)) / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            raise self.unreadable(key) from None

    def side(self, key: str) -> Side:
        """``buy`` or ``sell`` in any case; a short sale is a sale."""
        sides: dict[str, Side] = {"buy": "buy", "sell": "sell", "sell_short": "sell"}
        if (found := sides.get(self.text(key).lower())) is None:
            raise self.unreadable(key)
        return found

    def part(self, key: str) -> "Said":
        """An object inside."""
        if not isinstance(self.body.get(key), dict):
            raise self.unreadable(key)
        return Said(self.where, self.body[key])

    def parts(self, key: str) -> list["Said"]:
        """A list of objects inside."""
        return listed(f"{self.where}: {key}", self.body.get(key))

    def has(self, key: str) -> bool:
        """Whether the field is there and says something."""
        return self.body.get(key) not in (None, "", {})

    def unreadable(self, key: str) -> BadReply:
        """The error for a field that is missing or not what it should be."""
        return BadReply(f"{self.where}: the field '{key}' is missing or unreadable")


def listed(where: str, body: Any) -> list[Said]:
    """Read a list of objects."""
    if not isinstance(body, list):
        raise BadReply(f"{where}: a {type(body).__name__} instead of a list")
    return [Said(where, one) for one in body]


def client_id(text: str | None) -> UUID | None:
    """Return a client order id if it is one of ours: a UUID as ``str`` writes it."""
    try:
        found = UUID(text or "")
    except ValueError:
        return None
    return found if str(found) == text else None


def plain(value: Decimal) -> str:
    """Write a number without exponent and without zeros at its end."""
    return f"{value.normalize():f}"


class Names:
    """Our symbols and the broker's: ``exceptions`` (ours to theirs) first, then another separator for the slash."""

    def __init__(self, exceptions: Mapping[str, str] | None, separator: str) -> None:
        self._theirs = dict(exceptions or {})
        self._ours = {theirs: ours for ours, theirs in self._theirs.items()}
        self._separator = separator

    def told(self, symbol: str) -> str:
        """The broker's name of our symbol."""
        return self._theirs.get(symbol) or symbol.replace("/", self._separator)

    def ours(self, told: str) -> str:
        """Our symbol for the broker's name; a name of nobody's stays as it is."""
        return self._ours.get(told) or (told.replace(self._separator, "/") if self._separator else told)
