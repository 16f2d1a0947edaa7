"""Text to a sparse vector: hashed words, pairs and letter groups; counts of the word lists in slots of their own."""

import math
from collections.abc import Iterator
from zlib import crc32

from services.ingestion.sentiment.lexicon import (
    BAD,
    BAD_EMOJIS,
    BEAR_SLANG,
    BULL_SLANG,
    FALLING,
    GOOD,
    GOOD_EMOJIS,
    RISING,
    STRONGER,
    holds,
)
from services.ingestion.sentiment.words import CASHTAG, negated, tokens

BUCKETS = 1 << 16
"""Hashed features; slots of the word lists come after them."""
LISTS = {
    "good": GOOD,
    "bad": BAD,
    "rising": RISING,
    "falling": FALLING,
    "bull_slang": BULL_SLANG,
    "bear_slang": BEAR_SLANG,
}
SLOTS = (
    *LISTS,
    *(f"not_{name}" for name in LISTS),
    "good_emojis",
    "bad_emojis",
    "stronger",
    "exclamations",
    "questions",
    "up_numbers",
    "down_numbers",
    "cashtags",
    "balance",
    "shouting",
    "length",
    "empty",
)
WIDTH = BUCKETS + len(SLOTS)
MOST_TOKENS = 400
"""Longer texts are read up to here; what a post is about is said by then, and one post cannot hold up the rest."""


def hashed(text: str) -> dict[int, float]:
    """Counts by bucket, damped to 1 + ln(count)."""
    found = tokens(text)[:MOST_TOKENS]
    counts: dict[int, int] = {}
    for name in _names(found, negated(found)):
        bucket = crc32(name.encode()) % BUCKETS
        counts[bucket] = counts.get(bucket, 0) + 1
    return {bucket: 1.0 + math.log(count) for bucket, count in counts.items()}


def _names(found: list[str], flags: list[bool]) -> Iterator[str]:
    marked = [f"not_{token}" if flag and token.isalpha() else token for token, flag in zip(found, flags, strict=True)]
    for one in marked:
        yield f"w {one}"
    for first, second in zip(["^", *marked], [*marked, "$"], strict=True):
        yield f"p {first} {second}"
    for token, flag in zip(found, flags, strict=True):
        if not token.isalpha() or len(token) < 4:
            continue
        framed = f"{'!' if flag else ''}<{token}>"
        for length in (4, 5):
            for at in range(len(framed) - length + 1):
                yield f"c {framed[at : at + length]}"


def listed(text: str) -> dict[str, float]:
    """Counts of the word lists, damped to ln(1 + count), and how loud the text is."""
    found = tokens(text)[:MOST_TOKENS]
    counts = dict.fromkeys(SLOTS, 0.0)
    for token, flag in zip(found, negated(found), strict=True):
        for name, words in LISTS.items():
            if holds(words, token):
                counts[f"not_{name}" if flag else name] += 1
        counts["good_emojis"] += token in GOOD_EMOJIS
        counts["bad_emojis"] += token in BAD_EMOJIS
        counts["stronger"] += token in STRONGER
        counts["exclamations"] += token == "!"
        counts["questions"] += token == "?"
        counts["up_numbers"] += token in ("<up>", "<up>%")
        counts["down_numbers"] += token in ("<down>", "<down>%")
        counts["cashtags"] += token == "<cash>"
    balance = _balance(counts)
    damped = {name: math.log1p(count) for name, count in counts.items()}
    letters = [c for c in CASHTAG.sub("", text) if c.isalpha()]
    damped["balance"] = balance
    damped["shouting"] = sum(c.isupper() for c in letters) / len(letters) if letters else 0.0
    damped["length"] = math.log1p(len(found)) / 4.0
    damped["empty"] = float(all(token in ".!?" for token in found))
    return damped


def _balance(counts: dict[str, float]) -> float:
    """(for − against) / (1 + both): one number for which way the lists point, negations turned round."""
    towards = ("good", "rising", "bull_slang", "not_bad", "not_falling", "not_bear_slang", "good_emojis", "up_numbers")
    against = ("bad", "falling", "bear_slang", "not_good", "not_rising", "not_bull_slang", "bad_emojis", "down_numbers")
    plus, minus = sum(counts[name] for name in towards), sum(counts[name] for name in against)
    return (plus - minus) / (1.0 + plus + minus)
