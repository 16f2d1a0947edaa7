"""The shipped sentiment model: its file, its range, and what it must understand."""

import math
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingestion.sentiment import scorer
from services.ingestion.sentiment.mood import mood
from services.ingestion.sentiment.scorer import SentimentModelError, packed, probabilities, score, shipped, unpacked

FOLDER = files("services.ingestion.sentiment")
NOW = datetime(2026, 3, 4, tzinfo=UTC)


def test_the_file_is_the_one_that_its_card_names() -> None:
    data = (FOLDER / scorer.MODEL).read_bytes()
    card = msgspec.json.decode((FOLDER / scorer.CARD).read_bytes())
    assert sha256(data).hexdigest() == card["sha256"]
    assert len(data) < 3_000_000
    assert tuple(card["classes"]) == scorer.CLASSES


def test_a_changed_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped.cache_clear()
    monkeypatch.setattr(scorer, "CARD", "no-such-card.json")
    with pytest.raises(SentimentModelError, match="missing or unreadable"):
        shipped()
    monkeypatch.setattr(scorer, "CARD", "model.json")
    monkeypatch.setattr(scorer, "MODEL", "model.json")
    with pytest.raises(SentimentModelError, match="SHA-256"):
        shipped()


@pytest.mark.parametrize("data", [b"", b"not a model", packed(shipped())[:-100]])
def test_a_broken_file_is_refused(data: bytes) -> None:
    with pytest.raises(SentimentModelError):
        unpacked(data)


def test_a_model_is_packed_to_the_same_bytes_and_back() -> None:
    again = unpacked(packed(shipped()))
    assert packed(again) == packed(shipped())
    assert np.array_equal(again.weights, shipped().weights)


@pytest.mark.parametrize(
    "text",
    [
        "$GME to the moon 🚀🚀🚀",
        "Diamond hands 💎🙌, we like the stock",
        "Upgraded to Buy at Goldman, price target raised",
        "I love this company, great results",
        "Stock surges after earnings beat",
    ],
)
def test_good_news_and_bullish_slang_score_above_zero(text: str) -> None:
    assert score(text) > 0.1


@pytest.mark.parametrize(
    "text",
    [
        "I got rekt, this is a rug pull",
        "Total scam, they lied to everybody 🤡",
        "Downgraded to Sell, shares plunge",
        "Bankrupt soon, terrible management 📉",
        "Stock tumbles after earnings miss",
    ],
)
def test_bad_news_and_bearish_slang_score_below_zero(text: str) -> None:
    assert score(text) < -0.1


@pytest.mark.parametrize(
    ("plain", "turned"),
    [
        ("this is a good buy", "this is not a good buy"),
        ("I trust them", "I don't trust them"),
        ("they are winning", "they are never winning"),
    ],
)
def test_a_negation_lowers_the_score(plain: str, turned: str) -> None:
    assert score(turned) < score(plain)


def test_emojis_move_the_score() -> None:
    assert score("holding $AMC 🚀") > score("holding $AMC") > score("holding $AMC 📉")


@pytest.mark.parametrize("text", ["", "   ", "\n", "https://t.co/x @someone"])
def test_a_text_without_a_word_is_neutral(text: str) -> None:
    assert score(text) == 0.0
    assert probabilities(text) == {"negative": 0.0, "neutral": 1.0, "positive": 0.0}


def test_the_symbol_does_not_matter() -> None:
    assert score("$TSLA beats estimates") == score("$KO beats estimates")


@given(st.text(max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_text_has_a_score_in_range_and_the_same_one_twice(text: str) -> None:
    likely = probabilities(text)
    assert math.isclose(sum(likely.values()), 1.0, abs_tol=1e-9)
    assert -1.0 <= score(text) <= 1.0
    assert score(text) == score(text)
    assert math.isclose(score(text), likely["positive"] - likely["negative"], abs_tol=1e-12)


def test_a_reading_has_shares_and_the_larger_count() -> None:
    reading = mood("TSLA", ["great, love it, buy", "total scam, awful crash"], NOW, NOW, mentions=50, marks={"@a": 1})
    assert (reading.bullish, reading.bearish, reading.mentions) == (0.5, 0.5, 50)
    assert reading.keywords["@a"] == 1
    assert mood("TSLA", ["fine"], NOW, NOW, mentions=0).mentions == 1
    assert mood("TSLA", [], NOW, NOW).sentiment is None
