"""Charts as SVG text: lines over linear or logarithmic axes, and histograms. No Django, no drawing library.

The parts have classes and no styles of their own. The page's stylesheet colours them (`.chart` in app.css), so they work in
light and dark mode and under a strict content security policy. Each chart has a title and a description for screen readers;
the page shows the numbers in a table beside it.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 480, 300  # units of the drawing: readable at 350 px, the width of a phone
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 34, 50  # margins: axes, legend
LETTER = 7.2  # units: about the width of a character in the legend

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axis:
    """low < high, in the data's units; if log, both are above 0. form: writes a tick's value."""

    label: str
    low: float
    high: float
    log: bool = False
    form: Callable[[float], str] = "{:g}".format

    def place(self, value: float) -> float:
        """0 at `low`, 1 at `high`; values beyond them are put on the edge."""
        if self.log:
            low, high, value = math.log10(self.low), math.log10(self.high), math.log10(max(value, self.low))
        else:
            low, high = self.low, self.high
        return min(max((value - low) / (high - low), 0.0), 1.0)

    def ticks(self) -> list[float]:
        """The powers of ten on a logarithmic axis; otherwise 3 to 7 round numbers."""
        if self.log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            return [10.0**exponent for exponent in range(first, last + 1)]
        step = _round_step((self.high - self.low) / 6)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(number * step, 10) for number in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class Line:
    """points: (x, y) with x ascending. kind: a class of the stylesheet, such as "genuine"."""

    name: str
    points: Sequence[Point]
    kind: str


@dataclass(frozen=True, slots=True)
class Bars:
    """A histogram. shares: of each bin; edges: of the bins, one more than the shares. kind: as in Line."""

    name: str
    edges: Sequence[float]
    shares: Sequence[float]
    kind: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A position on the x axis, such as a threshold, and the interval it may lie in."""

    name: str
    at: float
    low: float | None = None
    high: float | None = None


def line_chart(
    *, title: str, description: str, x: Axis, y: Axis, lines: Sequence[Line], marks: Sequence[Mark] = ()
) -> str:
    """A line chart as SVG. On a logarithmic y axis, a line that reaches zero drops to the bottom and ends there."""
    paths = (_path(line, x, y) for line in lines)
    return _chart(title, description, x, y, [*_marks(marks, x), *paths], [*lines, *marks])


def histogram(*, title: str, description: str, x: Axis, bars: Sequence[Bars], marks: Sequence[Mark] = ()) -> str:
    """Overlaid histograms as SVG; the y axis ends at the largest share of all."""
    highest = max((share for group in bars for share in group.shares), default=0) or 1.0
    y = Axis("share", 0, highest, form=lambda share: f"{share:.0%}" if highest > 0.05 else f"{share:.1%}")
    steps = (_steps(group, x, y) for group in bars)
    return _chart(title, description, x, y, [*_marks(marks, x), *steps], [*bars, *marks])


def _chart(title: str, description: str, x: Axis, y: Axis, parts: Sequence[str], legend: Sequence) -> str:
    inside = "".join([*_axes(x, y), *parts, *_legend(legend)])
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{inside}</svg>"
    )


def _across(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _up(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _axes(x: Axis, y: Axis) -> Iterator[str]:
    bottom, right = _up(0), _across(1)
    for value in y.ticks():
        at = _up(y.place(value))
        yield f'<line class="grid" x1="{LEFT}" y1="{at}" x2="{right}" y2="{at}"/>'
        yield f'<text x="{LEFT - 6}" y="{at + 4}" text-anchor="end">{escape(y.form(value))}</text>'
    for value in x.ticks():
        at = _across(x.place(value))
        yield f'<line class="axis" x1="{at}" y1="{bottom}" x2="{at}" y2="{bottom + 4}"/>'
        yield f'<text x="{at}" y="{bottom + 18}" text-anchor="middle">{escape(x.form(value))}</text>'
    yield f'<line class="axis" x1="{LEFT}" y1="{bottom}" x2="{right}" y2="{bottom}"/>'
    yield f'<text class="label" x="{_across(0.5)}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x.label)}</text>'
    middle = _up(0.5)
    turned = f'transform="rotate(-90 14 {middle})"'
    yield f'<text class="label" x="14" y="{middle}" text-anchor="middle" {turned}>{escape(y.label)}</text>'


def _path(line: Line, x: Axis, y: Axis) -> str:
    rates = [0, *(b for _, b in line.points), 0]
    shown = [not y.log or max(rates[at : at + 3]) > 0 for at in range(len(line.points))]
    drawn = [(_across(x.place(a)), _up(y.place(b))) for (a, b), show in zip(line.points, shown, strict=True) if show]
    points = " ".join(f"{a},{b}" for a, b in drawn)
    return f'<polyline class="line {line.kind}" points="{points}"/>'


def _steps(bars: Bars, x: Axis, y: Axis) -> str:
    bottom = _up(0)
    corners = [(_across(x.place(bars.edges[0])), bottom)]
    for left, right, share in zip(bars.edges, bars.edges[1:], bars.shares, strict=False):
        height = _up(y.place(share))
        corners += [(_across(x.place(left)), height), (_across(x.place(right)), height)]
    corners.append((_across(x.place(bars.edges[-1])), bottom))
    points = " ".join(f"{a},{b}" for a, b in corners)
    return f'<polygon class="area {bars.kind}" points="{points}"/>'


def _marks(marks: Sequence[Mark], x: Axis) -> Iterator[str]:
    top, bottom = _up(1), _up(0)
    for mark in marks:
        at = _across(x.place(mark.at))
        if mark.low is not None and mark.high is not None:
            low, high = _across(x.place(mark.low)), _across(x.place(mark.high))
            width = round(max(high - low, 1), 1)
            yield f'<rect class="band" x="{low}" y="{top}" width="{width}" height="{round(bottom - top, 1)}"/>'
        yield f'<line class="mark" x1="{at}" y1="{top}" x2="{at}" y2="{bottom}"/>'


def _legend(parts: Sequence[Line | Bars | Mark]) -> Iterator[str]:
    at = float(LEFT)
    for part in parts:
        kind = {Line: "line", Bars: "area", Mark: "mark"}[type(part)]
        classes = f"{kind} {getattr(part, 'kind', '')}".strip()
        if kind == "area":
            yield f'<rect class="{classes}" x="{at}" y="9" width="16" height="10"/>'
        else:
            yield f'<line class="{classes}" x1="{at}" y1="14" x2="{at + 16}" y2="14"/>'
        yield f'<text class="key" x="{at + 21}" y="18">{escape(part.name)}</text>'
        at = round(at + 36 + LETTER * len(part.name), 1)


def _round_step(step: float) -> float:
    """The next larger 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))
