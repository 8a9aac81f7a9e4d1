"""The pages of a gallery's sightings, of where a person was seen, and of unknown people."""

from collections.abc import Callable
from functools import partial
from itertools import groupby
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts import looks
from accounts.models import AuditEvent
from accounts.pages import actor_of, get_visible, offer_undo
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput
from faceplatform.web.languages import retold
from gallery.models import Gallery, Identity
from gallery.person import find_person, person_context
from recognition.cameras.models import Sighting, SightingFace, UnknownPerson
from recognition.sightings import corrections, services, tasks
from recognition.sightings.enrolling import RefusedFace, diverse_faces
from recognition.sightings.forms import NameForm, SightingsForm, UnknownsForm, WhoForm

A_PAGE, MOST_NEW, MOST_CHOICES = 30, 99, 12
SHOWN_OF_ONE = 60  # sightings of an unknown person
STATES = {"open": gettext_lazy("Unknown"), "ignored": gettext_lazy("Ignored"), "named": gettext_lazy("Named")}
Done = tuple[str, AuditEvent]  # what was done, as a sentence, and the event that undoes it


# --- Sightings --------------------------------------------------------------------------------------------------------
@require_safe
def sightings(request, slug):
    """Who was seen, newest first. The filters are in the address."""
    gallery = _gallery(request, slug)
    looks.seen(request, looks.Kind.RECOGNITIONS, gallery=gallery)
    form = SightingsForm(gallery, request.GET)
    rows = form.rows()
    newest = rows.order_by("-id").values_list("pk", flat=True).first()
    page = Paginator(rows.with_people().with_faces().latest_first(), A_PAGE).get_page(request.GET.get("page"))
    filters = {key: value for key, value in request.GET.items() if value and key != "page"}
    context = _context(request, gallery) | {
        "form": form,
        "page": page,
        "person": _person(gallery, form.cleaned_data.get("person")),
        "filtered": bool(filters),
        "news": urlencode(filters | {"since": newest or UUID(int=0)}),
        "count": 0,
    }
    return render(request, "recognition/sightings.html", context)


def _person(gallery: Gallery, pk: UUID | None) -> Identity | None:
    """Whose sightings are shown alone."""
    return Identity.objects.filter(gallery=gallery, pk=pk).first() if pk else None


@require_safe
def new_sightings(request, slug):
    """How many have come since the page was shown: a small part of the page, which asks for itself again."""
    gallery = _gallery(request, slug)
    try:
        since = UUID(request.GET.get("since", ""))
    except ValueError:
        since = UUID(int=2**128 - 1)
    rows = SightingsForm(gallery, request.GET).rows().filter(pk__gt=since).order_by()
    filters = {key: value for key, value in request.GET.items() if value and key not in ("since", "page")}
    context = {
        "gallery": gallery,
        "count": rows[:MOST_NEW].count(),
        "most": MOST_NEW,
        "news": urlencode(filters | {"since": since}),
        "address": f"{reverse('sightings', args=[slug])}?{urlencode(filters)}",
    }
    return render(request, "recognition/_new_sightings.html", context)


@require_safe
def seen(request, slug, pk):
    """Where and when a person was seen, by day."""
    person = find_person(request, slug, pk)
    rows = Sighting.objects.filter(gallery=person.gallery).of_person(pk).with_people().with_faces().latest_first()
    page = Paginator(rows, A_PAGE).get_page(request.GET.get("page"))
    days = groupby(page, key=lambda row: row.first_seen.astimezone(person.gallery.zone).date())
    context = person_context(request, person, "seen") | {
        "zone": person.gallery.zone,
        "page": page,
        "days": [(day, list(rows)) for day, rows in days],
    }
    return render(request, "recognition/seen.html", context)


@require_POST
def correct(request, slug, pk, action):
    """The buttons "Right", "Not X", and "Is Y" or "New person"."""
    gallery = _gallery(request, slug, Role.CURATOR)
    sighting = get_visible(Sighting.objects.with_people(), request, gallery=gallery, pk=pk)
    return _act(request, gallery, reverse("sightings", args=[slug]), lambda: _correct(request, sighting, action))


