"""The charts are SVG that a strict content security policy allows and a screen reader can describe."""

import xml.etree.ElementTree as ElementTree

import pytest

from recognition.lab.evaluation.charts import Axis, Bars, Line, Mark, histogram, line_chart

X = Axis("distance", 0.2, 0.8)


def parsed(svg: str) -> ElementTree.Element:
    root = ElementTree.fromstring(svg)
    assert root.find("title").text and root.find("desc").text and root.get("role") == "img"
    assert not [part for part in root.iter() if part.get("style")]
    return root


def points(root, kind: str) -> list[list[float]]:
    [part] = [part for part in root.iter() if kind in part.get("class", "").split() and part.get("points")]
    return [[float(number) for number in pair.split(",")] for pair in part.get("points").split()]


def test_a_line_rises_with_its_values_from_the_floor_of_a_logarithmic_axis():
    y = Axis("rate", 1e-4, 1, log=True)
    line = Line("FAR <&>", [(0.2, 0), (0.25, 0), (0.3, 1e-3), (0.4, 1e-2), (0.9, 1)], "impostor")
    root = parsed(line_chart(title="Rates & more", description="d", x=X, y=y, lines=[line], marks=[Mark("t", 0.5)]))
    drawn = points(root, "impostor")
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = drawn
    assert x0 < x1 < x2 < x3
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)  # a decade each
    assert y2 - y3 == pytest.approx(2 * (y1 - y2), abs=0.2)  # two decades, and one
    assert "FAR <&>" in [text.text for text in root.iter("text")]


@pytest.mark.parametrize(
    ("axis", "ticks"),
    [
        (X, [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]),
        (Axis("", 0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (Axis("", 0, 37), [0, 10, 20, 30]),
        (Axis("", 2e-5, 1, log=True), [1e-4, 1e-3, 1e-2, 1e-1, 1]),
    ],
)
def test_ticks_are_round_numbers(axis, ticks):
    assert axis.ticks() == pytest.approx(ticks)


def test_a_histogram_is_as_high_as_its_shares_and_marks_an_interval():
    bars = Bars("same", [0.2, 0.4, 0.6, 0.8], [0.25, 0.5, 0.25], "genuine")
    mark = Mark("advised", 0.5, 0.45, 0.55)
    root = parsed(histogram(title="t", description="d", x=X, bars=[bars], marks=[mark]))
    heights = {point[1] for point in points(root, "genuine")}
    bottom, quarter, top = sorted(heights, reverse=True)
    assert bottom - quarter == pytest.approx(quarter - top, abs=0.2)
    [band] = [part for part in root.iter() if part.get("class") == "band"]
    assert float(band.get("width")) > 10


def test_an_empty_histogram_is_drawn_too():
    parsed(histogram(title="t", description="d", x=X, bars=[Bars("none", [0.2, 0.8], [0], "genuine")]))
