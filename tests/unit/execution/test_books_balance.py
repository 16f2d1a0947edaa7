"""The books balance exactly, whatever the market and the orders do."""

import random
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from books_rules import Auditor, audit
from decision_cases import (
    CRYPTO,
    HOUR,
    START,
    bar,
    command,
    made_up_history,
    order,
    orders_at,
    parameters,
    run,
    slice_at,
    with_asset,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.messages import Bar, CommandGiven, Fill, Order, Split, decision_id
from services.domain.errors import BooksBroken
from services.domain.money import money
from services.execution import decide
from services.execution.book import apply_fill, open_book
from services.execution.decide import Settle, settle
from services.execution.settings import PaperSettings

GIVEN = parameters()
CASH = Decimal("2500.00000000")

moves = st.floats(-0.4, 0.4, allow_nan=False)
shares = st.floats(0.0, 0.3, allow_nan=False)


@st.composite
def any_bar(draw: st.DrawFn, symbol: str) -> Bar:
    o = draw(st.sampled_from([0.0123, 1.0, 33.3, 100.0, 64123.45])) * (1 + draw(moves))
    c = o * (1 + draw(moves))
    high, low = max(o, c) * (1 + draw(shares)), min(o, c) * (1 - draw(shares))
    return bar(symbol, o, high, low, c, draw(st.sampled_from([0.0, 0.5, 40.0, 1e5, 1e9])))


@st.composite
def any_order(draw: st.DrawFn, n: int, nth: int) -> Order:
    symbol, side = draw(st.sampled_from(CRYPTO)), draw(st.sampled_from(["buy", "sell"]))
    levels: list[Decimal | None] = [None, *(money(level) for level in (0.01, 0.9, 30.0, 95.0, 105.0, 60000.0))]
    return order(
        symbol,
        side,
        draw(st.decimals("0.00000001", "2000", places=8)),
        draw(st.sampled_from(["entry", "increase", "reduce", "exit", "flatten", "max_hold"])),
        id=decision_id(START, "test", f"{n}|{nth}"),
        reduce_only=draw(st.booleans()),
        stop_price=draw(st.sampled_from(levels)),
        target_price=draw(st.sampled_from(levels)),
    )


any_split = st.builds(Split, st.sampled_from(CRYPTO), st.sampled_from([1, 2, 10]), st.sampled_from([1, 3, 8]))


def _reason_agrees(o: Order) -> bool:
    return o.reduce_only == (o.reason not in ("entry", "increase"))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_books_balance_at_every_slice_under_random_orders_and_bars(data: st.DataObject) -> None:
    book, auditor = open_book(CASH), Auditor(CASH)
    waiting: list[Order] = []
    some_splits = st.lists(any_split, max_size=2).map(tuple)
    for n in range(data.draw(st.integers(1, 10))):
        closed = slice_at(START + n * HOUR, *(data.draw(any_bar(s)) for s in CRYPTO if data.draw(st.booleans())))
        closed = msgspec.structs.replace(closed, splits=data.draw(some_splits))
        event = Settle(closed, orders_at(closed.ts - HOUR, *waiting))
        book, settled = settle(book, event, GIVEN.venue)
        # One outcome for each, in whatever order: a second order for a symbol replaces the first.
        assert sorted(o.order_id for o in settled.outcomes) == sorted(o.id for o in waiting)
        auditor.check(closed, book, settled)
        some = (data.draw(any_order(n, nth).filter(_reason_agrees)) for nth in range(data.draw(st.integers(0, 3))))
        waiting = list(some)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), wildness=st.sampled_from([0.003, 0.02, 0.08]), missing=st.sampled_from([0.0, 0.3]))
def test_books_balance_through_signals_risk_and_execution(seed: int, wildness: float, missing: float) -> None:
    history = made_up_history(random.Random(seed), 120, wildness=wildness, missing=missing)
    auditor, steps = audit(run(history, GIVEN), GIVEN.starting_cash)
    assert auditor.slices == 120
    decided = [o.id for step in steps for o in step.orders.orders]
    assert len(decided) == len(set(decided))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_books_balance_under_halts_flattening_and_tiny_caps(seed: int) -> None:
    chance = random.Random(seed)
    tight = with_asset(
        GIVEN, "BTC/USDT", notional_per_trade=Decimal(37), notional_per_day=Decimal(90), max_hold_hours=3
    )
    names = ["halt", "resume", "flatten", "resume", "resume"]
    given_at = {START + chance.randrange(120) * HOUR: command(name) for name in names}

    def commands(ts: Any) -> tuple[CommandGiven, ...]:
        return (given_at[ts],) if ts in given_at else ()

    history = made_up_history(chance, 120, wildness=0.06)
    _, steps = audit(run(history, tight, commands), tight.starting_cash)
    for before, after in pairwise(steps):
        if before.orders.halted:
            assert not [f for f in after.portfolio.fills if f.reason in ("entry", "increase")]


def test_random_loops_trade_in_every_way_that_the_rules_speak_of() -> None:
    reasons: set[str] = set()
    sides: set[str] = set()
    statuses: set[str] = set()
    brief = with_asset(GIVEN, "BTC/USDT", max_hold_hours=3)
    for seed in range(16):
        used = brief if seed % 2 else GIVEN
        history = made_up_history(random.Random(seed), 150, wildness=0.03)
        ask = {START + 70 * HOUR: (command("flatten"),), START + 80 * HOUR: (command("resume"),)}
        _, steps = audit(run(history, used, lambda ts, ask=ask: ask.get(ts, ())), used.starting_cash)  # type: ignore[misc]
        reasons |= {f.reason for step in steps for f in step.portfolio.fills}
        sides |= {t.side for step in steps for t in step.portfolio.trades}
        statuses |= {o.status for step in steps for o in step.portfolio.outcomes}
    assert reasons >= {"entry", "increase", "reduce", "exit", "flatten", "max_hold", "stop", "target"}
    assert sides == {"long", "short"}
    assert statuses == {"filled", "partly_filled", "cancelled"}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_cash_never_goes_below_zero_for_a_long_only_account(seed: int) -> None:
    given_ = parameters(with_short=False)
    chance = random.Random(seed)
    for step in run(made_up_history(chance, 100, ("BTC/USDT", "ETH/USDT"), wildness=0.05), given_):
        assert step.portfolio.cash >= 0


def test_a_fill_that_would_cross_flat_is_refused_by_the_ledger() -> None:
    def fill(side: Any, quantity: str) -> Fill:
        name = decision_id(START, "test", side + quantity)
        ten = Decimal(10)
        return Fill(
            name,
            None,
            "BTC/USDT",
            "crypto",
            side,
            money(quantity),
            ten,
            money(0),
            money(0),
            "entry",
            START + timedelta(0),
        )

    book, _ = apply_fill(open_book(CASH), fill("buy", "1"), None)
    with pytest.raises(ValueError, match=r"would cross a position of 1\.0"):
        apply_fill(book, fill("sell", "1.00000001"), None)


def test_books_that_do_not_add_up_stop_trading_and_name_the_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decide, "imbalance", lambda _: Decimal("0.00000001"))
    with pytest.raises(BooksBroken, match=r"2024-01-01T09:00:00\+00:00: the books differ from equity by 1E-8"):
        settle(open_book(CASH), Settle(slice_at(START), None), GIVEN.venue)


def test_the_cap_that_these_tests_assume_is_the_declared_one() -> None:
    settings_: PaperSettings = GIVEN.venue.settings
    assert settings_.max_participation == Decimal("0.10")
