"""The charts of evaluations. They are drawn from stored values, as VerificationResult.as_dict gives them."""

import math
from collections.abc import Sequence

from recognition.lab.evaluation.charts import Axis, Bars, Line, Mark, histogram, line_chart

SERIES = ("first", "second", "third", "fourth", "fifth", "sixth")  # classes of the stylesheet
TAR_AXIS_STARTS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99)


def roc_chart(named: Sequence[tuple[str, dict]]) -> str:
    """ROC curves in one chart, as SVG, with a logarithmic FAR axis; empty if no curve is defined.

    named: a name for the legend and the values of each evaluation.
    """
    drawn = [
        (name, SERIES[n % len(SERIES)], values["roc"]) for n, (name, values) in enumerate(named) if values.get("roc")
    ]
    if not drawn:
        return ""
    smallest = min(far for *_, points in drawn for far, *_ in points if far > 0)
    floor = 10.0 ** (math.ceil(math.log10(smallest)) - 1)
    lines = [Line(name, _from(floor, points), kind) for name, kind, points in drawn]
    least = min(tar for line in lines for _, tar in line.points)
    return line_chart(
        title="ROC",
        description="The share of pairs of one person that is accepted, for each share of pairs of two people accepted.",
        x=Axis("FAR", floor, 1.0, log=True),
        y=Axis("TAR", max(start for start in TAR_AXIS_STARTS if start <= least), 1.0),
        lines=lines,
    )


def _from(floor: float, points: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """(FAR, TAR) from the start of the axis: a level line at the TAR reached there, then the points beyond."""
    reached = max((tar for far, tar, _ in points if far <= floor), default=0.0)
    first = next(far for far, *_ in points if far > floor)
    return [(floor, reached), (first, reached), *((far, tar) for far, tar, _ in points if far > floor)]


def det_chart(values: dict) -> str:
    """The DET curves of searches with strangers, as SVG with logarithmic axes: one for each way to compare with a person.

    Empty if these are pairs.
    """
    curves = values.get("det")
    if not curves:
        return ""
    floor_fpir, floor_fnir = (10.0 ** -math.ceil(math.log10(count)) for count in (
        values["searches"]["strangers"], values["searches"]["enrolled"]
    ))  # fmt: skip
    lines = [
        Line(str(number), [(fpir, fnir) for fpir, fnir, _ in rows], SERIES[(number - 1) % len(SERIES)])
        for number, rows in enumerate(curves.values(), 1)
    ]
    return line_chart(
        title="DET",
        description="The share of searches for enrolled people that fail, for each share of strangers who find somebody.",
        x=Axis("FPIR", min(floor_fpir, 0.1), 1.0, log=True),
        y=Axis("FNIR", min(floor_fnir, 0.1), 1.0, log=True),
        lines=lines,
    )


def distance_chart(values: dict) -> str:
    """Histograms of the distances, as SVG, with the best threshold; empty if no pair could be compared."""
    counts = values.get("histogram")
    if not counts:
        return ""
    bars = [
        Bars(name, counts["edges"], [count / sum(counts[kind]) for count in counts[kind]], kind)
        for name, kind in (("one person", "genuine"), ("two people", "impostor"))
        if sum(counts[kind])
    ]
    best = values["best"]
    return histogram(
        title="Distances",
        description="The distributions of the distances of pairs of one person and of pairs of two people.",
        x=Axis("distance", 0.0, counts["edges"][-1]),
        bars=bars,
        marks=[Mark("best threshold", best["threshold"], best["low"], best["high"])] if best else [],
    )
