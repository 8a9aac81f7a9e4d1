"""The pages of a gallery's cameras: all of them, one with its live picture and who was seen, its settings, a browser's webcam."""

import base64
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts import looks
from accounts.pages import actor_of, get_visible
from accounts.roles import Role
from faceplatform.errors import DomainError, InvalidInput
from faceplatform.web.later import Later
from faceplatform.web.webcam import uses_webcam
from gallery.models import Gallery
from recognition.cameras import services
from recognition.cameras.api import LaterResponse
from recognition.cameras.forms import CameraForm, TryForm
from recognition.cameras.models import Camera, CameraKind
from recognition.cameras.trying import WAIT_SECONDS, Attempt
from recognition.cameras.words import words_of

SIGHTINGS_A_PAGE = 25


@require_safe
def cameras(request, slug):
    """All cameras of a gallery with their pictures, which a script keeps new."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    rows = gallery.cameras.with_state().with_picture()
    context = {"gallery": gallery, "tiles": [(row, words_of(row)) for row in rows], "owns": _owns(request, gallery)}
    return render(request, "recognition/cameras.html", context)


@require_safe
def states(request, slug):
    """What the gallery's cameras do now, each for its place on the page; only of one with ?camera=."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    rows = gallery.cameras.with_state()
    if text := request.GET.get("camera"):
        rows = rows.filter(pk=_uuid(text))
    return render(request, "recognition/_camera_states.html", {"tiles": [(row, words_of(row)) for row in rows]})


@require_safe
def camera(request, slug, pk):
    """A camera's live picture, and who was seen by it. The search fetches the table alone."""
    row = _camera(request, slug, pk)
    looks.seen(request, looks.Kind.PEOPLE, gallery=row.gallery)
    query = request.GET.get("q", "").strip()
    sightings = row.sightings.with_people().with_faces().of_anybody_like(query)
    context = {
        "gallery": row.gallery,
        "camera": row,
        "query": query,
        "page": Paginator(sightings, SIGHTINGS_A_PAGE).get_page(request.GET.get("page")),
    }
    if request.htmx:
        return render(request, "recognition/_camera_sightings.html", context)
    role = actor_of(request).role_in(row.gallery) or Role.VIEWER  # None if the membership ended during this request
    context |= {
        "words": words_of(row),
        "owns": role >= Role.OWNER,
        "posts": role >= Role.CURATOR and row.kind == CameraKind.WEBCAM,
    }
    return render(request, "recognition/camera.html", context)


def add(request, slug):
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    services.require_owner(actor_of(request), gallery)
    form, status = CameraForm(request.POST or None), 200
    if request.method == "POST":
        status = 400
        if form.is_valid() and _is_new(gallery, form):
            try:
                row = services.create_camera(actor=actor_of(request), gallery=gallery, **form.values())
                messages.success(request, _("%(name)s was added.") % {"name": row.name})
                return redirect("camera", slug, row.pk)
            except DomainError as error:
                form.add_error(None, error.message)
                status = error.status
    return render(request, "recognition/camera_form.html", {"gallery": gallery, "form": form}, status=status)


def _is_new(gallery: Gallery, form: CameraForm) -> bool:
    """Says so in the form if there is one of this name: it was added before, in another tab."""
    if gallery.cameras.filter(name__iexact=form.cleaned_data["name"]).exists():
        form.add_error("name", "There is a camera of this name already.")
    return not form.errors


def settings(request, slug, pk):
    row = _camera(request, slug, pk)
    services.require_owner(actor_of(request), row.gallery)
    form, status = CameraForm(instance=row), 200
    if request.method == "POST":
        edited = Camera(pk=row.pk, gallery=row.gallery, slug=row.slug, kind=row.kind, credentials=row.credentials)
        form, status = CameraForm(request.POST, instance=edited), 400
        if form.is_valid():
            try:
                services.update_camera(actor=actor_of(request), camera=row, **form.values())
                messages.success(request, _("Saved."))
                return redirect("camera", slug, pk)
            except DomainError as error:
                form.add_error(None, error.message)
                status = error.status
    context = {"gallery": row.gallery, "form": form, "camera": row}
    return render(request, "recognition/camera_form.html", context, status=status)


@require_POST
def try_(request, slug):
    """One picture of what the form says, or why there is none. For htmx."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    services.require_owner(actor_of(request), gallery)
    form = TryForm(request.POST)
    if not form.is_valid():
        return _why_not(request, _("Choose where the pictures come from, and enter an address."))
    values = form.cleaned_data
    tried = values.pop("camera")
    row = get_visible(Camera.objects.all(), request, gallery=gallery, pk=tried) if tried else None
    if row and values["user"] and not values["password"]:
        values["password"] = None
    try:
        attempt = Attempt(services.source_to_try(actor=actor_of(request), gallery=gallery, camera=row, **values))
    except DomainError as error:
        return _why_not(request, error.message, error.status)
    response = LaterResponse(status=202)
    response.later = Later(lambda: attempt, WAIT_SECONDS, lambda: _tried(request, attempt))
    return response


def _tried(request, attempt: Attempt) -> HttpResponse:
    try:
        jpeg = attempt.picture()
    except DomainError as error:
        return _why_not(request, error.message, error.status)
    return render(request, "recognition/_camera_tried.html", {"jpeg": base64.b64encode(jpeg).decode()})


def _why_not(request, sentence: str, status: int = 400) -> HttpResponse:
    return render(request, "_error.html", {"error": sentence}, status=status)


@require_POST
def switch(request, slug, pk):
    """Switches the camera on or off."""
    row = _camera(request, slug, pk)
    on = request.POST.get("on") == "1"
    services.update_camera(actor=actor_of(request), camera=row, enabled=on)
    text = _("%(name)s was switched on.") if on else _("%(name)s was switched off.")
    messages.success(request, text % {"name": row.name})
    return redirect("camera", slug, pk)


@require_POST
def delete(request, slug, pk):
    row = _camera(request, slug, pk)
    services.delete_camera(actor=actor_of(request), camera=row)
    messages.success(request, _("%(name)s was deleted.") % {"name": row.name})
    return redirect("cameras", slug)


@require_safe
@uses_webcam
def webcam(request, slug, pk):
    """Sends the pictures of this browser's webcam. For curators, as the service has it."""
    row = _camera(request, slug, pk)
    actor_of(request).require_role(row.gallery, Role.CURATOR)
    if row.kind != CameraKind.WEBCAM:
        return redirect("camera", slug, pk)
    return render(request, "recognition/camera_webcam.html", {"gallery": row.gallery, "camera": row})


def _camera(request, slug, pk) -> Camera:
    return get_visible(Camera.objects.with_state().with_picture(), request, gallery__slug=slug, pk=pk)


def _owns(request, gallery: Gallery) -> bool:
    return actor_of(request).role_in(gallery) == Role.OWNER


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInput("camera must be a camera's id.") from None
