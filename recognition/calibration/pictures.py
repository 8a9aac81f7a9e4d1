"""The charts of a calibration."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from recognition.lab.evaluation.charts import Axis, Bars, Line, Mark, histogram, line_chart

FEWEST = 1e-6  # the lowest rate drawn


def pairs_histogram(result: dict, marks: Sequence[Mark]) -> str:
    """SVG: the distances of pairs of photos, of one person and of two people. result: of CalibrationReport."""
    bins = result["histogram"]
    edges = [bins["first"] + number * bins["step"] for number in range(len(bins["genuine"]) + 1)]
    bars = [
        Bars(name, edges, [count / sum(bins[kind]) for count in bins[kind]], kind)
        for kind, name in (("impostor", _("Two people")), ("genuine", _("One person")))
        if sum(bins[kind])
    ]
    pairs = result["pairs"]
    description = _(
        "%(genuine)s pairs of photos of one person and %(impostor)s of two people, by distance. "
        "The less the two curves overlap, the better people can be told apart."
    ) % {"genuine": pairs["genuine"], "impostor": pairs["impostor"]}
    x = Axis(_("distance"), edges[0], edges[-1])
    return histogram(title=_("How far apart two photos are"), description=description, x=x, bars=bars, marks=marks)


def rates_chart(result: dict, marks: Sequence[Mark]) -> str:
    """SVG: FAR and FRR of searches, and FAR of pairs of photos, by threshold. result: of CalibrationReport."""
    rows = result["rates"]
    end = next((number for number, row in enumerate(rows) if (row["far_pairs"] or 0) > 0.2), len(rows) - 1)
    rows = rows[: end + 1]
    kinds = (
        ("far", _("FAR, search"), "impostor"),
        ("frr", _("FRR, search"), "genuine"),
        ("far_pairs", _("FAR, pairs"), "pairs"),
    )
    lines = [
        Line(name, [(row["distance"], row[key]) for row in rows if row[key] is not None], kind)
        for key, name, kind in kinds
    ]
    lowest = min((rate for line in lines for _, rate in line.points if rate > 0), default=1e-3)
    y = Axis(_("rate"), max(min(lowest, 0.1), FEWEST), 1, log=True, form=_rate)
    x = Axis(_("threshold (distance)"), rows[0]["distance"], max(rows[-1]["distance"], rows[0]["distance"] + 0.01))
    description = _(
        "With a higher threshold, more strangers are mistaken for somebody (false acceptance rate, FAR) and fewer enrolled "
        "people are missed (false rejection rate, FRR)."
    )
    return line_chart(title=_("Errors by threshold"), description=description, x=x, y=y, lines=lines, marks=marks)


def _rate(rate: float) -> str:
    return f"{rate:.0%}" if rate >= 0.01 else f"{rate * 100:g} %".replace(" ", "")
