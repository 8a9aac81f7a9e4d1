"""Curation on a person's page; and undo, from any page."""

from collections.abc import Callable

import numpy as np
from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.audit.words import sentence_parts
from accounts.models import AuditEvent
from accounts.pages import actor_of, get_visible, offer_undo
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput
from gallery.curation import history, samples
from gallery.curation import services as curation
from gallery.forms import MoveForm, OtherPersonForm, SamplesForm, SplitForm
from gallery.models import FaceEmbedding, Identity
from gallery.search.query import nearest_identities

MAX_CHOICES = 12
Done = tuple[
    Identity, str, AuditEvent
]  # the person to show next, what was done, as a sentence, and the event that undoes it


def _person(request, slug, pk) -> Identity:
    """The person, if the user is a curator. Raises NotFound for strangers, NotAllowed for viewers."""
    person = get_visible(Identity.objects.select_related("gallery"), request, gallery__slug=slug, pk=pk)
    actor_of(request).require_role(person.gallery, Role.CURATOR)
    return person


def _curate_and_redirect(request, person: Identity, form, act: Callable[[], Done]):
    """Calls `act` if the form is valid, then goes to the person it returns. Otherwise shows what went wrong, on `person`."""
    try:
        if form.is_valid():
            shown, text, event = act()
            offer_undo(request, text, event)
            return redirect(shown)
        text = " ".join(str(error) for errors in form.errors.values() for error in errors)
    except (Conflict, InvalidInput) as error:
        text = error.message
    messages.error(request, text)
    return redirect(person)


@require_POST
def split(request, slug, pk):
    """Moves the ticked samples to a new person."""
    person = _person(request, slug, pk)
    form = SplitForm(person, request.POST)

    def act() -> Done:
        ticked, name = list(form.cleaned_data["samples"]), form.cleaned_data["name"]
        keys = [sample.pk for sample in ticked]
        result = curation.split_identity(actor=actor_of(request), identity=person, samples=keys, name=name)
        return result.identity, _moved(len(ticked), person.name, name), result.event

    return _curate_and_redirect(request, person, form, act)


@require_POST
def move(request, slug, pk):
    """Moves the ticked samples to another person: all of them or none."""
    person = _person(request, slug, pk)
    form = MoveForm(person, request.POST)

    def act() -> Done:
        ticked, to = list(form.cleaned_data["samples"]), form.cleaned_data["to"]
        event = samples.move_samples(actor=actor_of(request), identity=person, samples=ticked, to=to)
        return to, _moved(len(ticked), person.name, to.name), event

    return _curate_and_redirect(request, person, form, act)


@require_POST
def reject(request, slug, pk):
    """Marks the ticked samples as not this person: all of them or none."""
    person = _person(request, slug, pk)
    form = SamplesForm(person, request.POST)

    def act() -> Done:
        ticked = list(form.cleaned_data["samples"])
        event = samples.reject_samples(actor=actor_of(request), identity=person, samples=ticked)
        told = ngettext(
            "%(count)s face is now marked as not %(name)s.",
            "%(count)s faces are now marked as not %(name)s.",
            len(ticked),
        )
        return person, told % {"count": len(ticked), "name": person.name}, event

    return _curate_and_redirect(request, person, form, act)


@require_POST
def delete_samples(request, slug, pk):
    """Deletes the ticked samples: all of them or none."""
    person = _person(request, slug, pk)
    form = SamplesForm(person, request.POST)

    def act() -> Done:
        ticked = list(form.cleaned_data["samples"])
        event = samples.delete_samples(actor=actor_of(request), identity=person, samples=ticked)
        told = ngettext(
            "%(count)s face of %(name)s was deleted.", "%(count)s faces of %(name)s were deleted.", len(ticked)
        )
        return person, told % {"count": len(ticked), "name": person.name}, event

    return _curate_and_redirect(request, person, form, act)


def _moved(count: int, name: str, to: str) -> str:
    told = ngettext(
        "%(count)s face of %(name)s now belongs to %(to)s.", "%(count)s faces of %(name)s now belong to %(to)s.", count
    )
    return told % {"count": count, "name": name, "to": to}


@require_POST
def merge(request, slug, pk):
    """Merges another person into this one."""
    person = _person(request, slug, pk)
    form = OtherPersonForm(person, request.POST)

    def act() -> Done:
        other = form.cleaned_data["to"]
        result = curation.merge_identities(actor=actor_of(request), into=person, others=[other])
        told = _("%(other)s was merged into %(name)s.") % {"other": other.name, "name": person.name}
        return person, told, result.event

    return _curate_and_redirect(request, person, form, act)


@require_safe
def choices(request, slug, pk):
    """People to choose from: those who match the search text, or without one those who look most like this person."""
    person = _person(request, slug, pk)
    query = request.GET.get("q", "").strip()
    people = Identity.objects.filter(gallery=person.gallery).exclude(pk=person.pk).with_portrait()
    if query:
        found = list(people.matching(query).order_by("name", "id")[:MAX_CHOICES])
    else:
        lookalikes = _lookalikes(person)
        found = sorted(people.filter(pk__in=lookalikes), key=lambda other: lookalikes.index(other.pk))
    return render(request, "gallery/_choices.html", {"people": found, "query": query})


def _lookalikes(person: Identity) -> list:
    """Keys of the people whose faces are nearest to the person's best sample, nearest first."""
    embeddings = FaceEmbedding.objects.filter(gallery=person.gallery, pack=person.gallery.pack)
    best = embeddings.filter(sample__in=person.samples.enrolled()).order_by("-sample__quality_score").first()
    if best is None:
        return []
    [matches] = nearest_identities(
        gallery_id=person.gallery_id, pack=best.pack, probes=np.array([best.vector], "float32"), top_k=MAX_CHOICES
    )
    return [match.identity_id for match in matches if match.identity_id != person.pk]


@require_POST
def undo(request, pk):
    """Undoes the change, and returns to the page with the button."""
    event = get_visible(AuditEvent.objects.all(), request, pk=pk)
    try:
        undone = history.undo(actor=actor_of(request), event=event)
    except Conflict as error:
        messages.error(request, error.message)
    else:
        offer_undo(request, _("Undone: %(what)s.") % {"what": "".join(sentence_parts(event))}, undone)
    back = request.headers.get("Referer", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return redirect(back if safe else "audit")
