"""Coin Metrics' asset metrics; bodies are the description's examples or hand-made."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from recording import Recorder
from scripted import NOW, asked, clock, paths, query, says

from services.ingestion.adapters.coinmetrics import PATH, connect, parse_metrics
from services.ingestion.errors import BadKey, BadReply, BadRequest, FeedError, NotEntitled, SymbolNotOffered
from services.ingestion.observations import Observation

SINCE = NOW - timedelta(days=4)
KEY = "planted-coinmetrics-key"


class Keyed(Recorder):
    """Adds the key that the description demands and the community's host does not take."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_add_param("api_key", "x")
        return await super().handle_async_request(request)


def row(day: int, **metrics: Any) -> dict[str, Any]:
    return {"asset": "btc", "time": f"2026-03-{day:02}T00:00:00.000000000Z", **metrics}


def page(rows: list[dict[str, Any]], token: str | None = None, host: str = "api.coinmetrics.io") -> dict[str, Any]:
    if token is None:
        return {"data": rows}
    url = f"https://{host}/v4{PATH}?api_key={KEY}&assets=btc&metrics=AdrActCnt&page_size=2&next_page_token={token}"
    return {"data": rows, "next_page_token": token, "next_page_url": url}


def pages(*bodies: dict[str, Any]) -> Recorder:
    left = list(bodies)
    return Recorder(lambda _: httpx.Response(200, json=left.pop(0) if len(left) > 1 else left[0]))


def observe(answers: Recorder, since: datetime = SINCE) -> list[Observation]:
    return asked(connect({}, clock=clock, http=answers.http), lambda source: source.observe(since))


def test_asks_oldest_first_and_for_what_the_tier_offers_only() -> None:
    answers = pages(page([]))
    observe(answers)
    asked_for = query(answers.requests[0])
    assert answers.requests[0].url.host == "community-api.coinmetrics.io"
    assert answers.requests[0].url.path == f"/v4{PATH}"
    assert asked_for["paging_from"] == "start"
    assert asked_for["ignore_forbidden_errors"] == asked_for["ignore_unsupported_errors"] == "true"
    assert asked_for["assets"].startswith("btc,eth,")
    assert "api_key" not in asked_for


def test_a_day_is_known_only_after_its_end_and_the_lag_or_its_review() -> None:
    reviewed = {"AdrActCnt-status": "reviewed", "AdrActCnt-status-time": "2026-03-04T14:00:00.000000000Z"}
    rows = [row(1, AdrActCnt="9"), row(2, AdrActCnt="10", **reviewed), row(4, AdrActCnt="11")]
    found = observe(pages(page(rows)))
    known = {one.observed_at.day: one.available_at for one in found}
    assert known == {1: datetime(2026, 3, 2, 12, tzinfo=UTC), 2: datetime(2026, 3, 4, 14, tzinfo=UTC)}
    assert {(one.name, one.symbol) for one in found} == {("coinmetrics.AdrActCnt", "BTC/USDT")}


def test_follows_the_next_page_on_our_own_host_without_the_key_that_it_names() -> None:
    answers = pages(page([row(1, TxCnt="1")], "0.abc"), page([row(2, TxCnt="2")]))
    assert [one.value for one in observe(answers)] == [1.0, 2.0]
    second = answers.requests[1]
    assert second.url.host == "community-api.coinmetrics.io"
    assert query(second)["next_page_token"] == "0.abc"
    assert KEY not in str(second.url)


def test_refuses_to_follow_a_page_to_a_strange_host() -> None:
    answers = pages(page([row(1, TxCnt="1")], "0.abc", host="api.coinmetrics.io.example"), page([]))
    with pytest.raises(BadReply, match="next page"):
        observe(answers)
    assert len(answers.requests) == 1


def test_refuses_a_page_that_names_itself_as_the_next() -> None:
    with pytest.raises(BadReply, match="the same page"):
        observe(pages(page([row(1, TxCnt="1")], "0.abc")))


def test_rows_that_come_again_on_the_next_page_count_once() -> None:
    rows = [row(1, TxCnt="1"), row(2, TxCnt="2")]
    assert len(observe(pages(page(rows, "0.abc"), page(rows)))) == 2


def test_a_metric_that_is_null_or_left_out_is_no_value() -> None:
    found = observe(pages(page([row(1, TxCnt=None), row(2)])))
    assert found == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": {}},
        {"data": [{"time": "2026-03-01T00:00:00Z", "TxCnt": "1"}]},
        {"data": [row(1, TxCnt="many")]},
        {"data": [{**row(1, TxCnt="1"), "asset": "eth2"}]},
        {"data": [{"asset": "btc", "time": "2026-03-01", "TxCnt": "1"}]},
    ],
)
def test_refuses_rows_that_are_none(body: Any) -> None:
    with pytest.raises(BadReply):
        list(parse_metrics(body, {"btc": "BTC/USDT"}))


@pytest.mark.parametrize(
    ("status", "kind", "message", "error"),
    [
        (400, "bad_parameter", "Bad parameter 'assets'. Value 'sdvwbtc' is not supported.", SymbolNotOffered),
        (400, "bad_parameter", "Bad parameter 'frequency'. Value '1x' is not supported.", BadRequest),
        (401, "unauthorized", "Requested resource requires authorization.", BadKey),
        (401, "wrong_credentials", "Supplied credentials are not valid.", BadKey),
        (403, "forbidden", "Requested metric 'SplyBMXNtv' is not available.", NotEntitled),
        (200, "internal", "half a reply", BadReply),
    ],
)
def test_tells_the_errors_apart(status: int, kind: str, message: str, error: type[FeedError]) -> None:
    with pytest.raises(error) as raised:
        observe(Recorder(says({"error": {"type": kind, "message": message}}, status)))
    assert type(raised.value) is error


def test_reads_the_example_of_the_description(specs_dir: Path) -> None:
    spec = yaml.load((specs_dir / "coinmetrics.yaml").read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    examples = spec["components"]["responses"]["AssetMetrics"]["content"]["application/json"]["examples"]
    found = list(parse_metrics(examples["daily_metrics"]["value"], {"btc": "BTC/USDT"}))
    reviewed = [one for one in found if one.name == "coinmetrics.SplyBMXNtv"]
    assert len(found) == 4
    assert reviewed[1].available_at == datetime(2020, 3, 2, 14, 0, 2, 622168, tzinfo=UTC)


def test_the_description_objects_to_nothing(prism: Callable[[Path], str], specs_dir: Path) -> None:
    recorder = Keyed()
    source = connect({}, base_url=prism(specs_dir / "coinmetrics.yaml"), clock=clock, http=recorder.http)
    # Its example names a next page without end, which is refused as it must be.
    with pytest.raises(BadReply, match="the same page"):
        asked(source, lambda source: source.observe(SINCE))
    assert paths(recorder.requests) == [PATH, PATH]
    recorder.assert_accepted()


def test_the_description_would_object_to_a_request_without_its_key(
    prism: Callable[[Path], str], specs_dir: Path
) -> None:
    recorder = Recorder()
    source = connect({}, base_url=prism(specs_dir / "coinmetrics.yaml"), clock=clock, http=recorder.http)
    with pytest.raises(BadKey):
        asked(source, lambda source: source.observe(SINCE))
    with pytest.raises(AssertionError, match="security"):
        recorder.assert_accepted()
