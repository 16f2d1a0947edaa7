"""What stands out: tickers named far above their own trailing average, and nothing where that average is unknown."""

from hypothesis import given
from hypothesis import strategies as st

from services.ingestion.trending import LEAST_MENTIONS, Heard, standing_out

DAY = 86_400.0
COUNTS = st.dictionaries(st.text("ABC", min_size=1, max_size=3), st.integers(0, 500), max_size=20)


def heard(seconds: float, **mentions: int) -> dict[str, Heard]:
    return {"": Heard(9999, seconds)} | {ticker: Heard(n, seconds) for ticker, n in mentions.items()}


def test_what_is_always_named_much_does_not_stand_out_and_what_is_new_does() -> None:
    recent = heard(DAY, SPY=1000, GME=40, NEW=12, DULL=10)
    before = heard(14 * DAY, SPY=14_000, GME=70, DULL=140)
    found = standing_out(recent, before)
    assert [one.ticker for one in found] == ["GME", "NEW"]
    assert [(one.mentions, one.usual) for one in found] == [(40, 5.0), (12, 0.0)]
    assert found[0].score > found[1].score == 12.0


def test_a_day_that_was_listened_to_for_six_hours_is_held_against_six_hours() -> None:
    found = standing_out(heard(DAY / 4, GME=10), heard(14 * DAY, GME=14 * 40))
    assert found == [], "40 a day are 10 in six hours"


def test_without_a_day_of_listening_before_nothing_is_said() -> None:
    assert standing_out(heard(DAY, GME=99), heard(DAY - 1, GME=1)) == []
    assert standing_out(heard(DAY, GME=99), {}) == []
    assert standing_out({}, heard(DAY, GME=1)) == []


def test_a_handful_of_mentions_is_chance() -> None:
    assert standing_out(heard(DAY, RARE=LEAST_MENTIONS - 1), heard(14 * DAY)) == []


@given(COUNTS, COUNTS)
def test_places_fall_and_every_one_is_above_its_usual(recent: dict[str, int], before: dict[str, int]) -> None:
    found = standing_out(heard(DAY, **recent), heard(14 * DAY, **before), most=5)
    assert len(found) <= 5
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert all(one.mentions > one.usual for one in found)
