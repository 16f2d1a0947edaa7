"""A feed's diagnosis in plain words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.domain.feeds import FeedFacts, diagnose

NOW = datetime(2025, 3, 20, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
GOOD = FeedFacts(
    symbol="BTC/USDT",
    role="standard",
    note="",
    renamed_to=None,
    collecting=True,
    newest_close=NOW.replace(minute=0),
    last_owed_close=NOW.replace(minute=0),
    bar=HOUR,
    owed=720,
    missing=0,
    errors=(),
    sources=("binance",),
    disagreement=None,
    now=NOW,
)


def test_a_fresh_whole_feed_is_fit() -> None:
    assert diagnose(GOOD).sentence == "BTC/USDT: fit to trade on; fresh"


def test_matic_reads_stale_renamed_research_only() -> None:
    matic = replace(
        GOOD,
        symbol="MATIC/USDT",
        role="research_only",
        renamed_to="POL",
        newest_close=datetime(2024, 9, 10, 2, tzinfo=UTC),
        missing=720,
    )
    said = diagnose(matic)
    assert not said.fit
    assert said.sentence.startswith(
        "MATIC/USDT: not fit to trade on; stale since 2024-09-10, renamed POL, research only"
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"newest_close": None}, "no candle is stored"),
        ({"newest_close": GOOD.now - 4 * HOUR}, "stale since 2025-03-20"),
        ({"sources": ()}, "no source for its class is configured"),
        ({"collecting": False}, "not collected: its phase is not active"),
        ({"missing": 40}, "40 of 720 bars are missing"),
        ({"disagreement": "binance 1 and bybit 2"}, "sources disagree: binance 1 and bybit 2"),
        ({"role": "research_only"}, "research only"),
    ],
)
def test_each_fault_makes_a_feed_unfit_and_is_named(change: dict[str, object], words: str) -> None:
    said = diagnose(replace(GOOD, **change))  # type: ignore[arg-type]
    assert not said.fit
    assert words in said.sentence


def test_one_late_bar_and_few_gaps_do_not_make_it_unfit() -> None:
    said = diagnose(replace(GOOD, newest_close=GOOD.now.replace(minute=0) - HOUR, missing=3))
    assert said.fit
    assert said.sentence == "BTC/USDT: fit to trade on; 1 bar late, 3 of 720 bars are missing, few enough"


def test_a_closed_market_is_not_stale() -> None:
    friday = datetime(2025, 3, 21, 20, tzinfo=UTC)
    said = diagnose(replace(GOOD, symbol="NVDA", newest_close=friday, last_owed_close=friday))
    assert said.fit
