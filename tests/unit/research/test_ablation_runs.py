"""Which back-tests an ablation runs, what it makes of them, and how it tells."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO

import numpy as np
import pytest
from decision_cases import parameters
from rich.console import Console

from services.contracts.messages import ForecastsMade, SliceClosed
from services.contracts.readings import MarketReading, Reading, Zone
from services.research import ablation, ablation_table
from services.research.ablation import PARTS, Ablation, ablate, switched, unread
from services.research.backtest import BacktestResult
from services.research.parameters import Parameters, load_parameters

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 100
WORTH = {"levels": 0.002, "buckets": -0.002}
"""What two of the parts add to each day's return in the made-up back-test; the others change nothing."""


def backtest_with_worths(_: object, given: Parameters, __: Mapping[str, bool]) -> BacktestResult:
    """A back-test whose days are known: the market's noise and what the parts that are on are worth."""
    on = given.signals.settings.parts.model_dump()
    market = np.random.default_rng(1).normal(0.0, 0.02, DAYS)
    added = sum(worth for part, worth in WORTH.items() if on[part])
    equity = float(given.starting_cash) * np.cumprod(1.0 + market + added)
    moments = [START + timedelta(days=n + 1) for n in range(DAYS)]
    result = BacktestResult(orders=10 + sum(on[part] for part in WORTH))
    result.equity = [(ts, Decimal(repr(value))) for ts, value in zip(moments, equity.tolist(), strict=True)]
    return result


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Ablation:
    monkeypatch.setattr(ablation, "backtest", backtest_with_worths)
    return ablate([], switched(parameters()), {"crypto": True})


def test_each_part_is_off_once_with_all_others_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[set[str]] = []
    told: list[tuple[int, int, str]] = []

    def remember(history: object, given: Parameters, configured: Mapping[str, bool]) -> BacktestResult:
        ran.append({part for part, on in given.signals.settings.parts.model_dump().items() if not on})
        return backtest_with_worths(history, given, configured)

    monkeypatch.setattr(ablation, "backtest", remember)
    ablate([], switched(load_parameters(), off="levels"), {}, tell=lambda *said: told.append(said))
    assert {"levels", "dominance", "sentiment", "buckets", "regimes", "rules"} == set(PARTS)
    assert ran == [set(), *({part} for part in PARTS)]
    assert told[0] == (0, 7, "everything on")
    assert told[-1] == (7, 7, "done")


def test_a_part_is_said_to_help_harm_or_not_to_be_exercised(found: Ablation) -> None:
    verdicts = {one.part: one.difference.verdict for one in found.parts}
    assert verdicts == dict.fromkeys(PARTS, "not exercised") | {"levels": "helps", "buckets": "harms"}
    worth = {one.part: one.difference.bps_per_day.value for one in found.parts}
    assert worth["levels"] == pytest.approx(20.0)
    assert worth["buckets"] == pytest.approx(-20.0)
    remarks = {one.part: one.remark for one in found.parts}
    assert remarks["levels"] == ""
    assert remarks["dominance"] == "the recording holds no dominance"
    assert remarks["rules"] == "no order would have been another without it"


def test_figures_are_those_of_the_back_test_without_the_part(found: Ablation) -> None:
    (buckets,) = [one for one in found.parts if one.part == "buckets"]
    assert buckets.without.total_return > found.everything.total_return
    assert buckets.difference.total.value == pytest.approx(found.everything.total_return - buckets.without.total_return)
    assert 0.0 < buckets.without.max_drawdown < found.everything.max_drawdown
    assert buckets.without.profit_factor is None
    assert (found.slices, found.since) == (DAYS, START + timedelta(days=1))


def test_a_part_that_the_configuration_has_off_is_measured_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation, "backtest", backtest_with_worths)
    found = ablate([], switched(parameters(), off="levels"), {})
    assert {one.part: one.configured for one in found.parts} == {part: part != "levels" for part in PARTS}
    (line,) = [line for line in ablation_table.remarks(found) if line.startswith("levels")]
    assert line.endswith("; the configuration has it off")
    assert "changed 100 of 100 days" in line


def test_what_a_part_reads_is_looked_for_in_the_history() -> None:
    zone = Zone(90.0, 91.0, 0.5, ("low_7d",))
    closed = SliceClosed(ts=START, timeframe="1h", bars=())

    def holding(reading: Reading, market: MarketReading | None = None) -> list[tuple[SliceClosed, ForecastsMade]]:
        made = ForecastsMade(ts=START, timeframe="1h", forecasts=(), readings=(reading,), market=market)
        return [(closed, made)]

    nothing = holding(Reading("BTC/USDT"), MarketReading("unknown", "no dominance is stored"))
    read = "no order would have been another without it"
    for part in ("levels", "dominance", "sentiment", "regimes"):
        assert unread(part, nothing) == f"the recording holds no {part}"
    assert unread("levels", holding(Reading("BTC/USDT", supports=(zone,)))) == read
    assert unread("sentiment", holding(Reading("BTC/USDT", sentiment=0.0))) == read
    assert unread("regimes", holding(Reading("BTC/USDT", regime="chop"))) == read
    assert unread("dominance", holding(Reading("BTC/USDT"), MarketReading("balanced", "48 %"))) == read
    assert unread("rules", nothing) == read


def test_table_fits_eighty_columns_and_says_what_it_is(found: Ablation) -> None:
    console = Console(width=80, record=True, file=StringIO())
    ablation_table.show(found, "BTC/USDT 2024-01-01 to 2024-04-10", console)
    said = console.export_text()
    assert "everything on" in said
    rows = {line.split("  ")[0].strip(): line for line in said.splitlines() if line.startswith("no ")}
    assert set(rows) == {f"no {part}" for part in PARTS}
    assert "+20.00" in rows["no levels"]
    assert "helps" in rows["no levels"]
    assert "Shown to harm: buckets; config/signals.yaml switches each off in one line. Shown to help: levels." in said
    assert "Not exercised: regimes, dominance, sentiment, rules." in said
    assert "These are simulated results" in said
    assert "No return and no share of winning trades is promised" in said


def test_json_holds_every_figure(found: Ablation) -> None:
    content = json.loads(ablation_table.as_json(found, "made up"))
    assert content["simulated"] is True
    assert content["span"] == "made up"
    assert [one["part"] for one in content["parts"]] == list(PARTS)
    by_part = {one["part"]: one for one in content["parts"]}
    assert by_part["buckets"]["difference"]["verdict"] == "harms"
    assert by_part["buckets"]["difference"]["bps_per_day"]["high"] < 0.0
    assert by_part["dominance"]["remark"] == "the recording holds no dominance"
    assert content["everything"]["total_return"] == found.everything.total_return


def test_few_days_are_said_to_be_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation, "backtest", backtest_with_worths)
    monkeypatch.setitem(globals(), "DAYS", 20)
    found = ablate([], switched(parameters()), {})
    assert {one.difference.verdict for one in found.parts} == {"unproven", "not exercised"}
    assert "levels: 20 days are too few for an interval" in ablation_table.remarks(found)
