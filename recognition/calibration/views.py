"""The calibration page of a gallery."""

from django import forms
from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.formats import number_format
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from accounts.models import AuditEvent
from accounts.pages import actor_of, get_visible, tell
from accounts.roles import Role
from faceplatform.errors import DomainError, InvalidInput
from gallery.models import Gallery, ThresholdSource
from gallery.services import change_settings
from recognition.calibration import services, tasks
from recognition.calibration.models import CalibrationReport
from recognition.calibration.pictures import pairs_histogram, rates_chart
from recognition.health.models import HealthFinding
from recognition.lab.evaluation.calibration import PLENTY_OF_ERRORS
from recognition.lab.evaluation.charts import Mark
from recognition.photos.thresholds import threshold_of
from recognition.reports.pages import progress

MANY_MISSED = 0.1
GROWN = 1.2  # times the people at the calibration: from then on the page advises to measure again


class FpirForm(forms.Form):
    """The FPIR, in per cent."""

    percent = forms.FloatField(
        min_value=services.SMALLEST_FPIR * 100,
        max_value=services.LARGEST_FPIR * 100,
        label=gettext_lazy("Strangers who may be mistaken for somebody, %"),
    )


@require_safe
def calibration(request, slug):
    """Shows the error rates of the gallery's own faces and the advised threshold."""
    gallery = _gallery(request, slug)
    report = CalibrationReport.objects.filter(gallery=gallery).first()
    if request.htmx:
        return progress(request, report)
    fpir = report.fpir if report else gallery.target_fpir
    context = {
        "gallery": gallery,
        "report": report,
        "form": FpirForm(initial={"percent": round(fpir * 100, 4)}),
        "in_force": threshold_of(gallery),
        "is_owner": actor_of(request).role_in(gallery) == Role.OWNER,
        "duplicates": _duplicates(gallery),
    }
    if report and report.computed_at:
        advice = services.advice_for(report, _fpir(request.GET)) or services.advice_for(report)
        context |= _result(report, gallery, advice) if advice else {}
    return render(request, "recognition/calibration.html", context)


@require_POST
def measure(request, slug):
    """Starts a measurement of the error rates, for the FPIR of the form."""
    gallery, form = _gallery(request, slug), FpirForm(request.POST)

    def act():
        if not form.is_valid():
            text = _("Enter a percentage from %(least)s to %(most)s.") % {
                "least": number_format(f"{services.SMALLEST_FPIR * 100:g}"),
                "most": number_format(f"{services.LARGEST_FPIR * 100:g}"),
            }
            return messages.error(request, text)
        fpir = form.cleaned_data["percent"] / 100
        report = services.request_calibration(actor=actor_of(request), gallery=gallery, fpir=fpir)
        return tasks.start(report)

    return _act(request, slug, act)


@require_POST
def apply(request, slug):
    """Puts the advised threshold in force."""
    gallery = _gallery(request, slug)

    def act():
        fpir = _fpir(request.POST)
        if fpir is None and request.POST.get("fpir"):
            raise InvalidInput(_("This page is out of date. Look at the advice again, then put it in force."))
        changed = services.apply_calibration(actor=actor_of(request), gallery=gallery, fpir=fpir)
        event = AuditEvent.objects.filter(gallery_id=gallery.pk, action="gallery.calibrated").first()
        distance = number_format(f"{changed.threshold_distance:.3f}")
        tell(request, _("The threshold %(distance)s is now in force.") % {"distance": distance}, event)

    return _act(request, slug, act)


@require_POST
def by_size(request, slug):
    """Lets the threshold follow the gallery's size again."""
    gallery = _gallery(request, slug)

    def act():
        values = {"threshold_source": ThresholdSource.SIZE, "threshold_distance": None}
        event = change_settings(actor=actor_of(request), gallery=gallery, **values)
        tell(request, _("The threshold follows the gallery's size again."), event)

    return _act(request, slug, act)


def _act(request, slug, act):
    """Runs `act` and returns to the page, with a message if the input or the state did not allow it."""
    try:
        act()
    except DomainError as error:
        if error.status not in (400, 409):
            raise
        messages.error(request, error.message)
    return redirect("calibration", slug)


def _gallery(request, slug) -> Gallery:
    """For curators. Raises NotFound for strangers and NotAllowed for viewers."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    actor_of(request).require_role(gallery, Role.CURATOR)
    return gallery


def _duplicates(gallery: Gallery) -> int:
    findings = HealthFinding.objects.filter(gallery=gallery, kind=HealthFinding.Kind.DUPLICATE, dismissed_at=None)
    return findings.current().count()


def _fpir(values) -> float | None:
    """The FPIR whose advice is to be shown or applied; None for the one that was measured for."""
    try:
        return float(values["fpir"])
    except (KeyError, ValueError):
        return None


def _result(report: CalibrationReport, gallery: Gallery, advice: dict) -> dict:
    """The part of the page's context that a computed report adds."""
    result, marks = report.result, []
    if advice["distance"] is not None:
        marks = [Mark(_("advised"), advice["distance"], advice["low"], advice["high"])]
    return {
        "result": result,
        "advice": advice,
        "rows": [row | {"shown": row is advice} for row in result["advice"]],
        "few_errors": advice["expected_errors"] < PLENTY_OF_ERRORS,
        "misses_many": (advice["frr"] or 0) > MANY_MISSED,
        "other_pack": report.pack != gallery.pack,
        "grown": gallery.identities.filter(active=True).count() > GROWN * result["people"],
        # Safe: charts.py escapes every text, and these are made of numbers and fixed words.
        "histogram": mark_safe(pairs_histogram(result, marks)),
        "curve": mark_safe(rates_chart(result, marks)),
        "rates": [row for row in result["rates"] if 0 < (row["far"] or 0) < 0.2 or 0 < (row["frr"] or 0) < 0.5],
    }
