"""What a stage has read and not yet decided upon: in order, without repetition, with loss noticed."""

from collections import deque
from collections.abc import Sequence
from typing import TypeVar

from services.contracts.messages import Message
from services.kernel.errors import StreamCorrupt
from services.kernel.streams import Envelope

M = TypeVar("M", bound=Message)


class Inbox:
    """Per topic a queue of envelopes in each producer's order; ``seen`` counts what was decided, not what was read."""

    def __init__(self, topics: Sequence[str], seen: dict[str, dict[str, int]]) -> None:
        self.topics = tuple(topics)
        self.seen: dict[str, dict[str, int]] = {topic: dict(seen.get(topic, {})) for topic in topics}
        self.queues: dict[str, deque[Envelope]] = {topic: deque() for topic in topics}
        self._read: dict[str, dict[str, int]] = {topic: dict(self.seen[topic]) for topic in topics}
        self._done: list[tuple[str, str]] = []

    def offer(self, envelope: Envelope) -> bool:
        """Queue an envelope; False if an earlier message of its producer is missing (read the outbox, then go on).

        Uncounted, repeated and early entries are done with at once: no pending entry may hold up the trimming.
        """
        last = self._read[envelope.topic].get(envelope.producer, 0)
        if envelope.seq <= last:
            self._finish(envelope)
            return True
        if envelope.seq > last + 1:
            self._finish(envelope)  # the outbox brings it again; unacknowledged it would hold up trimming for ever
            return False
        self._read[envelope.topic][envelope.producer] = envelope.seq
        self.queues[envelope.topic].append(envelope)
        return True

    def read_upto(self, topic: str) -> dict[str, int]:
        """Return the newest number read per producer, decided or not."""
        return self._read[topic]

    def pop(self, topic: str) -> Envelope:
        """Take the oldest envelope as decided upon: its number becomes part of the stored cursors."""
        envelope = self.queues[topic].popleft()
        self.seen[topic][envelope.producer] = envelope.seq
        self._finish(envelope)
        return envelope

    def peek(self, topic: str, kind: type[M]) -> M | None:
        """Look at the oldest message without taking it; None if there is none."""
        queue = self.queues[topic]
        return _checked(queue[0], kind) if queue else None

    def waiting(self, topic: str, kind: type[M]) -> deque[M]:
        """Look at all waiting messages of a topic, oldest first."""
        return deque(_checked(envelope, kind) for envelope in self.queues[topic])

    def finished(self) -> list[tuple[str, str]]:
        """Hand over the entries ``(topic, entry_id)`` that can be acknowledged once the decision is stored."""
        done, self._done = self._done, []
        return done

    def _finish(self, envelope: Envelope) -> None:
        if envelope.entry_id is not None:
            self._done.append((envelope.topic, envelope.entry_id))


def pop_as(inbox: Inbox, topic: str, kind: type[M]) -> M:
    """Take the oldest message of a topic, which must be of the given kind."""
    return _checked(inbox.pop(topic), kind)


def _checked(envelope: Envelope, kind: type[M]) -> M:
    if not isinstance(envelope.message, kind):
        found = type(envelope.message).__name__
        raise StreamCorrupt(f"stream {envelope.topic}: number {envelope.seq} is a {found}, expected {kind.__name__}")
    return envelope.message
