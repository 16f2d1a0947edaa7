"""Planted where sources meet: bars by another clock, leaders and values joined before they were known."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np

from services.inference.context import Observed
from services.inference.series import Floats, Ints, moment
from services.research.leaks.planted.kinds import Given, Leak, column, source
from services.research.leaks.world import COLUMNS, Vintages, World, moved

HOUR, DAY = 3_600, 86_400
NEW_YORK = ZoneInfo("America/New_York")


@source("bars stamped so that they seem to close when they open", "clock")
def bars_stamped_by_their_open(world: World) -> World:
    return _own_moved(world, -HOUR)


@source("bars written in a zone two hours ahead and read as UTC: they come late, at wrong hours of the day", "clock")
def wrong_time_zone_ahead(world: World) -> World:
    return _own_moved(world, 2 * HOUR)


@source("bars written in a zone twelve hours behind and read as UTC", "clock")
def wrong_time_zone_behind(world: World) -> World:
    return _own_moved(world, -12 * HOUR)


@source(
    "New York's wall clock read as UTC less five hours: right in winter, an hour off once summer time begins", "clock"
)
def summer_time_forgotten(world: World) -> World:
    symbol = world.subjects[0]
    series = world.candles[symbol]
    offset = [
        round((moment(ts).astimezone(NEW_YORK).utcoffset() or timedelta()).total_seconds()) for ts in series.ts.tolist()
    ]
    wall = moved(series, np.array(offset, dtype=np.int64) + 5 * HOUR)
    # The hour that summer time skips; where one stands twice the first counts.
    first = np.unique(wall.ts, return_index=True)[1]
    return world.with_candles(symbol, replace(wall, **{name: getattr(wall, name)[first] for name in COLUMNS}))


@source("a split counted from its announcement, two days before it takes effect", "truncation")
def split_before_its_day(world: World) -> World:
    symbol = world.subjects[0]
    series = world.candles[symbol]
    return world.with_candles(
        symbol, replace(series, splits=tuple((at - 2 * DAY, ratio) for at, ratio in series.splits))
    )


@source("the leader's bars written in a zone five hours behind and read as UTC", "truncation")
def leader_of_another_zone(world: World) -> World:
    leader = _leader(world)
    return world.with_candles(leader, moved(world.candles[leader], -5 * HOUR))


@source("the leader's bars written in a zone three hours ahead: its past comes late", "clock")
def leader_of_a_zone_ahead(world: World) -> World:
    leader = _leader(world)
    return world.with_candles(leader, moved(world.candles[leader], 3 * HOUR))


@source("the leader's bar that opens when the asset's closes is joined to it", "truncation")
def leader_joined_by_its_open(world: World) -> World:
    leader = _leader(world)
    return world.with_candles(leader, moved(world.candles[leader], -HOUR))


@source("where the leader has no bar the nearest one is joined, be it later", "truncation")
def leader_joined_by_the_nearest(world: World) -> World:
    leader = _leader(world)
    series = world.candles[leader]
    ts = np.arange(series.ts[0], series.ts[-1] + 1, HOUR, dtype=np.int64)
    after = np.clip(np.searchsorted(series.ts, ts), 1, len(series.ts) - 1)
    nearest = np.where(ts - series.ts[after - 1] < series.ts[after] - ts, after - 1, after)
    nearest[0] = 0
    found = {name: getattr(series, name)[nearest] for name in COLUMNS[1:]}
    return world.with_candles(leader, replace(series, ts=ts, **found))


@source("values joined at the day that they speak of, not when they became known", "clock")
def value_by_its_own_date(world: World) -> World:
    return _as_known(world, "vix", lambda series: series.of)


@source("dominance of a whole day joined at that day's 00:00", "clock")
def dominance_at_its_days_begin(world: World) -> World:
    return _as_known(world, "usdt_dominance", lambda series: series.of)


@source("the mood of each day, its mean over the whole day, joined at the day's 00:00", "truncation")
def mood_of_the_same_day(world: World) -> World:
    series = world.values["sentiment"]
    days, group = np.unique(series.of // DAY * DAY, return_inverse=True)
    mean = np.bincount(group, weights=series.value) / np.bincount(group)
    return world.with_values("sentiment", Vintages(days, days, mean))


@source("values of a source three hours behind read as UTC: each is used three hours before it was known", "clock")
def values_of_a_zone_behind(world: World) -> World:
    return _as_known(world, "btc_dominance", lambda series: series.known - 3 * HOUR)


@source("values of a source five hours ahead read as UTC: each is used five hours late", "clock")
def values_of_a_zone_ahead(world: World) -> World:
    return _as_known(world, "btc_dominance", lambda series: series.known + 5 * HOUR)


@source("the last revision of each value, as today's download shows it, from the value's first day on", "revision")
def latest_vintage(world: World) -> World:
    series = world.values["real_yield"]
    last = {of: row for row, of in enumerate(series.of.tolist())}
    value = series.value[[last[of] for of in series.of.tolist()]]
    return world.with_values("real_yield", Vintages(series.of, series.known, value))


@source("a revision carried back half of the way to the days before it was published", "revision")
def revision_carried_back(world: World) -> World:
    series = world.values["real_yield"]
    last = {of: row for row, of in enumerate(series.of.tolist())}
    revised = series.value[[last[of] for of in series.of.tolist()]]
    return world.with_values("real_yield", Vintages(series.of, series.known, 0.5 * (series.value + revised)))


@source("a daily value drawn as a straight line towards the next day's", "truncation")
def values_interpolated(world: World) -> World:
    series = world.values["vix"]
    known = np.arange(series.known[0], series.known[-1] + 1, HOUR, dtype=np.int64)
    return world.with_values("vix", Vintages(known, known, np.interp(known, series.known, series.value)))


@column("the value nearest in time, be it later")
def value_nearest_in_time(given: Given) -> Floats:
    series = given.context.values["btc_dominance"]
    return _at(series, given.rows.close_ts + HOUR // 2)


@column("what a release turned out to say, from the day on which it was scheduled")
def outcome_of_a_scheduled_release(given: Given) -> Floats:
    series = given.world.values["inflation"]
    # Of each release the last thing known of it, at the time when the release was announced.
    last = {of: row for row, of in enumerate(series.of.tolist())}
    outcome = series.value[list(last.values())]
    announced = np.array(list(last), dtype=np.int64) - 2 * DAY
    order = np.argsort(announced)
    return _at(Observed(announced[order], outcome[order]), given.rows.close_ts)


@column("the leader's return of the next bar: who leads is told by who is ahead of time")
def leaders_next_bar(given: Given) -> Floats:
    leader = given.context.leaders[0]
    row = np.minimum(np.searchsorted(leader.close_ts, given.rows.close_ts, side="right"), len(leader.ts) - 1)
    step: Floats = np.log(leader.close[row] / leader.close[np.maximum(row - 1, 0)])
    return step


def _leader(world: World) -> str:
    return world.leaders["crypto"][0]


def _own_moved(world: World, seconds: int) -> World:
    symbol = world.subjects[0]
    return world.with_candles(symbol, moved(world.candles[symbol], seconds))


def _as_known(world: World, name: str, known: Callable[[Vintages], Ints]) -> World:
    series = world.values[name]
    return world.with_values(name, Vintages(series.of, known(series), series.value))


def _at(series: Observed, moments: Ints) -> Floats:
    row = np.searchsorted(series.available, moments, side="right") - 1
    return np.where(row >= 0, series.value[np.maximum(row, 0)], np.nan)


LEAKS: tuple[Leak, ...] = (
    bars_stamped_by_their_open,
    wrong_time_zone_ahead,
    wrong_time_zone_behind,
    summer_time_forgotten,
    split_before_its_day,
    leader_of_another_zone,
    leader_of_a_zone_ahead,
    leader_joined_by_its_open,
    leader_joined_by_the_nearest,
    leaders_next_bar,
    value_by_its_own_date,
    dominance_at_its_days_begin,
    mood_of_the_same_day,
    values_of_a_zone_behind,
    values_of_a_zone_ahead,
    latest_vintage,
    revision_carried_back,
    values_interpolated,
    value_nearest_in_time,
    outcome_of_a_scheduled_release,
)
