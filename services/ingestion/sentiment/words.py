"""Finance text as tokens: cashtags, numbers with their sign, slang phrases, emojis, and what a negation covers."""

import re
import unicodedata

LINK = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
NAME = re.compile(r"(?<!\w)(?:@|u/)\w+")
CASHTAG = re.compile(r"(?<![\w$])\$[A-Za-z][A-Za-z0-9]{0,9}(?:[./-][A-Za-z]{1,4})?\b")
NEGATIONS = frozenset(
    [
        "not",
        "no",
        "never",
        "none",
        "nothing",
        "neither",
        "nor",
        "without",
        "hardly",
        "barely",
        "cannot",
        "cant",
        "dont",
        "doesnt",
        "didnt",
        "wont",
        "wouldnt",
        "shouldnt",
        "isnt",
        "arent",
        "wasnt",
        "werent",
        "aint",
        "couldnt",
        "havent",
        "hasnt",
        "hadnt",
        "nobody",
        "nowhere",
        "lack",
        "lacks",
    ]
)
NEGATED_WORDS = 3
"""A negation covers this many words, or up to the next punctuation; as far as most English negations reach."""

PHRASES = {
    "to the moon": "tothemoon",
    "to the mars": "tothemoon",
    "diamond hands": "diamondhands",
    "diamond hand": "diamondhands",
    "diamond handing": "diamondhands",
    "paper hands": "paperhands",
    "paper hand": "paperhands",
    "bag holder": "bagholder",
    "bag holders": "bagholder",
    "bag holding": "bagholder",
    "holding bags": "bagholder",
    "short squeeze": "shortsqueeze",
    "buy the dip": "buythedip",
    "buying the dip": "buythedip",
    "bought the dip": "buythedip",
    "rug pull": "rugpull",
    "rug pulled": "rugpull",
    "dead cat": "deadcat",
    "all time high": "ath",
    "all time highs": "ath",
    "all time low": "atl",
    "all time lows": "atl",
    "pump and dump": "pumpanddump",
    "p and d": "pumpanddump",
    "gain porn": "gainporn",
    "loss porn": "lossporn",
    "price target raised": "targetraised",
    "price target cut": "targetcut",
    "wife s boyfriend": "wifesboyfriend",
    "not financial advice": "nfa",
    "let s go": "letsgo",
    "lets go": "letsgo",
    "no brainer": "nobrainer",
    "going down": "goingdown",
    "going up": "goingup",
}
LONGEST_PHRASE = max(len(phrase.split()) for phrase in PHRASES)

_TOKEN = re.compile(
    r"(?P<cash>\x00)"
    r"|(?P<num>[+\-−]?[$€£]?\d[\d,]*(?:\.\d+)?(?:%|[kmbt]{1,2}n?\b|bps\b|x\b)?)"
    r"|(?P<word>#?[a-z]+(?:'[a-z]+)?)"
    r"|(?P<stop>[.!?,;:()\"\n]+)"
    r"|(?P<other>\S)"
)
_LONG = re.compile(r"([a-z])\1{2,}")
_TICKER_IN_BRACKETS = re.compile(r"\((?:[A-Z]{2,8}: ?)?[A-Z]{1,5}\)")
_SKIN_AND_JOINERS = re.compile("[\U0001f3fb-\U0001f3ff\u200d\ufe0f]")


def normalised(text: str) -> str:
    """Reduce a text to what makes it a copy of another: docs/sentiment.md, the split, step 1."""
    lowered = NAME.sub(" ", LINK.sub(" ", unicodedata.normalize("NFKC", text).lower()))
    counted = re.sub(r"\d+", "0", lowered)
    kept = "".join(c if c.isalnum() or unicodedata.category(c) in ("So", "Sk") else " " for c in counted)
    words = " ".join(kept.split())
    return words.removeprefix("rt ")


def tokens(text: str) -> list[str]:
    """Split a text into lower-case tokens.

    A cashtag or ``(TICKER)`` is ``<cash>`` whatever its symbol, so that no symbol has a sentiment of its own; numbers
    are ``<num>``, signed ones ``<up>`` and ``<down>``; punctuation is kept as ``.``, ``!`` or ``?``.
    """
    plain = unicodedata.normalize("NFKC", text).replace("’", "'").replace("\x00", " ")
    plain = _SKIN_AND_JOINERS.sub("", NAME.sub(" ", LINK.sub(" ", plain)))
    plain = _TICKER_IN_BRACKETS.sub(" \x00 ", CASHTAG.sub(" \x00 ", plain)).lower()
    found = [_token(match) for match in _TOKEN.finditer(_LONG.sub(r"\1\1", plain))]
    return _with_phrases(found)


def _token(match: re.Match[str]) -> str:
    kind, text = match.lastgroup, match.group()
    if kind == "cash":
        return "<cash>"
    if kind == "num":
        sign = {"+": "<up>", "-": "<down>", "−": "<down>"}.get(text[0], "<num>")
        return sign + "%" if text.endswith("%") else sign
    if kind == "word":
        return text.lstrip("#").replace("'", "")
    if kind == "stop":
        return "!" if "!" in text else "?" if "?" in text else "."
    return text


def _with_phrases(found: list[str]) -> list[str]:
    joined: list[str] = []
    at = 0
    while at < len(found):
        for length in range(LONGEST_PHRASE, 1, -1):
            slang = PHRASES.get(" ".join(found[at : at + length]))
            if slang is not None:
                joined.append(slang)
                at += length
                break
        else:
            joined.append(found[at])
            at += 1
    return joined


def negated(found: list[str]) -> list[bool]:
    """Say for each token whether a negation before it covers it."""
    flags: list[bool] = []
    left = 0
    for token in found:
        if token in ".!?":
            left = 0
        flags.append(left > 0)
        if token in NEGATIONS:
            left = NEGATED_WORDS
        elif left:
            left -= 1
    return flags
