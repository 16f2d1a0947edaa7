"""Reddit through praw itself, against a server on this machine. Replies are hand-made unless a test says otherwise."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from loopback import Asked, Loopback, Told, loopback
from recorded_praw import replies
from recording import Recorder, keys_of

from services.ingestion.adapters import reddit
from services.ingestion.errors import BadKey, BadReply, Blocked, FeedError, RateLimited, SourceDown
from services.ingestion.observations import Named, SocialReading

NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)
SINCE = NOW - timedelta(hours=1)
KEYS = keys_of(reddit.NEEDS)
TOKEN = {"access_token": "planted-access-token-81c2", "token_type": "bearer", "expires_in": 3600, "scope": "*"}
Answer = TypeVar("Answer")


def post(name: str, title: str, text: str = "", minutes: float = 10) -> dict[str, Any]:
    data = {"id": name, "name": f"t3_{name}", "title": title, "selftext": text, "author": "somebody", "score": 1}
    return {"kind": "t3", "data": data | {"created_utc": (NOW - timedelta(minutes=minutes)).timestamp()}}


def comment(name: str, body: str, minutes: float = 10) -> dict[str, Any]:
    data = {
        "id": name,
        "name": f"t1_{name}",
        "body": body,
        "author": "somebody",
        "link_id": "t3_a",
        "parent_id": "t3_a",
    }
    return {"kind": "t1", "data": data | {"created_utc": (NOW - timedelta(minutes=minutes)).timestamp()}}


def listing(*children: dict[str, Any], after: str | None = None) -> dict[str, Any]:
    return {"kind": "Listing", "data": {"after": after, "before": None, "children": list(children)}}


def serving(pages: dict[str, Any], login: Told | None = None) -> Callable[[Asked], Told]:
    """Answers by path, or by path and ``after``; everything else is an empty listing."""

    def respond(asked: Asked) -> Told:
        if asked.method == "POST":
            return login or Told(TOKEN)
        path = asked.path.rstrip("/")
        found = pages.get(f"{path}?{asked.query.get('after')}", pages.get(path, listing()))
        return found if isinstance(found, Told) else Told(found)

    return respond


def ask(server: Loopback, question: Callable[[reddit.RedditSource], Awaitable[Answer]], recorder: Recorder) -> Answer:
    async def asking() -> Answer:
        source = reddit.connect(KEYS, base_url=server.url, clock=lambda: NOW, http=recorder.http)
        try:
            return await question(source)
        finally:
            await source.close()

    return asyncio.run(asking())


def mentions(server: Loopback, *symbols: str, recorder: Recorder | None = None) -> dict[str, SocialReading]:
    found = ask(server, lambda source: source.mentions(symbols, SINCE), recorder or Recorder())
    return {reading.symbol: reading for reading in found}


def refusal(server: Loopback, recorder: Recorder | None = None) -> FeedError:
    with pytest.raises(FeedError) as caught:
        mentions(server, "TSLA", recorder=recorder)
    return caught.value


def test_asks_posts_and_comments_of_each_subreddit_with_a_token_from_the_keys() -> None:
    with loopback(serving({})) as server:
        mentions(server, "TSLA")
        parts = ("new", "comments/")
        assert server.paths() == [f"/r/{name}/{part}" for name in reddit.SUBREDDITS for part in parts]
        login, *rest = server.asked
    assert (login.method, login.path, login.body) == ("POST", "/api/v1/access_token", "grant_type=client_credentials")
    both = ":".join(KEYS[name] for name in reddit.NEEDS)
    assert login.headers["authorization"] == f"Basic {base64.b64encode(both.encode()).decode()}"
    for one in rest:
        assert one.headers["authorization"] == f"bearer {TOKEN['access_token']}"
        assert one.headers["user-agent"].startswith("server:chloe-trading:")
        # praw asks for more than Reddit gives at once, which is 100.
        assert one.query == {"limit": "1000", "raw_json": "1"}


def test_counts_mentions_and_reads_their_mood() -> None:
    pages = {
        "/r/wallstreetbets/new": listing(
            post("a", "$TSLA to the moon 🚀🚀", "Great company, bullish"),
            post("b", "GME is a scam", "Terrible losses, this will crash, total fraud, bearish"),
        ),
        "/r/stocks/comments": listing(comment("c", "Tesla is a great company, to the moon with it")),
    }
    with loopback(serving(pages)) as server:
        found = mentions(server, "TSLA", "GME", "AMC")
    tesla, gamestop, quiet = found["TSLA"], found["GME"], found["AMC"]
    assert (tesla.mentions, gamestop.mentions, quiet.mentions) == (2, 1, 0)
    assert tesla.sentiment is not None
    assert 0.3 < tesla.sentiment <= 1
    assert gamestop.sentiment is not None
    assert -1 <= gamestop.sentiment < -0.3
    assert (tesla.bullish, tesla.bearish) == (1.0, 0.0)
    assert (gamestop.bullish, gamestop.bearish) == (0.0, 1.0)
    assert (quiet.sentiment, quiet.bullish, quiet.bearish, quiet.keywords) == (None, None, None, {})
    assert tesla.keywords["tothemoon"] == tesla.keywords["great"] == 2
    assert tesla.ts == tesla.available_at == NOW


def test_reads_pages_back_to_since_and_an_item_on_two_pages_once() -> None:
    first = listing(post("a", "$TSLA one", minutes=5), post("b", "$TSLA two", minutes=20), after="t3_b")
    older = [post(f"old{i}", "$TSLA long ago", minutes=90 + i) for i in range(reddit.OLDER_IN_A_ROW)]
    second = listing(post("b", "$TSLA two", minutes=20), post("c", "$TSLA three", minutes=59), *older, after="t3_old9")
    pages = {"/r/stocks/new": first, "/r/stocks/new?t3_b": second}
    with loopback(serving(pages)) as server:
        assert mentions(server, "TSLA")["TSLA"].mentions == 3
        assert server.paths().count("/r/stocks/new") == 2


def test_a_page_that_comes_again_ends_the_reading_and_counts_once() -> None:
    page = listing(*(post(f"p{i}", "$TSLA") for i in range(100)), after="t3_p99")
    with loopback(serving({"/r/stocks/new": page})) as server:
        assert mentions(server, "TSLA")["TSLA"].mentions == 100
        assert server.paths().count("/r/stocks/new") == 2


def test_a_window_busier_than_reddit_lists_is_read_as_deep_as_it_goes_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    afters = [None, *(f"t3_{number}" for number in range(1, 12))]
    pages = {
        f"/r/stocks/new?{after}": listing(
            *(post(f"p{number}x{i}", "$TSLA") for i in range(100)), after=afters[number + 1]
        )
        for number, after in enumerate(afters[:-1])
    }
    with loopback(serving(pages)) as server:
        assert mentions(server, "TSLA")["TSLA"].mentions == reddit.DEPTH
        assert server.paths().count("/r/stocks/new") == 10
    assert "more was written" in caplog.text


def test_one_older_item_in_between_does_not_end_the_reading() -> None:
    children = [post("a", "$TSLA"), post("old", "$TSLA", minutes=500), post("b", "$TSLA")]
    with loopback(serving({"/r/stocks/new": listing(*children)})) as server:
        assert mentions(server, "TSLA")["TSLA"].mentions == 2


def test_what_is_from_the_future_by_our_clock_waits_for_the_next_window() -> None:
    with loopback(serving({"/r/stocks/new": listing(post("a", "$TSLA", minutes=-1))})) as server:
        assert mentions(server, "TSLA")["TSLA"].mentions == 0


def test_deleted_and_removed_text_says_nothing() -> None:
    pages = {
        "/r/stocks/new": listing(post("a", "$TSLA", "[removed]"), post("b", "[deleted]", "[deleted]")),
        "/r/stocks/comments": listing(comment("c", "[deleted]")),
    }
    with loopback(serving(pages)) as server:
        tesla = mentions(server, "TSLA")["TSLA"]
    assert tesla.mentions == 1
    assert "removed" not in tesla.keywords


def test_what_each_text_names_is_heard_with_its_time_and_words_are_left_out() -> None:
    said = [post("a", "$GME GME YOLO on NVDA"), post("b", "GME DD by the CEO"), post("c", "$gme for ALL")]

    async def both(source: reddit.RedditSource) -> list[Named]:
        await source.mentions(["TSLA"], SINCE)
        return source.heard

    with loopback(serving({"/r/wallstreetbets/new": listing(*said)})) as server:
        heard = ask(server, both, Recorder())
    assert {one.at for one in heard} == {NOW - timedelta(minutes=10)}
    assert sorted(sorted(one.tickers) for one in heard) == [["GME"], ["GME"], ["GME", "NVDA"]]


def test_a_private_subreddit_does_not_silence_the_others() -> None:
    private = Told({"reason": "private", "message": "Forbidden", "error": 403}, 403)
    pages = {"/r/wallstreetbets/new": private, "/r/wallstreetbets/comments": private}
    with loopback(serving(pages | {"/r/stocks/new": listing(post("a", "$TSLA"))})) as server:
        assert mentions(server, "TSLA")["TSLA"].mentions == 1
    everywhere = {f"/r/{name}/{part}": private for name in reddit.SUBREDDITS for part in ("new", "comments")}
    with loopback(serving(everywhere)) as server:
        assert isinstance(refusal(server), Blocked)


def test_a_revoked_token_is_replaced_once() -> None:
    refused = [Told({"message": "Unauthorized", "error": 401}, 401)]

    def respond(asked: Asked) -> Told:
        if asked.method == "GET" and refused:
            return refused.pop()
        return serving({"/r/stocks/new": listing(post("a", "$TSLA"))})(asked)

    with loopback(respond) as server:
        assert mentions(server, "TSLA")["TSLA"].mentions == 1
        assert len(server.paths("POST")) == 2


@pytest.mark.parametrize(
    ("login", "kind"),
    [
        (Told({"message": "Unauthorized", "error": 401}, 401), BadKey),
        (Told({"error": "invalid_grant"}), BadKey),
        (Told({"message": "Too Many Requests", "error": 429}, 429), RateLimited),
        (Told(b"<html>down</html>", 503), SourceDown),
        (Told(b"<html>hello</html>"), BadReply),
        (Told({"token": "elsewhere"}), BadReply),
    ],
)
def test_a_login_that_fails_says_what_to_do(login: Told, kind: type[FeedError]) -> None:
    with loopback(serving({}, login)) as server:
        error = refusal(server)
    assert type(error) is kind
    assert not [key for key in KEYS.values() if key in str(error)]


def test_a_server_that_is_away_is_down() -> None:
    with loopback(serving({})) as server:
        pass
    assert isinstance(refusal(server), SourceDown)


def test_being_asked_to_slow_down_is_obeyed_as_reddit_says_it() -> None:
    busy = [Told({"message": "Too Many Requests", "error": 429}, 429, {"X-Ratelimit-Reset": "41"})]

    def respond(asked: Asked) -> Told:
        return busy.pop() if asked.method == "GET" and busy else serving({})(asked)

    recorder = Recorder()
    with loopback(respond) as server:
        mentions(server, "TSLA", recorder=recorder)
    assert 41.0 in recorder.time.slept


def test_a_search_page_in_place_of_a_subreddit_is_refused() -> None:
    # Reddit redirects names that it does not know to its search of subreddits.
    found = {"kind": "t5", "data": {"id": "x", "name": "t5_x", "display_name": "stocksx", "title": "TSLA"}}
    with loopback(serving({"/r/stocks/new": listing(found)})) as server:
        error = refusal(server)
    assert isinstance(error, BadReply)
    assert "r/stocks/new" in str(error)


def test_an_item_without_a_time_is_refused() -> None:
    broken = post("a", "$TSLA")
    del broken["data"]["created_utc"]
    with loopback(serving({"/r/stocks/new": listing(broken)})) as server:
        assert isinstance(refusal(server), BadReply)
        assert server.paths()[-1] == "/r/stocks/new", "praw asked for what was missing"


def test_reads_what_reddit_itself_answered() -> None:
    """Recorded by praw's authors: 100 posts and 100 comments of a subreddit, and a token that had been refused."""
    new, comments = "TestSubredditListings.test_new", "TestSubredditListings.test_comments"
    refused = "TestAuthImplicit.test_implicit__with_invalid_token"
    recorded = replies([new, comments, refused])
    pages = {"/r/stocks/new": recorded[new][1][1], "/r/stocks/comments": recorded[comments][1][1]}
    times = [child["data"]["created_utc"] for page in pages.values() for child in page["data"]["children"]]
    assert len(times) == 200
    since, until = (datetime.fromtimestamp(moment, UTC) for moment in (min(times), max(times) + 1))

    async def read(source: reddit.RedditSource) -> list[reddit.Said]:
        source._session.on_this_loop()
        return await asyncio.to_thread(source._read, since, until)

    with loopback(serving(pages | {"/r/stocks/new?" + pages["/r/stocks/new"]["data"]["after"]: listing()})) as server:
        said = ask(server, read, Recorder())
    assert len({one.id for one in said}) == len(said)
    assert 190 <= len(said) <= 200, "some were deleted"
    assert {one.id[:3] for one in said} == {"t1_", "t3_"}
    code, body = recorded[refused][0]
    with loopback(serving({"/r/wallstreetbets/new": Told(body, code)})) as server:
        assert isinstance(refusal(server), BadKey)
