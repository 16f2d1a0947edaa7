"""The replay of the ladder: what it asks, what it counts, what it prints, and that it says so when runs differ."""

import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from decision_cases import CONFIGURED, made_up_history, parameters
from quick_folder import SYMBOLS, quick_folder

from services.contracts.messages import Activation, DayEvaluated, decision_id
from services.kernel.errors import ConfigError, DataError
from services.phases.chain import GENESIS, LogEntry, chained
from services.phases.service import load_params
from services.phases.settings import RolloutSettings, Rule
from services.research import ladder_replay
from services.research.backtest import BacktestResult, backtest
from services.research.documents import put
from services.research.ladder_page import Section, page
from services.research.ladder_replay import BEGIN, END, chosen, recorded_crypto
from services.research.ladder_runs import LOOSER, Ran, figures, loosened, loosened_in_words, stood

SAMPLE = Path(__file__).parents[3] / "sample"
DECLARED = load_params().rollout
PARAMS = parameters()
NOTE = "one | and another"


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    """A back-test of five made-up days."""
    return backtest(made_up_history(random.Random(5), 120), PARAMS, CONFIGURED, tell=True)


def ran(result: BacktestResult, log: Sequence[LogEntry] = ()) -> Ran:
    return Ran(tuple(log), tuple(result.words), tuple(result.trades), result.record, result.equity[-1])


def rules_of(rollout: RolloutSettings) -> list[Rule]:
    return [rule for rules in (*rollout.assets.values(), rollout.promoted) for rule in rules]


def test_looser_gates_differ_in_what_is_named_and_in_nothing_else() -> None:
    looser = loosened(DECLARED)
    assert looser.live == DECLARED.live
    assert list(looser.assets) == list(DECLARED.assets)
    changed = set()
    for was, now in zip(rules_of(DECLARED), rules_of(looser), strict=True):
        assert now.model_copy(update={"threshold": was.threshold}) == was
        if now.threshold != was.threshold:
            changed.add(was.metric)
    assert changed == LOOSER.keys()
    said = loosened_in_words(DECLARED)
    assert len(said) == len(LOOSER)
    assert "`trades` 5 instead of 10 and 20" in said
    assert loosened_in_words(looser) == []


def test_days_at_each_level_are_counted_and_their_changes(result: BacktestResult) -> None:
    words = [msgspec.structs.replace(word, enabled=("BTC/USDT", "ETH/USDT"), observed=()) for word in result.words]
    off = msgspec.structs.replace(words[2], enabled=("ETH/USDT",), observed=("ETH/USDT",))
    halved = msgspec.structs.replace(words[3], observed=("BTC/USDT",))
    said: list[DayEvaluated] = [*words[:2], off, halved, *words[4:]]
    (btc, eth) = stood(said, ("ETH/USDT", "BTC/USDT"))
    assert btc.symbol == "BTC/USDT"
    assert btc.days == {"off": 1, "observed": 1, "full": len(words) - 2}
    assert (btc.changes, btc.last) == (3, "full")
    assert eth.days == {"off": 0, "observed": 1, "full": len(words) - 1}


def test_figures_are_those_of_the_closed_trades_and_their_days(result: BacktestResult) -> None:
    found = {one.symbol: one for one in figures(ran(result))}
    assert found.keys() == {trade.symbol for trade in result.trades}
    for symbol, one in found.items():
        pnl = [trade.pnl for trade in result.trades if trade.symbol == symbol]
        lost = -sum(value for value in pnl if value <= 0)
        assert (one.trades, one.pnl) == (len(pnl), sum(pnl))
        if lost:
            assert one.profit_factor == pytest.approx(float(sum(value for value in pnl if value > 0) / lost))
        if one.sharpe is not None:
            assert one.low is not None
            assert one.high is not None
            assert one.low < one.sharpe < one.high


