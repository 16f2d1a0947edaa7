"""The inbox: each message once and in order, whatever the stream repeats, loses or reorders."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.messages import FeedAdvanced, SliceClosed
from services.kernel.errors import StreamCorrupt
from services.kernel.inbox import Inbox, pop_as
from services.kernel.streams import Envelope, _id_key, _pairs

TOPIC = "ingestion.candles"
START = datetime(2024, 1, 1, tzinfo=UTC)
PRODUCERS = ("ingestion-crypto", "ingestion-stocks")


def envelope(seq: int, producer: str = PRODUCERS[0], entry: str | None = None) -> Envelope:
    message = FeedAdvanced(ts=START + timedelta(hours=seq), source=producer, timeframe="1h")
    return Envelope(TOPIC, producer, seq, message, entry)


def deliver(inbox: Inbox, envelopes: list[Envelope], stored: dict[str, int]) -> None:
    """Do what the loop does: offer, and read the outbox when something before it is missing."""
    lost = [e for e in envelopes if not inbox.offer(e)]
    if lost:
        recover(inbox, stored)


def recover(inbox: Inbox, stored: dict[str, int], limit: int = 4) -> None:
    for producer, newest in stored.items():
        begin = inbox.read_upto(TOPIC).get(producer, 0) + 1
        for seq in range(begin, min(begin + limit, newest + 1)):
            assert inbox.offer(envelope(seq, producer))


deliveries = st.lists(st.lists(st.tuples(st.sampled_from(PRODUCERS), st.integers(0, 12)), max_size=6), max_size=12)


@settings(max_examples=300, deadline=None)
@given(rounds=deliveries, taken=st.lists(st.integers(0, 5), min_size=12, max_size=12), restart=st.integers(0, 12))
def test_any_repetition_reordering_and_loss_yields_each_message_once_in_order(
    rounds: list[list[tuple[str, int]]], taken: list[int], restart: int
) -> None:
    stored = dict.fromkeys(PRODUCERS, 12)
    inbox = Inbox([TOPIC], {})
    decided: dict[str, list[int]] = {p: [] for p in PRODUCERS}
    offered: set[str] = set()
    finished: set[str] = set()

    def take(count: int) -> None:
        for _ in range(count):
            if inbox.peek(TOPIC, FeedAdvanced) is None:
                return
            got = inbox.pop(TOPIC)
            decided[got.producer].append(got.seq)

    for n, batch in enumerate(rounds):
        if n == restart:  # killed after the cursors were stored: what was read and not decided comes again
            inbox = Inbox([TOPIC], inbox.seen)
            offered.clear()
            finished.clear()
        entries = [envelope(seq, producer, f"{n}-{k}") for k, (producer, seq) in enumerate(batch)]
        offered |= {e.entry_id for e in entries if e.entry_id}
        deliver(inbox, entries, stored)
        take(taken[n])
        finished |= {entry for _, entry in inbox.finished()}
    for _ in range(10):  # the stream is silent: the outbox brings the rest
        recover(inbox, stored)
    take(1000)
    finished |= {entry for _, entry in inbox.finished()}
    assert decided == {p: list(range(1, 13)) for p in PRODUCERS}
    assert inbox.seen == {TOPIC: stored}
    assert finished == offered, "every entry is acknowledged in the end, or trimming would stand still"


def test_an_entry_is_finished_only_when_it_was_decided_upon() -> None:
    inbox = Inbox([TOPIC], {})
    inbox.offer(envelope(1, entry="a-1"))
    assert inbox.finished() == []
    inbox.pop(TOPIC)
    assert inbox.finished() == [(TOPIC, "a-1")]
    assert inbox.finished() == []


def test_cursors_count_what_was_decided_and_not_what_was_read() -> None:
    inbox = Inbox([TOPIC], {TOPIC: {PRODUCERS[0]: 4}})
    assert inbox.offer(envelope(5))
    assert inbox.seen == {TOPIC: {PRODUCERS[0]: 4}}
    assert inbox.read_upto(TOPIC) == {PRODUCERS[0]: 5}
    inbox.pop(TOPIC)
    assert inbox.seen == {TOPIC: {PRODUCERS[0]: 5}}


def test_a_message_before_a_missing_one_is_not_taken() -> None:
    inbox = Inbox([TOPIC], {})
    assert not inbox.offer(envelope(2, entry="a-2"))
    assert inbox.peek(TOPIC, FeedAdvanced) is None
    assert inbox.finished() == [(TOPIC, "a-2")]


def test_uncounted_messages_are_done_with_at_once() -> None:
    inbox = Inbox([TOPIC], {})
    assert inbox.offer(envelope(0, entry="a-0"))
    assert inbox.peek(TOPIC, FeedAdvanced) is None
    assert inbox.finished() == [(TOPIC, "a-0")]


def test_a_message_of_the_wrong_kind_is_named() -> None:
    inbox = Inbox([TOPIC], {})
    inbox.offer(replace(envelope(1), message=SliceClosed(START, "1h", ())))
    with pytest.raises(StreamCorrupt, match=r"candles: number 1 is a SliceClosed, expected FeedAdvanced"):
        pop_as(inbox, TOPIC, FeedAdvanced)


def test_both_shapes_of_a_reply_are_read_alike() -> None:
    entries = [("1-0", {"type": "a"}), ("1-1", {"type": "b"})]
    wanted = [("s", entries)]
    assert list(_pairs([["s", entries]])) == wanted
    assert list(_pairs([("s", entries)])) == wanted
    assert list(_pairs({"s": [entries]})) == wanted
    assert list(_pairs({"s": [entries[:1], entries[1:]]})) == wanted
    nothings: tuple[Any, ...] = (None, [], {})
    for nothing in nothings:
        assert list(_pairs(nothing)) == []


def test_entry_ids_are_ordered_as_numbers() -> None:
    assert min(["10-0", "9-5", "9-12"], key=_id_key) == "9-5"
    assert _id_key("7") == (7, 0)
