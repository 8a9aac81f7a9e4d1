"""A gallery's settings: what it is called, and how careful it is. Curators see them, owners change them."""

from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts.pages import actor_of, get_visible, tell
from accounts.roles import Role
from faceplatform.errors import DomainError
from gallery.models import Gallery
from gallery.services import change_settings
from recognition.gallery_settings.effects import DAYS, choices_of
from recognition.gallery_settings.forms import CarefulForm, GeneralForm, PhotosForm
from recognition.photos.thresholds import threshold_of


def general(request, slug):
    gallery = gallery_for(request, slug, Role.CURATOR)
    form = GeneralForm(gallery, request.POST if request.method == "POST" else None)
    status = _save(request, gallery, form, lambda: form.cleaned_data)
    if status == 302:
        return redirect("gallery-settings", slug)
    context = {"gallery": gallery, "form": form, "may_change": _owns(request, gallery)}
    return render(request, "recognition/settings_general.html", context, status=status)


def recognition(request, slug):
    """How careful the gallery is, what another choice would have changed, and which photos are enrolled and kept."""
    gallery = gallery_for(request, slug, Role.CURATOR)
    posted = request.POST if request.method == "POST" else None
    about_photos = posted is not None and "quality_gate" in posted
    careful = CarefulForm(gallery, None if about_photos else posted)
    photos = PhotosForm(gallery, posted if about_photos else None)
    form = photos if about_photos else careful
    status = _save(request, gallery, form, form.values)
    if status == 302:
        return redirect("recognition-settings", slug)
    context = {
        "gallery": gallery,
        "careful": careful,
        "photos": photos,
        "in_force": threshold_of(gallery),
        "choices": choices_of(gallery),
        "days": DAYS,
        "may_change": _owns(request, gallery),
    }
    return render(request, "recognition/settings_recognition.html", context, status=status)


def _save(request, gallery: Gallery, form, values) -> int:
    """Saves a form that was sent. Returns the status: 302 if that went well, 200 if none was sent. Raises NotAllowed."""
    if request.method != "POST":
        return 200
    actor_of(request).require_role(gallery, Role.OWNER)
    if not form.is_valid():
        return 400
    try:
        event = change_settings(actor=actor_of(request), gallery=gallery, **values())
    except DomainError as error:
        form.add_error(None, error.message)
        return error.status
    tell(request, _("Saved."), event)
    return 302


def gallery_for(request, slug, role: Role) -> Gallery:
    """Raises NotFound for strangers, NotAllowed below `role`."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    actor_of(request).require_role(gallery, role)
    return gallery


def _owns(request, gallery: Gallery) -> bool:
    return actor_of(request).role_in(gallery) == Role.OWNER
