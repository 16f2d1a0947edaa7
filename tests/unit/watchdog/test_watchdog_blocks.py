"""Which commands flags make: each once, lifted when the flag is down, and never lifted by another flag's end."""

from uuid import UUID, uuid5

from decision_cases import START, portfolio, targets_at
from hypothesis import given, settings
from hypothesis import strategies as st
from watchdog_cases import ROOT

from services.contracts.messages import CHLOE_NAMESPACE, CommandGiven
from services.kernel.config import load
from services.risk.halts import guard
from services.risk.settings import RiskSettings
from services.risk.state import RiskEvent, RiskState
from services.watchdog.decide import FlagRow, blocks

KNOWN = frozenset({"BTC/USDT", "ETH/USDT", "crypto"})


def flag(n: int, name: str = "stale_feed", subject: str | None = "BTC/USDT", up: bool = True) -> FlagRow:
    return FlagRow(uuid5(CHLOE_NAMESPACE, f"flag {n}"), name, subject, f"words {n}", up)


def given_for(*flags: FlagRow) -> set[UUID]:
    return {command.id for command in blocks(flags, set(), KNOWN)}


def test_a_flag_that_is_up_blocks_its_subject_once() -> None:
    (command,) = blocks([flag(1)], set(), KNOWN)
    assert (command.name, command.subject, command.note) == ("block", "BTC/USDT", "stale_feed: words 1")
    assert blocks([flag(1)], {command.id}, KNOWN) == []


def test_a_flag_that_is_down_is_lifted_once_and_only_where_it_had_blocked() -> None:
    given = given_for(flag(1))
    (command,) = blocks([flag(1, up=False)], given, KNOWN)
    assert (command.name, command.subject, command.note) == ("unblock", "BTC/USDT", "stale_feed: words 1")
    assert blocks([flag(1, up=False)], {*given, command.id}, KNOWN) == []
    assert blocks([flag(1, up=False)], set(), KNOWN) == [], "it came and went before anyone looked"


def test_a_flag_that_came_again_is_blocked_after_the_one_before_is_lifted() -> None:
    commands = blocks([flag(1, up=False), flag(2)], given_for(flag(1)), KNOWN)
    assert [command.name for command in commands] == ["unblock", "block"]


def test_what_names_no_asset_and_no_class_blocks_everything_under_a_name_of_its_own() -> None:
    flags = [flag(1, subject="clock"), flag(2, subject="risk"), flag(3, subject=None), flag(4, subject="crypto")]
    commands = blocks(flags, set(), KNOWN)
    assert [(c.subject, c.note) for c in commands] == [
        ("all", "stale_feed of clock: words 1"),
        ("all", "stale_feed of risk: words 2"),
        ("all", "stale_feed: words 3"),
        ("crypto", "stale_feed: words 4"),
    ]


SUBJECTS = ("BTC/USDT", "crypto", "clock", "risk", None)
WHO = st.tuples(st.sampled_from(["stale_feed", "equity_mismatch"]), st.sampled_from(SUBJECTS))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(WHO, st.booleans()), max_size=40))
def test_after_any_history_risk_blocks_exactly_what_flags_that_are_up_name(
    history: list[tuple[tuple[str, str | None], bool]],
) -> None:
    """Flags are raised and cleared; the watchdog looks only now and then; risk is given what it says, in order."""
    rows: list[FlagRow] = []
    given: set[UUID] = set()
    state, risk = RiskState(enabled=(), classes=()), load(RiskSettings, "risk.yaml", ROOT / "config")
    for (name, subject), look in [*history, (("stale_feed", "BTC/USDT"), True)]:
        open_row = next((row for row in rows if (row.name, row.subject, row.up) == (name, subject, True)), None)
        if open_row is None:
            rows.append(flag(len(rows), name, subject))
        else:
            rows[rows.index(open_row)] = FlagRow(open_row.id, name, subject, open_row.detail, False)
        if not look:
            continue
        commands = blocks(rows, given, KNOWN)
        assert not given & {c.id for c in commands}
        given |= {c.id for c in commands}
        told = tuple(CommandGiven(START, c.id, c.name, c.subject, "watchdog", c.note) for c in commands)
        state = guard(state, RiskEvent(targets_at(START), portfolio("2500"), (), told), risk).state
        assert set(state.blocked) == {row.subject if row.subject in KNOWN else "all" for row in rows if row.up}
        assert sum(map(len, state.blocked.values())) == sum(row.up for row in rows)
