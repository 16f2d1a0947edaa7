"""One week of the books as one HTML file that needs nothing else; beside each figure stands what it is measured by."""

from collections.abc import Sequence
from html import escape

from services.research import report_svg as svg
from services.research import report_words as words
from services.research import weekly_ladder
from services.research.report_style import STYLE
from services.research.weekly_figures import AT_LEAST_DAYS, AssetWeek, GroupRecord, Weekly

SIZE = (1040.0, 300.0)
POINTS = 340
TOO_FEW = "too few"
SHOWN_TRADES = 300
US, HOLDING = "s0", "s1"
KEY = [("Chloe, after costs", US), ("holding the assets in equal parts, before costs", HOLDING)]


def as_html(week: Weekly) -> str:
    """Write the page."""
    body = [_header(week), _hero(week), _curves(week), _assets(week), _to_date(week), _groups(week)]
    body += [weekly_ladder.section(week.ladder), _refused(week), _trades(week), _notes()]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Chloe: week {week.name}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(body)}</body></html>\n"
    )


def _header(week: Weekly) -> str:
    ended = (
        "" if week.seen_until >= week.until else f"<span>not over: seen until {week.seen_until:%Y-%m-%d %H:%M}</span>"
    )
    return (
        f"<header><b>Chloe</b><span>week {week.name}</span>"
        f"<span>{week.since:%Y-%m-%d} to {week.until:%Y-%m-%d} (not included), UTC</span>{ended}"
        f'<span>{escape(week.description)}</span><span class="badge">{escape(week.kind)}</span></header>'
    )


def _hero(week: Weekly) -> str:
    earned, held = week.ended / week.begun - 1, week.curve[-1][2]
    beside = "no candles to hold by" if held is None else f"holding the assets came to {_signed(held - 1)} before costs"
    won = sum(t.pnl > 0 for t in week.trades)
    closed = (
        f"{len(week.trades)} round trips were closed, {won} with a profit." if week.trades else "No trade was closed."
    )
    rows = [
        ["return", _signed(earned), "–" if held is None else _signed(held - 1)],
        ["drawdown", words.share(week.drawdown, 2), words.share(_deepest([value for _, _, value in week.curve]), 2)],
    ]
    return (
        f'<div class="hero"><section><h1>{_signed(earned)} after costs; {beside}.</h1>'
        f"<p>Equity was {_amount(week.begun)} when the week began and {_amount(week.ended)} at its last slice. "
        f"{closed} {_judged(week)}</p></section>"
        "<section><h2>The week beside its yardstick</h2>"
        '<p class="quiet">Holding the assets below in equal parts, before costs.</p>'
        f"{words.table(['', 'Chloe', 'holding'], rows)}</section></div>"
    )


def _judged(week: Weekly) -> str:
    """Say in words what the record to date allows to say about an edge."""
    if not week.regimes:
        return "No trade has been closed to date."
    whole = week.regimes[0]
    mean = f"{words.bps(whole.mean_bps)} bps a trade over {whole.trades} to date"
    if whole.low_bps is None or whole.high_bps is None:
        return f"{mean}: too few to say whether that is more than chance."
    told = f"{mean} (95 % interval {words.between(whole.low_bps, whole.high_bps, 'bps')})"
    if whole.low_bps > 0:
        return f"{told}: more than chance."
    return f"{told}: a loss that is more than chance." if whole.high_bps < 0 else f"{told}: may be chance."


