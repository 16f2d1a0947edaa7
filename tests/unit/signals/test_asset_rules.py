"""What single assets ask for: each rule with a case that it refuses and one that it lets pass, and what it says."""

from datetime import UTC, datetime, timedelta

import pytest
from decision_cases import HOUR, forecast, reading
from signal_cases import PARAMS, declared, entry, target_of, with_rules, with_settings

from services.domain.closures import next_closure
from services.signals import rules
from services.signals.settings import SentimentSettings

MOOD = SentimentSettings(least=0.1, least_mentions=10)
THURSDAY = datetime(2024, 3, 7, 15, tzinfo=UTC)
FRIDAY = datetime(2024, 3, 8, 15, tzinfo=UTC)
NY_CLOSE = datetime(2024, 3, 8, 21, tzinfo=UTC)
"""16:00 in New York, two days before its clocks change."""


@pytest.mark.parametrize(("days", "refused"), [(-4, False), (-3, True), (0, True), (3, True), (4, False)])
@pytest.mark.parametrize("symbol", ["NVDA", "TSLA", "AMD"])
def test_no_entries_around_earnings(symbol: str, days: int, refused: bool) -> None:
    at = datetime(2024, 3, 7, tzinfo=UTC) + timedelta(days=days)
    refusal = rules.earnings_blackout(entry(symbol, ts=THURSDAY, earnings_at=at))
    assert (refusal is not None) == refused


def test_an_earnings_refusal_names_the_date() -> None:
    coming = rules.earnings_blackout(entry("NVDA", ts=THURSDAY, earnings_at=datetime(2024, 3, 9, 21, tzinfo=UTC)))
    assert coming == "earnings on 2024-03-09, in 2 days: no entries 3 days before and after"
    past = rules.earnings_blackout(entry("NVDA", ts=THURSDAY, earnings_at=datetime(2024, 3, 6, tzinfo=UTC)))
    assert past == "earnings on 2024-03-06, 1 days ago: no entries 3 days before and after"


def test_without_a_known_date_or_without_the_rule_earnings_do_not_matter() -> None:
    assert rules.earnings_blackout(entry("NVDA", ts=THURSDAY)) is None
    assert rules.earnings_blackout(entry("GME", ts=THURSDAY, earnings_at=THURSDAY)) is None


@pytest.mark.parametrize(("posts", "refused"), [(None, False), (0, False), (48, False), (49, True), (500, True)])
def test_many_posts_of_watched_accounts_pause_entries(posts: int | None, refused: bool) -> None:
    refusal = rules.posts_pause(entry("TSLA", posts=posts))
    assert (refusal is not None) == refused
    if refusal is not None:
        assert refusal == f"its watched accounts wrote {posts} posts in the last 24 h: above 48 entries pause"
    assert rules.posts_pause(entry("NVDA", posts=posts)) is None


@pytest.mark.parametrize("symbol", ["GME", "AMC", "OPEN", "RGTI", "QUBT", "DNUT"])
def test_the_speculative_class_needs_sentiment(symbol: str) -> None:
    assert rules.sentiment(entry(symbol, sentiment=0.10, mentions=10), MOOD) is None
    none = rules.sentiment(entry(symbol), MOOD)
    assert none == "its entries need sentiment, and none is known of the last six hours"
    few = rules.sentiment(entry(symbol, sentiment=0.9, mentions=9), MOOD)
    assert few == "its entries need sentiment of at least 10 mentions, there are 9"
    low = rules.sentiment(entry(symbol, sentiment=0.09, mentions=1000), MOOD)
    assert low == "its entries need a sentiment of at least +0.10, it is +0.09"


def test_a_short_needs_a_bad_mood_and_other_assets_none() -> None:
    assert rules.sentiment(entry("GME", -0.02, sentiment=-0.1, mentions=10), MOOD) is None
    refusal = rules.sentiment(entry("GME", -0.02, sentiment=0.1, mentions=10), MOOD)
    assert refusal == "its entries need a sentiment of at most -0.10, it is +0.10"
    assert rules.sentiment(entry("BTC/USDT"), MOOD) is None


@pytest.mark.parametrize("symbol", ["TQQQ", "SOXL", "UVXY"])
def test_leveraged_funds_avoid_sideways_markets(symbol: str) -> None:
    assert rules.sideways(entry(symbol, sideways=False)) is None
    assert "sideways for ten sessions" in str(rules.sideways(entry(symbol, sideways=True)))
    assert rules.sideways(entry(symbol)) == "whether its market goes sideways is not known yet"
    assert rules.sideways(entry("NVDA", sideways=True)) is None


