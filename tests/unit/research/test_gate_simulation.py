"""The simulation of the first gate: the same verdicts as the gate itself, and what it publishes."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from services.domain.money import money
from services.kernel.errors import DataError
from services.phases.evidence import assess
from services.phases.facts import Facts
from services.phases.gates import evaluate
from services.phases.record import Day, Record, SymbolRecord, units, with_day
from services.phases.service import load_params
from services.research import gate_simulation as simulation
from services.research.documents import put

SETTINGS = load_params().settings
RULES = simulation.rules(SETTINGS)
FIRST_DAY = date(2024, 1, 1)
ACCOUNT = 1_000_000


def record_until(made: simulation.World, asset: int, day: int) -> Record:
    """What phases would have recorded of a made-up asset by the end of a day, on an account of a million."""
    kept = SymbolRecord("crypto")
    for n in range(day + 1):
        won, lost = int(made.wins[asset, n]), int(made.trades[asset, n] - made.wins[asset, n])
        results = [made.profits[asset, n] / max(won, 1)] * won + [-made.losses[asset, n] / max(lost, 1)] * lost
        closed = [("chop", 0, money(float(result) * ACCOUNT), False) for result in results]
        kept = with_day(kept, n, Day(pnl=money(float(made.returns[asset, n]) * ACCOUNT)), closed)
    days = tuple((FIRST_DAY + timedelta(days=n)).isoformat() for n in range(day + 1))
    return Record(days, (units(Decimal(ACCOUNT)),) * len(days), Decimal(ACCOUNT), {"BTC/USDT": kept})


def gate_says(made: simulation.World, asset: int, day: int) -> tuple[bool, bool]:
    """Whether the services' own functions find the asset ready, and the evidence strong."""
    record = record_until(made, asset, day)
    lines = evaluate(RULES, Facts(record))
    return all(line.met for line in lines), assess(record, "crypto", SETTINGS.evidence).level == "strong"


@pytest.mark.parametrize("annual_sharpe", [0.0, 4.0])
def test_twenty_assets_are_judged_as_the_gate_judges_them(annual_sharpe: float) -> None:
    made = simulation.world(10, annual_sharpe, [3, 1])
    ready, first = simulation.ready(made, RULES), simulation.automatic(made, SETTINGS).first
    for asset in range(10):
        for day in (0, 1, 2, 29, 45, 59, 60, 90, 150, 364):
            met, strong = gate_says(made, asset, day)
            assert met == ready[asset, day], (asset, day)
            if day < first[asset] or first[asset] == simulation.NEVER:
                assert not (met and strong), (asset, day)
        if first[asset] != simulation.NEVER:
            assert gate_says(made, asset, int(first[asset])) == (True, True)
            assert gate_says(made, asset, int(first[asset]) - 1) != (True, True)
    assert ready.any()
    assert annual_sharpe == 0.0 or (first != simulation.NEVER).any()


def test_made_up_assets_have_the_declared_edge_and_repeat_themselves() -> None:
    made = simulation.world(300, 2.0, [1, 1])
    sharpe = made.returns.mean() / made.returns.std() * 365**0.5
    assert sharpe == pytest.approx(2.0, abs=0.2)
    assert made.returns.std() == pytest.approx(simulation.DAILY_DEVIATION, rel=0.1)
    assert np.allclose(made.returns, made.profits - made.losses)
    assert set(np.unique(made.trades)) == {1, 2}
    assert np.array_equal(made.returns, simulation.world(300, 2.0, [1, 1]).returns)


def test_luck_opens_the_automatic_gate_seldom_and_an_edge_more_often() -> None:
    lucky, able = simulation.world(400, 0.0, [9, 0]), simulation.world(400, simulation.EDGE, [9, 1])
    by_luck = simulation.automatic(lucky, SETTINGS).opened / 400
    assert by_luck <= 0.05
    assert simulation.automatic(able, SETTINGS).opened / 400 > 5 * by_luck
    assert simulation.by_thresholds(lucky, SETTINGS).opened / 400 > 0.9


def test_a_window_shorter_than_the_simulated_time_is_refused() -> None:
    evidence = SETTINGS.evidence.model_copy(update={"window_days": 100})
    with pytest.raises(DataError, match=r"longer than evidence\.window_days"):
        simulation.automatic(simulation.world(1, 0.0, [1]), SETTINGS.model_copy(update={"evidence": evidence}))


def test_the_published_table_is_the_one_that_the_command_writes(tmp_path: Path) -> None:
    document = tmp_path / "gates.md"
    document.write_text(f"before\n{simulation.BEGIN}\nold\n{simulation.END}\nafter\n", encoding="utf-8")
    text = simulation.simulate(SETTINGS, assets=20)
    put(text, document, simulation.BEGIN, simulation.END)
    assert document.read_text(encoding="utf-8") == (f"before\n{simulation.BEGIN}\n{text}{simulation.END}\nafter\n")
    assert "| automatic: with strong evidence | " in text


@pytest.mark.parametrize("text", [None, "no marks", simulation.BEGIN])
def test_a_document_without_a_place_for_the_table_is_refused(tmp_path: Path, text: str | None) -> None:
    document = tmp_path / "gates.md"
    if text is not None:
        document.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"gates\.md"):
        put("table", document, simulation.BEGIN, simulation.END)
