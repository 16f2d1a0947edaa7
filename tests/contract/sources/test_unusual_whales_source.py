"""Unusual Whales' alerts, dark-pool prints and calendars.

Bodies are the description's examples where ``specs_dir`` is used, the others are hand-made after them.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from recording import Recorder
from scripted import NOW, asked, clock, paths, query, says

from services.ingestion.adapters.unusual_whales import (
    POLICY,
    SYMBOLS,
    UnusualWhalesSource,
    check,
    connect,
    trading_days,
)
from services.ingestion.errors import (
    BadKey,
    BadReply,
    BadRequest,
    BudgetSpent,
    FeedError,
    NotEntitled,
    RateLimited,
    SourceDown,
)
from services.ingestion.observations import Observation, OptionsAlert
from services.ingestion.unusual_whales_replies import (
    parse_alert,
    parse_earnings,
    parse_economic,
    parse_prints,
    parse_shorts,
)

TOKEN = "planted-whales-token"
SINCE = NOW - timedelta(hours=6)
REQUESTS = {
    "alerts": ["/api/option-trades/flow-alerts"],
    "observe": ["/api/darkpool/QID", "/api/shorts/QID/interest-float/v2"],
    "events": ["/api/market/economic-calendar", "/api/earnings/QID"],
}


def alert(minutes_ago: float, rule: str = "RepeatedHits", **other: Any) -> dict[str, Any]:
    return {
        "alert_rule": rule,
        "created_at": (NOW - timedelta(minutes=minutes_ago)).isoformat(sep=" "),
        "expiry": "2026-04-17",
        "option_chain": "NVDA260417C00180000",
        "strike": "180",
        "ticker": "NVDA",
        "total_ask_side_prem": "151875",
        "total_bid_side_prem": "405",
        "total_premium": "186705.25",
        "type": "call",
        **other,
    }


def data(rows: Any) -> dict[str, Any]:
    return {"data": rows}


def connected(answers: Recorder, symbols: dict[str, str] | None = None) -> UnusualWhalesSource:
    return connect({"UNUSUAL_WHALES_TOKEN": TOKEN}, clock=clock, symbols=symbols, http=answers.http)


def alerts(answers: Recorder, since: datetime = SINCE) -> list[OptionsAlert]:
    return asked(connected(answers), lambda source: source.alerts(since))


def test_asks_with_the_token_in_a_header_only() -> None:
    answers = Recorder(says(data([])))
    assert alerts(answers) == []
    (request,) = answers.requests
    assert request.url.path == "/api/option-trades/flow-alerts"
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.headers["Accept"] == "application/json"
    assert request.headers["UW-CLIENT-API-ID"] == "100001"
    assert TOKEN not in str(request.url)
    asked_for = query(request)
    assert asked_for["ticker_symbol"] == ",".join(SYMBOLS)
    assert asked_for["limit"] == "200"
    assert asked_for["newer_than"] == str(int((SINCE - timedelta(minutes=1)).timestamp() * 1000))


def test_reads_an_alert_to_the_cent_and_says_when_it_was_delivered() -> None:
    (found,) = alerts(Recorder(says(data([alert(30)]))))
    assert (found.symbol, found.kind, found.side, found.rule) == ("NVDA", "call", "ask", "RepeatedHits")
    assert (found.strike, found.premium_usd) == (Decimal(180), Decimal("186705.25"))
    assert found.expiry == date(2026, 4, 17)
    assert found.available_at == found.ts + timedelta(minutes=1)


def test_an_alert_of_the_last_seconds_waits_for_the_next_poll() -> None:
    assert alerts(Recorder(says(data([alert(0.5)])))) == []


def test_the_same_alert_counts_once_and_another_rule_on_it_is_another() -> None:
    rows = [alert(30), alert(30), alert(30, rule="FloorTradeSmallCap"), alert(31)]
    assert len(alerts(Recorder(says(data(rows))))) == 3


def paged(rows: list[dict[str, Any]], field: str) -> Callable[[httpx.Request], httpx.Response]:
    """Newest first, a page at a time, as ``older_than`` and ``limit`` say."""

    def respond(request: httpx.Request) -> httpx.Response:
        asked_for = query(request)
        before = float(asked_for.get("older_than", "9e15"))
        page_rows = int(asked_for.get("limit", "1"))
        left = [row for row in rows if datetime.fromisoformat(row[field]).timestamp() * 1000 < before]
        return httpx.Response(200, json=data(left[:page_rows]))

    return respond


def test_pages_back_in_time_without_losing_alerts_of_one_moment() -> None:
    chains = [f"NVDA260417C{n:08}" for n in range(450)]
    # Alerts 150 to 260 were raised in the same microsecond: a page ends among them.
    rows = [
        alert(10 + (n if n < 150 else 150 if n < 260 else n - 100) / 100, option_chain=c) for n, c in enumerate(chains)
    ]
    answers = Recorder(paged(rows, "created_at"))
    assert sorted(one.contract for one in alerts(answers)) == chains
    assert len(answers.requests) >= 3


def test_a_full_page_that_brings_nothing_new_is_refused() -> None:
    rows = [alert(10, option_chain=f"NVDA260417C{n:08}") for n in range(200)]
    answers = Recorder(says(data(rows)))
    with pytest.raises(BadReply, match="came again"):
        alerts(answers)
    assert len(answers.requests) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "straddle"},
        {"strike": "many"},
        {"strike": "-1"},
        {"total_premium": "NaN"},
        {"created_at": "2026-03-04"},
        {"expiry": "soon"},
        {"alert_rule": ""},
        {"ticker": None},
        {"total_ask_side_prem": "x"},
    ],
)
def test_refuses_an_alert_that_is_wrong(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadReply, match=r"^unusual_whales "):
        parse_alert(alert(5, **wrong), {})


def test_our_symbol_may_differ_from_the_ticker() -> None:
    answers = Recorder(says(data([alert(30, ticker="NVD")])))
    source = connected(answers, {"NVDA": "NVD"})
    assert asked(source, lambda source: source.alerts(SINCE))[0].symbol == "NVDA"
    assert "NVD," in query(answers.requests[0])["ticker_symbol"] + ","


def dark(at: datetime, premium: str = "150000.50", number: int = 1, **other: Any) -> dict[str, Any]:
    return {
        "canceled": False,
        "executed_at": at.isoformat(sep=" "),
        "premium": premium,
        "ticker": "NVDA",
        "tracking_id": number,
        **other,
    }


def prints(answers: Recorder, since: datetime = SINCE) -> list[Observation]:
    return asked(connected(answers), lambda source: source.observe(since))


def test_sums_large_prints_by_whole_hours_and_leaves_cancelled_ones_out() -> None:
    two = datetime(2026, 3, 4, 14, 10, tzinfo=UTC)
    rows = [dark(two), dark(two, "100000", 2), dark(two, "9e9", 3, canceled=True), dark(two + timedelta(hours=1))]

    def respond(request: httpx.Request) -> httpx.Response:
        if "/shorts/" in request.url.path:
            return httpx.Response(200, json=data([]))
        return httpx.Response(200, json=data(rows if request.url.path.endswith("/NVDA") else []))

    answers = Recorder(respond)
    (found,) = prints(answers)
    assert (found.name, found.symbol, found.value) == ("unusual_whales.dark_pool_usd", "NVDA", 250000.5)
    assert found.observed_at == datetime(2026, 3, 4, 14, tzinfo=UTC)
    assert found.available_at == datetime(2026, 3, 4, 15, 5, tzinfo=UTC)
    asked_for = query(answers.requests[0])
    assert (asked_for["date"], asked_for["min_premium"], asked_for["order_by"]) == (
        "2026-03-04",
        "100000",
        "executed_at",
    )


def test_pages_of_prints_meet_although_their_times_are_whole_seconds() -> None:
    start = datetime(2026, 3, 4, 14, 59, 59, tzinfo=UTC)
    rows = [dark(start - timedelta(seconds=n // 7), "100000", n) for n in range(1300)]

    def respond(request: httpx.Request) -> httpx.Response:
        return paged(rows if request.url.path.endswith("/NVDA") else [], "executed_at")(request)

    assert [one.value for one in prints(Recorder(respond))] == [1300 * 100_000.0]


def test_prints_of_another_ticker_are_refused() -> None:
    with pytest.raises(BadReply, match="a print of 'QID'"):
        list(parse_prints([dark(NOW, ticker="QID")], "NVDA", "NVDA"))


def test_short_interest_is_known_when_it_is_published_not_on_its_day() -> None:
    row = {"symbol": "GME", "market_date": "2026-02-13", "si_float": "0.176", "days_to_cover": "2.1"}
    found = {one.name: one for one in parse_shorts([row], "GME", "GME")}
    assert found["unusual_whales.short_float"].value == 0.176
    assert found["unusual_whales.days_to_cover"].value == 2.1
    # Shorts of 13 February 2026 were to be published on the 25th.
    assert found["unusual_whales.short_float"].available_at >= datetime(2026, 2, 25, 23, tzinfo=UTC)
    with pytest.raises(BadReply, match="of 'EXMP' came"):
        list(parse_shorts([{**row, "symbol": "EXMP"}], "GME", "GME"))


def test_days_are_those_of_new_york_without_weekends() -> None:
    friday = datetime(2026, 3, 6, 23, tzinfo=UTC)
    monday = datetime(2026, 3, 10, 3, tzinfo=UTC)
    assert list(trading_days(friday, monday)) == [date(2026, 3, 6), date(2026, 3, 9)]


def test_the_calendars_give_economic_events_and_earnings_by_their_hour() -> None:
    economic = [
        {"event": "PCE index", "reported_period": "January", "time": "2026-03-06 13:30:00+00:00", "type": "report"},
        {"event": "FOMC minutes", "reported_period": None, "time": "2026-03-05 19:00:00+00:00", "type": "fomc"},
    ]
    earnings = [{"report_date": "2026-03-05", "report_time": "postmarket", "ending_fiscal_quarter": "2026-01-31"}]

    def respond(request: httpx.Request) -> httpx.Response:
        rows = economic if request.url.path.endswith("economic-calendar") else []
        return httpx.Response(200, json=data(earnings if request.url.path.endswith("earnings/NVDA") else rows))

    source = connected(Recorder(respond))
    found = asked(source, lambda source: source.events(NOW, NOW + timedelta(days=7)))
    assert [(one.name, one.symbol, one.importance) for one in found] == [
        ("FOMC minutes", None, "high"),
        ("NVDA earnings", "NVDA", "high"),
        ("PCE index", None, "medium"),
    ]
    assert found[1].scheduled_at == datetime(2026, 3, 5, 21, 5, tzinfo=UTC)
    assert found[1].event_id == "unusual_whales.earnings.NVDA.2026-01-31"
    assert all(one.available_at == NOW for one in found)


def test_an_event_that_is_past_was_not_known_later_than_it_happened() -> None:
    rows = [{"event": "CPI", "time": "2026-03-02 13:30:00+00:00", "type": "report"}]
    (event,) = parse_economic(rows, NOW)
    assert event.available_at == event.scheduled_at
    (report,) = parse_earnings([{"report_date": "2026-02-25", "report_time": "unknown"}], "NVDA", NOW)
    assert report.scheduled_at == datetime(2026, 2, 25, 5, tzinfo=UTC)
    assert report.available_at == datetime(2026, 2, 26, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (401, {"error": "invalid token"}, BadKey),
        (403, {"error": {"code": "plan", "message": "upgrade"}}, NotEntitled),
        (422, {"msg": f"Invalid path input {TOKEN}", "path": "/", "query": "", "url": "x"}, BadRequest),
        (422, {"error": {"code": "invalid", "message": "bad limit"}}, BadRequest),
        (500, b"Something went wrong", SourceDown),
        (200, {"error": {"code": "internal", "message": "sorry"}}, BadReply),
    ],
)
def test_tells_the_errors_apart(status: int, answer: Any, error: type[FeedError]) -> None:
    with pytest.raises(error) as raised:
        alerts(Recorder(says(answer, status)))
    assert type(raised.value) is error
    assert TOKEN not in str(raised.value)


def test_a_429_says_whether_the_minute_or_the_day_is_used_up() -> None:
    minute = Recorder(says(b"", 429, {"x-uw-req-per-minute-reset": "41000", "x-uw-daily-req-count": "10"}))
    with pytest.raises(RateLimited) as limited:
        alerts(minute)
    assert limited.value.wait_s == 41.0
    assert len(minute.requests) == POLICY.attempts
    day = Recorder(says(b"", 429, {"x-uw-daily-req-count": "15000", "x-uw-token-req-limit": "15000"}))
    with pytest.raises(BudgetSpent, match="15000 requests of the day"):
        alerts(day)
    assert len(day.requests) == 1


def example(spec: dict[str, Any], schema: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = spec["components"]["schemas"][schema]["example"]["data"]
    return rows


def test_reads_the_examples_of_the_description(specs_dir: Path) -> None:
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    spec = yaml.load((specs_dir / "unusual-whales.yaml").read_text(), Loader=loader)
    (found,) = (parse_alert(row, {}) for row in example(spec, "Flow Alert"))
    assert found.contract == "MSFT231222C00375000"
    assert found.ts == datetime(2023, 12, 12, 16, 35, 52, 168490, tzinfo=UTC)
    assert found.premium_usd == Decimal(186705)
    economic = list(parse_economic(example(spec, "Economic calendar"), NOW))
    assert [one.name for one in economic] == ["Consumer sentiment (final)", "PCE index"]
    earnings = list(parse_earnings(example(spec, "Historical Ticker Earnings"), "X", NOW))
    assert earnings[0].scheduled_at == datetime(2024, 11, 10, 21, 5, tzinfo=UTC)


@pytest.mark.parametrize("question", ["alerts", "observe", "events"])
def test_the_description_objects_to_nothing(prism: Callable[[Path], str], specs_dir: Path, question: str) -> None:
    recorder = Recorder()
    url = prism(specs_dir / "unusual-whales.yaml")
    source = UnusualWhalesSource(
        recorder.http("unusual_whales", url, POLICY, check=check),
        {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json", "UW-CLIENT-API-ID": "100001"},
        {"QID": "QID"},
        clock,
    )
    asking: dict[str, Callable[[UnusualWhalesSource], Any]] = {
        "alerts": lambda source: source.alerts(SINCE),
        "observe": lambda source: source.observe(SINCE),
        "events": lambda source: source.events(SINCE, NOW),
    }
    # The example's short interest is of a ticker that was not asked for.
    refused: AbstractContextManager[Any] = (
        pytest.raises(BadReply, match="of 'EXMP' came") if question == "observe" else nullcontext()
    )
    with refused:
        asked(source, asking[question])
    assert paths(recorder.requests) == REQUESTS[question]
    recorder.assert_accepted()


def test_text_that_is_no_json_leaves_the_judgement_to_the_status() -> None:
    assert check.__doc__
    with pytest.raises(SourceDown):
        alerts(Recorder(says(b"Internal Server Error", 500, {"content-type": "text/plain"})))
