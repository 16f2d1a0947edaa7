"""Reddit through praw: what WallStreetBets, stocks and investing say about each symbol, posts and comments."""

import asyncio
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import praw
from praw.models import Comment, Submission
from prawcore.exceptions import OAuthException, PrawcoreException, RequestException

from services.ingestion.adapters import utc_now
from services.ingestion.client_sessions import SharedSession
from services.ingestion.observations import Named, SocialReading
from services.ingestion.sentiment.mood import mood
from services.ingestion.sentiment.symbols import Mentions, symbols_in
from services.kernel.http import Http, Policy, Reply
from services.kernel.provider_errors import BadKey, BadReply, Blocked, FeedError, RateLimited, SymbolNotOffered

NAME = "reddit"
FAMILY = "sentiment"
NEEDS: tuple[str, ...] = ("REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET")
GIVES: frozenset[str] = frozenset({"social"})
BASE_URL = "https://oauth.reddit.com"
LOGIN_URL = "https://www.reddit.com"
POLICY = Policy(requests=100, per_seconds=60.0)
SUBREDDITS = ("wallstreetbets", "stocks", "investing")
DEPTH = 1000
"""Reddit lists about this many items at most; a busier window is counted as deep as it goes, and said in the log."""
OLDER_IN_A_ROW = 3
"""Listings are newest first, but not strictly; this many older items in a row end the reading of one."""
GONE = frozenset({"[deleted]", "[removed]"})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Said:
    """One post or comment; ``id`` is Reddit's full name (t3_…, t1_…), ``at`` epoch seconds."""

    id: str
    at: float
    text: str


def connect(
    environment: Mapping[str, str],
    *,
    base_url: str = BASE_URL,
    symbols: Mapping[str, str] | None = None,
    clock: Callable[[], datetime] = utc_now,
    http: Callable[..., Http] = Http,
) -> "RedditSource":
    """Make the source. ``REDDIT_USER_AGENT`` (optional) names the application and its owner, as Reddit asks."""
    key, secret = (environment[name] for name in NEEDS)
    shared = http(NAME, base_url, POLICY, secrets=(key, secret), check=_check)
    session = SharedSession(shared, POLICY.timeout_s)

    def reddit() -> praw.Reddit:
        return praw.Reddit(
            client_id=key,
            client_secret=secret,
            user_agent=environment.get("REDDIT_USER_AGENT") or "server:chloe-trading:0.1",
            oauth_url=base_url,
            reddit_url=LOGIN_URL if base_url == BASE_URL else base_url,
            requestor_kwargs={"session": session},
            check_for_updates=False,
            check_for_async=False,
        )

    return RedditSource(reddit, session, shared, symbols or {}, clock)


class RedditSource:
    """Mentions and mood of symbols; ``heard`` holds the tickers that each text of the window read last names."""

    def __init__(
        self,
        reddit: Callable[[], praw.Reddit],
        session: SharedSession,
        http: Http,
        told: Mapping[str, str],
        clock: Callable[[], datetime],
    ) -> None:
        self.name = NAME
        self.heard: list[Named] = []
        self._make, self._reddit = reddit, reddit()
        self._session, self._http = session, http
        self._told, self._clock = told, clock

    async def mentions(self, symbols: Sequence[str], since: datetime) -> list[SocialReading]:
        """One reading per symbol of what was written in [since, now), nothing said included as 0 mentions."""
        self._session.on_this_loop()
        now = self._clock()
        try:
            said = await asyncio.to_thread(self._read, since, now)
        except BadKey:
            # A token can be revoked before its hour is over; a bad key fails again.
            self._reddit = self._make()
            said = await asyncio.to_thread(self._read, since, now)
        return await asyncio.to_thread(self._readings, symbols, said, now)

    async def close(self) -> None:
        """Close the connections; calling it twice does no harm."""
        self._session.close()
        await self._http.close()

    def _read(self, since: datetime, until: datetime) -> list[Said]:
        found: dict[str, Said] = {}
        refused: list[FeedError] = []
        for name in SUBREDDITS:
            for part in ("new", "comments"):
                try:
                    for one in self._listed(name, part, since.timestamp()):
                        if since.timestamp() <= one.at < until.timestamp():
                            found[one.id] = one
                except (Blocked, SymbolNotOffered) as error:
                    # A subreddit gone private must not silence the others.
                    _log.warning("%s", error)
                    refused.append(error)
        if len(refused) == 2 * len(SUBREDDITS):
            raise refused[0]
        return list(found.values())

    def _listed(self, subreddit: str, part: str, since: float) -> Iterator[Said]:
        where = f"{self.name} r/{subreddit}/{part}"
        older = seen = 0
        try:
            for item in getattr(self._reddit.subreddit(subreddit), part)(limit=DEPTH):
                seen += 1
                one = said(item, where)
                older = older + 1 if one.at < since else 0
                if older == OLDER_IN_A_ROW:
                    return
                if one.text:
                    yield one
            if seen == DEPTH:
                _log.warning("%s: more was written than the %d items that can be listed", where, DEPTH)
        except PrawcoreException as error:
            raise typed(error, where) from None
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise BadReply(f"{where}: not a listing ({type(error).__name__})") from None

    def _readings(self, symbols: Sequence[str], said: list[Said], now: datetime) -> list[SocialReading]:
        mentions = Mentions(symbols, self._told)
        about: dict[str, list[str]] = {symbol: [] for symbol in symbols}
        for one in said:
            for symbol in mentions.of(one.text):
                about[symbol].append(one.text)
        self.heard = [Named(datetime.fromtimestamp(one.at, UTC), frozenset(symbols_in(one.text))) for one in said]
        return [mood(symbol, named, now, now) for symbol, named in about.items()]


def said(item: Any, where: str) -> Said:
    """Read a post or comment; what was deleted or removed has no text. Raises BadReply for anything else."""
    if not isinstance(item, Comment | Submission):
        raise BadReply(f"{where}: a {type(item).__name__} among posts and comments")
    # Not by attribute: praw would ask the server for one that is missing.
    told = vars(item)
    try:
        parts = [told["body"]] if isinstance(item, Comment) else [told["title"], told.get("selftext") or ""]
        return Said(item.fullname, float(told["created_utc"]), "\n\n".join(p for p in parts if p and p not in GONE))
    except (KeyError, TypeError, ValueError) as error:
        raise BadReply(f"{where}: an item without {error}") from None


def typed(error: PrawcoreException, where: str) -> FeedError:
    """Say what can be done about a praw error; ours come back out of it as they were."""
    if isinstance(error, RequestException) and isinstance(error.original_exception, FeedError):
        return error.original_exception
    if isinstance(error, OAuthException):
        # The server's own words may echo a key; OAuth's are single ones such as invalid_grant.
        word = error.error if re.fullmatch(r"[a-z_]{1,30}", str(error.error)) else "no reason given"
        return BadKey(f"{where}: the login was refused ({word})")
    return BadReply(f"{where}: {type(error).__name__}")


def _check(reply: Reply) -> None:
    """Reddit says in its own header when it may be asked again."""
    reset = reply.headers.get("x-ratelimit-reset", "")
    if reply.status == 429 and "retry-after" not in reply.headers and reset.isdigit():
        raise RateLimited("HTTP 429", float(reset))
