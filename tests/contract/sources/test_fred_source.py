"""FRED's vintages and release dates; replies are recorded ones (``fred_recorded``), hand-made ones otherwise."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_fred import archive, replies
from recording import Recorder
from scripted import NOW, asked, clock, paths, query, says

from services.ingestion.adapters.fred import (
    BEGINNING,
    RELEASES,
    SERIES,
    connect,
    end_of_day,
    parse_observations,
    parse_releases,
    spans,
)
from services.ingestion.errors import BadKey, BadReply, BadRequest, FeedError, RateLimited, SymbolNotOffered
from services.ingestion.observations import CalendarEvent, Observation

KEY = "plantedfredkey0123456789abcdefgh"
SINCE = NOW - timedelta(days=3)


@pytest.fixture(scope="module")
def fred_recorded() -> Path:
    """The distribution with recorded replies."""
    return archive()


def vintage(on: str, value: str, released: str, ended: str = "9999-12-31") -> dict[str, str]:
    return {"realtime_start": released, "realtime_end": ended, "date": on, "value": value}


def body(rows: list[Any], under: str = "observations", count: int | None = None) -> dict[str, Any]:
    return {"count": len(rows) if count is None else count, "offset": 0, "limit": 100_000, under: rows}


def observe(answers: Recorder, since: datetime = SINCE) -> list[Observation]:
    return asked(connect({"FRED_API_KEY": KEY}, clock=clock, http=answers.http), lambda source: source.observe(since))


def events(answers: Recorder, since: datetime, until: datetime) -> list[CalendarEvent]:
    source = connect({"FRED_API_KEY": KEY}, clock=clock, http=answers.http)
    return asked(source, lambda source: source.events(since, until))


def test_asks_for_json_and_for_vintages_from_before_the_moment() -> None:
    answers = Recorder(says(body([])))
    observe(answers)
    assert [query(request)["series_id"] for request in answers.requests] == list(SERIES)
    first = query(answers.requests[0])
    assert answers.requests[0].url.path == "/fred/series/observations"
    assert (first["file_type"], first["limit"], first["offset"]) == ("json", "100000", "0")
    assert (first["realtime_start"], first["realtime_end"]) == ("2026-02-27", "9999-12-31")
    assert first["api_key"] == KEY


def test_every_revision_is_kept_with_the_day_on_which_it_came() -> None:
    rows = [
        vintage("2025-10-01", "100.0", "2026-01-29", "2026-02-25"),
        vintage("2025-10-01", "101.5", "2026-03-02"),
        vintage("2026-01-01", ".", "2026-03-02"),
    ]
    found = list(parse_observations(rows, "GDP", None, date(2026, 1, 1)))
    assert [one.value for one in found] == [100.0, 101.5]
    assert {one.observed_at for one in found} == {datetime(2025, 10, 1, tzinfo=UTC)}
    # The day has no hour: it ends at midnight in St. Louis, six hours behind in winter, five in summer.
    assert found[1].available_at == datetime(2026, 3, 3, 6, tzinfo=UTC)
    assert end_of_day(date(2026, 7, 1)) == datetime(2026, 7, 2, 5, tzinfo=UTC)


def test_a_value_is_never_known_before_the_hour_of_its_release() -> None:
    half_past_eight = datetime(2026, 3, 2, 13, 30, tzinfo=UTC)
    (found,) = parse_observations([vintage("2026-02-01", "3.1", "2026-03-02")], "CPIAUCSL", None, date(2026, 3, 1))
    assert found.available_at >= half_past_eight
    assert found.available_at <= half_past_eight + timedelta(days=1)


def test_what_was_known_before_is_not_taken_for_new() -> None:
    """FRED writes an older value with the start that was asked for, as if it had come on that day."""
    rows = [vintage("2025-10-01", "100.0", "2026-02-27"), vintage("2025-11-01", "101.0", "2026-03-02")]
    found = [one for one in observe(Recorder(says(body(rows)))) if one.name == "fred.DGS10"]
    assert [one.value for one in found] == [101.0]


def test_series_of_commodities_carry_their_symbol_and_the_rest_is_the_markets() -> None:
    found = {one.name: one.symbol for one in observe(Recorder(says(body([vintage("2026-02-24", "70", "2026-03-02")]))))}
    assert found["fred.DCOILWTICO"] == "WTI"
    assert found["fred.DHHNGSP"] == "NATGAS"
    assert found["fred.DGS10"] is None


def test_long_times_are_asked_in_pieces_that_meet() -> None:
    answers = Recorder(says(body([])))
    observe(answers, datetime(2012, 1, 1, tzinfo=UTC))
    pieces = sorted({(query(r)["realtime_start"], query(r)["realtime_end"]) for r in answers.requests})
    assert pieces[0][0] == "2011-12-29"
    assert pieces[-1][1] == "9999-12-31"
    assert all(one[1] == following[0] for one, following in pairwise(pieces))


@given(st.dates(date(1700, 1, 1), date(2026, 3, 4)), st.dates(date(1990, 1, 1), date(2026, 3, 4)))
def test_every_day_of_release_lies_in_exactly_one_piece(first: date, released: date) -> None:
    first = max(first, BEGINNING)
    holding = [piece for piece in spans(first, date(2026, 3, 4)) if in_piece(released, *piece)]
    assert len(holding) == 1 if released >= first else len(holding) <= 1


def in_piece(released: date, after: date, last: date | None) -> bool:
    return after < released and (last is None or released <= last)


def paged(request: httpx.Request) -> httpx.Response:
    start = int(query(request)["offset"])
    rows = [release(10, (date(2020, 1, 1) + timedelta(days=n)).isoformat()) for n in range(1500)]
    return httpx.Response(200, json=body(rows[start : start + 1000], "release_dates", 1500))


def release(release_id: int, on: str, name: str = "Consumer Price Index") -> dict[str, Any]:
    return {"release_id": release_id, "release_name": name, "date": on}


def test_reads_all_pages_of_the_calendar() -> None:
    answers = Recorder(paged)
    found = events(answers, datetime(2020, 1, 1, tzinfo=UTC), NOW)
    assert len(found) == 1500
    assert [query(request)["offset"] for request in answers.requests] == ["0", "1000"]
    asked_for = query(answers.requests[0])
    assert answers.requests[0].url.path == "/fred/releases/dates"
    assert asked_for["include_release_dates_with_no_data"] == "true"
    assert asked_for["sort_order"] == "asc"


@pytest.mark.parametrize("second", ["the first again", "empty", "cut"])
def test_a_page_that_repeats_or_is_missing_is_refused(second: str) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if query(request)["offset"] == "0" or second == "the first again":
            return paged(httpx.Request("GET", request.url.copy_set_param("offset", 0)))
        rows = [release(10, "2024-01-01")] if second == "cut" else []
        return httpx.Response(200, json=body(rows, "release_dates", 1500))

    with pytest.raises(BadReply, match=r"of 1500 rows|1500 were promised"):
        events(Recorder(respond), datetime(2020, 1, 1, tzinfo=UTC), NOW)


def test_the_calendar_gives_the_hour_in_new_york_and_what_was_known_when() -> None:
    rows = [release(10, "2026-03-11"), release(10, "2026-02-11"), release(101, "2026-03-11", "FOMC Press Release")]
    coming, past = parse_releases(rows, NOW)
    assert coming.scheduled_at == datetime(2026, 3, 11, 12, 30, tzinfo=UTC)
    assert past.scheduled_at == datetime(2026, 2, 11, 13, 30, tzinfo=UTC)
    assert coming.available_at == NOW
    assert past.available_at == datetime(2026, 2, 12, 6, tzinfo=UTC)
    assert (coming.event_id, coming.importance, coming.symbol) == ("fred.10.2026-03-11", "high", None)


def test_the_calendar_is_half_open() -> None:
    at = datetime(2026, 3, 11, 12, 30, tzinfo=UTC)
    rows = body([release(10, "2026-03-11")], "release_dates")
    assert len(events(Recorder(says(rows)), at, at + timedelta(seconds=1))) == 1
    assert events(Recorder(says(rows)), NOW, at) == []


def error(code: int, message: str) -> dict[str, Any]:
    return {"error_code": code, "error_message": message}


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (400, error(400, f"Bad Request.  The value for variable api_key is not registered. {KEY}"), BadKey),
        (400, error(400, "Bad Request.  Variable api_key has not been set."), BadKey),
        (400, error(400, "Bad Request.  The series does not exist."), SymbolNotOffered),
        (400, error(400, "Bad Request.  Value of limit is not between 1 and 100000."), BadRequest),
        (429, error(429, "Too Many Requests.  Exceeded Rate Limit"), RateLimited),
        (200, error(400, "Bad Request.  The value for variable api_key is not registered."), BadKey),
        (200, b'<?xml version="1.0"?><observations count="1"></observations>', BadReply),
    ],
)
def test_tells_the_errors_apart(status: int, answer: Any, kind: type[FeedError]) -> None:
    with pytest.raises(kind) as raised:
        observe(Recorder(says(answer, status)))
    assert type(raised.value) is kind
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    "wrong",
    [vintage("2026-02", "x", "2026-03-02"), vintage("never", "1", "2026-03-02"), vintage("2026-02-01", "1", "")],
)
def test_refuses_rows_that_are_wrong(wrong: dict[str, str]) -> None:
    with pytest.raises(BadReply, match=r"^fred\.DGS10"):
        list(parse_observations([wrong], "DGS10", None, date(2026, 1, 1)))


def test_reads_recorded_vintages_of_gdp(fred_recorded: Path) -> None:
    recorded = replies(fred_recorded, "test_series/test_get_series_all_releases[json].yaml")[0]
    found = list(parse_observations(recorded["observations"], "GDP", None, BEGINNING))
    missing = [row for row in recorded["observations"] if row["value"] == "."]
    assert len(found) + len(missing) == recorded["count"]
    assert missing
    first = found[0]
    assert (first.value, first.observed_at.date(), first.available_at.date()) == (
        199.7,
        date(1946, 1, 1),
        date(1992, 12, 23),
    )
    assert all(one.available_at > one.observed_at + timedelta(days=85) for one in found), "a quarter ends first"


def test_reads_recorded_release_dates_and_knows_its_releases_by_name(fred_recorded: Path) -> None:
    names = {
        one["id"]: one["name"] for one in replies(fred_recorded, "test_release/test_get_releases.yaml")[0]["releases"]
    }
    assert {
        10: "Consumer Price Index",
        50: "Employment Situation",
        53: "Gross Domestic Product",
    }.items() <= names.items()
    assert set(RELEASES) <= set(names)
    recorded = replies(fred_recorded, "test_release/test_get_releases_dates.yaml")[0]
    found = list(parse_releases(recorded["release_dates"], NOW))
    jobs = [event for event in found if event.name == "Employment Situation"]
    assert datetime(2024, 11, 1, 12, 30, tzinfo=UTC) in [event.scheduled_at for event in jobs]
    assert "FOMC Press Release" not in {event.name for event in found}


def test_the_description_objects_to_nothing(prism: Callable[[Path], str], specs_dir: Path) -> None:
    recorder = Recorder()
    url = prism(specs_dir / "fred.yaml")
    for question in (lambda source: source.observe(SINCE), lambda source: source.events(SINCE, NOW)):
        # Its examples are empty objects, which are no lists of rows.
        with pytest.raises(BadReply):
            asked(connect({"FRED_API_KEY": KEY}, base_url=url, clock=clock, http=recorder.http), question)
    assert paths(recorder.requests) == ["/fred/series/observations", "/fred/releases/dates"]
    recorder.assert_accepted()