def _correct(request, sighting: Sighting, action: str) -> Done:
    actor = actor_of(request)
    if action == "confirm":
        result = corrections.confirm_name(actor=actor, sighting=sighting)
        return _("Noted: this is %(name)s.") % {"name": result.sighting.identity}, result.event
    if action == "reject":
        person = sighting.identity.current if sighting.identity else None
        if person is None:
            raise Conflict(_(corrections.MEANWHILE))
        result = corrections.reject_name(actor=actor, sighting=sighting, identity=person)
        return _("Saved: this is not %(name)s.") % {"name": person.name}, result.event
    form = WhoForm(sighting.gallery, request.POST)
    form.is_valid()
    result = corrections.name_sighting(
        actor=actor, sighting=sighting, identity=form.cleaned_data.get("to"), name=form.cleaned_data.get("name", ""),
        enrol=form.cleaned_data["enrol"],
    )  # fmt: skip
    _tell_refused(request, result.refused)
    return _("Saved: this is %(name)s.") % {"name": result.sighting.identity}, result.event


@require_safe
def choices(request, slug):
    """People of the gallery whose name matches, to choose one from. ?act: each is a button that submits the form."""
    gallery = _gallery(request, slug, Role.CURATOR)
    query = request.GET.get("q", "").strip()
    people = Identity.objects.filter(gallery=gallery).matching(query).with_portrait().order_by("name", "id")
    context = {"people": people[:MOST_CHOICES] if query else [], "query": query, "act": "act" in request.GET}
    return render(request, "gallery/_choices.html", context)


# --- Unknown people ---------------------------------------------------------------------------------------------------
@require_safe
def unknown_people(request, slug):
    """Those whom nobody has named yet; those seen only once are folded away."""
    gallery = _gallery(request, slug)
    looks.seen(request, looks.Kind.RECOGNITIONS, gallery=gallery)
    state = request.GET.get("state") if request.GET.get("state") in STATES else "open"
    rows = UnknownPerson.objects.filter(gallery=gallery).seen().in_state(state).with_best_face().with_suggestions()
    often = rows if state == "named" else rows.filter(sightings_count__gt=1)
    once = rows.none() if state == "named" else rows.filter(sightings_count=1)
    context = _context(request, gallery) | {
        "states": STATES,
        "state": state,
        "page": Paginator(often, A_PAGE).get_page(request.GET.get("page")),
        "once": once[:A_PAGE],
        "once_count": once.count(),
    }
    return render(request, "recognition/unknown_people.html", context)


