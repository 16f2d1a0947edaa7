"""The evaluation page's sections on trading: the simple rule, the search for it, and trades brought along."""

from collections.abc import Sequence
from html import escape

from services.research import report_svg as svg
from services.research import report_words as words
from services.research.evaluation_report import (
    ALL,
    EquityCurve,
    EvaluationReport,
    OverfittingResult,
    StrategyResult,
    TradeRecord,
)
from services.research.evaluation_rows import ENSEMBLE
from services.research.simple_rule import SHOWN, rule_name

TRIED = (
    "Random entries win: with a coin for the side, the same exits and costs. Probabilistic Sharpe: probability that "
    "the true ratio is above zero; deflated: above what the best of all tries, as far apart as they lie, would reach "
    "without skill."
)
WHOLE = (1040.0, 320.0)
SMALL = (520.0, 260.0)
RECORD = ["trades", "bps a trade", "95 % interval", "wins", "random entries win", "mean win / loss"]


def rule(report: EvaluationReport, hours: int) -> str:
    """Show what the simple rule came to, beside holding."""
    results = [one for one in report.strategies if one.horizon_hours == hours]
    curves = [one for one in report.equity if one.horizon_hours == hours]
    if not results:
        return ""
    symbols = list(dict.fromkeys(one.symbol for one in results))
    whole = ALL if ALL in symbols else symbols[0]
    shown = [one for one in results if one.symbol == whole and one.model == ENSEMBLE]
    best = max((one for one in results if one.sharpe is not None), key=lambda one: one.sharpe or 0.0, default=None)
    by_asset = [one for one in results if one.model == ENSEMBLE and one.at_least == SHOWN and one.symbol != whole]
    head = [*RECORD, "return", "drawdown", "Sharpe", "probabilistic Sharpe", "deflated Sharpe"]
    tried = [_row(one, _sure(one.at_least)) for one in shown]
    parts = [
        "<section><h2>A simple rule, after costs</h2><p>Follow the forecast’s sign for one horizon, one position at a "
        f"time. {_sentence(shown, whole)} {_best(best)}</p>",
        _equity(curves, whole, WHOLE),
        words.table([f"ensemble, {words.asset_name(whole)}", *head], tried, TRIED),
    ]
    if by_asset:
        parts.append(words.table([f"ensemble, {_sure(SHOWN)}", *head], [_row(one, one.symbol) for one in by_asset]))
    parts.append(_overfitting([one for one in report.overfitting if one.horizon_hours == hours]))
    small = "".join(f"<div>{_equity(curves, symbol, SMALL)}</div>" for symbol in symbols if symbol != whole)
    if small:
        parts.append(f'<details><summary>Asset by asset</summary><div class="pair">{small}</div></details>')
    return "".join(parts) + "</section>"


def ledgers(report: EvaluationReport) -> str:
    """Judge trades that were brought along; nothing where there are none."""
    if not report.ledgers:
        return ""
    sentences = "".join(f"<p><b>{escape(one.name)}</b>: {escape(one.record.verdict)}.</p>" for one in report.ledgers)
    rows = [[escape(one.name), *_record(one.record)] for one in report.ledgers]
    return f"<section><h2>Trades brought along</h2>{sentences}{words.table(['trades of', *RECORD], rows)}</section>"


def _sentence(shown: Sequence[StrategyResult], whole: str) -> str:
    traded = next((one for one in shown if one.at_least == SHOWN and one.record.trades), None)
    if traded is None:
        return "It never traded at the threshold shown."
    return escape(f"On {words.asset_name(whole)}, {_sure(SHOWN)}: {traded.record.verdict}.")


def _best(best: StrategyResult | None) -> str:
    if best is None or best.deflated_sharpe is None:
        return ""
    name = f"{words.model_name(best.model)} on {words.asset_name(best.symbol)}, {_sure(best.at_least)}"
    return (
        f"The best of {best.trials} tries ({escape(name)}) has a Sharpe ratio of {words.number(best.sharpe)}; the "
        f"probability that this is more than the luck of the best is {best.deflated_sharpe:.0%}."
    )


def _sure(at_least: float) -> str:
    return rule_name(at_least).removeprefix("rule, ")


def _row(one: StrategyResult, name: str) -> list[str]:
    return [
        escape(name),
        *_record(one.record),
        words.share(one.total_return),
        words.share(one.max_drawdown),
        words.number(one.sharpe),
        words.share(one.probabilistic_sharpe, 0),
        words.share(one.deflated_sharpe, 0),
    ]


def _record(one: TradeRecord) -> list[str]:
    return [
        f"{one.trades:,}",
        words.bps(one.expectancy_bps),
        words.between(one.expectancy_low_bps, one.expectancy_high_bps, "bps"),
        words.share(one.win_rate),
        words.share(one.random_win_rate),
        words.number(one.payoff_ratio),
    ]


def _overfitting(found: Sequence[OverfittingResult]) -> str:
    if not found:
        return ""
    rows = [
        [
            escape(words.asset_name(one.symbol)),
            words.share(one.probability, 0),
            words.share(one.loss, 0),
            words.number(one.rank_median),
            f"{one.rank_low:.2f} to {one.rank_high:.2f}",
            f"{one.configurations}",
            f"{one.splits:,}",
        ]
        for one in found
    ]
    head = ["overfitting", "probability", "chosen one loses", "its rank", "quartiles", "configurations", "splits"]
    caption = (
        "Probability of back-test overfitting: how often the best configuration of one half of the days falls below "
        "the median in the other half, over all splits. Near 50 % on noise; rank 1 is best. A low probability beside "
        "many losses only means that some settings lose less than others."
    )
    return words.table(head, rows, caption)


def _equity(curves: Sequence[EquityCurve], symbol: str, size: tuple[float, float]) -> str:
    mine = [one for one in curves if one.symbol == symbol]
    if not mine:
        return ""
    css = ["s8", "s1", "s0"]
    drawn = [svg.Line(one.name, css[i % 3], one.values) for i, one in enumerate(mine)]
    title = f"Value of one unit, {words.asset_name(symbol)}"
    chart = svg.lines(title, mine[0].days, drawn, lambda v: f"{v:.2f}", 1.0, size)
    caption = f"Value of one unit, {words.asset_name(symbol)}, replayed: the rule after costs, and holding."
    return words.figure(chart, caption, [(one.name, css[i % 3]) for i, one in enumerate(mine)], wide=size == WHOLE)
