"""Alpha Vantage's calendar of earnings: CSV where all else is JSON, errors still JSON. Replies are hand-made."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from recording import Recorder, answering, keys_of

from services.ingestion.adapters import alpha_vantage
from services.ingestion.errors import BadReply, BudgetSpent, FeedError
from services.ingestion.observations import CalendarEvent

NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)
KEYS = keys_of(alpha_vantage.NEEDS)
HEADER = "symbol,name,reportDate,fiscalDateEnding,estimate,currency,timeOfTheDay\r\n"
NVDA = 'NVDA,"NVIDIA Corp, Inc",2026-03-18,2026-01-31,1.23,USD,post-market\r\n'
TSLA = "TSLA,Tesla Inc,2026-03-19,2025-12-31,,USD,\r\n"


def events(body: str, recorder: Recorder | None = None, days: int = 30) -> list[CalendarEvent]:
    recorder = recorder or Recorder(answering(httpx.Response(200, content=body.encode())))

    async def asking() -> list[CalendarEvent]:
        source = alpha_vantage.connect(KEYS, symbols={"LEVERAGED": "TSLA"}, clock=lambda: NOW, http=recorder.http)
        try:
            return await source.events(NOW, NOW + timedelta(days=days))
        finally:
            await source.close()

    return asyncio.run(asking())


def test_one_request_asks_for_all_companies() -> None:
    recorder = Recorder(answering(httpx.Response(200, content=(HEADER + NVDA).encode())))
    events("", recorder)
    (request,) = recorder.requests
    params = {"function": "EARNINGS_CALENDAR", "horizon": "3month", "apikey": next(iter(KEYS.values()))}
    assert (request.url.path, dict(request.url.params)) == ("/query", params)


def test_days_and_their_parts_are_times_in_new_york_and_symbols_are_ours() -> None:
    nvidia, tesla = events(HEADER + NVDA + TSLA)
    assert (nvidia.symbol, nvidia.event_id) == ("NVDA", "alpha_vantage.earnings.NVDA.2026-01-31")
    assert nvidia.scheduled_at == datetime(2026, 3, 18, 20, 5, tzinfo=UTC)
    assert (nvidia.available_at, nvidia.importance) == (NOW, "high")
    assert (tesla.symbol, tesla.scheduled_at) == ("LEVERAGED", datetime(2026, 3, 19, 4, tzinfo=UTC))


def test_the_older_columns_are_read_too_and_what_lies_outside_is_left_out() -> None:
    older = "symbol,name,reportDate,fiscalDateEnding,estimate,currency\n"
    rows = "A,Aye,2026-03-10,2026-01-31,1,USD\nB,Bee,2026-06-10,2026-04-30,1,USD\nC,Sea,2026-03-01,2026-01-31,1,USD\n"
    assert [event.symbol for event in events(older + rows)] == ["A"]


def test_a_report_that_is_moved_keeps_its_id() -> None:
    (before,), (after,) = events(HEADER + NVDA), events(HEADER + NVDA.replace("03-18", "03-25"))
    assert before.event_id == after.event_id
    assert after.scheduled_at - before.scheduled_at == timedelta(days=7)


def test_a_calendar_without_rows_is_empty() -> None:
    assert events(HEADER) == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>down</html>",
        "symbol,price\r\nNVDA,1\r\n",
        HEADER + NVDA + "TSLA,Tesla Inc,2026-03",
        HEADER + "NVDA,NVIDIA,2026-03-18\r\n",
        HEADER + NVDA.replace("2026-03-18", "soon"),
        HEADER + NVDA.replace("NVDA", "", 1),
        HEADER + 'NVDA,"NVIDIA',
        "[]",
        "{}",
    ],
)
def test_what_is_no_calendar_is_refused(body: str) -> None:
    with pytest.raises(BadReply):
        events(body)


def test_the_days_budget_is_told_in_json() -> None:
    said = '{"Information": "our standard API rate limit is 25 requests per day. KEY"}'
    with pytest.raises(FeedError) as caught:
        events(said.replace("KEY", next(iter(KEYS.values()))))
    assert isinstance(caught.value, BudgetSpent)
    assert next(iter(KEYS.values())) not in str(caught.value)
