"""X through tweepy itself, against a server on this machine. All replies are hand-made after X's description."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from loopback import Asked, Told, loopback
from prism_mock import Prisms
from recording import Recorder
from scripted import Objections

from services.ingestion.adapters import x
from services.ingestion.errors import BadKey, BadReply, BudgetSpent, FeedError, NotEntitled, RateLimited, SourceDown
from services.ingestion.observations import SocialReading
from services.kernel.errors import ConfigError

NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)
SINCE = NOW - timedelta(hours=2)
TOKEN = "planted-bearer-token-90de"
USERS = {"data": [{"id": "44", "name": "Somebody", "username": "elonmusk"}]}
TIMELINE, COUNTS, SEARCH = "/2/users/44/tweets", "/2/tweets/counts/recent", "/2/tweets/search/recent"


def posts(*texts: str, first: int = 100, after: str | None = None) -> dict[str, Any]:
    data = [{"id": str(first + i), "text": text} for i, text in enumerate(texts)]
    meta = {"result_count": len(data)} | ({"next_token": after} if after else {})
    return {"data": data, "meta": meta} if data else {"meta": meta}


def count(number: int, word: str = "tweet") -> dict[str, Any]:
    bucket = {"start": "2026-03-04T13:30:00Z", "end": "2026-03-04T15:30:00Z", f"{word}_count": number}
    return {"data": [bucket], "meta": {f"total_{word}_count": number}}


class Served:
    """What a server answers by path and, of searches and counts, by the first word of the query; and a moving clock."""

    def __init__(self, answers: dict[str, Any], cap: str = "5", path: str = "") -> None:
        self.answers = {"/2/users/by": USERS, TIMELINE: posts()} | answers
        self.environment = {"X_BEARER_TOKEN": TOKEN, "X_SPEND_CAP_USD": cap, "X_SPEND_FILE": path}
        self.now = NOW
        self.asked: list[Asked] = []
        self.recorder = Recorder()
        self.spent: list[Decimal] = []
        self.trending: dict[str, int] = {}

    def respond(self, asked: Asked) -> Told:
        word = asked.query.get("query", "").partition(" ")[0]
        found = self.answers.get(f"{asked.path} {word}", self.answers.get(asked.path, count(0)))
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        return found if isinstance(found, Told) else Told(found)

    def rounds(self, symbols: Sequence[str], *starts: datetime, hours: float = 0) -> list[dict[str, SocialReading]]:
        """Ask once for each start; ``hours`` pass between rounds."""

        async def asking(url: str) -> list[dict[str, SocialReading]]:
            http, clock = self.recorder.http, lambda: self.now
            source = x.connect(self.environment, base_url=url, clock=clock, http=http)
            found = []
            try:
                for start in starts:
                    found.append({one.symbol: one for one in await source.mentions(symbols, start)})
                    self.spent.append(source.spending.spent_usd)
                    self.now += timedelta(hours=hours)
            finally:
                self.trending = source.trending
                await source.close()
            return found

        with loopback(self.respond) as server:
            try:
                return asyncio.run(asking(server.url))
            finally:
                self.asked = server.asked

    def once(self, *symbols: str) -> dict[str, SocialReading]:
        return self.rounds(symbols, SINCE)[0]

    def refusal(self, *symbols: str) -> FeedError:
        with pytest.raises(FeedError) as caught:
            self.once(*symbols)
        assert TOKEN not in str(caught.value)
        return caught.value


def test_asks_accounts_counts_and_posts_with_the_token_in_the_header_only() -> None:
    served = Served({COUNTS: count(7), SEARCH: posts("$TSLA up")})
    served.once("TSLA")
    assert [one.path for one in served.asked] == ["/2/users/by", TIMELINE, COUNTS, SEARCH]
    assert {one.headers["authorization"] for one in served.asked} == {f"Bearer {TOKEN}"}
    users, timeline, counts, search = (one.query for one in served.asked)
    start = {"start_time": "2026-03-04T13:30:00Z"}
    assert users == {"usernames": "elonmusk"}
    assert timeline == start | {"exclude": "replies,retweets", "max_results": "20"}
    assert counts == start | {"query": "$TSLA lang:en -is:retweet"}
    assert search == counts | {"max_results": "10", "sort_order": "recency"}


def test_an_account_is_looked_up_once_and_only_for_its_symbol() -> None:
    served = Served({})
    served.rounds(["TSLA"], SINCE, SINCE)
    assert [one.path for one in served.asked].count("/2/users/by") == 1
    other = Served({})
    other.once("BTC/USDT")
    assert [one.path for one in other.asked] == [COUNTS]


@pytest.mark.parametrize("word", ["tweet", "post"])
def test_reads_counts_in_both_spellings(word: str) -> None:
    assert Served({COUNTS: count(12, word), SEARCH: posts()}).once("GME")["GME"].mentions == 12
    buckets = {"data": [{f"{word}_count": 3}, {f"{word}_count": 4}]}
    assert Served({COUNTS: buckets, SEARCH: posts()}).once("GME")["GME"].mentions == 7


def test_volume_is_the_count_and_mood_is_read_from_the_posts_shown() -> None:
    shown = posts("$GME is a scam, terrible losses, total fraud 📉", "$GME will crash, bearish, awful")
    found = Served({f"{COUNTS} $GME": count(900), SEARCH: shown}).once("GME", "AMC")
    gamestop, quiet = found["GME"], found["AMC"]
    assert gamestop.mentions == 900
    assert gamestop.sentiment is not None
    assert gamestop.sentiment < -0.3
    assert (gamestop.bullish, gamestop.bearish) == (0.0, 1.0)
    assert (quiet.mentions, quiet.sentiment, quiet.bullish) == (0, None, None)
    assert gamestop.ts == gamestop.available_at == NOW


def test_posts_of_a_watched_account_count_for_its_symbol_on_all_pages() -> None:
    first = posts("Record deliveries, great quarter 🚀", after="next")
    second = posts("Amazing team, so proud", first=200)
    served = Served({TIMELINE: [first, second]})
    tesla = served.once("TSLA")["TSLA"]
    assert tesla.mentions == 2
    assert tesla.keywords["@elonmusk"] == 2
    assert tesla.sentiment is not None
    assert tesla.sentiment > 0.3
    assert [one.query.get("pagination_token") for one in served.asked if one.path == TIMELINE] == [None, "next"]


def test_an_unknown_account_does_not_end_the_round() -> None:
    nobody = {"errors": [{"title": "Not Found Error", "detail": "Could not find user", "value": "elonmusk"}]}
    assert Served({"/2/users/by": nobody, COUNTS: count(3), SEARCH: posts("$TSLA")}).once("TSLA")["TSLA"].mentions == 3


def test_data_that_come_with_errors_are_read() -> None:
    partly = posts("$GME up") | {"errors": [{"title": "Not Found Error", "resource_type": "tweet"}]}
    assert Served({COUNTS: count(1), SEARCH: partly}).once("GME")["GME"].sentiment is not None
    assert isinstance(Served({COUNTS: {"errors": [{"title": "Invalid Request"}]}}).refusal("GME"), BadReply)


@pytest.mark.parametrize(
    ("symbol", "query"),
    [("BTC/USDT", "$BTC"), ("GME", "$GME"), ("GBP/JPY", "(GBPJPY OR GBP/JPY)")],
)
def test_searches_for_the_cashtag_or_both_spellings_of_a_pair(symbol: str, query: str) -> None:
    assert x.term(symbol) == query


@pytest.mark.parametrize(
    ("since", "start"),
    [(NOW - timedelta(days=30), "2026-02-25T15:35:00Z"), (NOW, "2026-03-04T15:29:30Z")],
)
def test_the_start_is_kept_within_what_x_searches(since: datetime, start: str) -> None:
    served = Served({})
    served.rounds(["GME"], since)
    assert served.asked[0].query["start_time"] == start


def test_trending_counts_what_the_posts_name() -> None:
    served = Served({COUNTS: count(2), SEARCH: posts("$GME and $AMC today", "more $GME")})
    served.once("GME")
    assert served.trending == {"GME": 2, "AMC": 1}


def test_a_round_costs_what_the_price_list_says_and_a_post_once_a_day() -> None:
    served = Served({TIMELINE: posts("one", "two"), COUNTS: count(2), SEARCH: posts("three", first=300)})
    served.rounds(["TSLA"], SINCE, SINCE, SINCE, hours=6)
    first = Decimal("0.010") + 2 * Decimal("0.005") + Decimal("0.005") + Decimal("0.005")
    # The second round reads the same posts on the same day; the third is after midnight UTC, where all is paid anew.
    assert served.spent == [first, first + Decimal("0.005"), Decimal("0.020")]


def test_the_cap_ends_a_round_and_what_was_paid_for_is_given() -> None:
    served = Served({COUNTS: count(5), SEARCH: posts("$GME")}, cap="0.06")
    assert set(served.once("GME", "AMC")) == {"GME"}
    assert served.spent[0] <= Decimal("0.06")
    assert [one.path for one in served.asked] == [COUNTS, SEARCH, COUNTS]


def test_without_money_nothing_is_asked() -> None:
    served = Served({}, cap="0")
    error = served.refusal("GME")
    assert isinstance(error, BudgetSpent)
    assert error.until_s == 8.5 * 3600
    assert served.asked == []


def test_the_sum_outlives_a_restart(tmp_path: Path) -> None:
    path = str(tmp_path / "x-spend.json")
    served = Served({COUNTS: count(5), SEARCH: posts("$GME")}, path=path)
    served.once("GME")
    again = Served({COUNTS: count(0)}, path=path)
    again.once("GME")
    assert again.spent == [served.spent[0] + Decimal("0.005")]


def test_a_request_that_fails_stays_at_its_dearest_each_time_that_it_left() -> None:
    served = Served({COUNTS: [count(5), count(0)], SEARCH: Told({}, 503)})
    assert isinstance(served.refusal("GME"), SourceDown)
    lasting = Served({COUNTS: [count(0), count(5)], SEARCH: Told({}, 503)})
    assert set(lasting.once("AMC", "GME")) == {"AMC"}
    left = [one.path for one in lasting.asked].count(SEARCH)
    assert left == x.POLICY.attempts
    assert lasting.spent == [2 * Decimal("0.005") + left * 10 * Decimal("0.005")]


def test_a_repeated_request_is_not_made_without_money_for_it() -> None:
    served = Served({COUNTS: [count(5), count(0)], SEARCH: Told({}, 503)}, cap="0.12")
    assert isinstance(served.refusal("GME"), BudgetSpent)
    assert [one.path for one in served.asked] == [COUNTS, SEARCH, SEARCH], "0.005 and twice 0.05 are spent"


@pytest.mark.parametrize("told", ["much", "-1", "nan"])
def test_a_cap_that_is_no_amount_is_refused(told: str) -> None:
    with pytest.raises(ConfigError, match="X_SPEND_CAP_USD"):
        x.connect({"X_BEARER_TOKEN": TOKEN, "X_SPEND_CAP_USD": told})


def problem(name: str) -> dict[str, Any]:
    return {"title": name, "detail": "hand-made", "type": f"https://api.x.com/2/problems/{name}"}


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (Told({"title": "Unauthorized", "type": "about:blank", "status": 401}, 401), BadKey),
        (Told(problem("usage-capped"), 429), BudgetSpent),
        (Told({"title": "Payment Required"}, 402), BudgetSpent),
        (Told(problem("client-forbidden"), 403), NotEntitled),
        (Told(problem("rate-limit-exceeded"), 429), RateLimited),
        (Told({"data": "text"}), BadReply),
    ],
)
def test_x_names_its_problems_by_type(told: Told, kind: type[FeedError]) -> None:
    assert type(Served({COUNTS: told}).refusal("GME")) is kind


def test_the_reset_that_x_names_is_waited_for() -> None:
    reset = {"x-rate-limit-reset": str(int(NOW.timestamp()) + 77)}
    served = Served({COUNTS: [Told(problem("rate-limit-exceeded"), 429, reset), count(0)]})
    assert served.once("GME")["GME"].mentions == 0
    assert 77.0 in served.recorder.time.slept


def test_requests_pass_the_providers_own_description(prism: Prisms, specs_dir: Path) -> None:
    objections = Objections()
    connect: Callable[..., x.XSource] = x.connect
    source = connect({"X_BEARER_TOKEN": TOKEN}, base_url=prism(specs_dir / "x-v2.json"), http=objections.http)

    async def every_request() -> None:
        source._session.on_this_loop()
        client, start = source._client, datetime.now(UTC) - timedelta(hours=1)
        await source._ask(x.USER_USD, client.get_users, usernames=["elonmusk"])
        await source._ask(x.COUNT_USD, client.get_recent_tweets_count, query="$TSLA", start_time=start)
        more = {"query": "$TSLA", "start_time": start, "sort_order": "recency", "max_results": 10}
        await source._ask(x.POST_USD, client.search_recent_tweets, **more)
        last = {"id": "44", "start_time": start, "exclude": ["replies", "retweets"], "max_results": 20}
        await source._ask(x.POST_USD, client.get_users_tweets, **last)
        await source.close()

    asyncio.run(every_request())
    assert objections.asked == ["/2/users/by", COUNTS, SEARCH, TIMELINE]
    assert objections.violations == []
