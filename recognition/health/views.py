"""The health page of a gallery."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.pages import actor_of, get_visible, offer_undo
from accounts.querysets import UNDOABLE
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput
from gallery.models import Gallery
from recognition.health import fixes, services, tasks
from recognition.health.models import HealthFinding, HealthReport
from recognition.health.words import buttons_of, explain
from recognition.reports.pages import progress

FINDINGS_A_PAGE = 20
DISMISSED = "dismissed"


@require_safe
def health(request, slug):
    """Lists what looks wrong in the gallery, one kind at a time. While a check runs, the page polls for its progress."""
    gallery = _gallery(request, slug)
    report = HealthReport.objects.filter(gallery=gallery).first()
    if request.htmx:
        return progress(request, report)
    findings = HealthFinding.objects.filter(gallery=gallery).current()
    tabs = _tabs(findings)
    show = request.GET.get("show")
    if show not in {tab["key"] for tab in tabs}:
        show = next((tab["key"] for tab in tabs if tab["count"]), tabs[0]["key"])
    page = Paginator(_in_tab(findings, show).with_people(), FINDINGS_A_PAGE).get_page(request.GET.get("page"))
    threshold = report.threshold if report else None
    context = {
        "gallery": gallery,
        "report": report,
        "tabs": tabs,
        "show": show,
        "page": page,
        "items": [(finding, explain(finding, threshold), buttons_of(finding)) for finding in page],
        "most": services.MOST_PER_REASON,
    }
    return render(request, "recognition/health.html", context)


@require_POST
def look_again(request, slug):
    """Starts a check of the gallery."""
    gallery = _gallery(request, slug)
    try:
        tasks.start(services.request_health(actor=actor_of(request), gallery=gallery))
    except Conflict as error:
        messages.error(request, error.message)
    return redirect("health", slug)


@require_POST
def fix(request, slug, pk, action):
    """Applies the fix of the button that was pressed, and returns to the findings."""
    gallery = _gallery(request, slug)
    finding = get_visible(HealthFinding.objects.with_people(), request, gallery=gallery, pk=pk)
    back = f"{reverse('health', args=[slug])}?{urlencode({'show': _tab_of(finding)})}"
    try:
        name = request.POST.get("name", "")
        fixed = fixes.fix(actor=actor_of(request), finding=finding, action=action, name=name)
    except (Conflict, InvalidInput) as error:
        messages.error(request, error.message)
    else:
        if fixed.event.action in UNDOABLE:
            offer_undo(request, fixed.text, fixed.event)
        else:
            messages.success(request, fixed.text)
    return redirect(back)


def _gallery(request, slug) -> Gallery:
    """For curators. Raises NotFound for strangers and NotAllowed for viewers."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    actor_of(request).require_role(gallery, Role.CURATOR)
    return gallery


def _in_tab(findings, tab: str):
    if tab == DISMISSED:
        return findings.exclude(dismissed_at=None)
    return findings.filter(kind=tab, dismissed_at=None)


def _tab_of(finding: HealthFinding) -> str:
    return DISMISSED if finding.dismissed_at else finding.kind


def _tabs(findings) -> list[dict]:
    names = {
        HealthFinding.Kind.OUTLIER: _("Faces that do not fit"),
        HealthFinding.Kind.DUPLICATE: _("The same person twice"),
        HealthFinding.Kind.WEAK: _("Weak people"),
        DISMISSED: _("Fine"),
    }
    return [{"key": str(key), "name": name, "count": _in_tab(findings, key).count()} for key, name in names.items()]
