"""What people are told, in words, and the SQL of ``notifications``: each happening once, in order, until it is told."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.kernel.database import Connection

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
OVERLAP = timedelta(days=30)
"""How much later than the time that it bears a row may be stored: a stage that was stuck decides on old slices."""

# Changes of what may trade, flags that a person should know of, halts; what has a notification already is left out.
NEW = """
select h.* from (
    select 'change|' || seq as key, ts as at, 'change' as kind, change as name, subject, forced::text as rank,
           concat_ws(': ', given_by, nullif(note, '')) as detail
    from phase_activation_log
    union all
    select 'raised|' || id, raised_at, 'raised', name, coalesce(subject, 'all'), severity, blocks || '|' || detail
    from system_flags where severity <> 'info' and raised_at > $1
    union all
    select 'cleared|' || id, cleared_at, 'cleared', name, coalesce(subject, 'all'), severity, blocks || '|' || detail
    from system_flags where severity <> 'info' and cleared_at > $1
    union all
    select 'halt|' || id, ts, 'halt', name, 'all', severity, detail
    from risk_events where symbol is null and name in ('halt', 'resume') and ts > $1
) h
where not exists (select from notifications n where n.key = h.key)
order by h.at, h.key
"""
ADD = """
insert into notifications (key, at, title, text, subject, told_at)
select * from unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
on conflict (key) do nothing
"""
NEXT = """
select seq, at, title, text, subject, tries from notifications where told_at is null and not given_up
order by seq limit 1
"""
TRIED = "update notifications set tries = tries + 1 where seq = $1"
TOLD = "update notifications set told_at = $2 where seq = $1"
GIVEN_UP = "update notifications set given_up = true where seq = $1"

MEANS = {"entries": "Entries are blocked.", "live": "Live entries are blocked.", "": "It blocks nothing."}


@dataclass(frozen=True, slots=True)
class Happening:
    """A row that people should know of; ``rank`` is a flag's severity, or whether a change was forced."""

    key: str
    at: datetime
    kind: str
    name: str
    subject: str
    rank: str
    detail: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification that waits to be told."""

    seq: int
    at: datetime
    title: str
    text: str
    subject: str
    tries: int


def worded(one: Happening) -> tuple[str, str]:
    """Return title and text."""
    if one.kind == "change":
        forced = ", forced" if one.rank == "true" else ""
        return f"{one.subject} {one.name.replace('_', ' ')}{forced}", f"By {one.detail}."
    if one.kind == "halt":
        return ("Trading is halted" if one.name == "halt" else "Trading goes on"), one.detail
    blocks, _, detail = one.detail.partition("|")
    if one.kind == "cleared":
        return f"Over: {one.name} {one.subject}", f"It was: {detail}"
    return f"{one.rank.capitalize()}: {one.name} {one.subject}", f"{detail}. {MEANS.get(blocks, blocks)}"


async def collect(conn: Connection, since: datetime | None, told_at: datetime | None = None) -> int:
    """Write down what has happened; ``since`` is when that was last done, None: never.

    With ``told_at`` it counts as told already: history from before the first start.
    """
    begin = BEGINNING if since is None else since - OVERLAP
    found = [Happening(*row) for row in await conn.fetch(NEW, begin)]
    if found:
        words = [worded(one) for one in found]
        await conn.execute(
            ADD, [one.key for one in found], [one.at for one in found], [title for title, _ in words],
            [text for _, text in words], [one.subject for one in found], [told_at] * len(found),
        )  # fmt: skip
    return len(found)


async def waiting(conn: Connection) -> Notice | None:
    """Return the oldest that was not told yet."""
    row = await conn.fetchrow(NEXT)
    return None if row is None else Notice(*row)


async def tried(conn: Connection, seq: int) -> None:
    """Count a try, before it is made."""
    await conn.execute(TRIED, seq)


async def told(conn: Connection, seq: int, now: datetime) -> None:
    """Remember that people were told."""
    await conn.execute(TOLD, seq, now)


async def give_up(conn: Connection, seq: int) -> None:
    """Let the next one have its turn; this one stands in the log."""
    await conn.execute(GIVEN_UP, seq)
