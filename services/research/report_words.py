"""Numbers and tables as the evaluation page writes them."""

from collections.abc import Sequence
from html import escape

from services.research.evaluation_report import ALL
from services.research.evaluation_rows import ENSEMBLE

NONE = "–"


def minus(text: str) -> str:
    """Write negative numbers with a true minus sign."""
    return text.replace("-", "−")


def share(value: float | None, places: int = 1) -> str:
    """Format a fraction in per cent."""
    return NONE if value is None else minus(f"{value * 100:.{places}f} %")


def number(value: float | None, places: int = 2) -> str:
    """Format a plain number."""
    return NONE if value is None else minus(f"{value:.{places}f}")


def bps(value: float | None) -> str:
    """Format basis points with their sign."""
    return NONE if value is None else minus(f"{value:+.1f}")


def whole_bps(value: float) -> str:
    """Format basis points without decimals."""
    return minus(f"{round(value):+d}") if round(value) else "0"


def between(low: float | None, high: float | None, kind: str = "share") -> str:
    """Format an interval."""
    if low is None or high is None:
        return NONE
    return f"{bps(low)} to {bps(high)}" if kind == "bps" else f"{low * 100:.1f} to {high * 100:.1f} %"


def probability(value: float | None) -> str:
    """Format a p-value as HTML; very small ones as a bound."""
    if value is None:
        return NONE
    return "&lt; 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def asset_name(symbol: str) -> str:
    """Name an asset, or all of them."""
    return "all assets" if symbol == ALL else symbol


def model_name(model: str) -> str:
    """Name a model in words."""
    return model.replace("_", " ")


def css_of(models: Sequence[str]) -> dict[str, str]:
    """Give every model a colour, the ensemble always the first."""
    rest = [model for model in models if model != ENSEMBLE]
    return {ENSEMBLE: "s0", **{model: f"s{i % 8 + 1}" for i, model in enumerate(rest)}}


def table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "", text_columns: int = 1) -> str:
    """Write a table: the first ``text_columns`` are words, the rest numbers. Cells are HTML already."""
    names = "".join(
        f'<th scope="col"{"" if i < text_columns else _NUMERIC}>{escape(name)}</th>' for i, name in enumerate(head)
    )
    body = "".join(f"<tr>{_row(cells, text_columns)}</tr>" for cells in rows)
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<div class="scroll table"><table>{said}<thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>'


_NUMERIC = ' class="n"'


def _row(cells: Sequence[str], text_columns: int) -> str:
    first = f'<th scope="row">{cells[0]}</th>'
    return first + "".join(
        f"<td{'' if i < text_columns else _NUMERIC}>{cell}</td>" for i, cell in enumerate(cells[1:], start=1)
    )


def key(names: Sequence[tuple[str, str]]) -> str:
    """Write a chart's key from (name, style class) pairs."""
    return '<ul class="key">' + "".join(f'<li class="{css}">{escape(name)}</li>' for name, css in names) + "</ul>"


def figure(svg: str, caption: str, names: Sequence[tuple[str, str]] = (), *, wide: bool = False) -> str:
    """Put a chart with its key and caption on the page."""
    legend = key(names) if names else ""
    css = ' class="wide"' if wide else ""
    return f'<figure{css}><div class="scroll">{svg}</div>{legend}<figcaption>{escape(caption)}</figcaption></figure>'


def tint(value: float, full: float) -> str:
    """Colour a cell: green above zero, red below, strongest at ``full``."""
    strength = min(1.0, abs(value) / full) * 0.55
    name = "good" if value > 0.0 else "bad"
    return f"background: rgb(var(--{name}-fill) / {strength:.2f})"
