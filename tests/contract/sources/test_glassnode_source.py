"""Glassnode's daily points. There is no public description; bodies are a recorded one and hand-made ones."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from recording import Recorder
from scripted import NOW, asked, clock, query, says

from services.ingestion.adapters.glassnode import METRICS, GlassnodeSource, connect, parse_points
from services.ingestion.errors import BadReply, Blocked, NotEntitled
from services.ingestion.observations import Observation

KEY = "planted-glassnode-key"
TODAY = int(datetime(2026, 3, 4, tzinfo=UTC).timestamp())
DAY_S = 86_400


def observe(answers: Recorder, since: datetime = NOW - timedelta(days=3)) -> list[Observation]:
    source = connect({"GLASSNODE_API_KEY": KEY}, clock=clock, http=answers.http)
    return asked(source, lambda source: source.observe(since))


def test_asks_for_daily_json_with_the_key_in_a_header_only() -> None:
    answers = Recorder(says([]))
    observe(answers)
    first = answers.requests[0]
    assert len(answers.requests) == 2 * len(METRICS)
    assert first.url.path == f"/v1/metrics/{METRICS[0]}"
    assert first.headers["X-Api-Key"] == KEY
    assert KEY not in str(first.url)
    asked = query(first)
    assert (asked["a"], asked["i"], asked["f"], asked["timestamp_format"]) == ("BTC", "24h", "JSON", "unix")
    assert int(asked["s"]) <= int((NOW - timedelta(days=4)).timestamp()) < int(asked["u"])


def test_a_day_is_known_only_after_its_end_and_the_lag() -> None:
    rows = [{"t": TODAY - n * DAY_S, "v": 1.5} for n in (3, 2, 1, 0)]
    for one in parse_points(rows, "BTC/USDT", "indicators/sopr"):
        assert one.available_at == one.observed_at + timedelta(hours=36)
    found = [one for one in observe(Recorder(says(rows))) if one.name == "glassnode.indicators.sopr"]
    # At half past three yesterday's value has settled; the running day's has not.
    assert {one.observed_at.day for one in found} == {3, 2, 1}
    assert all(one.available_at <= NOW for one in found)


def test_reads_metrics_of_several_values_and_skips_nulls() -> None:
    rows = [{"t": TODAY, "o": {"up": 1.0, "down": None}}, {"t": TODAY + DAY_S, "v": None}]
    found = list(parse_points(rows, "BTC/USDT", "x/y"))
    assert [(one.name, one.value) for one in found] == [("glassnode.x.y.up", 1.0)]


def test_a_web_page_with_403_is_a_block_and_json_a_plan_that_lacks_the_metric() -> None:
    with pytest.raises(Blocked, match="a web page"):
        observe(Recorder(says(b"<html><h1>403 Forbidden</h1>nginx</html>", 403)))
    with pytest.raises(NotEntitled, match="covers none"):
        observe(Recorder(says({"error": "upgrade"}, 403)))


def test_what_the_plan_lacks_is_asked_once_and_does_not_hide_the_rest() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("sopr"):
            return httpx.Response(403, json={})
        return httpx.Response(200, json=[{"t": TODAY - 2 * DAY_S, "v": 2}])

    answers = Recorder(respond)
    source = connect({"GLASSNODE_API_KEY": KEY}, clock=clock, http=answers.http)

    async def twice(source: GlassnodeSource) -> list[Observation]:
        await source.observe(NOW - timedelta(days=3))
        return await source.observe(NOW - timedelta(days=3))

    assert len(asked(source, twice)) == 2 * (len(METRICS) - 1)
    assert source.refused == {("BTC/USDT", "indicators/sopr"), ("ETH/USDT", "indicators/sopr")}
    assert len(answers.requests) == 4 * len(METRICS) - 2


@pytest.mark.parametrize("body", [{}, [{"v": 1}], [{"t": 1}], [{"t": 1, "v": "x"}], [{"t": "soon", "v": 1}], ["t"]])
def test_refuses_points_that_are_none(body: object) -> None:
    with pytest.raises(BadReply):
        list(parse_points(body, "BTC/USDT", "x/y"))


def test_a_point_that_comes_twice_with_two_values_is_refused() -> None:
    rows = [{"t": TODAY - 2 * DAY_S, "v": 1}, {"t": TODAY - 2 * DAY_S, "v": 2}]
    with pytest.raises(BadReply, match="two values"):
        observe(Recorder(says(rows)))


def test_reads_a_recorded_reply(specs_dir: Path) -> None:
    body = json.loads((specs_dir / "recorded" / "glassnode" / "metric_points.json").read_text())
    found = list(parse_points(body, "BTC/USDT", "market/price_usd_close"))
    assert found[0].observed_at == datetime(2009, 1, 3, tzinfo=UTC)
    assert [one.value for one in found] == [2.4755000000000003] * 3