def test_the_page_has_every_change_with_its_reason_and_the_same_bytes_again(result: BacktestResult) -> None:
    ts = result.words[0].ts
    activation = Activation(decision_id(ts, "phases", "1"), "BTC/USDT", "observed", "chloe", NOTE, False)
    log = [chained(1, ts, activation, None, GENESIS)]
    of = ran(result, log)
    section = Section("Made up", "none", "none", 120, ("BTC/USDT",), PARAMS.starting_cash, of, "f" * 64, "e" * 64, 1)
    text = page([section], "five days")
    assert f"| {ts:%Y-%m-%d} | BTC/USDT | observed | one \\| and another |" in text
    assert text == page([section], "five days")
    quiet = page([replace(section, ran=ran(result))], "five days")
    assert "Nothing changed in the whole span." in quiet


def test_figures_go_between_the_marks_and_nowhere_else(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(f"before {BEGIN} old {END} after", encoding="utf-8")
    put("new\n", document, BEGIN, END)
    put("new\n", document, BEGIN, END)
    assert document.read_text(encoding="utf-8") == f"before {BEGIN}\nnew\n{END} after"
    document.write_text("no marks", encoding="utf-8")
    with pytest.raises(DataError, match="has no place for the figures"):
        put("new\n", document, BEGIN, END)
    with pytest.raises(DataError, match="cannot be read"):
        put("new\n", tmp_path / "absent.md", BEGIN, END)


def test_only_coins_are_read_and_a_folder_without_any_is_refused(tmp_path: Path) -> None:
    day = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 2, 2, tzinfo=UTC)
    recorded = recorded_crypto(SAMPLE, *day)
    assert {one.asset_class for one in recorded.series} == {"crypto"}
    with pytest.raises(DataError, match="holds no"):
        recorded_crypto(tmp_path, *day)


def test_a_model_that_the_preset_does_not_have_is_named() -> None:
    assert list(chosen("quarterly", ("lightgbm", "random_walk")).models) == ["random_walk", "lightgbm"]
    with pytest.raises(ConfigError, match="'quarterly' has no model gpt; it has random_walk"):
        chosen("quarterly", ("random_walk", "gpt"))


def test_the_command_prints_the_same_page_twice_and_says_what_was_loosened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = quick_folder(tmp_path, monkeypatch, days=24, retrain_days=8)
    told = "--data", str(folder / "candles"), "--since", "2024-01-15", "--until", "2024-01-25"
    monkeypatch.setattr(ladder_replay, "cores", lambda: 1)
    monkeypatch.setattr(
        sys, "argv", ["ladder", *told, "--preset", "quick", "--models", "random_walk,lightgbm", "--looser"]
    )
    pages = []
    for _ in range(2):
        ladder_replay.main()
        pages.append(capsys.readouterr().out)
    assert pages[0] == pages[1]
    first, second = pages[0].split("### ")[1:]
    assert first.startswith("As declared: lightgbm\n")
    assert second.startswith("Demonstration with looser gates: lightgbm\n")
    assert "240 slices of 2 coins" in first
    assert "`profit_factor` 0.5 instead of 0.9 and 1" in second
    assert all(name.replace("-", "/") in first for name in SYMBOLS)


def test_two_runs_that_differ_are_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result: BacktestResult
) -> None:
    other = backtest(made_up_history(random.Random(6), 120), PARAMS, CONFIGURED, tell=True)
    results = iter([result, other])
    monkeypatch.setattr(ladder_replay, "once", lambda *_: next(results))
    day = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 2, 2, tzinfo=UTC)
    told = ladder_replay.Told("none", [], [], "f" * 64)
    with pytest.raises(ladder_replay.NotRepeatable, match="two runs over the same history differ"):
        ladder_replay.runs(recorded_crypto(SAMPLE, *day), told, PARAMS, looser=False)


def test_the_words_of_a_backtest_are_one_a_day(result: BacktestResult) -> None:
    assert len(result.words) == 5
    assert all((b.ts - a.ts).days == 1 for a, b in pairwise(result.words))
