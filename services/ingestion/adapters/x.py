"""X through tweepy: how much is posted about each symbol, its mood, what watched accounts say. Every read costs money.

Prices as of 2026: a post 0.005 USD (each once a UTC day), a user 0.010, a count 0.005 a request.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import tweepy  # type: ignore[import-untyped]

from services.ingestion.adapters import utc_now
from services.ingestion.client_sessions import SharedSession
from services.ingestion.observations import SocialReading
from services.ingestion.sentiment.mood import mood
from services.ingestion.sentiment.symbols import trending
from services.ingestion.spending import Spending
from services.kernel.errors import ConfigError
from services.kernel.http import Http, Policy, Reply
from services.kernel.provider_errors import BadReply, BudgetSpent, FeedError, NotEntitled, RateLimited

NAME = "x"
FAMILY = "sentiment"
NEEDS: tuple[str, ...] = ("X_BEARER_TOKEN",)
GIVES: frozenset[str] = frozenset({"social"})
BASE_URL = "https://api.x.com"
POLICY = Policy(requests=300, per_seconds=900.0)
WATCHED: Mapping[str, tuple[str, ...]] = {"elonmusk": ("TSLA",)}
"""Accounts whose posts count for a symbol whether or not they name it."""
POST_USD, USER_USD, COUNT_USD = Decimal("0.005"), Decimal("0.010"), Decimal("0.005")
POSTS_A_SYMBOL, POSTS_AN_ACCOUNT, ACCOUNT_PAGES = 10, 20, 3
CAP_USD = Decimal(5)
OLDEST, YOUNGEST = timedelta(days=7) - timedelta(minutes=5), timedelta(seconds=30)
"""X searches the last seven days and wants a start at least ten seconds ago."""

_log = logging.getLogger(__name__)


def connect(
    environment: Mapping[str, str],
    *,
    base_url: str = BASE_URL,
    symbols: Mapping[str, str] | None = None,
    clock: Callable[[], datetime] = utc_now,
    http: Callable[..., Http] = Http,
) -> "XSource":
    """Make the source. ``X_SPEND_CAP_USD`` (a UTC day, 5 if unset); ``X_SPEND_FILE`` keeps the sum over restarts."""
    token = environment[NEEDS[0]]
    path = environment.get("X_SPEND_FILE")
    spending = Spending(NAME, _cap(environment.get("X_SPEND_CAP_USD")), clock, Path(path) if path else None)
    till = Till(spending)
    shared = http(NAME, base_url, POLICY, secrets=(token,), check=_checked(clock), before=till.pay)
    session = SharedSession(shared, POLICY.timeout_s)
    client = tweepy.Client(token, return_type=dict)
    client.session.close()
    client.session = session
    return XSource(client, session, shared, till, symbols or {}, clock)


@dataclass(slots=True)
class Till:
    """Sets the dearest price of the request at hand aside each time that it leaves; a lost answer may cost it."""

    spending: Spending
    dearest_usd: Decimal = Decimal(0)

    def pay(self) -> None:
        """Set the price aside. Raises BudgetSpent where that is over the cap."""
        self.spending.reserve(self.dearest_usd)


@dataclass
class _Window:
    """What one round of requests found. ``posts`` are texts by id for each symbol."""

    start: datetime
    posts: dict[str, dict[str, str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    marks: dict[str, dict[str, int]] = field(default_factory=dict)


class XSource:
    """Volume and mood of symbols; ``trending`` holds the tickers most named in the posts read last."""

    def __init__(
        self,
        client: tweepy.Client,
        session: SharedSession,
        http: Http,
        till: Till,
        told: Mapping[str, str],
        clock: Callable[[], datetime],
    ) -> None:
        self.name = NAME
        self.trending: dict[str, int] = {}
        self.spending = till.spending
        self._till = till
        self._client, self._session, self._http = client, session, http
        self._told, self._clock = told, clock
        self._users: dict[str, str] = {}
        self._paid: tuple[str, set[str]] = ("", set())

    async def mentions(self, symbols: Sequence[str], since: datetime) -> list[SocialReading]:
        """One reading per symbol that could be counted in [since, now).

        A request that fails, or would go over the spend cap, ends the round: what is paid for is given; without any it
        raises.
        """
        self._session.on_this_loop()
        now = self._clock()
        window = _Window(min(max(since, now - OLDEST), now - YOUNGEST))
        try:
            await self._watched(symbols, window)
            for symbol in symbols:
                await self._symbol(symbol, window)
        except FeedError as error:
            if not window.counts and not window.posts:
                raise
            _log.warning("round ended early after %d of %d symbols: %s", len(window.counts), len(symbols), error)
        return await asyncio.to_thread(self._readings, symbols, window, now)

    async def close(self) -> None:
        """Close the connections; calling it twice does no harm."""
        self._session.close()
        await self._http.close()

    async def _watched(self, symbols: Sequence[str], window: _Window) -> None:
        accounts = {name: about for name, about in WATCHED.items() if set(about) & set(symbols)}
        unknown = [name for name in accounts if name not in self._users]
        if unknown:
            body = await self._ask(USER_USD * len(unknown), self._client.get_users, usernames=unknown)
            found = _listed(body)
            self.spending.settle(USER_USD * len(unknown), USER_USD * len(found))
            self._users |= {_field(user, "username").lower(): _field(user, "id") for user in found}
        for name, about in accounts.items():
            if name not in self._users:
                _log.warning("x: no account @%s", name)
                continue
            posts = await self._timeline(self._users[name], window.start)
            for symbol in set(about) & set(symbols):
                window.posts.setdefault(symbol, {}).update(posts)
                if posts:
                    window.marks.setdefault(symbol, {})[f"@{name}"] = len(posts)

    async def _timeline(self, user: str, start: datetime) -> dict[str, str]:
        found: dict[str, str] = {}
        page: str | None = None
        for _ in range(ACCOUNT_PAGES):
            body = await self._posts(
                self._client.get_users_tweets,
                POSTS_AN_ACCOUNT,
                id=user,
                start_time=start,
                exclude=["replies", "retweets"],
                pagination_token=page,
            )
            found |= _texts(body)
            page = (body.get("meta") or {}).get("next_token")
            if page is None:
                break
        return found

    async def _symbol(self, symbol: str, window: _Window) -> None:
        query = f"{self._told.get(symbol) or term(symbol)} lang:en -is:retweet"
        body = await self._ask(COUNT_USD, self._client.get_recent_tweets_count, query=query, start_time=window.start)
        count = counted(body)
        if count:
            found = await self._posts(
                self._client.search_recent_tweets,
                POSTS_A_SYMBOL,
                query=query,
                start_time=window.start,
                sort_order="recency",
            )
            window.posts.setdefault(symbol, {}).update(_texts(found))
        window.counts[symbol] = count

    async def _posts(self, method: Callable[..., Any], most: int, **params: Any) -> dict[str, Any]:
        body = await self._ask(POST_USD * most, method, max_results=most, **params)
        day = self._clock().date().isoformat()
        if self._paid[0] != day:
            self._paid = (day, set())
        new = _texts(body).keys() - self._paid[1]
        self._paid[1].update(new)
        self.spending.settle(POST_USD * most, POST_USD * len(new))
        return body

    async def _ask(self, dearest_usd: Decimal, method: Callable[..., Any], **params: Any) -> dict[str, Any]:
        """One request of tweepy in a thread; its price is set aside as it leaves."""
        self._till.dearest_usd = dearest_usd
        where = f"{self.name} {getattr(method, '__name__', 'request')}"
        try:
            body = await asyncio.to_thread(method, **params)
        except tweepy.TweepyException as error:
            raise BadReply(f"{where}: {type(error).__name__}") from None
        if not isinstance(body, dict):
            raise BadReply(f"{where}: not an object")
        if body.get("errors") and not ({"data", "meta"} & body.keys()) and method != self._client.get_users:
            raise BadReply(f"{where}: {body['errors'][0].get('title', 'an error')}")
        return body

    def _readings(self, symbols: Sequence[str], window: _Window, now: datetime) -> list[SocialReading]:
        read = {identity: text for posts in window.posts.values() for identity, text in posts.items()}
        self.trending = trending(read.values())
        return [
            mood(
                symbol,
                list(window.posts.get(symbol, {}).values()),
                now,
                now,
                mentions=window.counts.get(symbol),
                marks=window.marks.get(symbol),
            )
            for symbol in symbols
            if symbol in window.counts or window.posts.get(symbol)
        ]


def term(symbol: str) -> str:
    """What to search for: the cashtag, or both spellings of a currency pair."""
    first, _, second = symbol.partition("/")
    return f"({first}{second} OR {first}/{second})" if second not in {"", "USDT"} else f"${first}"


def counted(body: Mapping[str, Any]) -> int:
    """Posts in a count reply, in X's new spelling or its old one, from the total or the sum of the buckets."""
    try:
        for total in ("total_post_count", "total_tweet_count"):
            if total in (body.get("meta") or {}):
                return int(body["meta"][total])
        first, *rest = (bucket.get("post_count", bucket.get("tweet_count")) for bucket in body["data"])
        return int(sum(rest, first))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadReply(f"{NAME} get_recent_tweets_count: no count ({type(error).__name__})") from None


