"""Whether a stream's entry is what its producer stored: the outbox is the truth, an entry says where to look.

Whoever can write to Redis can write an entry with any producer, number and body. Nobody but the services can write the
outbox, and a message is stored there before it is published. So an entry counts only if the outbox has its very body.
"""

from collections.abc import Sequence

from services.kernel import database
from services.kernel.database import Connection, Place
from services.kernel.inbox import Inbox
from services.kernel.streams import Envelope

NOT_STORED = "not what its producer stored"


async def vouched(
    conn: Connection, envelopes: Sequence[Envelope], inbox: Inbox
) -> tuple[list[Envelope], list[Envelope]]:
    """Part entries into those that their producers stored and those that nobody did, with one query.

    Uncounted entries pass, for an inbox keeps none; a repetition passes too when its row is gone: it is known already.
    """
    stored = await database.bodies(conn, {_place(e) for e in envelopes if e.seq > 0})
    true: list[Envelope] = []
    forged: list[Envelope] = []
    for envelope in envelopes:
        body = stored.get(_place(envelope))
        known = envelope.seq <= inbox.read_upto(envelope.topic).get(envelope.producer, 0)  # 0: never counted
        believed = known if body is None else body == envelope.body
        (true if believed else forged).append(envelope)
    return true, forged


def _place(envelope: Envelope) -> Place:
    return envelope.topic, envelope.producer, envelope.seq
