"""The pages of attendance: a day, a month as a table, and a person's days."""

from datetime import date

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from accounts import looks
from accounts.pages import actor_of, get_visible
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput
from faceplatform.spreadsheet import csv_blocks
from faceplatform.web.streaming import download
from gallery.models import Gallery, Identity
from recognition.attendance import services
from recognition.attendance.days import DAY, day_of
from recognition.attendance.forms import CorrectionForm
from recognition.attendance.models import AttendanceCorrection, Presence
from recognition.attendance.report import Days, PersonDay, csv_lines, departments_of, month_of, people_of

PEOPLE_PER_PAGE = 60
LETTERS = {Presence.PRESENT: "●", Presence.ABSENT: "–", Presence.NO_DATA: ""}


@require_safe
def attendance(request, slug):
    """Who was there on a day, today if none is asked for; as CSV with ?format=csv."""
    gallery = _gallery(request, slug)
    today = day_of(gallery, timezone.now())
    day = min(_date(request.GET.get("day")) or today, today)
    department = request.GET.get("department", "")
    people = people_of(gallery, department)
    if request.GET.get("format") == "csv":
        return _csv(request, Days(gallery, day, day, list(people)))
    days = Days(gallery, day, day, list(people.only("gallery", "name", "department")))
    rows = [days.of(person, day) for person in days.people]
    by_presence = _by_presence(rows)
    page = Paginator([row for some in by_presence.values() for row in some], PEOPLE_PER_PAGE).get_page(
        request.GET.get("page")
    )
    _add_portraits(page)
    context = {
        "gallery": gallery,
        "day": day,
        "today": today,
        "before": day - DAY,
        "after": day + DAY if day < today else None,
        "department": department,
        "departments": departments_of(gallery) if department else _departments(days),
        "page": page,
        "groups": _groups(page, by_presence),
        "counts": {presence.value: len(some) for presence, some in by_presence.items()},
        "inside": sum(bool(row.inside) for row in rows) if any(row.inside is not None for row in rows) else None,
    }
    looks.seen(request, looks.Kind.PEOPLE, gallery=gallery)
    return _page(
        request, "recognition/_attendance_day.html" if request.htmx else "recognition/attendance.html", context
    )


@require_safe
def month(request, slug):
    """Everybody's days of a month; as CSV with ?format=csv."""
    gallery = _gallery(request, slug)
    today = day_of(gallery, timezone.now())
    first = (_date(f"{request.GET.get('month', '')}-01") or today).replace(day=1)
    department = request.GET.get("department", "")
    dates = month_of(first.year, first.month)
    people = people_of(gallery, department)
    if request.GET.get("format") == "csv":
        return _csv(request, Days(gallery, dates[0], dates[-1], list(people)))
    page = Paginator(people, PEOPLE_PER_PAGE).get_page(request.GET.get("page"))
    days = Days(gallery, dates[0], dates[-1], list(page), inside=False)
    context = {
        "gallery": gallery,
        "first": first,
        "before": first - DAY,
        "after": dates[-1] + DAY if dates[-1] < today else None,
        "dates": dates,
        "today": today,
        "department": department,
        "departments": departments_of(gallery),
        "page": page,
        "rows": [(person, _row(days, person, dates, today)) for person in days.people],
    }
    looks.seen(request, looks.Kind.PEOPLE, gallery=gallery)
    return _page(request, "recognition/attendance_month.html", context)


@require_safe
def person(request, slug, pk):
    """A person's days of a month, with a form to correct one."""
    gallery = _gallery(request, slug)
    identity = get_visible(Identity.objects.all(), request, gallery=gallery, pk=pk)
    looks.seen(request, looks.Kind.PERSON, gallery=gallery, object_id=identity.pk)
    return _person(request, identity, CorrectionForm(initial={"date": request.GET.get("day")}))


@require_POST
def correct(request, slug, pk):
    gallery = _gallery(request, slug)
    identity = get_visible(Identity.objects.select_related("gallery"), request, gallery=gallery, pk=pk)
    actor_of(request).require_role(gallery, Role.CURATOR)
    form = CorrectionForm(request.POST)
    if not form.is_valid():
        return _person(request, identity, form, status=400)
    values = form.cleaned_data
    try:
        services.correct(actor=actor_of(request), identity=identity, day=values.pop("date"), **values)
    except InvalidInput as error:
        form.add_error(None, error.message)
        return _person(request, identity, form, status=400)
    presence = Presence(form.cleaned_data["presence"])
    text = _("Corrected: %(name)s, %(presence)s.")
    messages.success(request, text % {"name": identity.name, "presence": str(presence.label).lower()})
    return redirect("attendance-person", slug, pk)


