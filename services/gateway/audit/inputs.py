"""The audit of what an asset is judged and traded on: candles, feed, leading indicators. Pure."""

from services.domain.feeds import MANY_GAPS
from services.gateway.audit.facts import AuditFacts, Bars, CandleFacts
from services.gateway.audit.lines import Line, judged, listed, percent
from services.gateway.audit.settings import AuditParams


def data(facts: AuditFacts, params: AuditParams) -> tuple[Line, ...]:
    """Judge the stored candles."""
    candles, settings = facts.candles, params.settings
    days = (candles.last - candles.first).days if candles.first and candles.last else None
    if not candles.count:
        return (judged("candles", False, "none", "some", "no candle is stored", asked_by="paper", n=0),)
    span = f"{candles.count:,}, {candles.first:%Y-%m-%d} to {candles.last:%Y-%m-%d %H:%M}" if candles.last else "none"
    most = f"at most {percent(settings.max_revised)}"
    return (
        judged(
            "candles", True, span, "some", "", good=f"{candles.count:,} candles are stored", asked_by="paper",
            n=candles.count,
        ),
        judged(
            "history", None if days is None else days >= settings.history_days, _days(days),
            f"at least {settings.history_days} days",
            f"{days} days of history, at least {settings.history_days} make its regimes comparable",
            good="long enough for its regimes", unknown="how long its history is", soft=True,
        ),
        _gaps("gaps, 30 days", candles.month, "of the last 30 days", soft=False),
        _gaps("gaps, ever", candles.whole, "since its first", soft=True),
        _share_of_bars("revisions", candles, candles.revised, settings.max_revised, most, "changed after they came"),
        _share_of_bars("refused", candles, candles.refused, settings.max_revised, most, "impossible and refused"),
    )  # fmt: skip


def feed(facts: AuditFacts, params: AuditParams) -> tuple[Line, ...]:
    """Judge what brings the candles."""
    found, least = facts.feed, params.settings.least_fresh
    errors = listed(found.errors, 2) or "none"
    wanted = params.assets.classes[facts.asset.asset_class].sources
    share = None if facts.candles.week is None else facts.candles.week.missing_share
    fresh = None if share is None else 1.0 - share
    words = (
        f"{percent(fresh)} of the last 7 days' bars are there, at least {percent(least)} are needed" if fresh else ""
    )
    return (
        judged(
            "sources", bool(found.sources), listed(found.sources) or "none", f"one of {listed(wanted)}",
            f"no source for {facts.asset.asset_class} is configured (one of {listed(wanted)})",
            good="configured, or delivering", asked_by="paper",
        ),
        judged(
            "fit to trade on", found.fit, "fit" if found.fit else "not fit", "fresh, complete, agreed",
            f"its feed is not fit to trade on: {listed(found.says)}", good=listed(found.says), asked_by="paper",
        ),
        judged(
            "freshness, 7 days", None if fresh is None else fresh >= least, "–" if fresh is None else percent(fresh, 1),
            f"at least {percent(least)} of its bars", words or "none of the last 7 days' bars is there",
            good="fresh", unknown="how fresh its feed is, for its market owed no bar in the last 7 days",
        ),
        judged(
            "errors", None if not found.checked else not found.errors, errors if found.checked else "–", "none",
            f"the feed's last error: {listed(found.errors, 1)}", good="none is known",
            unknown="how its sources do, for none has been asked yet", soft=True, asked_by="nobody",
        ),
    )  # fmt: skip


def indicators(facts: AuditFacts, params: AuditParams) -> tuple[Line, ...]:
    """Judge the leading indicators that the asset declares: whether any stored series brings each."""
    named = facts.asset.indicators
    if not named:
        return (judged("declared", True, "none", "–", "", good="it declares none", asked_by="nobody"),)
    return tuple(_indicator(facts, params, name) for name in named)


def missing_indicators(facts: AuditFacts, params: AuditParams) -> list[str]:
    """Name the declared indicators that no stored series brings."""
    return [name for name in facts.asset.indicators if _brings(facts, params, name) is None]


def _indicator(facts: AuditFacts, params: AuditParams, name: str) -> Line:
    by, sources = _brings(facts, params, name), params.indicators.indicators.get(name, ())
    known = [f"{one} is{'' if one in facts.configured else ' not'} configured" for one in sources]
    lacks = listed(known) if known else "no source of the platform gives it"
    figure = "–" if by is None else f"{by}, newest {facts.series[by]:%Y-%m-%d %H:%M}"
    return judged(
        name, by is not None, figure, listed(sources) or "any series", f"no stored series brings it: {lacks}",
        good="stored", soft=True, asked_by="nobody",
    )  # fmt: skip


def _brings(facts: AuditFacts, params: AuditParams, name: str) -> str | None:
    wanted = (name, *params.indicators.indicators.get(name, ()))
    return next((one for one in wanted if one in facts.series), None)


def _gaps(name: str, bars: Bars | None, of: str, *, soft: bool) -> Line:
    share = None if bars is None else bars.missing_share
    figure = "–" if bars is None or share is None else f"{bars.missing:,} of {bars.owed:,} ({percent(share, 2)})"
    return judged(
        name, None if share is None else share <= MANY_GAPS, figure, f"at most {percent(MANY_GAPS)} missing",
        f"{figure} of the bars {of} are missing", good="few enough",
        unknown=f"how many bars {of} are missing, for its market's hours are not known there", soft=soft,
        asked_by="live" if soft else "paper", n=None if bars is None else bars.owed,
    )  # fmt: skip


def _share_of_bars(name: str, candles: CandleFacts, count: int, most: float, yardstick: str, what: str) -> Line:
    share = count / candles.count if candles.count else None
    figure = "–" if share is None else f"{count:,} ({percent(share, 2)})"
    return judged(
        name, None if share is None else share <= most, figure, yardstick, f"{figure} of its bars were {what}",
        good="few enough", unknown=f"how many of its bars were {what}", soft=True, n=candles.count,
    )  # fmt: skip


def _days(days: int | None) -> str:
    return "–" if days is None else f"{days} days"
