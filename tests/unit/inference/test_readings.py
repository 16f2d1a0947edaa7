"""Readings beside forecasts: right, the same in a batch and alone, and blind to what comes later."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_cases import LEADERS, quick_settings, scaled, walk, without

from services.contracts.messages import encode
from services.domain.calendars import expected_opens
from services.inference.asset_readings import reach, read_bars
from services.inference.context import Observed
from services.inference.daily_readings import Clusters, correlated, daily_returns, grouped
from services.inference.forecasting import slices_of
from services.inference.market import Market
from services.inference.readings import SliceReadings, read
from services.inference.series import BAR_SECONDS, Candles, Ints, moment

SETTINGS = quick_settings()
N = 3_000
DAY = 86_400
REACH = reach("crypto", "1h")


def like(series: Candles, symbol: str, seed: int) -> Candles:
    """A coin that mostly does what the other does."""
    own = walk(len(series.ts), seed, symbol)
    factor = (series.close / own.close) ** 0.7
    return replace(own, **{name: getattr(own, name) * factor for name in ("open", "high", "low", "close")})


BTC = walk(N)
CANDLES = {"BTC/USDT": BTC, "ETH/USDT": like(BTC, "ETH/USDT", 2), "SOL/USDT": walk(N, 3, "SOL/USDT")}
SPLIT = int(BTC.ts[2_600])


def raw(series: Candles, at: int, factor: float) -> Candles:
    """The same history with a split that its prices show."""
    before = series.ts < at
    changed = {
        name: np.where(before, getattr(series, name) * factor, getattr(series, name))
        for name in ("open", "high", "low", "close")
    }
    volume = np.where(before, series.volume / factor, series.volume)
    return replace(series, **changed, volume=volume, splits=((at, factor),))


def market(candles: dict[str, Candles], values_of: dict[str, dict[str, Observed]] | None = None) -> Market:
    return Market(candles, LEADERS, {}, values_of or {})


def closes(candles: dict[str, Candles], rows: range) -> list[datetime]:
    return [moment(int(candles["BTC/USDT"].ts[row]) + BAR_SECONDS) for row in rows]


def read_all(candles: dict[str, Candles], rows: range) -> list[SliceReadings]:
    return read(market(candles), slices_of(candles, closes(candles, rows)), SETTINGS)


def test_one_slice_with_only_what_it_needs_reads_what_a_batch_reads() -> None:
    rows = range(2_500, 2_700)
    candles = {**CANDLES, "SOL/USDT": raw(CANDLES["SOL/USDT"], SPLIT, 4.0)}
    batch = read_all(candles, rows)
    clusters: Clusters | None = None
    for i, row in enumerate(rows):
        if i % 7 and i not in (99, 100, 101):
            clusters = None
            continue
        window = {symbol: series.between(row - REACH - 24, row + 1) for symbol, series in candles.items()}
        (alone,) = read(market(window), slices_of(window, closes(candles, rows[i : i + 1])), SETTINGS, clusters)
        assert [encode(one) for one in alone.readings] == [encode(one) for one in batch[i].readings]
        assert alone == batch[i]
    sol = batch[150].readings[2]
    assert len(sol.supports) + len(sol.resistances) > 0
    assert {reading.regime for one in batch for reading in one.readings} >= {"high_vol", "chop"}


def test_a_split_is_no_move_and_levels_are_in_the_units_of_the_bar() -> None:
    rows = range(2_590, 2_640)
    plain, split = (
        read_all(CANDLES, rows),
        read_all({**CANDLES, "SOL/USDT": raw(CANDLES["SOL/USDT"], SPLIT, 4.0)}, rows),
    )
    for i, row in enumerate(rows):
        one, other = plain[i].readings[2], split[i].readings[2]
        assert other.regime == one.regime
        assert other.volatility == pytest.approx(one.volatility)
        assert other.usual_volatility == pytest.approx(one.usual_volatility)
        units = 4.0 if row < 2_600 else 1.0
        assert [zone.low for zone in other.supports] == pytest.approx([zone.low * units for zone in one.supports])
        assert split[i].clusters == plain[i].clusters
    at_midnight = [(one.returns, other.returns) for one, other in zip(plain, split, strict=True) if one.returns]
    assert len(at_midnight) == 3
    for these, those in at_midnight:
        assert those[2].daily == pytest.approx(these[2].daily)


@settings(max_examples=12, deadline=None)
@given(
    cut=st.integers(2_400, 2_950),
    factor=st.floats(0.2, 5.0),
    how=st.sampled_from(["altered", "gone", "thinned", "split"]),
)
def test_what_comes_later_changes_no_reading(cut: int, factor: float, how: str) -> None:
    def changed(series: Candles) -> Candles:
        if how == "gone":
            return series.between(0, cut)
        if how == "thinned":
            return without(series, np.arange(cut, N, 3))
        if how == "split":
            return raw(series, int(series.ts[cut]), 2.0).between(0, N) if cut < N else series
        return scaled(series, cut, factor)

    others = {symbol: changed(series) for symbol, series in CANDLES.items()}
    if how == "split":
        # Of a later split the past is on the old terms and knows nothing: halve it back to compare.
        others = {symbol: _halved(series, cut) for symbol, series in others.items()}
    rows = range(max(cut - 30, 0), cut)
    moments = closes(CANDLES, rows)
    ours = read(market(CANDLES), slices_of(CANDLES, moments), SETTINGS)
    theirs = read(market(others), slices_of(CANDLES, moments), SETTINGS)
    assert theirs == ours


def _halved(series: Candles, cut: int) -> Candles:
    """Divide all prices by two, exactly, so that those before the split are as they were."""
    names = ("open", "high", "low", "close")
    return replace(series, **{name: getattr(series, name) / 2.0 for name in names}, volume=series.volume * 2.0)


def test_figures_of_a_bar_are_what_their_names_say() -> None:
    row = 2_700
    (own,) = read_bars(BTC, np.array([row], dtype=np.int64))
    step = np.diff(np.log(BTC.close[: row + 1]))
    daily = [float(np.sqrt(np.mean(step[i - 24 : i] ** 2))) for i in range(len(step) - 719, len(step) + 1)]
    assert own.volatility == pytest.approx(daily[-1])
    assert own.usual_volatility == pytest.approx(float(np.median(daily)))
    days = np.diff(np.log(BTC.close[row - 240 : row + 1 : 24]))
    assert own.sideways == (abs(days.sum()) < 0.3 * np.abs(days).sum())
    close = BTC.close[row]
    assert all(zone.low <= close for zone in own.supports)
    assert all(zone.low > close for zone in own.resistances)
    assert own.decay_per_day is None


def test_a_market_that_goes_nowhere_is_sideways_and_one_that_goes_its_way_is_not() -> None:
    hours = np.arange(800, dtype=np.float64)
    to_and_fro = replace(BTC.between(0, 800), close=100.0 + 5.0 * (hours // 24 % 2))
    straight = replace(BTC.between(0, 800), close=100.0 * np.exp(0.001 * hours))
    flat = replace(BTC.between(0, 800), close=np.full(800, 100.0))
    at = np.array([799], dtype=np.int64)
    assert [read_bars(one, at)[0].sideways for one in (to_and_fro, straight, flat)] == [True, False, True]
    assert read_bars(BTC, np.array([239], dtype=np.int64))[0].sideways is None


@pytest.mark.parametrize(("leverage", "share"), [(3.0, 1 / 3), (1.5, 1 / 6), (-1.0, 1.0), (1.0, 0.0)])
def test_leverage_costs_what_the_index_would_lose_by_it(leverage: float, share: float) -> None:
    # Over many days of no drift, a fund of daily leverage falls behind by (L^2 - L) / 2 of the index's variance.
    (own,) = read_bars(BTC, np.array([2_700], dtype=np.int64), leverage)
    assert own.volatility is not None
    assert own.decay_per_day == pytest.approx(share * own.volatility**2 * 24)
    index = np.random.default_rng(1).normal(0.0, 0.01, 200_000)
    behind = leverage * index.mean() - np.log1p(leverage * np.expm1(index)).mean()
    fund = np.log1p(leverage * np.expm1(index)).std()
    assert behind == pytest.approx(share * fund**2, abs=4e-6)


def test_too_little_past_leaves_a_reading_empty_and_no_candle_does_too() -> None:
    made = read_all({symbol: series.between(0, 20) for symbol, series in CANDLES.items()}, range(10, 12))
    assert [encode(reading) for reading in made[0].readings] == [
        b'{"symbol":"BTC/USDT"}', b'{"symbol":"ETH/USDT"}', b'{"symbol":"SOL/USDT"}'
    ]  # fmt: skip
    asked = slices_of(CANDLES, closes(CANDLES, range(2_700, 2_701)))
    lacking = {**CANDLES, "ETH/USDT": CANDLES["ETH/USDT"].between(0, 2_000)}
    del lacking["SOL/USDT"]
    (one,) = read(market(lacking), asked, SETTINGS)
    assert [reading.regime != "unclassified" for reading in one.readings] == [True, False, False]


def observed(*rows: tuple[int, float]) -> Observed:
    known: Ints = np.array([at for at, _ in rows], dtype=np.int64)
    return Observed(known, np.array([value for _, value in rows]))


def test_moods_posts_and_earnings_are_read_as_they_were_known() -> None:
    (now,) = closes(CANDLES, range(2_700, 2_701))
    at, hour = int(now.timestamp()), 3_600
    near, far = at + 9 * DAY, at - 2 * DAY
    told = {
        "sentiment": observed((at - hour, 0.25), (at + 1, -1.0)),
        "mentions": observed((at - hour, 120.0), (at + 1, 7.0)),
        "posts": observed((at - DAY, 50.0), (at - DAY + 1, 2.0), (at - hour, 0.0), (at, 3.0), (at + 1, 9.0)),
        "earnings": observed((at - 30 * DAY, near), (at - 20 * DAY, at + 11 * DAY), (at - DAY, far), (at + 1, at)),
    }
    (one,) = read(market(CANDLES, {"BTC/USDT": told}), slices_of(CANDLES, [now]), SETTINGS)
    btc, eth = one.readings[0], one.readings[1]
    assert (btc.sentiment, btc.mentions, btc.posts, btc.earnings_at) == (0.25, 120, 5, moment(far))
    assert (eth.sentiment, eth.mentions, eth.posts, eth.earnings_at) == (None, None, None, None)
    (later,) = read(market(CANDLES, {"BTC/USDT": told}), slices_of(CANDLES, [now + timedelta(hours=30)]), SETTINGS)
    assert (later.readings[0].sentiment, later.readings[0].mentions, later.readings[0].posts) == (None, None, None)


def test_the_whole_markets_regime_comes_from_dominance_known_by_the_slice() -> None:
    (now,) = closes(CANDLES, range(2_700, 2_701))
    at = int(now.timestamp())
    values = {"btc_dominance": observed((at - 60, 57.0), (at + 1, 40.0)), "usdt_dominance": observed((at - 90, 4.5))}
    (one,) = read(Market(CANDLES, LEADERS, values), slices_of(CANDLES, [now]), SETTINGS)
    assert (one.market.regime, one.market.btc_dominance, one.market.usdt_dominance) == ("btc_dominant", 57.0, 4.5)
    assert one.market.as_of == moment(at - 60)
    (bare,) = read(market(CANDLES), slices_of(CANDLES, [now]), SETTINGS)
    assert (bare.market.regime, bare.market.as_of) == ("unknown", None)


def test_clusters_are_those_of_the_last_midnight_all_day() -> None:
    rows = range(2_688, 2_688 + 49)
    found = read_all(CANDLES, rows)
    midnight = int(CANDLES["BTC/USDT"].ts[2_688])
    assert found[0].clusters == grouped(CANDLES, midnight, SETTINGS).groups == (("BTC/USDT", "ETH/USDT"),)
    assert all(one.clusters == found[23].clusters for one in found[23:47])
    assert correlated(CANDLES, midnight, SETTINGS)[0].correlation > 0.7
    kept = Clusters(midnight, (("BTC/USDT", "SOL/USDT"),))
    again = read(market(CANDLES), slices_of(CANDLES, closes(CANDLES, range(2_688, 2_712))), SETTINGS, kept)
    assert [one.clusters for one in again] == [kept.groups] * 23 + [found[23].clusters]


def test_daily_returns_come_at_midnight_and_all_assets_share_their_days() -> None:
    found = read_all(CANDLES, range(2_680, 2_740))
    with_returns = [one for one in found if one.returns]
    assert len(with_returns) == 3
    row = 2_688 - 1  # the bar that closes at midnight
    first = with_returns[0].returns
    assert [one.symbol for one in first] == sorted(CANDLES)
    assert first[0].daily == pytest.approx(np.diff(np.log(BTC.close[row - 90 * 24 : row + 1 : 24])))


def test_a_closed_market_stood_still_and_a_silent_one_is_left_out() -> None:
    since, until = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 7, 1, tzinfo=UTC)
    opens = expected_opens("stocks", "1h", since, until)
    share = walk(len(opens), 5, "NVDA")
    share = replace(share, asset_class="stocks", ts=opens)
    monday = int(datetime(2024, 6, 17, tzinfo=UTC).timestamp())
    (one,) = daily_returns({"NVDA": share}, monday)
    assert len(one.daily) == 90
    assert one.daily[-2:] == (0.0, 0.0), "a weekend"
    assert sum(value != 0.0 for value in one.daily) == 62, "sessions in ninety days, Good Friday and others off"
    last = [share.close[share.ts < monday - days * DAY][-1] for days in (3, 2)]
    assert one.daily[-3] == pytest.approx(float(np.log(last[1] / last[0])))
    assert daily_returns({"NVDA": share.between(0, 400)}, monday) == ()
    assert daily_returns({"NVDA": share.between(0, 0)}, monday) == ()
