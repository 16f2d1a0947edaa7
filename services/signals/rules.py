"""What single assets ask for before an entry, one pure function each, in one table. Leaving is never asked.

A rule returns why it refuses, or None. What follows from the asset's own prices (sideways, decay) and the mood refuse
while they are not known; posts and earnings cannot be told from a source that is not configured, and let pass.
"""

from collections.abc import Callable
from datetime import timedelta

from services.domain.candles import SECONDS
from services.domain.closures import Closure, next_closure
from services.signals.entry import Entry
from services.signals.levels import daily_volatility, hours_per_day
from services.signals.settings import SentimentSettings

HOUR = timedelta(hours=1)
PIP = 0.0001
YEN_PIP = 0.01
"""Of pairs that are quoted in yen."""


def earnings_blackout(entry: Entry) -> str | None:
    """Enter nothing so many calendar days around the asset's earnings: the jump is not forecast from prices.

    No date in the reading means that none is known within ten days, or that no source gives it.
    """
    days, at = entry.asset.rules.earnings_days, entry.reading.earnings_at
    if days is None or at is None:
        return None
    away = (at.date() - entry.ts.date()).days
    if abs(away) > days:
        return None
    when = "today" if away == 0 else f"in {away} days" if away > 0 else f"{-away} days ago"
    return f"earnings on {at:%Y-%m-%d}, {when}: no entries {days} days before and after"


def posts_pause(entry: Entry) -> str | None:
    """Pause entries while the asset's watched accounts write much: such days move on words."""
    most, posts = entry.asset.rules.posts_pause, entry.reading.posts
    if most is None or posts is None or posts <= most:
        return None
    return f"its watched accounts wrote {posts} posts in the last 24 h: above {most} entries pause"


def sideways(entry: Entry) -> str | None:
    """Keep leveraged funds out of markets that go nowhere: there they only decay."""
    if not entry.asset.rules.avoid_sideways or entry.reading.sideways is False:
        return None
    if entry.reading.sideways is None:
        return "whether its market goes sideways is not known yet"
    return "its market has gone sideways for ten sessions, in which a leveraged fund decays"


def decay(entry: Entry) -> str | None:
    """Ask that the expected return pays for what a leveraged fund loses to its leverage over the horizon.

    A short gains the decay, so it is not asked.
    """
    if not entry.asset.rules.decay_counts or not entry.long:
        return None
    per_day = entry.reading.decay_per_day
    if per_day is None:
        return "what it loses to its own leverage is not known yet"
    # The horizon counts the market's own hours, of which a session has few.
    lost = per_day * entry.forecast.horizon_hours / hours_per_day(entry.asset.asset_class)
    expected = entry.forecast.expected_return
    if lost < expected:
        return None
    return f"its leverage costs {lost:.3%} over the horizon, no less than the {expected:.3%} that are expected"


def closing(entry: Entry) -> str | None:
    """Enter nothing shortly before a closure that the position would have to be left for."""
    hours = entry.asset.rules.no_entry_before_close_hours
    closure = _closure(entry) if hours else None
    if closure is None or closure.closes - entry.ts > hours * HOUR:
        return None
    return f"{_closes(entry, closure)}; no entries in the last {hours} h before"


RULES: tuple[Callable[[Entry], str | None], ...] = (earnings_blackout, posts_pause, sideways, decay, closing)


def sentiment(entry: Entry, settings: SentimentSettings) -> str | None:
    """Ask for a mood on the entry's side, of enough mentions, where the asset trades on mood."""
    if not entry.asset.rules.sentiment_required:
        return None
    mood, mentions = entry.reading.sentiment, entry.reading.mentions
    if mood is None or mentions is None:
        return "its entries need sentiment, and none is known of the last six hours"
    if mentions < settings.least_mentions:
        return f"its entries need sentiment of at least {settings.least_mentions} mentions, there are {mentions}"
    if (mood if entry.long else -mood) >= settings.least:
        return None
    least = f"at least {settings.least:+.2f}" if entry.long else f"at most {-settings.least:+.2f}"
    return f"its entries need a sentiment of {least}, it is {mood:+.2f}"


def leaves_before(entry: Entry) -> str | None:
    """Say why a position has to be left now: the market closes for a weekend (or a night) that it may not be held over.

    Orders fill at the next bar's open, so the last moment is a bar before the close; an hour more lets a bar fail.
    """
    rules = entry.asset.rules
    if not (rules.flat_over_weekend or rules.flat_overnight):
        return None
    closure = _closure(entry)
    if closure is None or closure.closes - entry.ts > SECONDS[entry.timeframe] * timedelta(seconds=1) + HOUR:
        return None
    return f"{_closes(entry, closure)}, and it is not held over that: leave the position"


def pips(entry: Entry) -> tuple[float | None, float | None]:
    """Return the distances to the stop and the target that are declared in pips, as fractions of the price."""
    rules = entry.asset.rules
    size = pip(entry.forecast.symbol) / entry.forecast.close
    stop = None if rules.stop_pips is None else rules.stop_pips * size
    return stop, None if rules.target_pips is None else rules.target_pips * size


def daily_range(entry: Entry) -> str | None:
    """Compare the day that the asset's profile has in mind with the market's own; a note, not a refusal."""
    usual, day = entry.asset.rules.daily_range_pips, daily_volatility(entry)
    if usual is None or day is None:
        return None
    now = day * entry.forecast.close / pip(entry.forecast.symbol)
    return f"a day moves {now:.0f} pips now, its profile has {usual:.0f} in mind"


def pip(symbol: str) -> float:
    """Return the size of a pip of a currency pair, in the currency it is quoted in."""
    return YEN_PIP if symbol.endswith("JPY") else PIP


def _closure(entry: Entry) -> Closure | None:
    """Return the coming closure if the asset's rules mind it: weekends and holidays, nights only if declared."""
    closure = next_closure(entry.asset.asset_class, entry.ts)
    if closure is None:
        return None
    return closure if closure.over_weekend or entry.asset.rules.flat_overnight else None


def _closes(entry: Entry, closure: Closure) -> str:
    left = (closure.closes - entry.ts) / HOUR
    what = "over the weekend or a holiday" if closure.over_weekend else "overnight"
    return f"the market closes {what} at {closure.closes:%Y-%m-%d %H:%M} UTC, in {left:.1f} h"
