"""Changing or deleting anything after a slice changes no decision at or before it (made-up data)."""

import random
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
from decision_cases import CONFIGURED, HOUR, START, History, Step, command, made_up_history, parameters, run
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.messages import CommandGiven, SliceClosed, encode
from services.domain.ledger import fills_jsonl, trades_jsonl
from services.research.backtest import backtest

GIVEN = parameters()
SLICES = 60


def _decided(step: Step) -> tuple[bytes, ...]:
    said: list[Any] = [step.targets, step.orders, step.portfolio, step.risk, step.book]
    return tuple(encode(one) for one in said) + ((encode(step.evaluation),) if step.evaluation else ())


def _altered(history: History, after: int, chance: random.Random, how: str) -> History:
    """The same history up to slice ``after``; beyond it something else."""
    kept, later = history[: after + 1], history[after + 1 :]
    if how == "cut":
        return kept
    if how == "other":
        return kept + made_up_history(chance, len(later), wildness=0.1)
    return kept + [_disturbed(closed, said, chance) for closed, said in later]


def _disturbed(closed: SliceClosed, said: Any, chance: random.Random) -> Any:
    factor = chance.choice([0.5, 0.97, 1.4])
    bars = tuple(
        msgspec.structs.replace(
            b, open=b.open * factor, high=b.high * factor, low=b.low * factor, close=b.close * factor
        )
        for b in closed.bars
        if chance.random() > 0.3
    )
    forecasts = tuple(
        msgspec.structs.replace(f, expected_return=-f.expected_return) for f in said.forecasts if chance.random() > 0.3
    )
    return msgspec.structs.replace(closed, bars=bars), msgspec.structs.replace(said, forecasts=forecasts)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), after=st.integers(0, SLICES - 1), how=st.sampled_from(["cut", "other", "disturbed"]))
def test_no_decision_depends_on_what_comes_after_it(seed: int, after: int, how: str) -> None:
    history = made_up_history(random.Random(seed), SLICES, wildness=0.03)
    other = _altered(history, after, random.Random(seed + 1), how)
    whole = [_decided(step) for step in run(history, GIVEN)]
    changed = [_decided(step) for step in run(other, GIVEN)]
    assert whole[: after + 1] == changed[: after + 1]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), after=st.integers(0, SLICES - 2))
def test_a_later_command_changes_nothing_before_it(seed: int, after: int) -> None:
    history = made_up_history(random.Random(seed), SLICES)

    def later(ts: datetime) -> tuple[CommandGiven, ...]:
        return (command("flatten"),) if ts > START + after * HOUR else ()

    whole = [_decided(step) for step in run(history, GIVEN)]
    changed = [_decided(step) for step in run(history, GIVEN, later)]
    assert whole[: after + 1] == changed[: after + 1]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_back_test_is_the_decision_path_step_by_step(seed: int) -> None:
    history = made_up_history(random.Random(seed), 80, wildness=0.03)
    steps = list(run(history, GIVEN))
    result = backtest(history, GIVEN, CONFIGURED)
    assert fills_jsonl(result.fills) == fills_jsonl(f for s in steps for f in s.portfolio.fills)
    assert trades_jsonl(result.trades) == trades_jsonl(t for s in steps for t in s.portfolio.trades)
    assert result.equity == [(s.portfolio.ts, s.portfolio.equity) for s in steps]
    assert result.orders == sum(len(s.orders.orders) for s in steps)
    assert result.refused == sum(len(s.orders.refused) for s in steps)


def test_the_same_history_gives_the_same_bytes_twice() -> None:
    history = made_up_history(random.Random(5), 200, wildness=0.03)
    first, second = backtest(history, GIVEN, CONFIGURED), backtest(history, GIVEN, CONFIGURED)
    assert trades_jsonl(first.trades) == trades_jsonl(second.trades) != b""
    assert fills_jsonl(first.fills) == fills_jsonl(second.fills)


def test_a_stored_state_continues_exactly_where_it_was() -> None:
    """States written as JSON and read back (what a restart does) decide the same as those kept in memory."""
    history = made_up_history(random.Random(11), 120, wildness=0.03)
    for step in run(history, GIVEN):
        book, risk = encode(step.book), encode(step.risk)
        assert msgspec.json.decode(book, type=type(step.book)) == step.book
        assert msgspec.json.decode(risk, type=type(step.risk)) == step.risk
        assert encode(msgspec.json.decode(book, type=type(step.book))) == book


def test_starting_with_more_money_is_a_parameter_and_not_a_global() -> None:
    history = made_up_history(random.Random(5), 30)
    richer = replace(GIVEN, starting_cash=GIVEN.starting_cash * 2)
    assert backtest(history, richer, CONFIGURED).equity[0][1] == 5000
    assert backtest(history, GIVEN, CONFIGURED).equity[0][1] == 2500
