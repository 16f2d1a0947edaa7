"""All SQL of the values that features read beside candles: dominance, mood, indicators, each with when it was known."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from services.inference.context import Observed
from services.inference.features import CONTEXT_SECONDS, READINGS
from services.kernel.database import Connection

DOMINANCE = """
select ceil(extract(epoch from available_at))::bigint, btc_d, usdt_d from dominance
where available_at >= $1 and available_at <= $2
order by available_at, ts
"""

MOOD = """
select symbol, ceil(extract(epoch from available_at))::bigint, source, sentiment, mentions
from social_sentiment
where symbol = any($1::text[]) and available_at >= $2 and available_at <= $3
order by symbol, available_at, ts, source
"""

# A vintage counts from when it was known, unless something observed later was known before: a late revision of an old
# value is not news. Market-wide values have an empty symbol.
INDICATORS = """
select symbol, name, ceil(extract(epoch from available_at))::bigint, value
from (
    select symbol, name, available_at, observed_at, value, max(observed_at) over (
        partition by symbol, name order by available_at, observed_at rows unbounded preceding) as newest
    from leading_indicators
    where name = any($1::text[]) and (symbol = '' or symbol = any($2::text[])) and available_at <= $4
) vintages
where observed_at = newest and available_at >= $3
order by symbol, name, available_at, observed_at
"""

# Posts of watched accounts stand among the keywords, each under its account's name.
POSTS = """
select symbol, ceil(extract(epoch from available_at))::bigint, (
    select coalesce(sum(value::integer), 0)
    from json_each_text(case json_typeof(keywords) when 'object' then keywords end) where key like '@%'
)
from social_sentiment
where source = 'x' and symbol = any($1::text[]) and available_at >= $2 and available_at <= $3
order by symbol, available_at, ts
"""

EARNINGS = """
select symbol, ceil(extract(epoch from available_at))::bigint, extract(epoch from scheduled_at)::bigint
from economic_calendar
where symbol = any($1::text[]) and name = symbol || ' earnings' and available_at <= $3
    and scheduled_at >= $2::timestamptz - interval '10 days' and scheduled_at <= $3::timestamptz + interval '10 days'
order by symbol, available_at, scheduled_at
"""

MOOD_SECONDS = 6 * 3_600
"""A source that has said nothing for so long is left out of the mood."""


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """Observed values by name: of the whole market, and of each symbol."""

    market: dict[str, Observed]
    of: dict[str, dict[str, Observed]]


def moods(
    rows: Iterable[tuple[str, int, str, float | None, int]],
) -> Iterator[tuple[str, int, float | None, float]]:
    """Add sources up: after each reading, the mood weighed by mentions and their count over the newest of each source.

    Rows are (symbol, known at, source, sentiment, mentions) in order of symbol and time; sources report at moments of
    their own, and a count that only one of them made would look like a fall.
    """
    newest: dict[str, tuple[int, float | None, int]] = {}
    of = ""
    for symbol, known, source, sentiment, mentions in rows:
        if symbol != of:
            newest, of = {}, symbol
        newest[source] = (known, sentiment, mentions)
        heard = [(mood, count) for at, mood, count in newest.values() if at > known - MOOD_SECONDS]
        felt = [(mood, count) for mood, count in heard if mood is not None and count > 0]
        weight = sum(count for _, count in felt)
        mood = sum(mood * count for mood, count in felt) / weight if weight else None
        yield symbol, known, mood, float(sum(count for _, count in heard))


def _indicators() -> dict[str, str]:
    """Map the stored names of the indicators that features read to what the features call them."""
    table = "leading_indicators: "
    return {one.stored.removeprefix(table): one.name for one in READINGS if one.stored.startswith(table)}


async def load_values(conn: Connection, symbols: Sequence[str], since: datetime, until: datetime) -> Values:
    """Read what features and readings of bars that closed in [since, until] may look at."""
    indicators = _indicators()
    since -= timedelta(seconds=CONTEXT_SECONDS)
    pairs: dict[tuple[str, str], list[tuple[int, float]]] = {}

    def add(symbol: str, name: str, known: int, value: Any) -> None:
        if value is not None:
            pairs.setdefault((symbol, name), []).append((known, float(value)))

    for known, btc, usdt in await conn.fetch(DOMINANCE, since, until):
        add("", "btc_dominance", known, btc)
        add("", "usdt_dominance", known, usdt)
    for symbol, known, mood, mentions in moods(
        [tuple(row) for row in await conn.fetch(MOOD, list(symbols), since, until)]
    ):
        add(symbol, "sentiment", known, mood)
        add(symbol, "mentions", known, mentions)
    for name, query in (("posts", POSTS), ("earnings", EARNINGS)):
        for symbol, known, value in await conn.fetch(query, list(symbols), since, until):
            add(symbol, name, known, value)
    for symbol, name, known, value in await conn.fetch(INDICATORS, list(indicators), list(symbols), since, until):
        add(symbol, indicators[name], known, value)
    found = Values({}, {})
    for (symbol, name), rows in pairs.items():
        observed = Observed(
            np.array([known for known, _ in rows], dtype=np.int64), np.array([value for _, value in rows])
        )
        (found.of.setdefault(symbol, {}) if symbol else found.market)[name] = observed
    return found
