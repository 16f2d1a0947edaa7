"""Small charts as inline SVG: drawn by hand so that the page needs no script, no font and no network.

Colours come from the page's style sheet by class, so that they follow light and dark.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

LEFT, RIGHT, TOP, BOTTOM = 58.0, 16.0, 14.0, 34.0
Format = Callable[[float], str]
Size = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its name, its style class, and a value at each of the chart's x labels; None leaves a hole."""

    name: str
    css: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Point:
    """One value with its interval; ``tip`` is shown on hovering."""

    label: str
    value: float
    low: float | None
    high: float | None
    css: str = "s0"
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """The plot's area: from data to pixels."""

    width: float
    height: float
    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        """Pixels from the left."""
        share = (value - self.x_low) / (self.x_high - self.x_low)
        return round(LEFT + share * (self.width - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return round(self.height - BOTTOM - share * (self.height - TOP - BOTTOM), 1)


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers inside [low, high], about as many as asked."""
    step = (high - low) / about
    size = 10.0 ** math.floor(math.log10(step))
    step = next(factor * size for factor in (1.0, 2.0, 5.0, 10.0) if factor * size >= step * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def lines(
    title: str,
    labels: Sequence[str],
    series: Sequence[Line],
    shown: Format,
    reference: float | None,
    size: tuple[float, float],
) -> str:
    """Draw lines over evenly spaced labels, with a dashed line at the reference."""
    values = [v for line in series for v in line.values if v is not None]
    frame = _frame(size, (0.0, max(1.0, len(labels) - 1.0)), [*values, *([] if reference is None else [reference])])
    parts = [*_y_axis(frame, shown), *_label_axis(frame, labels)]
    if reference is not None:
        parts.append(_rule(frame, reference))
    parts += [
        f'<path class="line {line.css}" d="{_path(frame, line.values)}"><title>{escape(line.name)}</title></path>'
        for line in series
    ]
    return _svg(title, frame, parts)


def intervals(
    title: str,
    points: Sequence[Point],
    shown: Format,
    reference: float,
    size: Size,
    band: tuple[float, float] | None = None,
) -> str:
    """Draw values with their intervals side by side, with a line at the reference and a band where one is asked."""
    ends = [v for point in points for v in (point.value, point.low, point.high) if v is not None]
    frame = _frame(size, (-0.5, len(points) - 0.5), [*ends, reference, *(band or ())])
    parts: list[str] = []
    if band is not None:
        top, bottom = frame.y(band[1]), frame.y(band[0])
        wide = frame.width - LEFT - RIGHT
        parts.append(f'<rect class="band" x="{LEFT}" y="{top}" width="{wide}" height="{round(bottom - top, 1)}"/>')
    parts += [*_y_axis(frame, shown), _rule(frame, reference)]
    for i, point in enumerate(points):
        parts += _marked(frame, float(i), point)
        parts.append(f'<text class="tick mid" x="{frame.x(i)}" y="{frame.height - 12}">{escape(point.label)}</text>')
    return _svg(title, frame, parts)


def reliability(title: str, pairs: Sequence[tuple[float, Point]], size: Size) -> str:
    """Draw what was said (x) against what came (y); on the diagonal a probability kept its word."""
    said = [at for at, _ in pairs]
    middle, reach = (min(said) + max(said)) / 2, max(0.02, (max(said) - min(said)) * 0.56)
    low, high = max(0.0, middle - reach), min(1.0, middle + reach)
    came = [v for _, point in pairs for v in (point.value, point.low, point.high) if v is not None]
    frame = _frame(size, (low, high), [*came, low, high])
    corner = f"M{frame.x(low)} {frame.y(low)}L{frame.x(high)} {frame.y(high)}"
    parts = [*_y_axis(frame, percent), f'<path class="rule" d="{corner}"/>']
    parts += [
        f'<text class="tick mid" x="{frame.x(v)}" y="{frame.height - 12}">{percent(v)}</text>' for v in ticks(low, high)
    ]
    for at, point in pairs:
        parts += _marked(frame, at, point)
    return _svg(title, frame, parts)


def percent(value: float) -> str:
    """Format a share, with a decimal only where it has one."""
    return f"{value * 100:.1f}".removesuffix(".0") + " %"


def _frame(size: Size, x: tuple[float, float], values: Sequence[float]) -> Frame:
    low, high = min(values), max(values)
    room = (high - low or abs(high) or 1.0) * 0.06
    return Frame(*size, *x, low - room, high + room)


def _y_axis(frame: Frame, shown: Format) -> list[str]:
    found = []
    for value in ticks(frame.y_low, frame.y_high):
        y = frame.y(value)
        found.append(f'<path class="grid" d="M{LEFT} {y}H{frame.width - RIGHT}"/>')
        found.append(f'<text class="tick end" x="{LEFT - 8}" y="{y + 4}">{escape(shown(value))}</text>')
    return found


def _label_axis(frame: Frame, labels: Sequence[str]) -> list[str]:
    every = max(1, math.ceil(len(labels) / 9))
    return [
        f'<text class="tick mid" x="{frame.x(i)}" y="{frame.height - 12}">{escape(label)}</text>'
        for i, label in enumerate(labels)
        # The last labels would run out of the picture.
        if i % every == 0 and (i == 0 or frame.x(i) < frame.width - 30)
    ]


def _rule(frame: Frame, value: float) -> str:
    return f'<path class="rule" d="M{LEFT} {frame.y(value)}H{frame.width - RIGHT}"/>'


def _marked(frame: Frame, at: float, point: Point) -> list[str]:
    x, found = frame.x(at), []
    if point.low is not None and point.high is not None:
        found.append(f'<path class="whisker {point.css}" d="M{x} {frame.y(point.low)}V{frame.y(point.high)}"/>')
    tip = f"<title>{escape(point.tip)}</title>" if point.tip else ""
    found.append(f'<circle class="dot {point.css}" cx="{x}" cy="{frame.y(point.value)}" r="4">{tip}</circle>')
    return found


def _path(frame: Frame, values: Sequence[float | None]) -> str:
    found, pen = [], "M"
    for i, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        found.append(f"{pen}{frame.x(i)} {frame.y(value)}")
        pen = "L"
    return "".join(found)


def _svg(title: str, frame: Frame, parts: Sequence[str]) -> str:
    box = f"0 0 {frame.width:g} {frame.height:g}"
    return f'<svg class="chart" viewBox="{box}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
