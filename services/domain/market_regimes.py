"""The state of the whole crypto market, from Bitcoin's and Tether's shares of its value: levels first, then direction.

The first rule that holds names it:

1. ``unknown`` where either share is not known, or is two days old;
2. ``risk_off`` where Tether's share is above 5 %: money waits outside; or above 4 % and up by half a point in a week;
3. ``btc_dominant`` where Bitcoin's share is above 50 % and has not lost a point in a week;
4. ``alt_season`` where Bitcoin's share is below 45 % and has not gained a point in a week;
5. ``balanced``.

The levels are the plan's. The weekly changes are about the largest tenth of those that both shares have shown.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Literal, NamedTuple

from services.domain.candles import moment

MarketRegime = Literal["btc_dominant", "alt_season", "risk_off", "balanced", "unknown"]

BTC_HEAVY, BTC_LIGHT = 50.0, 45.0
USDT_FEAR, USDT_GREED = 5.0, 4.0
BTC_TURN, USDT_TURN = 1.0, 0.5
"""Percentage points in a week that count as a direction."""
DAY = 86_400
STALE_SECONDS = 2 * DAY
WEEK_SECONDS = 7 * DAY
FORGOTTEN_SECONDS = WEEK_SECONDS + STALE_SECONDS


class Share(NamedTuple):
    """One share in per cent: when its newest value was known (epoch seconds), what it is, and what it was a week ago.

    ``value`` None: never known. ``before`` None: not known a week ago.
    """

    known: int
    value: float | None
    before: float | None = None

    @property
    def change(self) -> float | None:
        """Percentage points in a week."""
        return None if self.value is None or self.before is None else self.value - self.before


NEVER = Share(0, None)


class MarketState(NamedTuple):
    """The regime and why; shares that are not known, or stale, are None, and ``known`` is of the newest used one."""

    regime: MarketRegime
    why: str
    btc: float | None
    usdt: float | None
    known: int | None


def share_at(known: Sequence[int], values: Sequence[float], now: int) -> Share:
    """Pick from values in the order in which they became known what is to be said at ``now`` (epoch seconds).

    ``before`` is what stood a week earlier, unless it was stale then. Values older than :data:`FORGOTTEN_SECONDS` are
    as if never known, so that no more of the past than that needs to be at hand.
    """
    newest = _last(known, now)
    if newest < 0 or now - known[newest] > FORGOTTEN_SECONDS:
        return NEVER
    old = _last(known, now - WEEK_SECONDS)
    fresh = old >= 0 and now - WEEK_SECONDS - known[old] < STALE_SECONDS
    return Share(int(known[newest]), float(values[newest]), float(values[old]) if fresh else None)


def market_state(now: int, btc: Share, usdt: Share) -> MarketState:
    """Name the market's regime at ``now``, epoch seconds, and say by which figures."""
    fresh = {name: _fresh(now, share) for name, share in (("BTC.D", btc), ("USDT.D", usdt))}
    used = [share.known for share in (btc, usdt) if _fresh(now, share)]
    shown = (
        btc.value if fresh["BTC.D"] else None,
        usdt.value if fresh["USDT.D"] else None,
        max(used) if used else None,
    )
    missing = [
        f"{name} is missing "
        + ("for more than 9 days" if share.value is None else f"since {moment(share.known):%Y-%m-%d %H:%M}")
        for name, share in (("BTC.D", btc), ("USDT.D", usdt))
        if not fresh[name]
    ]
    if missing:
        return MarketState("unknown", f"dominance: {', '.join(missing)}", *shown)
    regime, rule = _rule(btc, usdt)
    return MarketState(regime, f"{rule}; {_said('BTC.D', btc)}, {_said('USDT.D', usdt)}", *shown)


def base_weights(btc_dominance: float | None) -> dict[str, float] | None:
    """Return the plan's shares of BTC, ETH and SOL at Bitcoin's share in per cent; None where it is not known.

    They are the prior that an allocation starts from: of what is invested in the three, they sum to one.
    """
    if btc_dominance is None:
        return None
    if btc_dominance > BTC_HEAVY:
        shares = (0.70, 0.15, 0.15)
    elif btc_dominance < BTC_LIGHT:
        shares = (0.30, 0.40, 0.30)
    else:
        shares = (0.50, 0.25, 0.25)
    return dict(zip(("BTC/USDT", "ETH/USDT", "SOL/USDT"), shares, strict=True))


def _rule(btc: Share, usdt: Share) -> tuple[MarketRegime, str]:
    assert btc.value is not None
    assert usdt.value is not None
    if usdt.value > USDT_FEAR:
        return "risk_off", f"USDT.D is above {USDT_FEAR:g}: fear"
    if usdt.value > USDT_GREED and usdt.change is not None and usdt.change >= USDT_TURN:
        return "risk_off", f"USDT.D is above {USDT_GREED:g} and rises"
    if btc.value > BTC_HEAVY and (btc.change is None or btc.change > -BTC_TURN):
        return "btc_dominant", f"BTC.D is above {BTC_HEAVY:g}"
    if btc.value < BTC_LIGHT and (btc.change is None or btc.change < BTC_TURN):
        return "alt_season", f"BTC.D is below {BTC_LIGHT:g}"
    if btc.value > BTC_HEAVY:
        return "balanced", f"BTC.D is above {BTC_HEAVY:g} but falls"
    if btc.value < BTC_LIGHT:
        return "balanced", f"BTC.D is below {BTC_LIGHT:g} but rises"
    return "balanced", f"BTC.D is between {BTC_LIGHT:g} and {BTC_HEAVY:g}"


def _said(name: str, share: Share) -> str:
    change = "7-day change unknown" if share.change is None else f"{share.change:+.1f} in 7 days"
    return f"{name} {share.value:.1f} ({change})"


def _fresh(now: int, share: Share) -> bool:
    return share.value is not None and now - share.known < STALE_SECONDS


def _last(known: Sequence[int], now: int) -> int:
    """Find the newest that was known by ``now``; -1: none was."""
    return bisect_right(known, now) - 1
