"""The pages of a gallery's alerts and of the rules that raise them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts import looks
from accounts.pages import actor_of, get_visible
from accounts.roles import Role
from faceplatform.errors import DomainError
from gallery.models import Gallery, Identity
from recognition.alerts import services
from recognition.alerts.forms import PEOPLE, FilterForm, RuleForm
from recognition.alerts.models import Alert, AlertRule

ALERTS_A_PAGE, FOUND = 50, 8


# --- Alerts -----------------------------------------------------------------------------------------------------------
@require_safe
def alerts(request, slug):
    """A gallery's alerts, newest first. Its first page asks for new ones by itself."""
    gallery, now = _gallery(request, slug), timezone.now()
    looks.seen(request, looks.Kind.RECOGNITIONS, gallery=gallery)
    form = FilterForm(gallery, request.GET)
    page = Paginator(_matching(request, gallery, form), ALERTS_A_PAGE).get_page(request.GET.get("page"))
    person = form.chosen.get("identity")
    context = {
        "gallery": gallery,
        "form": form,
        "filtered": bool(form.chosen),
        "person": Identity.objects.filter(gallery=gallery, pk=person).first() if person else None,
        "page": page,
        "newest": page[0].raised_at if page else now,
        "now": now,
        "owns": _owns(request, gallery),
    }
    return _page(request, "recognition/alerts.html", context)


@require_safe
def new_alerts(request, slug):
    """Those raised after ?after=, and the element that asks for the next ones. For htmx."""
    gallery, now = _gallery(request, slug), timezone.now()
    after = _time(request.GET.get("after")) or now
    if after > now + timedelta(minutes=1):  # from before the clock was set back
        after = now
    rows = list(
        _matching(request, gallery, FilterForm(gallery, request.GET)).filter(raised_at__gt=after)[:ALERTS_A_PAGE]
    )
    context = {"gallery": gallery, "page": rows, "newest": rows[0].raised_at if rows else after, "now": now}
    return _page(request, "recognition/_new_alerts.html", context)


@require_POST
def see(request, slug, pk):
    """Marks one as seen; htmx gets its row."""
    gallery = _gallery(request, slug)
    alert = get_visible(Alert.objects.filter(gallery=gallery), request, pk=pk)
    services.mark_seen(actor=actor_of(request), alerts=Alert.objects.filter(pk=alert.pk))
    if not request.htmx:
        return redirect("alerts", slug)
    alert = _rows(request, gallery).get(pk=pk)
    return _page(request, "recognition/_alert.html", {"gallery": gallery, "alert": alert})


@require_POST
def see_all(request, slug):
    """Marks as seen what the page showed: not what was raised after it."""
    gallery = _gallery(request, slug)
    until = _time(request.POST.get("until")) or timezone.now()
    rows = Alert.objects.filter(gallery=gallery, raised_at__lte=until)
    services.mark_seen(actor=actor_of(request), alerts=rows)
    messages.success(request, _("All alerts are marked as seen."))
    return redirect("alerts", slug)


# --- Rules ------------------------------------------------------------------------------------------------------------
@require_safe
def rules(request, slug):
    gallery = owned(request, slug)
    rows = AlertRule.objects.filter(gallery=gallery).with_choices()
    return render(request, "recognition/alert_rules.html", {"gallery": gallery, "rules": rows})


def add_rule(request, slug):
    gallery = owned(request, slug)
    form = RuleForm(gallery, request.POST if request.method == "POST" else None)

    def save():
        return services.create_rule(actor=actor_of(request), gallery=gallery, **form.values())

    return _edit(request, gallery, form, save)


def rule(request, slug, pk):
    gallery = owned(request, slug)
    row = get_visible(AlertRule.objects.with_choices(), request, gallery=gallery, pk=pk)
    form = RuleForm(gallery, request.POST if request.method == "POST" else None, rule=row)

    def save():
        return services.change_rule(actor=actor_of(request), rule=row, **form.values())

    return _edit(request, gallery, form, save, row)


def _edit(request, gallery: Gallery, form: RuleForm, save, row: AlertRule | None = None):
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                saved = save()
            except DomainError as error:
                form.add_error(None, error.message)
                status = error.status
            else:
                messages.success(request, _("The rule “%(name)s” was saved.") % {"name": saved.name})
                return redirect("alert-rules", gallery.slug)
    context = {"gallery": gallery, "form": form, "rule": row}
    return render(request, "recognition/alert_rule.html", context, status=status)


@require_safe
def rule_people(request, slug):
    """People to choose for ?field=: those who are like ?q=, or the one with the id ?person=, chosen. For htmx."""
    gallery = owned(request, slug)
    rows = Identity.objects.filter(gallery=gallery)
    context = {"gallery": gallery, "field": next((f for f in PEOPLE if f == request.GET.get("field")), PEOPLE[0])}
    if "person" in request.GET:
        context["person"] = get_visible(rows, request, pk=_uuid(request.GET["person"]))
        return render(request, "recognition/_rule_person.html", context)
    query = request.GET.get("q", "").strip()
    context |= {"query": query, "people": rows.matching(query)[:FOUND] if query else []}
    return render(request, "recognition/_rule_people.html", context)


@require_POST
def switch_rule(request, slug, pk):
    row = _rule(request, slug, pk)
    services.change_rule(actor=actor_of(request), rule=row, enabled=not row.enabled)
    return redirect("alert-rules", slug)


@require_POST
def delete_rule(request, slug, pk):
    row = _rule(request, slug, pk)
    services.delete_rule(actor=actor_of(request), rule=row)
    messages.success(request, _("The rule “%(name)s” was deleted. Its alerts stay.") % {"name": row.name})
    return redirect("alert-rules", slug)


# --- Shared -----------------------------------------------------------------------------------------------------------
def owned(request, slug) -> Gallery:
    """Raises NotFound, NotAllowed."""
    gallery = _gallery(request, slug)
    actor_of(request).require_role(gallery, Role.OWNER)
    return gallery


def _gallery(request, slug) -> Gallery:
    return get_visible(Gallery.objects.all(), request, slug=slug)


def _owns(request, gallery: Gallery) -> bool:
    return actor_of(request).role_in(gallery) == Role.OWNER


def _rule(request, slug, pk) -> AlertRule:
    rows = AlertRule.objects.with_choices()
    return get_visible(rows, request, gallery=owned(request, slug), pk=pk)


def _rows(request, gallery: Gallery) -> QuerySet[Alert]:
    return Alert.objects.filter(gallery=gallery).with_all().with_seen(actor_of(request))


def _matching(request, gallery: Gallery, form: FilterForm) -> QuerySet[Alert]:
    chosen = dict(form.chosen)
    rows: Any = _rows(request, gallery)
    if chosen.pop("unseen", False):
        chosen["seen_by_actor"] = False
    if person := chosen.pop("identity", None):
        rows = rows.of_person(person)
    return rows.filter(**chosen)


def _page(request, template: str, context: dict):
    """With the times of the gallery's zone."""
    with timezone.override(context["gallery"].zone):
        return render(request, template, context)


def _time(text: str | None):
    """A moment as a page wrote it; None for anything else."""
    try:
        moment = parse_datetime(text or "")
    except ValueError:
        return None
    return moment if moment and timezone.is_aware(moment) else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
