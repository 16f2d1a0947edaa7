"""EIA's series; bodies are recorded ones where ``specs_dir`` is used, the others are hand-made after them.

The official description has no petroleum routes and a broken reference, so requests are checked here by hand.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from recording import Recorder
from scripted import NOW, asked, clock, query, says

from services.ingestion.adapters.eia import SERIES, Series, check, connect, parse_rows
from services.ingestion.errors import BadKey, BadReply, BadRequest, FeedError, RateLimited, SymbolNotOffered
from services.ingestion.observations import Observation
from services.kernel.http import Reply

KEY = "planted-eia-key"
RWTC = SERIES[0]
SINCE = NOW - timedelta(days=5)


def row(period: str, value: Any, series: str) -> dict[str, Any]:
    return {"period": period, "series": series, "value": value, "units": "$/BBL"}


def body(rows: list[dict[str, Any]], total: Any = None) -> dict[str, Any]:
    """As EIA answers: the total is a text, and the request is repeated with the key in it."""
    return {
        "response": {"total": str(len(rows)) if total is None else total, "frequency": "daily", "data": rows},
        "request": {"command": "/v2/", "params": {"api_key": KEY}},
        "apiVersion": "2.1.14",
    }


def of_series(request: httpx.Request) -> str:
    return query(request)["facets[series][]"]


def sound(request: httpx.Request) -> httpx.Response:
    series = of_series(request)
    rows = [row("2026-02-20", "70.5", series), row("2026-02-19", None, series)]
    answer = body(rows)
    answer["warnings"] = [{"warning": "incomplete return", "description": "less than 5000 rows"}]
    return httpx.Response(200, json=answer)


def observe(answers: Recorder, since: datetime = SINCE) -> list[Observation]:
    return asked(connect({"EIA_API_KEY": KEY}, clock=clock, http=answers.http), lambda source: source.observe(since))


def test_asks_each_series_with_its_route_and_the_value_column() -> None:
    answers = Recorder(sound)
    observe(answers)
    first = answers.requests[0]
    assert [of_series(request) for request in answers.requests] == [series.id for series in SERIES]
    assert str(first.url).startswith("https://api.eia.gov/v2/petroleum/pri/spt/data/?")
    asked_for = query(first)
    assert asked_for["data[0]"] == "value"
    assert (asked_for["frequency"], asked_for["start"]) == ("daily", "2026-02-17")
    assert (asked_for["sort[0][column]"], asked_for["sort[0][direction]"]) == ("period", "asc")
    assert (asked_for["api_key"], asked_for["offset"], asked_for["length"]) == (KEY, "0", "5000")


def test_prices_are_named_for_their_series_and_known_only_when_published_for_sure() -> None:
    found = {one.name: one for one in observe(Recorder(sound))}
    assert set(found) >= {"eia.RWTC", "eia.RNGWHHD"}
    wti = found["eia.RWTC"]
    assert (wti.symbol, wti.value, wti.observed_at) == ("WTI", 70.5, datetime(2026, 2, 20, tzinfo=UTC))
    assert wti.available_at == datetime(2026, 3, 2, tzinfo=UTC)
    assert found["eia.RNGWHHD"].symbol == "NATGAS"


@pytest.mark.parametrize(
    ("series", "period", "published"),
    [
        # The Wednesday at half past ten in New York that follows the week of the period; Thursday after a holiday.
        ("RWTC", "2026-02-17", datetime(2026, 2, 26, 16, tzinfo=UTC)),
        ("WCESTUS1", "2026-02-20", datetime(2026, 2, 26, 17, tzinfo=UTC)),
        ("NW2_EPG0_SWO_R48_BCF", "2026-02-20", datetime(2026, 2, 27, 17, tzinfo=UTC)),
    ],
)
def test_no_value_is_known_before_its_publication_in_a_late_week(series: str, period: str, published: datetime) -> None:
    declared = next(one for one in SERIES if one.id == series)
    (found,) = parse_rows([row(period, "1", series)], declared)
    assert found.available_at >= published


def test_a_value_that_is_null_is_a_day_without_a_price() -> None:
    assert list(parse_rows([row("2026-02-19", None, "RWTC")], RWTC)) == []


def test_a_row_without_a_value_means_that_the_column_was_not_asked_for() -> None:
    with pytest.raises(BadReply, match="'value'"):
        list(parse_rows([{"period": "2026-02-19", "series": "RWTC"}], RWTC))


@pytest.mark.parametrize(
    "wrong", [row("2026-02-19", "seventy", "RWTC"), row("someday", "1", "RWTC"), row("2026-02-19", "1", "RBRTE")]
)
def test_refuses_rows_that_are_wrong(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadReply, match=r"^eia\.RWTC"):
        list(parse_rows([wrong], RWTC))


def days(first: datetime, count: int, series: str) -> list[dict[str, Any]]:
    return [row((first + timedelta(days=n)).date().isoformat(), str(n), series) for n in range(count)]


def paged(request: httpx.Request) -> httpx.Response:
    start = int(query(request)["offset"])
    rows = days(datetime(2010, 1, 1, tzinfo=UTC), 5600, of_series(request))
    return httpx.Response(200, json=body(rows[start : start + 5000], "5600"))


def test_reads_all_pages() -> None:
    answers = Recorder(paged)
    found = observe(answers, datetime(2010, 1, 1, tzinfo=UTC))
    assert len([one for one in found if one.name == "eia.RWTC"]) == 5600
    assert [query(request)["offset"] for request in answers.requests[:2]] == ["0", "5000"]


@pytest.mark.parametrize("second", ["the first again", "empty", "cut"])
def test_a_page_that_repeats_or_is_missing_is_refused(second: str) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        rows = days(datetime(2010, 1, 1, tzinfo=UTC), 5600, of_series(request))
        if query(request)["offset"] == "0" or second == "the first again":
            return httpx.Response(200, json=body(rows[:5000], "5600"))
        return httpx.Response(200, json=body(rows[5000:5500] if second == "cut" else [], "5600"))

    with pytest.raises(BadReply, match=r"of 5600 rows|5600 were promised"):
        observe(Recorder(respond), datetime(2010, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("total", [None, "many", 1.5, "-"])
def test_refuses_a_total_that_is_no_number(total: Any) -> None:
    answer = body([])
    answer["response"]["total"] = total
    with pytest.raises(BadReply, match="total"):
        observe(Recorder(says(answer)))


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (403, {"error": {"code": "API_KEY_MISSING", "message": "No api_key was supplied."}}, BadKey),
        (403, {"error": {"code": "API_KEY_INVALID", "message": f"no such key {KEY}"}}, BadKey),
        (403, {"error": {"code": "OVER_RATE_LIMIT", "message": "slow down"}}, RateLimited),
        (403, {}, RateLimited),
        (400, {"error": "Invalid frequency 'x' provided.", "code": 400}, BadRequest),
        (404, {"error": "Not found.", "code": 404}, SymbolNotOffered),
        (200, {"error": "Invalid facet.", "code": 400}, BadRequest),
    ],
)
def test_tells_the_errors_apart_whether_object_or_text(status: int, answer: Any, error: type[FeedError]) -> None:
    with pytest.raises(error) as raised:
        observe(Recorder(says(answer, status)))
    assert type(raised.value) is error
    assert KEY not in str(raised.value)


def test_a_suspended_key_is_left_in_peace_for_a_minute() -> None:
    answers = Recorder(says({}, 403))
    with pytest.raises(RateLimited):
        observe(answers)
    assert min(answers.time.slept) >= 60


def test_the_key_that_every_reply_repeats_is_in_nothing_that_is_given() -> None:
    assert KEY not in repr(observe(Recorder(sound)))
    with pytest.raises(BadReply) as raised:
        observe(Recorder(says({**body([]), "response": {}})))
    assert KEY not in str(raised.value)


def test_reads_a_recorded_reply(specs_dir: Path) -> None:
    recorded = json.loads((specs_dir / "recorded" / "eia" / "natural-gas_pri_fut_RNGC4.json").read_text())
    futures = Series("natural-gas/pri/fut", "RNGC4", "weekly", "NATGAS", timedelta(days=8))
    (found,) = parse_rows(recorded["response"]["data"], futures)
    assert (found.name, found.value, found.observed_at) == ("eia.RNGC4", 1.869, datetime(1993, 12, 24, tzinfo=UTC))


def test_reads_a_recorded_error(specs_dir: Path) -> None:
    content = (specs_dir / "recorded" / "eia" / "error_key_missing_403.json").read_bytes()
    with pytest.raises(BadKey, match="API_KEY_MISSING"):
        check(Reply(403, {}, content, "x"))
