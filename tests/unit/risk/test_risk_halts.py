"""The halt switch: commands, the daily loss limit, the emergency stop."""

from datetime import timedelta
from decimal import Decimal

import msgspec
from decision_cases import HOUR, START, command, parameters, portfolio, position, target, targets_at
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.messages import CommandGiven, OrdersDecided, PortfolioSettled, encode
from services.risk.decide import decide
from services.risk.halts import FILE_SWITCH
from services.risk.remarks import remarks
from services.risk.state import RiskEvent, RiskState

PARAMS = parameters().risk
BTC = "BTC/USDT"
BEGIN = RiskState(enabled=(BTC,), classes=("crypto",))
WANTED = target(BTC, "BUY", 0.3)


def step(
    state: RiskState, n: int, equity: str, *commands: CommandGiven, held: str | None = None
) -> tuple[RiskState, OrdersDecided]:
    """One slice, ``n`` hours after the start, with a target to buy BTC."""
    ts = START + n * HOUR
    books: PortfolioSettled = portfolio(equity, *([position(BTC, held, "100", "90")] if held else []), ts=ts)
    return decide(state, RiskEvent(targets_at(ts, WANTED), books, (), commands), PARAMS)


def entries(said: OrdersDecided) -> int:
    return sum(not o.reduce_only for o in said.orders)


def test_a_daily_loss_at_the_limit_blocks_entries_until_the_day_ends() -> None:
    state, _ = step(BEGIN, 0, "1000")
    state, said = step(state, 1, "950")
    assert said.halted == "daily loss limit: 5.0% of at most 5%; until the day ends"
    assert [r.check for r in said.refused] == ["halt"]
    state, said = step(state, 2, "1000")
    assert said.halted is not None, "a recovery within the day does not lift it"
    midnight = 24 - START.hour
    state, said = step(state, midnight, "950")
    assert said.halted is not None, "the slice at midnight ends the old day"
    state, said = step(state, midnight + 1, "950")
    assert said.halted is None
    assert entries(said) == 1
    assert state.day_start_equity == 950


def test_a_daily_loss_just_short_of_the_limit_halts_nothing() -> None:
    state, _ = step(BEGIN, 0, "1000")
    _, said = step(state, 1, "950.00000001")
    assert said.halted is None


def test_a_daily_loss_closes_nothing() -> None:
    state, _ = step(BEGIN, 0, "1000", held="3")
    _, said = step(state, 1, "940", held="3")
    assert said.halted is not None
    assert not [o for o in said.orders if o.reason == "flatten"]


def test_a_drawdown_of_a_quarter_flattens_and_waits_for_a_person() -> None:
    state, _ = step(BEGIN, 0, "1000")
    state, said = step(state, 1, "750", held="3")
    assert said.halted == "emergency stop: drawdown 25.0% of at most 25%; resume by hand"
    assert [(o.reason, o.side, o.quantity) for o in said.orders] == [("flatten", "sell", Decimal(3))]
    for n in range(2, 80):
        state, said = step(state, n, "1000")
        assert said.halted is not None, "neither days nor a recovery lift it"
        assert entries(said) == 0


def test_flattening_repeats_until_there_is_nothing_left() -> None:
    state, _ = step(BEGIN, 0, "1000", held="3")
    state, said = step(state, 1, "700", held="3")
    for n, left in enumerate(["2", "1", "0.00000001"], start=2):
        state, said = step(state, n, "700", held=left)
        assert [(o.reason, o.quantity) for o in said.orders] == [("flatten", Decimal(left))]
    state, said = step(state, 5, "700")
    assert said.orders == ()
    assert not state.flatten
    assert said.halted is not None


def test_resuming_starts_the_peak_anew_so_that_the_stop_does_not_fire_at_once() -> None:
    state, _ = step(BEGIN, 0, "1000")
    state, _ = step(state, 1, "700")
    state, said = step(state, 20, "700", command("resume"))
    assert state.peak_equity == 700
    assert said.halted is None
    assert entries(said) == 1
    _, said = step(state, 40, "525")
    assert said.halted is not None
    assert said.halted.startswith("emergency stop")


def test_a_halt_by_hand_outlasts_the_day_and_keeps_positions() -> None:
    state, said = step(BEGIN, 0, "1000", command("halt", note="exchange down"), held="3")
    assert said.halted == "halted by ada: exchange down"
    assert said.orders == ()
    state, said = step(state, 48, "1000", held="3")
    assert said.halted is not None
    _, said = step(state, 49, "1000", command("resume"), held="2")
    assert said.halted is None


def test_a_halt_by_hand_is_not_lifted_by_the_end_of_a_daily_halt() -> None:
    state, _ = step(BEGIN, 0, "1000")
    state, _ = step(state, 1, "940")
    state, _ = step(state, 2, "940", command("halt"))
    _, said = step(state, 30, "940")
    assert said.halted == "halted by ada"


def test_an_emergency_overrides_a_halt_by_hand_for_it_also_flattens() -> None:
    state, _ = step(BEGIN, 0, "1000", command("halt"), held="3")
    _, said = step(state, 1, "740", held="3")
    assert said.halted is not None
    assert said.halted.startswith("emergency stop")
    assert [o.reason for o in said.orders] == ["flatten"]


def test_flatten_by_hand_closes_everything_and_halts() -> None:
    state, said = step(BEGIN, 0, "1000", command("flatten"), held="3")
    assert said.halted == "flattened by ada"
    assert [o.reason for o in said.orders] == ["flatten"]
    state, said = step(state, 1, "1000")
    assert entries(said) == 0
    _, said = step(state, 2, "1000", command("resume"))
    assert entries(said) == 1


