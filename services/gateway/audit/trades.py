"""The audit of an asset's trades: what they made, and whether they behaved as they were meant to. Pure."""

import math
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal

import numpy as np

from services.domain.intervals import Interval, profit_factor_interval, sharpe_interval, wilson
from services.domain.mix import mix_distance
from services.domain.performance import periods_per_year, profit_factor
from services.domain.sharpe import moments
from services.gateway.audit.facts import AuditFacts
from services.gateway.audit.lines import Line, judged, listed, percent
from services.gateway.audit.settings import AuditParams

CHOP = "chop"


def trades(facts: AuditFacts, params: AuditParams) -> tuple[Line, ...]:
    """Judge the record: numbers, results after costs, drawdown."""
    bars, n = params.bars, len(facts.trades)
    won = sum((t.pnl for t in facts.trades if t.pnl > 0), Decimal(0))
    lost = -sum((t.pnl for t in facts.trades if t.pnl <= 0), Decimal(0))
    factor = profit_factor(float(won), float(lost))
    low, high = _factor_interval(facts) or (None, None)
    wins = sum(t.pnl > 0 for t in facts.trades)
    counted = judged(
        "closed trades", n >= bars.trades, f"{n}", f"at least {bars.trades:.0f}",
        f"{n} closed trades, at least {bars.trades:.0f} are needed", good="enough", n=n,
    )  # fmt: skip
    if not n:
        return (counted,)
    rate_low, rate_high = wilson(wins, n)
    fall = facts.performance.max_drawdown
    return (
        counted,
        judged(
            "profit factor", None if factor is None else factor >= bars.profit_factor, _number(factor),
            f"at least {bars.profit_factor:.2f}",
            f"profit factor {_number(factor)}, at least {bars.profit_factor:.2f} is needed", good="high enough",
            unknown="its profit factor, for no trade has lost",
            n=n, low=low, high=high,
        ),
        judged(
            "drawdown", None if fall is None else fall < bars.max_drawdown, "–" if fall is None else percent(fall, 1),
            f"below {percent(bars.max_drawdown)}", f"drawdown {percent(fall or 0, 1)}, it has to stay below "
            f"{percent(bars.max_drawdown)}", good="in bounds",
            unknown="its drawdown, for no day with trades has ended", n=len(facts.performance.returns),
        ),
        judged(
            "result", won - lost > 0, f"{won - lost:+,.2f}", "above 0 after costs",
            f"its trades have lost {lost - won:,.2f} after costs", good="a profit",
            soft=True, asked_by="nobody", n=n,
        ),
        judged(
            "win rate", True, percent(wins / n), "alone it says nothing", "", good="beside the profit factor",
            asked_by="nobody", n=n, low=rate_low, high=rate_high,
        ),
        _ratio("Sharpe ratio", facts.performance.sharpe, facts, _sharpe_interval(facts)),
        _ratio("Sortino ratio", facts.performance.sortino, facts, None),
        _cells(facts, params),
    )  # fmt: skip


def behaviour(facts: AuditFacts, params: AuditParams) -> tuple[Line, ...]:
    """Judge exits, costs, regimes, holding times and sizes."""
    if not facts.trades and not facts.fills.count:
        return (judged("trades", None, "none", "some", "", unknown="how it behaves, for it has not traded", n=0),)
    return (_exits(facts, params), _slippage(facts, params), _mix(facts, params), _chop(facts, params),
            _holding(facts), _size(facts, params))  # fmt: skip


def _distance(facts: AuditFacts) -> float | None:
    expected = {} if facts.research is None else facts.research.mix
    return mix_distance(Counter((t.regime, t.bucket) for t in facts.trades), expected)


def _factor_interval(facts: AuditFacts) -> Interval | None:
    days: dict[date, list[float]] = {}
    for trade in facts.trades:
        days.setdefault(trade.closed_at.date(), []).append(float(trade.pnl))
    profits = np.array([math.fsum(max(pnl, 0.0) for pnl in day) for day in days.values()])
    losses = np.array([math.fsum(max(-pnl, 0.0) for pnl in day) for day in days.values()])
    return profit_factor_interval(profits, losses)


def _sharpe_interval(facts: AuditFacts) -> Interval | None:
    found = moments(np.array(facts.performance.returns))
    return None if found is None else sharpe_interval(found, periods_per_year(facts.asset.asset_class))


def _exits(facts: AuditFacts, params: AuditParams) -> Line:
    n, most = len(facts.trades), params.settings.max_stop_exits
    reasons = Counter(t.exit_reason for t in facts.trades)
    share = reasons["stop"] / n if n >= params.settings.least_trades else None
    figure = listed(f"{name} {count}" for name, count in reasons.most_common()) or "–"
    return judged(
        "exits", None if share is None else share <= most, figure, f"at most {percent(most)} by the stop",
        f"{percent(share or 0)} of its trades ended at the stop, at most {percent(most)} are sane",
        good="mostly by plan", unknown=_few("how its trades end", n, params), n=n,
    )  # fmt: skip


def _slippage(facts: AuditFacts, params: AuditParams) -> Line:
    fills, settings = facts.fills, params.settings
    spread = facts.asset.spread_bps or params.assets.classes[facts.asset.asset_class].spread_bps
    assumed = float(spread) / 2.0 + params.slippage_bps
    paid = float(fills.slippage / fills.notional) * 1e4 if fills.notional else None
    bad = paid is not None and paid > settings.max_slippage_bps
    usual = paid is not None and paid <= max(settings.slippage_multiple * assumed, 0.0)
    figure = "–" if paid is None else f"{paid:.1f} bps"
    return judged(
        "slippage", None if paid is None else usual and not bad, figure,
        f"paper assumes {assumed:.1f} bps; at most {settings.max_slippage_bps:.0f}",
        f"its fills cost {figure} in spread and slippage, paper assumes {assumed:.1f}"
        + (f", at most {settings.max_slippage_bps:.0f} is sane" if bad else ""),
        good="as assumed", unknown="what its fills cost, for there are none", soft=not bad, n=fills.count,
    )  # fmt: skip


