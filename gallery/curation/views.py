"""What curators do on a person's page, and undoing it from anywhere."""

from collections.abc import Callable

import numpy as np
from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from accounts.models import AuditEvent
from accounts.pages import actor_of, get_visible, offer_undo
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput
from gallery import services
from gallery.curation import history
from gallery.curation import services as curation
from gallery.forms import MoveForm, PersonForm, SamplesForm, SplitForm
from gallery.models import FaceEmbedding, Identity
from gallery.search.query import nearest_identities

CHOICES = 12


def _person(request, slug, pk) -> Identity:
    """The person, for a curator; NotFound for strangers, NotAllowed for viewers."""
    person = get_visible(Identity.objects.select_related("gallery"), request, gallery__slug=slug, pk=pk)
    actor_of(request).require_role(person.gallery, Role.CURATOR)
    return person


def _curate(request, person: Identity, form, act: Callable[[], str | None]):
    """Does `act` where the form is right, and goes back to the person; says what is wrong where it is not."""
    try:
        if form is None or form.is_valid():
            return redirect(act() or person)
        text = " ".join(str(error) for errors in form.errors.values() for error in errors)
    except (Conflict, InvalidInput) as error:
        text = error.message
    messages.error(request, text)
    return redirect(person)


@require_POST
def split(request, slug, pk):
    """A new person of the ticked samples."""
    person = _person(request, slug, pk)
    form = SplitForm(person, request.POST)

    def act():
        samples, name = [sample.pk for sample in form.cleaned_data["samples"]], form.cleaned_data["name"]
        made = curation.split_identity(actor=actor_of(request), identity=person, samples=samples, name=name)
        offer_undo(request, f"{len(samples)} of {person.name}'s samples are {name} now.", made.event)
        return made.identity

    return _curate(request, person, form, act)


@require_POST
def move(request, slug, pk):
    """The ticked samples to somebody else, all of them or none."""
    person = _person(request, slug, pk)
    form = MoveForm(person, request.POST)

    def act():
        to = form.cleaned_data["to"]
        with transaction.atomic():
            for sample in form.cleaned_data["samples"]:
                moved = curation.move_sample(actor=actor_of(request), sample=sample, to=to)
                offer_undo(request, f"{sample.photo_name or 'A sample'} belongs to {to.name} now.", moved.event)
        return to

    return _curate(request, person, form, act)


@require_POST
def reject(request, slug, pk):
    """The ticked samples are not this person."""
    person = _person(request, slug, pk)
    form = SamplesForm(person, request.POST)

    def act():
        for sample in form.cleaned_data["samples"]:
            made = curation.reject_sample(actor=actor_of(request), sample=sample)
            offer_undo(request, f"{sample.photo_name or 'A sample'} is not {person.name}: remembered.", made.event)

    return _curate(request, person, form, act)


@require_POST
def delete_samples(request, slug, pk):
    person = _person(request, slug, pk)
    form = SamplesForm(person, request.POST)

    def act():
        for sample in form.cleaned_data["samples"]:
            event = services.delete_sample(actor=actor_of(request), sample=sample)
            offer_undo(request, f"{sample.photo_name or 'A sample'} was deleted.", event)

    return _curate(request, person, form, act)


@require_POST
def merge(request, slug, pk):
    """Somebody else, who is this person too, goes into this one."""
    person = _person(request, slug, pk)
    form = PersonForm(person, request.POST)

    def act():
        other = form.cleaned_data["to"]
        made = curation.merge_identities(actor=actor_of(request), into=person, others=[other])
        offer_undo(request, f"{other.name} was merged into {person.name}.", made.event)

    return _curate(request, person, form, act)


def choices(request, slug, pk):
    """People to choose from: by name, or those who look most like this person."""
    person = _person(request, slug, pk)
    query = request.GET.get("q", "").strip()
    people = Identity.objects.filter(gallery=person.gallery).exclude(pk=person.pk).with_portrait()
    if query:
        found = list(people.matching(query).order_by("name", "id")[:CHOICES])
    else:
        alike = _alike(person)
        found = sorted(people.filter(pk__in=alike), key=lambda other: alike.index(other.pk))
    return render(request, "gallery/_choices.html", {"people": found, "query": query})


def _alike(person: Identity) -> list:
    """Whose faces are nearest to the person's, nearest first."""
    embeddings = FaceEmbedding.objects.filter(gallery=person.gallery, pack=person.gallery.pack)
    best = embeddings.filter(sample__in=person.samples.enrolled()).order_by("-sample__quality_score").first()
    if best is None:
        return []
    [matches] = nearest_identities(
        gallery_id=person.gallery_id, pack=best.pack, probes=np.array([best.vector], "float32"), top_k=CHOICES
    )
    return [match.identity_id for match in matches if match.identity_id != person.pk]


@require_POST
def undo(request, pk):
    """Takes an act back, and returns to where the button was."""
    event = get_visible(AuditEvent.objects.all(), request, pk=pk)
    try:
        undone = history.undo(actor=actor_of(request), event=event)
    except Conflict as error:
        messages.error(request, error.message)
    else:
        offer_undo(request, f"Undone: {event.action} {event.object_name}.", undone)
    back = request.headers.get("Referer", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return redirect(back if safe else "audit")