def _listed(body: Mapping[str, Any]) -> list[Any]:
    """The items of a reply; X leaves ``data`` out where there are none."""
    found = body.get("data") or []
    if not isinstance(found, list):
        raise BadReply(f"{NAME}: data is a {type(found).__name__}, not a list")
    return found


def _texts(body: Mapping[str, Any]) -> dict[str, str]:
    return {_field(post, "id"): _field(post, "text") for post in _listed(body)}


def _field(item: Any, name: str) -> str:
    if not isinstance(item, dict) or not isinstance(item.get(name), str):
        raise BadReply(f"{NAME}: an item without {name}")
    return str(item[name])


def _cap(told: str | None) -> Decimal:
    try:
        cap = Decimal(told) if told else CAP_USD
    except InvalidOperation:
        cap = Decimal(-1)
    if not cap.is_finite() or cap < 0:
        raise ConfigError(f"X_SPEND_CAP_USD: {told!r} is no amount of USD; give a number like 5")
    return cap


def _checked(clock: Callable[[], datetime]) -> Callable[[Reply], None]:
    """X names its problems by ``type``: a cap reached is not a rate limit, a missing plan not a bad key."""

    def check(reply: Reply) -> None:
        if reply.status not in (402, 403, 429):
            return
        body = reply.json()
        problem = str(body.get("type", "")).rpartition("/")[2] if isinstance(body, dict) else ""
        if reply.status == 402 or problem == "usage-capped":
            raise BudgetSpent(f"HTTP {reply.status} {problem or 'no credits left'}")
        if problem in ("client-forbidden", "unsupported-authentication"):
            raise NotEntitled(f"HTTP {reply.status} {problem}")
        reset = reply.headers.get("x-rate-limit-reset", "")
        if reply.status == 429 and "retry-after" not in reply.headers and reset.isdigit():
            # Never longer than X's own window, whatever our clock says.
            raise RateLimited("HTTP 429", min(900.0, max(0.0, int(reset) - clock().timestamp())))

    return check
