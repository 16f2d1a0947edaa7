"""Which symbols a text names: cashtags always, bare tickers in capitals unless they are also words, names of assets."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from services.ingestion.sentiment.lexicon import words
from services.ingestion.sentiment.words import CASHTAG, LINK

# Tickers exist for most of these; in a post they are nearly always the word. With a cashtag they count.
NOT_TICKERS = words("""
A AF AGAIN AH AI ALL AM AN AND ANY APE APES API ARE AS ASAP AT ATH ATL ATM BACK BAD BE BEAR BEST BIG BOTH BTFD BULL
BUT BUY BY CALL CALLS CAME CAN CASH CEO CFO CIA CNBC COME COO CPI CRASH CTO CUT DCA DD DEAD DID DIP DO DOJ DONT DOW
DOWN DRS DTE DUMP EACH EDIT ELSE EOD EOM EOW EOY EPS ER ESG ETA ETC ETF EU EV EVEN EVER EVS FAQ FBI FD FDA FED FOMC
FOMO FOR FROM FTC FTD FTX FUCK FUD FUN FYI GAIN GDP GET GG GIVE GO GONE GOOD GOT GREEN GTFO GUH HAS HATE HAVE HE HER
HERE HFT HIGH HIM HIS HODL HOLD HOLY HOT HOW HUGE I IF IMF IMO IN INTO IPO IQ IRA IRS IS IT ITM ITS IV JPOW JUST KEEP
KYC LAST LETS LFG LIFE LIKE LINE LLC LMAO LMFAO LOL LONG LOSS LOVE LOW MACD MAKE MANY MAX ME MF MM MOASS MOD MOON MORE
MOST MUCH MUST MY NAV NEED NEVER NEW NEWS NEXT NFA NFT NO NOT NOW NY NYC NYSE OF OH OK OLD OMG ON ONE ONLY OP OPEC
OPEN OR OTC OTM OUR OUT PDT PE PLS PLUS PM POS POST PPI PR PSA PT PUMP PUT PUTS QE QT RE READ REAL RED RH ROFL ROI
ROPE RSI RUN SAFE SAME SAY SEC SEE SELL SHE SHIT SHORT SO SOLD SOME SOON SPAC SPR SSR STAY STILL STOP SUCH TA TAKE TAX
TD TELL THAT THE THEN THERE THEY THIS TIL TIME TL TLDR TO TOO TOS TP TRUE TV TWO UK UP US USA USD USDT VERY WAIT WANT
WAS WAY WE WEEK WELL WENT WERE WHAT WHEN WHO WHY WILL WIN WISH WITH WORK WSB WTF WTI XD YES YOLO YOU YOUR YTD
""")
_BARE = re.compile(r"(?<![\w$#./'-])[A-Z]{2,5}(?![\w'-]|\.\w)")


def symbols_in(text: str) -> set[str]:
    """Tickers that a text names, in capitals without ``$``. A text all in capitals gives its cashtags only."""
    plain = LINK.sub(" ", text)
    found = {match.group()[1:].upper() for match in CASHTAG.finditer(plain)}
    if len(plain.split()) > 2 and not any(word.islower() for word in plain.split()):
        return found
    return found | {bare for bare in _BARE.findall(plain) if bare not in NOT_TICKERS}


def trending(texts: Iterable[str], most: int = 20) -> dict[str, int]:
    """Tickers by the number of texts that name them, most named first, ties by name."""
    counts = Counter(symbol for text in texts for symbol in symbols_in(text))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most])


NAMES: Mapping[str, tuple[str, ...]] = {
    "BTC": ("bitcoin",),
    "ETH": ("ethereum", "ether"),
    "AVAX": ("avalanche",),
    "DOGE": ("dogecoin",),
    "MATIC": ("polygon network", "polygon coin", "pol token"),
    "XRP": ("ripple",),
    "SOL": ("solana",),
    "DOT": ("polkadot",),
    "ADA": ("cardano",),
    "LINK": ("chainlink",),
    "BNB": ("binance coin",),
    "ATOM": ("cosmos hub",),
    "NVDA": ("nvidia",),
    "TSLA": ("tesla",),
    "GME": ("gamestop",),
    "AMC": ("amc entertainment",),
    "OPEN": ("opendoor",),
    "RGTI": ("rigetti",),
    "QUBT": ("quantum computing inc",),
    "DNUT": ("krispy kreme",),
    "NATGAS": ("natural gas", "natgas"),
    "SILVER": ("silver",),
    "WTI": ("crude oil", "wti"),
}
"""What people call an asset besides its ticker, in lower case. Words with a common other meaning are left out."""


class Mentions:
    """Says which of our symbols a text is about; ``told`` maps ours to another ticker where people use one."""

    def __init__(self, symbols: Iterable[str], told: Mapping[str, str] | None = None) -> None:
        self._tickers: dict[str, list[str]] = {}
        self._names: list[tuple[re.Pattern[str], str]] = []
        for symbol in symbols:
            first, _, second = symbol.partition("/")
            pair = second not in {"", "USDT"}
            tickers = {f"{first}{second}"} if pair else {first}
            other = (told or {}).get(symbol, "").partition("/")[0].lstrip("$")
            for ticker in tickers | ({other} if other else set()):
                self._tickers.setdefault(ticker, []).append(symbol)
            names = [re.escape(name) for name in NAMES.get(first, ())] + ([f"{first}/{second}"] if pair else [])
            if names:
                self._names.append((re.compile(rf"\b(?:{'|'.join(names)})\b", re.IGNORECASE), symbol))

    def of(self, text: str) -> set[str]:
        """Our symbols that the text names."""
        found = {symbol for ticker in symbols_in(text) for symbol in self._tickers.get(ticker, ())}
        found |= {symbol for ticker in re.findall(r"\b[A-Z]{6}\b", text) for symbol in self._tickers.get(ticker, ())}
        return found | {symbol for pattern, symbol in self._names if pattern.search(text)}
