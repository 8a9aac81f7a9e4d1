"""The charts of evaluations, from the values that are kept of one: dicts as VerificationResult.as_dict gives them."""

import math
from collections.abc import Sequence

from recognition.evaluation.charts import Axis, Bars, Line, Mark, histogram, line_chart

SERIES = ("first", "second", "third", "fourth", "fifth", "sixth")  # classes of the stylesheet


def roc_chart(named: Sequence[tuple[str, dict]]) -> str:
    """ROCs over each other, FAR by its logarithm; (name, values) each. Empty where none is defined."""
    drawn = [
        (name, [(far, tar) for far, tar, _ in values["roc"] if far > 0]) for name, values in named if values["roc"]
    ]
    if not drawn:
        return ""
    floor = 10 ** math.floor(math.log10(min(points[0][0] for _, points in drawn)))
    least = min(tar for _, points in drawn for _, tar in points)
    lines = [Line(name, points, SERIES[n % len(SERIES)]) for n, (name, points) in enumerate(drawn)]
    return line_chart(
        title="ROC",
        description="The share of pairs of one person that are accepted, at each share of pairs of two people that are.",
        x=Axis("FAR", floor, 1.0, log=True),
        y=Axis("TAR", min(math.floor(least * 10) / 10, 0.9), 1.0),
        lines=lines,
    )


def distance_chart(values: dict) -> str:
    """Histograms of the distances, with the best threshold. Empty where no pair could be compared."""
    counts = values["histogram"]
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
        description="How the distances of pairs of one person and of pairs of two people are spread.",
        x=Axis("distance", 0.0, counts["edges"][-1]),
        bars=bars,
        marks=[Mark("best threshold", best["threshold"], best["low"], best["high"])] if best else [],
    )
