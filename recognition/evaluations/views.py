"""The pages of evaluations."""

from uuid import UUID

from django.core.paginator import Paginator
from django.http import QueryDict
from django.shortcuts import render
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.pages import actor_of, get_visible
from faceplatform.errors import NotFound
from recognition.evaluations.models import Evaluation
from recognition.lab.evaluation.drawing import SERIES, det_chart, distance_chart, roc_chart
from recognition.lab.evaluation.figures import figures_of, for_legend, side_by_side

MOST_COMPARED = len(SERIES)


@require_safe
def evaluations(request):
    """Lists the evaluations, newest first, to be opened or compared."""
    page = Paginator(_visible(request).without_curves(), 20).get_page(request.GET.get("page"))
    return render(request, "recognition/evaluations.html", {"page": page, "most": MOST_COMPARED})


@require_safe
def evaluation(request, pk):
    """Shows one pack on one set: figures, ROC and distances or DET, and the images that could not be used."""
    row = get_visible(Evaluation.objects.all(), request, pk=pk)
    values = row.values
    context = {
        "evaluation": row,
        "values": values,
        "figures": figures_of(values),
        "roc": _svg(roc_chart([(row.pack, values)])),
        "distances": _svg(distance_chart(values)),
        "det": _svg(det_chart(values)),
        "others": _visible(request).without_curves().filter(set_sha256=row.set_sha256).exclude(pk=pk)[:10],
    }
    return render(request, "recognition/evaluation.html", context)


@require_safe
def compare(request):
    """Shows several evaluations side by side, with their ROC curves in one chart."""
    rows = list(_visible(request).filter(pk__in=_selected_ids(request.GET)).order_by("id"))
    if len(rows) > MOST_COMPARED:
        rows = rows[-MOST_COMPARED:]
    names, legends = for_legend(_distinct_names(rows))
    context = {
        "rows": list(zip(names, rows, strict=True)),
        "figures": [
            (label, list(zip(names, texts, strict=True)))
            for label, texts in side_by_side([figures_of(row.values) for row in rows])
        ],
        "roc": _svg(roc_chart([(legend, row.values) for legend, row in zip(legends, rows, strict=True)])),
        "same_set": len({row.set_sha256 for row in rows}) == 1,
    }
    return render(request, "recognition/compare_evaluations.html", context)


def _visible(request):
    """Raises NotFound for those who may not see evaluations."""
    actor = actor_of(request)
    if not Evaluation.objects.may_be_seen_by(actor):
        raise NotFound(_("There is nothing here, or you have no access to it."))
    return Evaluation.objects.visible_to(actor)


def _selected_ids(query: QueryDict) -> list[UUID]:
    try:
        return [UUID(text) for text in query.getlist("id")]
    except ValueError as error:
        raise NotFound(_("There is no such evaluation.")) from error


def _distinct_names(rows: list[Evaluation]) -> list[str]:
    """Names that tell the rows apart: the pack, with the set if there are several, with a number if names are still equal."""
    packs = [row.pack for row in rows]
    sets = {row.set_sha256 for row in rows}
    names = packs if len(sets) <= 1 else [f"{row.pack}, {row.set_name}" for row in rows]
    return [f"{name} ({number})" if names.count(name) > 1 else name for number, name in enumerate(names, 1)]


def _svg(chart: str):
    """Safe, because charts.py escapes every text it is given."""
    return mark_safe(chart)
