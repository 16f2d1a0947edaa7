"""Several sources as one: order, benching, provenance, disagreement."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from services.domain.candles import Candles, Timeframe, epoch, from_rows
from services.ingestion.errors import BadKey, FeedError, RateLimited, SourceDown, SymbolNotOffered
from services.ingestion.failover import Failover

T0 = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Recorded:
    """A made-up source: closes by hour; errors are raised first, one an ask."""

    def __init__(self, name: str, closes: list[float], *errors: FeedError, breaks_after: int | None = None) -> None:
        self.name = name
        self.errors = list(errors)
        self.asked = 0
        self.breaks_after = breaks_after
        rows = [(epoch(T0) + 3600 * n, c, c, c, c, 1.0) for n, c in enumerate(closes)]
        self.candles = from_rows("X", "1h", name, rows)

    async def history(
        self, symbol: str, timeframe: Timeframe, since: datetime, until: datetime
    ) -> AsyncIterator[Candles]:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        wanted = self.candles.between(since, until)
        for n in range(len(wanted)):
            if self.breaks_after is not None and n >= self.breaks_after:
                raise SourceDown(f"{self.name} broke off")
            yield wanted.take(slice(n, n + 1))

    async def latest(self, symbol: str, timeframe: Timeframe, since: datetime) -> Candles:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.candles.take(self.candles.ts >= epoch(since))

    async def close(self) -> None:
        self.asked = -1


def latest(source: Failover) -> Candles:
    return asyncio.run(source.latest("X", "1h", T0))


def test_asks_the_first_and_keeps_its_name_on_the_rows() -> None:
    first, second = Recorded("first", [1.0]), Recorded("second", [2.0])
    found = latest(Failover([first, second], lambda: T0))
    assert (found.source, second.asked) == ("first", 0)


@pytest.mark.parametrize(
    "error", [RateLimited("slow down"), SourceDown("gone"), BadKey("no"), SymbolNotOffered("no X")]
)
def test_the_next_source_steps_in_for_any_failure(error: FeedError) -> None:
    source = Failover([Recorded("first", [1.0], error), Recorded("second", [2.0])], lambda: T0)
    assert latest(source).source == "second"
    assert source.name == "second"


def test_a_source_that_is_down_is_left_alone_and_asked_again_later() -> None:
    now = [T0]
    first, second = Recorded("first", [1.0], SourceDown("gone")), Recorded("second", [2.0])
    source = Failover([first, second], lambda: now[0])
    assert [latest(source).source for _ in range(3)] == ["second"] * 3
    assert first.asked == 1
    now[0] += timedelta(minutes=6)
    assert latest(source).source == "first"


def test_a_symbol_that_a_source_lacks_does_not_bench_it() -> None:
    first = Recorded("first", [1.0], SymbolNotOffered("no X"))
    source = Failover([first, Recorded("second", [2.0])], lambda: T0)
    assert [latest(source).source for _ in range(2)] == ["second", "first"]


def test_history_goes_on_with_the_next_source_where_one_breaks_off() -> None:
    first, second = Recorded("first", [1.0] * 5, breaks_after=2), Recorded("second", [2.0] * 5)

    async def pages() -> list[Candles]:
        source = Failover([first, second], lambda: T0)
        return [page async for page in source.history("X", "1h", T0, T0 + 5 * HOUR)]

    found = asyncio.run(pages())
    assert [int(page.ts[0]) for page in found] == [epoch(T0) + 3600 * n for n in range(5)]
    assert [page.source for page in found] == ["first", "first", "second", "second", "second"]


def test_all_failing_names_all() -> None:
    source = Failover([Recorded("a", [], SourceDown("a is gone")), Recorded("b", [], BadKey("b says no"))], lambda: T0)
    with pytest.raises(SourceDown, match="a is gone; b says no"):
        latest(source)


def test_flags_closes_that_lie_too_far_apart() -> None:
    async def check(other: float) -> object:
        source = Failover([Recorded("a", [100.0, 100.0]), Recorded("b", [100.0, other])], lambda: T0)
        return await source.cross_check("X", "1h", T0, 50.0)

    assert asyncio.run(check(100.4)) is None
    assert str(asyncio.run(check(102.0))) == "a 100 and b 102 (196 bps)"