def _curves(week: Weekly) -> str:
    every = max(1, len(week.curve) // POINTS)
    kept = [*week.curve[:-1:every], week.curve[-1]]
    labels = [f"{at:%a %H:%M}" for at, _, _ in kept]
    ours, held = [value for _, value, _ in kept], [value for _, _, value in kept]
    if len(kept) < 2:
        return ""
    series = [svg.Line(KEY[1][0], HOLDING, held), svg.Line(KEY[0][0], US, ours)]
    falls = [svg.Line(KEY[1][0], HOLDING, _falls(held)), svg.Line(KEY[0][0], US, _falls(ours))]
    value = svg.lines("Value of one unit", labels, series, lambda v: f"{v:.3f}", 1.0, SIZE)
    fall = svg.lines("Drawdown", labels, falls, lambda v: words.minus(svg.percent(v)), 0.0, SIZE)
    said = f"Value of what was one unit when the week began, {week.kind}."
    return (
        f"<section><h2>Equity and drawdown</h2>{words.figure(value, said, KEY, wide=True)}"
        f"{words.figure(fall, 'Fall from the week’s highest value so far.', KEY, wide=True)}</section>"
    )


def _assets(week: Weekly) -> str:
    head = [
        "asset", "trades", "P&L", "profit factor", "wins", "wins by coin", "drawdown", "exposure", "fees", "slippage",
        "holding", "its drawdown",
    ]  # fmt: skip
    caption = (
        "P&L, drawdown, fees and slippage in account currency or of the portfolio’s equity, open positions included. "
        "Yardsticks: a profit factor of 1 breaks even; wins by coin are those of the same "
        "trades, after the same fees, with a coin for the side; holding is the asset "
        "itself over the week, before costs. Exposure is the mean share of equity."
    )
    rows = [_asset(one) for one in week.assets]
    return f"<section><h2>Asset by asset, this week</h2>{words.table(head, rows, caption)}</section>"


def _asset(one: AssetWeek) -> list[str]:
    factor = words.number(one.profit_factor) if one.profit_factor is not None else "no loss" if one.trades else "–"
    return [
        escape(one.symbol),
        f"{one.trades}",
        _amount(one.pnl),
        factor,
        words.share(one.win_rate, 0),
        words.share(one.coin_win_rate, 0),
        words.share(one.drawdown, 2),
        words.share(one.exposure),
        _amount(one.fees),
        _amount(one.slippage),
        "–" if one.held is None else _signed(one.held),
        words.share(one.held_drawdown),
    ]


def _to_date(week: Weekly) -> str:
    head = ["asset", "days", "Sharpe", "Sortino", "drawdown", "Sharpe of holding", "drawdown of holding"]
    caption = (
        f"Daily returns to date, annualised, on the portfolio’s equity; {TOO_FEW} below {AT_LEAST_DAYS} days. Holding "
        "is the whole of one’s money in the asset, before costs; cash has a ratio of 0."
    )
    rows = [
        [
            escape(one.symbol),
            f"{one.days}",
            _ratio(one.sharpe, one.days),
            _ratio(one.sortino, one.days),
            words.share(one.drawdown_to_date, 2),
            _ratio(one.held_sharpe, one.days),
            words.share(one.held_drawdown_to_date),
        ]
        for one in week.assets
    ]
    return f"<section><h2>Asset by asset, to date</h2>{words.table(head, rows, caption)}</section>"


def _groups(week: Weekly) -> str:
    caption = (
        "Net bps a trade of the notional; nothing earned is 0. The 95 % interval takes the trades of one day as one; "
        f"{TOO_FEW}: fewer than ten days with trades. Many groups are looked at: one above zero may be luck."
    )
    parts = []
    for title, found in (("By regime", week.regimes), ("By bucket of confidence", week.buckets)):
        head = [title.split(" ")[1], "this week", "bps a trade", "to date", "bps a trade", "95 % interval"]
        table = words.table(head, [_group(one) for one in found], caption) if found else "<p>No trade to date.</p>"
        parts.append(f"<section><h2>{title}</h2>{_chart(title, found)}{table}</section>")
    return "".join(parts)


def _chart(title: str, found: Sequence[GroupRecord]) -> str:
    points = [
        svg.Point(f"{one.name} ({one.trades})", one.mean_bps or 0.0, one.low_bps, one.high_bps)
        for one in found
        if one.low_bps is not None
    ]
    if not points:
        return ""
    chart = svg.intervals(title, points, words.whole_bps, 0.0, SIZE)
    return words.figure(chart, "Net bps a trade to date with 95 % intervals; in brackets how many trades.", wide=True)


def _group(one: GroupRecord) -> list[str]:
    sure = TOO_FEW if one.low_bps is None else words.between(one.low_bps, one.high_bps, "bps")
    return [
        escape(one.name), f"{one.week}", words.bps(one.week_bps), f"{one.trades}", words.bps(one.mean_bps), sure
    ]  # fmt: skip


def _refused(week: Weekly) -> str:
    count = sum(n for _, n in week.refused)
    told = f"<p>{count} of {week.orders} orders asked for were refused.</p>"
    rows = [[escape(name), f"{n}", words.share(n / week.orders)] for name, n in week.refused]
    table = words.table(["check", "refused", "of all orders"], rows) if rows else ""
    return f"<section><h2>Refused orders, by check</h2>{told}{table}</section>"


def _trades(week: Weekly) -> str:
    if not week.trades:
        return "<section><h2>Round trips of the week</h2><p>None was closed.</p></section>"
    head = ["asset", "side", "opened", "closed", "exit", "regime", "bucket", "P&L", "net bps", "bps before fees"]
    shown = week.trades[-SHOWN_TRADES:]
    rows = [
        [
            escape(t.symbol), escape(t.side), f"{t.opened_at:%m-%d %H:%M}", f"{t.closed_at:%m-%d %H:%M}",
            escape(t.exit_reason), escape(t.regime), f"{t.bucket}", _amount(t.pnl), words.bps(t.net * 1e4),
            words.bps((t.net + t.cost) * 1e4),
        ]
        for t in shown
    ]  # fmt: skip
    caption = f"The newest {len(shown)} of {len(week.trades)}, {week.kind}." if len(shown) < len(week.trades) else ""
    return f"<section><h2>Round trips of the week</h2>{words.table(head, rows, caption, 6)}</section>"


def _notes() -> str:
    items = [
        "Simulated: no real money was traded. Fills are at the open of the bar after the decision, with fees and "
        "slippage as config/execution.yaml declares them.",
        "A slice is named by its close: the one at midnight on Monday ends the week before.",
    ]
    listed = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f'<section><h2>How to read this</h2><ul class="notes">{listed}</ul></section>'


def _falls(values: Sequence[float | None]) -> list[float | None]:
    found: list[float | None] = []
    peak = 0.0
    for value in values:
        peak = max(peak, value or 0.0)
        found.append(None if value is None else value / peak - 1)
    return found


def _deepest(values: Sequence[float | None]) -> float | None:
    return max((-fall for fall in _falls(values) if fall is not None), default=None)


def _ratio(value: float | None, days: int) -> str:
    return TOO_FEW if value is None and days < AT_LEAST_DAYS else words.number(value)


def _signed(value: float) -> str:
    return words.minus(f"{value * 100:+.2f} %")


def _amount(value: float) -> str:
    return words.minus(f"{value:,.2f}")
