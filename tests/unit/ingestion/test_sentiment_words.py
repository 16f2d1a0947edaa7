"""Finance text becomes tokens that keep what matters for its mood."""

import pytest

from services.ingestion.sentiment.features import BUCKETS, MOST_TOKENS, hashed, listed
from services.ingestion.sentiment.keywords import keywords
from services.ingestion.sentiment.words import negated, normalised, tokens


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$TSLA to the moon", ["<cash>", "tothemoon"]),
        ("Diamond hands, no paper hands!", ["diamondhands", ".", "no", "paperhands", "!"]),
        ("Alamo Group (ALG) +3.5% and -2%", ["alamo", "group", "<cash>", "<up>%", "and", "<down>%"]),
        ("soooooo gooood 🚀🚀", ["soo", "good", "🚀", "🚀"]),
        ("https://t.co/x @someone don’t", ["dont"]),
        ("#HODL 2,500 shares", ["hodl", "<num>", "shares"]),
        ("👍🏽 💎\ufe0f", ["👍", "💎"]),
        ("", []),
    ],
)
def test_text_is_cut_into_what_traders_mean(text: str, found: list[str]) -> None:
    assert tokens(text) == found


def test_no_symbol_has_a_mood_of_its_own() -> None:
    assert tokens("$GME is up") == tokens("$AAPL is up")


def test_a_negation_covers_three_words_and_ends_with_the_sentence() -> None:
    found = tokens("not a good buy here")
    assert [token for token, flag in zip(found, negated(found), strict=True) if flag] == ["a", "good", "buy"]
    found = tokens("Not now. Good buy")
    assert [token for token, flag in zip(found, negated(found), strict=True) if flag] == ["now"]


def test_word_lists_see_slang_emojis_and_what_is_negated() -> None:
    found = listed("not good at all! 🚀 to the moon, but rekt later?")
    assert min(found[name] for name in ("not_good", "good_emojis", "bull_slang", "bear_slang", "questions")) > 0
    assert found["good"] == 0
    assert listed("")["empty"] == 1.0
    assert listed("loving it")["good"] > 0


def test_copies_that_differ_by_numbers_links_and_names_are_one_text() -> None:
    first = "RT @someone Bitcoin hits $50,000! https://t.co/abc 🚀"
    assert normalised(first) == normalised("bitcoin HITS 61,000 🚀")
    assert normalised("  \n") == ""


def test_a_very_long_text_is_read_up_to_a_limit() -> None:
    long = "good " * MOST_TOKENS
    assert hashed(long) == hashed(long + "crash " * 1000)
    assert all(0 <= bucket < BUCKETS for bucket in hashed(long))


def test_keywords_count_texts_not_repetitions_and_leave_common_words_out() -> None:
    found = keywords(["the squeeze squeeze is on", "Squeeze with earnings", "earnings $GME 5%"], most=2)
    assert found == {"earnings": 2, "squeeze": 2}
    assert keywords([]) == {}