def test_resuming_within_a_day_of_too_much_loss_halts_again() -> None:
    state, _ = step(BEGIN, 0, "1000")
    state, _ = step(state, 1, "940")
    _, said = step(state, 2, "940", command("resume"))
    assert said.halted is not None
    assert said.halted.startswith("daily loss limit")


def test_commands_take_effect_in_the_order_they_were_given() -> None:
    halting, resuming = command("halt"), command("resume", ts=START + timedelta(seconds=1))
    assert step(BEGIN, 0, "1000", halting, resuming)[1].halted is None
    assert step(BEGIN, 0, "1000", resuming, halting)[1].halted == "halted by ada"


equities = st.lists(st.decimals("100", "2000", places=2), min_size=2, max_size=60)


@settings(deadline=None, max_examples=200)
@given(equities)
def test_on_every_path_the_limits_hold_at_every_slice(path: list[Decimal]) -> None:
    state, peak, stopped = BEGIN, Decimal(0), False
    day_start = path[0]
    for n, equity in enumerate(path):
        state, said = step(state, n, str(equity))
        peak = max(peak, equity)
        stopped = stopped or peak - equity >= peak * Decimal("0.25")
        if n == 24 - START.hour + 1 or (n > 24 and (n - (24 - START.hour + 1)) % 24 == 0):
            day_start = path[n - 1]
        if stopped:
            assert said.halted is not None
            assert said.halted.startswith("emergency stop")
        elif day_start - equity >= day_start * Decimal("0.05"):
            assert said.halted is not None
        if said.halted:
            assert entries(said) == 0
        checks = {c.name: c for c in said.checks}
        assert checks["drawdown"].current == (peak - equity) / peak


def file_says(name: str, note: str = "") -> CommandGiven:
    return command(name, by=FILE_SWITCH, note=note)


def test_the_halt_file_blocks_entries_until_it_is_gone() -> None:
    state, said = step(BEGIN, 0, "1000", file_says("halt", "exchange down"), held="3")
    assert said.halted == "halted by file switch: exchange down"
    assert said.orders == (), "what is held is kept"
    state, said = step(state, 48, "1000")
    assert entries(said) == 0
    state, said = step(state, 49, "1000", command("resume"))
    assert said.halted == "halted by file switch: exchange down", "a person lifts it by removing the file"
    _, said = step(state, 50, "1000", file_says("resume"))
    assert (said.halted, entries(said)) == (None, 1)


def test_removing_the_halt_file_lifts_nothing_else() -> None:
    state, said = step(BEGIN, 0, "1000", command("halt"), file_says("halt"))
    assert said.halted == "halted by ada; halted by file switch"
    state, said = step(state, 1, "1000", file_says("resume"))
    assert said.halted == "halted by ada"
    state, _ = step(BEGIN, 0, "1000")
    state, said = step(state, 1, "700", file_says("halt"), held="3")
    state, said = step(state, 2, "700", file_says("resume"))
    assert said.halted is not None
    assert said.halted.startswith("emergency stop")


def test_while_the_halt_file_is_there_positions_can_be_left_and_flattened() -> None:
    state, _ = step(BEGIN, 0, "1000", file_says("halt"), held="3")
    _, said = step(state, 1, "1000", command("flatten"), held="3")
    assert [(o.reason, o.reduce_only) for o in said.orders] == [("flatten", True)]


def test_halts_and_flattening_survive_a_restart() -> None:
    state, _ = step(BEGIN, 0, "1000", command("flatten", note="news"), file_says("halt"), held="3")
    again = msgspec.json.decode(encode(state), type=RiskState)
    for n, held in ((1, "3"), (2, "1")):
        again, said = step(again, n, "1000", held=held)
        assert [(o.reason, o.quantity) for o in said.orders] == [("flatten", Decimal(held))]
        again = msgspec.json.decode(encode(again), type=RiskState)
    _, said = step(again, 3, "1000")
    assert (said.halted, said.orders) == ("flattened by ada: news; halted by file switch", ())


def test_halts_resumptions_refusals_and_cuts_are_remarked_once() -> None:
    state, said = step(BEGIN, 0, "1000", command("halt", note="news"))
    assert [(r.name, r.severity, r.detail) for r in remarks(said, None)] == [
        ("halt", "critical", "halted by ada: news"),
        ("halt", "info", "trading is halted: halted by ada: news"),
    ]
    _, again = step(state, 1, "1000")
    assert [r.symbol for r in remarks(again, said.halted)] == [BTC], "the refusal, and no second halt"
    _, later = step(state, 2, "2000", command("resume"))
    assert [(r.name, r.symbol, r.detail) for r in remarks(later, again.halted)] == [
        ("resume", None, "trading goes on; it was halted: halted by ada: news"),
        ("notional_per_trade", BTC, "cut from 600.00 to 500.00 by notional_per_trade"),
    ]
    every = [r.id for said_, before in ((said, None), (again, said.halted)) for r in remarks(said_, before)]
    assert len(set(every)) == len(every)


def test_an_automatic_halt_is_remarked_with_its_figures() -> None:
    state, _ = step(BEGIN, 0, "1000")
    _, said = step(state, 1, "700")
    (first, *_) = remarks(said, None)
    assert (first.limit, first.current) == (Decimal("0.25"), Decimal("0.3"))