def _mix(facts: AuditFacts, params: AuditParams) -> Line:
    n, most = len(facts.trades), params.settings.max_mix_distance
    distance = _distance(facts) if n >= params.settings.least_trades else None
    seen = Counter(f"{t.regime} {t.bucket}" for t in facts.trades)
    what = "the regimes and buckets of its trades"
    why = _few(what, n, params) if n < params.settings.least_trades else f"{what}, for research expects none yet"
    return judged(
        "regimes and buckets", None if distance is None else distance <= most,
        "–" if distance is None else f"{distance:.2f} from what research expects", f"at most {most:.2f} of 1",
        f"{what} are {_number(distance)} from what research expects ({listed(_counted(seen), 3)}), at most {most:.2f}",
        good=listed(_counted(seen), 4), unknown=why, n=n,
    )  # fmt: skip


def _chop(facts: AuditFacts, params: AuditParams) -> Line:
    profile, n = facts.asset.profile, len(facts.trades)
    if profile is None or CHOP in profile.cells:
        words = "it has no profile" if profile is None else "its profile names chop"
        return judged("chop trades", True, "–", "not asked", "", good=f"not asked: {words}", n=n)
    count, most = sum(t.regime == CHOP for t in facts.trades), params.settings.max_chop_share
    share = count / n if n >= params.settings.least_trades else None
    return judged(
        "chop trades", None if share is None else share <= most, f"{count} of {n}", f"at most {percent(most)}",
        f"{count} of its {n} trades were entered in chop, which its profile does not name",
        good="its profile does not name chop", unknown=_few("how often it trades in chop", n, params), n=n,
    )  # fmt: skip


def _holding(facts: AuditFacts) -> Line:
    held = sorted(t.closed_at - t.opened_at for t in facts.trades)
    hours = facts.asset.max_hold_hours
    figure = f"median {_hours(held[len(held) // 2])}, longest {_hours(held[-1])}" if held else "–"
    # One bar more: the exit is decided at a bar's close and fills at the next open.
    within = bool(held) and (hours is None or held[-1] <= timedelta(hours=hours + 1))
    return judged(
        "holding times", None if not held else within, figure,
        "no limit of its own" if hours is None else f"at most {hours} h",
        f"its longest trade was held {_hours(held[-1]) if held else ''}, it may be {hours} h", good="within its limit",
        unknown="how long it is held, for no trade has closed", soft=True, n=len(held),
    )  # fmt: skip


def _size(facts: AuditFacts, params: AuditParams) -> Line:
    fills, asset, slack = facts.fills, facts.asset, 1.0 + params.settings.size_tolerance
    notional, share = asset.notional_per_trade, asset.max_position
    asked = [f"{notional:,.0f} a trade"] if notional is not None else []
    asked += [f"{percent(share)} of equity"] if share is not None else []
    figure = "–"
    if fills.largest is not None:
        part = "" if fills.largest_share is None else f" ({percent(fills.largest_share, 1)} of equity)"
        figure = f"largest entry {fills.largest:,.2f}{part}"
    over = fills.largest is not None and (
        (notional is not None and float(fills.largest) > float(notional) * slack)
        or (share is not None and fills.largest_share is not None and fills.largest_share > share * slack)
    )
    return judged(
        "size", None if fills.largest is None else not over, figure, " and ".join(asked) or "no limit of its own",
        f"its {figure} is above its limit of {' and '.join(asked)}", good="within its limits",
        unknown="how large its entries are, for there are none", n=fills.count,
    )  # fmt: skip


def _ratio(name: str, value: float | None, facts: AuditFacts, interval: Interval | None) -> Line:
    low, high = interval or (None, None)
    return judged(
        name, None if value is None else value > 0, _number(value), "above 0", f"its {name} is {_number(value)}",
        good="annualised, to date", unknown=f"its {name}, for it is not defined yet", soft=True, asked_by="nobody",
        n=len(facts.performance.returns), low=low, high=high,
    )  # fmt: skip


def _cells(facts: AuditFacts, params: AuditParams) -> Line:
    losing = [c for c in facts.cells if c.pnl < 0 and c.trades >= params.settings.least_trades]
    told = [f"{c.regime} {c.bucket}: {c.pnl:+,.2f} of {c.trades}" for c in facts.cells]
    return judged(
        "by regime and bucket", None if not facts.cells else not losing, listed(told, 3) or "–",
        f"none loses over {params.settings.least_trades} trades and more",
        f"it loses in {listed(f'{c.regime} {c.bucket}' for c in losing)}", good=f"{len(facts.cells)} cells",
        unknown="how it does by regime and bucket", soft=True, asked_by="nobody", n=sum(c.trades for c in facts.cells),
    )  # fmt: skip


def _few(what: str, n: int, params: AuditParams) -> str:
    return f"{what}, for {n} closed trades are too few ({params.settings.least_trades} would say something)"


def _counted(counts: Counter[str]) -> list[str]:
    return [f"{name}: {count}" for name, count in counts.most_common()]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _hours(held: timedelta) -> str:
    return f"{held / timedelta(hours=1):.0f} h"