@require_POST
def withdraw(request, slug, pk):
    gallery = _gallery(request, slug)
    rows = AttendanceCorrection.objects.select_related("gallery", "identity")
    correction = get_visible(rows, request, gallery=gallery, pk=pk)
    try:
        services.withdraw(actor=actor_of(request), correction=correction)
    except Conflict as error:
        messages.error(request, error.message)
    else:
        messages.success(request, _("The correction is taken back."))
    return redirect("attendance-person", slug, correction.identity_id)


def _gallery(request, slug) -> Gallery:
    return get_visible(Gallery.objects.all(), request, slug=slug)


def _page(request, template: str, context: dict, status: int = 200):
    """With the times of the gallery's zone."""
    with timezone.override(context["gallery"].zone):
        return render(request, template, context, status=status)


def _person(request, identity: Identity, form: CorrectionForm, status: int = 200):
    gallery = identity.gallery
    today = day_of(gallery, timezone.now())
    first = (_date(f"{request.GET.get('month', '')}-01") or today).replace(day=1)
    dates = [day for day in month_of(first.year, first.month) if day <= today]
    days = Days(gallery, first, month_of(first.year, first.month)[-1], [identity])
    context = {
        "gallery": gallery,
        "identity": identity,
        "first": first,
        "before": first - DAY,
        "after": month_of(first.year, first.month)[-1] + DAY if month_of(first.year, first.month)[-1] < today else None,
        "rows": [days.of(identity, day) for day in reversed(dates)],
        "form": form,
        "may_correct": (actor_of(request).role_in(gallery) or Role.VIEWER) >= Role.CURATOR,
    }
    return _page(request, "recognition/attendance_person.html", context, status=status)


GROUPS = {
    Presence.PRESENT: gettext_lazy("Seen"),
    Presence.ABSENT: gettext_lazy("Not seen"),
    Presence.NO_DATA: gettext_lazy("No data"),
}


def _by_presence(rows: list[PersonDay]) -> dict[Presence, list[PersonDay]]:
    """In the order of the page; those who were seen with the latest at the front."""
    found = {presence: [row for row in rows if row.presence is presence] for presence in GROUPS}
    found[Presence.PRESENT].sort(key=_latest, reverse=True)
    return found


def _departments(everybody: Days) -> list[str]:
    return sorted({person.department for person in everybody.people} - {""})


def _add_portraits(page: Page) -> None:
    """Gives the people of a page their `portrait_id`: of ten thousand, sixty are shown."""
    portraits = Identity.objects.filter(pk__in=[row.identity.pk for row in page]).portraits()
    for row in page:
        row.identity.portrait_id = portraits.get(row.identity.pk)


def _groups(page: Page, everybody: dict[Presence, list[PersonDay]]) -> list[tuple[str, int, list[PersonDay]]]:
    """What it is called, how many are in it on all pages, and those of this page."""
    found = [
        (str(GROUPS[presence]), len(some), [row for row in page if row.presence is presence])
        for presence, some in everybody.items()
    ]
    return [group for group in found if group[2]]


def _latest(row: PersonDay) -> float:
    return row.last_seen.timestamp() if row.last_seen else 0.0


def _row(days: Days, person: Identity, dates: list[date], today: date) -> list[dict]:
    """The month's cells of a person."""
    cells = []
    for day in dates:
        row = days.of(person, day)
        future = day > today
        cells.append({"day": day, "row": row, "mark": "" if future else LETTERS[row.presence], "future": future})
    return cells


def _csv(request, days: Days):
    looks.seen(request, looks.Kind.PEOPLE, gallery=days.gallery)
    blocks = (block.encode() for block in csv_blocks(csv_lines(days)))
    name = f"attendance-{days.gallery.slug}-{days.first.isoformat()}.csv"
    return download(request, blocks, name=name, content_type="text/csv; charset=utf-8")


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None
