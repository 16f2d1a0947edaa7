"""A day is judged once its books and research's word on it are there; commands come in between."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from decision_cases import command, portfolio

from services.contracts.messages import AnyMessage, ResearchMade
from services.contracts.topics import COMMANDS, PORTFOLIO, RESEARCH, Topic
from services.kernel.inbox import Inbox
from services.kernel.streams import Envelope
from services.phases.service import Day, load_stage

MIDNIGHT = datetime(2024, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
STAGE = load_stage(Path("unused"))


class Box:
    """An inbox, and what it is offered in order."""

    def __init__(self) -> None:
        self.inbox = Inbox([topic.name for topic in STAGE.inputs], {})
        self.count: dict[str, int] = {}

    def offer(self, topic: Topic, *messages: AnyMessage) -> None:
        for message in messages:
            self.count[topic.name] = self.count.get(topic.name, 0) + 1
            assert self.inbox.offer(Envelope(topic.name, topic.writer, self.count[topic.name], message))


def heard(ts: datetime) -> ResearchMade:
    return ResearchMade(ts=ts, assets=())


def test_a_complete_day_waits_for_researchs_word_on_it() -> None:
    box = Box()
    books = [portfolio("5000", ts=MIDNIGHT - timedelta(hours=n)) for n in (1, 0)]
    box.offer(PORTFOLIO, *books, portfolio("5000", ts=MIDNIGHT + timedelta(hours=1)))
    assert STAGE.take(box.inbox) == []
    box.offer(RESEARCH, heard(MIDNIGHT))
    assert STAGE.take(box.inbox) == [Day(tuple(books), heard(MIDNIGHT))]
    assert STAGE.take(box.inbox) == [], "the new day has begun and not ended"


def test_a_word_on_a_day_that_has_not_ended_here_waits() -> None:
    box = Box()
    box.offer(RESEARCH, heard(MIDNIGHT))
    box.offer(PORTFOLIO, portfolio("5000", ts=MIDNIGHT - timedelta(hours=1)))
    assert STAGE.take(box.inbox) == []
    box.offer(PORTFOLIO, portfolio("5000", ts=MIDNIGHT))
    (day,) = STAGE.take(box.inbox)
    assert isinstance(day, Day)
    assert day.research == heard(MIDNIGHT)


def test_commands_are_carried_out_while_a_day_waits() -> None:
    box = Box()
    box.offer(PORTFOLIO, portfolio("5000", ts=MIDNIGHT))
    given = command("disable", "BTC/USDT", ts=MIDNIGHT)
    box.offer(COMMANDS, given)
    assert STAGE.take(box.inbox) == [given]


def test_days_from_before_research_began_are_judged_without_it_and_its_old_words_are_left() -> None:
    box = Box()
    box.offer(PORTFOLIO, portfolio("5000", ts=MIDNIGHT), portfolio("5000", ts=MIDNIGHT + DAY))
    box.offer(RESEARCH, heard(MIDNIGHT - DAY), heard(MIDNIGHT + DAY))
    first, second = STAGE.take(box.inbox), STAGE.take(box.inbox)
    assert [one.research for one in (*first, *second) if isinstance(one, Day)] == [None, heard(MIDNIGHT + DAY)]