@require_POST
def change_unknowns(request, slug, action):
    """Merges or ignores the ticked ones, or looks for those who are the same."""
    gallery = _gallery(request, slug, Role.CURATOR)
    back = reverse("unknown-people", args=[slug])
    if action == "look":
        tasks.start_merge(gallery)
        messages.success(request, _("Looking for people who are the same. This takes a moment: load the page again."))
        return redirect(back)
    form = UnknownsForm(gallery, request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
        return redirect(back)
    ticked = sorted(form.cleaned_data["unknowns"], key=lambda row: row.number)
    if action == "merge":
        return _act(request, gallery, back, lambda: _merge(request, ticked))
    for unknown in ticked:
        _act(request, gallery, back, partial(_ignore, request, unknown, action == "ignore"))
    return redirect(_back(request, back))


def _merge(request, ticked: list[UnknownPerson]) -> Done:
    result = services.merge_unknowns(actor=actor_of(request), into=ticked[0], others=ticked[1:])
    text = _("%(number)s unknown people were merged into %(unknown)s.")
    return text % {"number": len(ticked), "unknown": result.unknown.called}, result.event


def _ignore(request, unknown: UnknownPerson, ignored: bool) -> Done:
    result = services.set_ignored(actor=actor_of(request), unknown=unknown, ignored=ignored)
    text = _("%(unknown)s is ignored.") if ignored else _("%(unknown)s is shown again.")
    return text % {"unknown": unknown.called}, result.event


@require_safe
def unknown_person(request, slug, pk):
    """One unknown person: all sightings, who it may be, and the form to name them."""
    gallery = _gallery(request, slug)
    unknown = get_visible(UnknownPerson.objects.with_best_face().with_suggestions(), request, gallery=gallery, pk=pk)
    if unknown.merged_into_id:
        return redirect("unknown-person", slug, unknown.merged_into_id)
    looks.seen(request, looks.Kind.RECOGNITION, gallery=gallery, object_id=pk)
    rows = Sighting.objects.filter(unknown=unknown).with_people().with_faces().latest_first()[:SHOWN_OF_ONE]
    faces = SightingFace.objects.filter(sighting__in=[row.pk for row in rows]).defer("jpeg")
    context = _context(request, gallery) | {
        "unknown": unknown,
        "rows": rows,
        "proposed": {face.pk for face in diverse_faces(list(faces), gallery=gallery)},
        "person": unknown.identity.current if unknown.identity else None,
    }
    return render(request, "recognition/unknown_person.html", context)


@require_POST
def change_unknown(request, slug, pk, action):
    """Names an unknown person, splits off sightings, ignores them, or says that a suggestion is wrong."""
    gallery = _gallery(request, slug, Role.CURATOR)
    unknown = get_visible(UnknownPerson.objects.select_related("gallery"), request, gallery=gallery, pk=pk)
    back = reverse("unknown-person", args=[slug, pk])
    if action == "deny":
        return _deny(request, unknown, back)
    acts: dict[str, Callable[[], Done]] = {
        "name": lambda: _name(request, unknown),
        "split": lambda: _split(request, unknown),
        "ignore": lambda: _ignore(request, unknown, True),
        "show": lambda: _ignore(request, unknown, False),
        "merge": lambda: _merge(request, [unknown, *_other(request, unknown)]),
    }
    return _act(request, gallery, back, acts[action])


def _name(request, unknown: UnknownPerson) -> Done:
    form = _read(NameForm(unknown, request.POST))
    values = form.cleaned_data
    result = services.name_unknown(
        actor=actor_of(request), unknown=unknown, identity=values.get("to"), name=values.get("name", ""),
        faces=form.faces_ticked() if values.get("shown") else None, without=form.without() if values.get("shown") else (),
    )  # fmt: skip
    _tell_refused(request, result.refused)
    seen, enrolled = result.event.details["sightings"], len(result.samples)
    text = _("%(unknown)s is %(name)s: %(sightings)s named, %(faces)s enrolled.") % {
        "unknown": unknown.called,
        "name": result.identity.name,
        "sightings": ngettext("%(count)s sighting", "%(count)s sightings", seen) % {"count": seen},
        "faces": ngettext("%(count)s face", "%(count)s faces", enrolled) % {"count": enrolled},
    }
    return text, result.event


def _split(request, unknown: UnknownPerson) -> Done:
    form = _read(NameForm(unknown, request.POST))
    result = services.split_unknown(actor=actor_of(request), unknown=unknown, sightings=form.without())
    text = _("The sightings that were not ticked are %(unknown)s now.")
    return text % {"unknown": result.unknown.called}, result.event


def _read(form: NameForm) -> NameForm:
    """Raises Conflict if it names what is not there any more."""
    if not form.is_valid():
        raise Conflict(_("This page is out of date. Look again, then make your change."))
    return form


def _other(request, unknown: UnknownPerson) -> list[UnknownPerson]:
    form = UnknownsForm(unknown.gallery, request.POST)
    return list(form.cleaned_data["unknowns"]) if form.is_valid() else []


def _deny(request, unknown: UnknownPerson, back: str):
    form = WhoForm(unknown.gallery, request.POST)
    form.is_valid()
    others = _other(request, unknown)
    try:
        services.deny_suggestion(
            actor=actor_of(request), unknown=unknown, identity=form.cleaned_data.get("to"), other=others[0] if others else None
        )  # fmt: skip
    except (Conflict, InvalidInput) as error:
        messages.error(request, error.message)
    else:
        messages.success(request, _("Noted. It is suggested no more."))
    return redirect(back)


# --- Shared -----------------------------------------------------------------------------------------------------------
def _gallery(request, slug: str, role: Role = Role.VIEWER) -> Gallery:
    """Raises NotFound for strangers, and NotAllowed below `role`."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    if role > Role.VIEWER:  # who sees the gallery is one
        actor_of(request).require_role(gallery, role)
    return gallery


def _context(request, gallery: Gallery) -> dict:
    role = actor_of(request).role_in(gallery)
    return {"gallery": gallery, "zone": gallery.zone, "may_enrol": role is not None and role >= Role.CURATOR}


def _act(request, gallery: Gallery, back: str, act: Callable[[], Done]):
    """Does it, offers the undo, and goes back to the page with the button."""
    try:
        text, event = act()
    except (Conflict, InvalidInput) as error:
        messages.error(request, error.message)
    else:
        offer_undo(request, text, event)
        tasks.look_for_names(gallery)
    return redirect(_back(request, back))


def _back(request, otherwise: str) -> str:
    before = request.headers.get("Referer", "")
    safe = url_has_allowed_host_and_scheme(before, {request.get_host()}, require_https=request.is_secure())
    return before if safe else otherwise


def _tell_refused(request, refused: tuple[RefusedFace, ...] | list[RefusedFace]) -> None:
    for message in sorted({row.message for row in refused}):
        messages.warning(request, _("A face was not enrolled. %(why)s") % {"why": retold(message)})
