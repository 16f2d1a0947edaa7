"""The shadow decides every slice anew: equal where nothing was tampered with, and the first difference has a name."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec
import pytest
from shadow_cases import HALT, PARAMS, RESUME, Moment, Words, enabling, platform

from services.contracts.messages import CommandGiven, DayEvaluated, encode
from services.research.shadow import Difference, Following, Rows, begin, follow, hear

NOTHING = Words()


def followed(
    moments: Iterable[Moment],
    *,
    evaluations: Mapping[int, DayEvaluated] | None = None,
    commands: Mapping[int, CommandGiven] | None = None,
    state: Following | None = None,
) -> tuple[Following, list[Difference]]:
    """Follow a run, hearing each word before the slice it is named for; the state goes through JSON every time."""
    state, found = state or begin(PARAMS), []
    evaluations, commands = evaluations or {}, commands or {}
    for at, moment in enumerate(moments):
        state = hear(
            state,
            *([given[at]] if at in given else [] for given in (evaluations, commands)),  # type: ignore[arg-type]
        )
        state = msgspec.json.decode(encode(state), type=Following)
        state, difference = follow(state, moment.stored(), PARAMS)
        found += [difference] if difference else []
        if moment.said is not None:
            state = hear(state, [moment.said], [])
    return state, found


def test_a_run_that_nobody_touched_is_followed_to_the_byte() -> None:
    moments = list(platform())
    assert sum(len(m.portfolio.fills) for m in moments) >= 20, "an equality of nothing proves nothing"
    state, found = followed(moments)
    assert found == []
    assert state.compared == len(moments)
    assert state.differs is None
    assert (state.signals, state.risk, state.book) == (moments[-1].signals, moments[-1].risk, moments[-1].book)


@pytest.mark.parametrize("late", [0, 3])
def test_commands_are_taken_in_at_the_slice_that_shows_them_however_early_they_are_heard(late: int) -> None:
    taken = {20: Words(commands=(HALT,)), 31: Words(commands=(RESUME,))}
    moments = list(platform(taken))
    assert moments[25].orders.halted is not None
    state, found = followed(moments, commands={20 - late: HALT, 31 - late: RESUME})
    assert found == []
    assert state.commands == ()


def test_a_command_that_was_given_and_taken_back_between_two_slices_changes_nothing() -> None:
    moments = list(platform({20: Words(commands=(HALT, RESUME))}))
    heard = hear(begin(PARAMS), [], [HALT, RESUME])
    assert followed(moments, state=heard)[1] == []


def test_an_evaluation_of_a_command_may_reach_signals_and_risk_at_different_slices() -> None:
    word = enabling(40, ("BTC/USDT",))
    moments = list(platform({41: Words(signals=(word,)), 42: Words(risk=(word,))}))
    plain = list(platform())
    assert [m.targets for m in moments] != [m.targets for m in plain], "the word is meant to matter"
    state, found = followed(moments, evaluations={41: word})
    assert found == []
    assert state.for_signals == state.for_risk == ()


def test_one_fill_at_another_price_is_named_with_both_values() -> None:
    moments = list(platform())
    at = next(i for i, m in enumerate(moments) if m.portfolio.fills)
    fill = moments[at].portfolio.fills[0]
    wrong = msgspec.structs.replace(fill, price=fill.price + Decimal("0.00000001"))
    books = msgspec.structs.replace(moments[at].portfolio, fills=(wrong, *moments[at].portfolio.fills[1:]))
    state, _ = followed(moments[:at])
    _, difference = follow(state, moments[at].stored(portfolio=encode(books).decode()), PARAMS)
    assert difference is not None
    assert (difference.where, difference.field) == ("books", "fills[0].price")
    assert (difference.stored, difference.followed) == (f'"{wrong.price}"', f'"{fill.price}"')
    assert moments[at].closed.ts.strftime("%Y-%m-%dT%H:%M") in difference.words


@pytest.mark.parametrize("field", ["fills", "trades", "cash", "equity"])
def test_a_row_of_the_ledger_that_was_changed_behind_the_messages_is_found(field: str) -> None:
    moments = list(platform())
    at = next(i for i, m in enumerate(moments) if m.portfolio.trades)
    p = moments[at].portfolio
    rows = {"fills": p.fills, "trades": p.trades, "cash": p.cash, "equity": p.equity}
    changed = {"fills": (), "trades": (), "cash": p.cash + 1, "equity": None}[field]
    state, _ = followed(moments[:at])
    wrong = Rows(**(rows | {field: changed}))  # type: ignore[arg-type]
    _, difference = follow(state, moments[at].stored(rows=wrong), PARAMS)
    assert difference is not None
    assert difference.where == "ledger"
    assert difference.field.startswith(field)


@pytest.mark.parametrize("of", ["targets", "orders"])
def test_a_decision_that_does_not_follow_from_its_input_is_found_before_it_trades(of: str) -> None:
    moments = list(platform())
    at = next(i for i, m in enumerate(moments) if m.orders.orders)
    moment = moments[at]
    targets = msgspec.structs.replace(moment.targets, cash_weight=0.123)
    orders = msgspec.structs.replace(moment.orders, orders=())
    stored = moment.stored(**{of: encode({"targets": targets, "orders": orders}[of]).decode()})
    _, difference = follow(followed(moments[:at])[0], stored, PARAMS)
    assert difference is not None
    assert difference.where == of


def test_after_a_difference_it_goes_on_with_its_own_states_and_remembers_the_first() -> None:
    moments = list(platform())
    halted = list(platform({50: Words(commands=(HALT,))}))
    state, found = followed([*moments[:50], *halted[50:]])
    assert found[0].ts == halted[50].closed.ts
    assert found[0].field == "halted"
    assert len(found) > 1, "a halt that nobody gave stands in every slice after it"
    assert state.differs == found[0]
    assert state.risk == moments[-1].risk, "what it makes of its input is what follows from it"