def test_a_leveraged_fund_is_entered_only_for_more_than_it_decays() -> None:
    # 13 hours of a market that opens 6.5 a day: two sessions.
    costly = entry("TQQQ", 0.004, decay_per_day=0.002, horizon_hours=13)
    refusal = "its leverage costs 0.400% over the horizon, no less than the 0.400% that are expected"
    assert rules.decay(costly) == refusal
    assert rules.decay(entry("TQQQ", 0.0041, decay_per_day=0.002, horizon_hours=13)) is None
    assert rules.decay(entry("TQQQ", 0.0041)) == "what it loses to its own leverage is not known yet"
    assert rules.decay(entry("TQQQ", -0.0001, decay_per_day=0.002)) is None, "a short gains the decay"
    assert rules.decay(entry("NVDA", 0.0001, decay_per_day=0.002)) is None


def test_closures_are_nights_weekends_and_holidays() -> None:
    night = next_closure("stocks", THURSDAY)
    weekend = next_closure("stocks", FRIDAY)
    forex = next_closure("forex", THURSDAY)
    holiday = next_closure("stocks", datetime(2024, 6, 18, 15, tzinfo=UTC))  # Juneteenth was a Wednesday
    assert night is not None
    assert weekend is not None
    assert forex is not None
    assert holiday is not None
    assert (night.over_weekend, weekend.over_weekend, forex.over_weekend, holiday.over_weekend) == (
        False, True, True, True,
    )  # fmt: skip
    assert weekend.closes == NY_CLOSE
    assert weekend.opens == datetime(2024, 3, 11, 13, 30, tzinfo=UTC)
    assert forex.closes == datetime(2024, 3, 8, 22, tzinfo=UTC), "days that follow each other are no closure"
    assert next_closure("crypto", FRIDAY) is None
    assert next_closure("stocks", datetime(2200, 1, 1, tzinfo=UTC)) is None
    at_the_close = next_closure("stocks", NY_CLOSE)
    assert at_the_close is not None
    assert at_the_close.closes == datetime(2024, 3, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize("symbol", ["TQQQ", "UVXY"])
def test_no_entries_in_the_last_hours_before_a_weekend(symbol: str) -> None:
    assert rules.closing(entry(symbol, ts=NY_CLOSE - 5 * HOUR)) is None
    assert rules.closing(entry(symbol, ts=NY_CLOSE - 3 * HOUR)) == (
        "the market closes over the weekend or a holiday at 2024-03-08 21:00 UTC, in 3.0 h; "
        "no entries in the last 4 h before"
    )
    assert rules.closing(entry(symbol, ts=NY_CLOSE - timedelta(days=1, hours=1))) is None, "a night is not asked about"
    assert rules.closing(entry(symbol, ts=NY_CLOSE)) is None, "what is entered now is filled on Monday"
    assert rules.closing(entry("NVDA", ts=NY_CLOSE - HOUR)) is None


def test_nights_are_asked_about_only_where_they_are_declared() -> None:
    last_hour = datetime(2024, 3, 7, 20, tzinfo=UTC)
    night = entry("TQQQ", ts=last_hour, rules={"flat_overnight": True})
    assert "closes overnight at 2024-03-07 21:00 UTC" in str(rules.closing(night))
    assert "closes overnight" in str(rules.leaves_before(night))
    assert rules.leaves_before(entry("TQQQ", ts=last_hour)) is None


def test_a_position_is_left_before_the_weekend() -> None:
    assert rules.leaves_before(entry("TQQQ", ts=NY_CLOSE - 3 * HOUR)) is None
    assert rules.leaves_before(entry("TQQQ", ts=NY_CLOSE - 2 * HOUR)) == (
        "the market closes over the weekend or a holiday at 2024-03-08 21:00 UTC, in 2.0 h, and it is not held over "
        "that: leave the position"
    )
    assert rules.leaves_before(entry("NVDA", ts=NY_CLOSE - HOUR)) is None
    assert rules.leaves_before(entry("BTC/USDT", ts=NY_CLOSE - HOUR)) is None
    # On daily bars Friday's slice ends after the close, so the order has to come with Thursday's.
    assert rules.leaves_before(entry("TQQQ", ts=datetime(2024, 3, 8, tzinfo=UTC), timeframe="1d")) is not None
    assert rules.leaves_before(entry("TQQQ", ts=datetime(2024, 3, 7, tzinfo=UTC), timeframe="1d")) is None


def test_leaving_before_the_weekend_wants_nothing_whatever_is_expected() -> None:
    free = with_settings(parts={"levels": False})
    for expected in (0.05, -0.05, 0.0):
        said = forecast("TQQQ", expected, asset_class="leveraged_etfs")
        target = target_of(said, reading("TQQQ", sideways=False, decay_per_day=0.0), free, ts=NY_CLOSE - HOUR)
        assert (target.action, target.strength, target.weight) == ("HOLD", "HOLD", 0.0)
        assert target.reasons[0].endswith("leave the position")
    off = with_settings(free, parts={"rules": False})
    bought = target_of(forecast("TQQQ", 0.05, asset_class="leveraged_etfs"), reading("TQQQ"), off, ts=NY_CLOSE - HOUR)
    assert bought.action == "BUY"


def test_pips_are_hundredths_of_a_yen_and_ten_thousandths_of_others() -> None:
    assert [rules.pip(symbol) for symbol in ("GBP/JPY", "AUD/JPY", "USD/TRY", "USD/BRL")] == [0.01, 0.01, 1e-4, 1e-4]


@pytest.mark.parametrize(("expected", "stop", "take"), [(0.01, 189.50, 191.00), (-0.01, 190.50, 189.00)])
@pytest.mark.parametrize("levels", [True, False])
def test_pound_yen_stops_after_50_pips_and_takes_100(levels: bool, expected: float, stop: float, take: float) -> None:
    params = with_settings(
        with_rules("GBP/JPY", sides=("long", "short")),
        parts={"levels": levels},
        levels={"sell_needs_resistance": False, "buy_needs_support": False},
    )
    said = forecast("GBP/JPY", expected, close=190.0, asset_class="forex")
    target = target_of(said, reading("GBP/JPY", 190.0, volatility=0.0010), params, ts=THURSDAY)
    assert target.stop == pytest.approx(stop)
    assert target.take == pytest.approx(take)
    assert "a day moves 93 pips now, its profile has 100 in mind" in target.reasons
    assert target.weight is not None
    assert 0.0 < abs(target.weight) <= 0.45


def test_without_the_part_rules_no_pips_are_used() -> None:
    params = with_settings(parts={"levels": False, "rules": False})
    target = target_of(forecast("GBP/JPY", 0.01, close=190.0, asset_class="forex"), None, params, ts=THURSDAY)
    assert (target.action, target.stop, target.take) == ("BUY", None, None)


def test_the_rules_are_asked_in_one_table_and_a_hold_names_them_all() -> None:
    assert [rule.__name__ for rule in rules.RULES] == [
        "earnings_blackout", "posts_pause", "sideways", "decay", "closing",
    ]  # fmt: skip
    read = reading("TSLA", earnings_at=THURSDAY + timedelta(days=1), posts=60)
    target = target_of(forecast("TSLA", 0.05), read, ts=THURSDAY)
    assert target.action == "HOLD"
    assert [reason.split(":")[0] for reason in target.reasons] == [
        "earnings on 2024-03-08, in 1 days",
        "its watched accounts wrote 60 posts in the last 24 h",
        "expects +5.000% in 12 h, at least 0.340%",
    ]
    off = with_settings(parts={"rules": False})
    assert target_of(forecast("TSLA", 0.05), read, off, ts=THURSDAY).action == "BUY"


def test_sentiment_is_switched_by_its_own_line() -> None:
    said = forecast("GME", 0.10)
    refused = target_of(said, reading("GME"), ts=THURSDAY)
    assert refused.reasons[0] == "its entries need sentiment, and none is known of the last six hours"
    happy = target_of(said, reading("GME", sentiment=0.4, mentions=80), ts=THURSDAY)
    unasked = target_of(said, reading("GME"), with_settings(parts={"sentiment": False}), ts=THURSDAY)
    assert (happy.action, unasked.action) == ("BUY", "BUY")
    assert happy.weight == unasked.weight == 0.05, "the class's bound"


def test_the_declared_rules_are_the_plans() -> None:
    assert declared("NVDA").rules.earnings_days == 3
    pounds = declared("GBP/JPY").rules
    assert (pounds.stop_pips, pounds.target_pips, pounds.daily_range_pips) == (50, 100, 100)
    assert {s for s, asset in PARAMS.assets.items() if asset.rules.sentiment_required} == {
        s for s, asset in PARAMS.assets.items() if asset.asset_class == "meme"
    }
    funds = {s for s, asset in PARAMS.assets.items() if asset.asset_class == "leveraged_etfs"}
    for symbol in funds:
        rule = declared(symbol).rules
        assert rule.avoid_sideways
        assert rule.decay_counts
        assert rule.flat_over_weekend
    assert declared("TQQQ").max_hold_hours == 5 * 24
    assert PARAMS.class_caps["meme"] == 0.05
