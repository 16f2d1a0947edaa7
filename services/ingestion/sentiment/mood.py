"""Texts about a symbol as one social reading."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import fmean

from services.ingestion.observations import SocialReading
from services.ingestion.sentiment.keywords import keywords
from services.ingestion.sentiment.scorer import Scorer, shipped


def mood(
    symbol: str,
    texts: Sequence[str],
    ts: datetime,
    available_at: datetime,
    *,
    mentions: int | None = None,
    marks: Mapping[str, int] | None = None,
    scorer: Scorer | None = None,
) -> SocialReading:
    """Reduce texts to mean score, shares of bullish and bearish texts and keywords; without texts these are None.

    ``mentions`` is the number of mentions where a provider counts more than it shows; ``marks`` are further keywords.
    """
    model = scorer or shipped()
    likely = [model.probabilities(text) for text in texts]
    classes = [max(one, key=lambda label: one[label]) for one in likely]
    said = bool(texts)
    return SocialReading(
        symbol=symbol,
        ts=ts,
        available_at=available_at,
        mentions=len(texts) if mentions is None else max(mentions, len(texts)),
        sentiment=round(fmean(one["positive"] - one["negative"] for one in likely), 6) if said else None,
        bullish=classes.count("positive") / len(texts) if said else None,
        bearish=classes.count("negative") / len(texts) if said else None,
        keywords=keywords(texts) | dict(marks or {}),
    )
