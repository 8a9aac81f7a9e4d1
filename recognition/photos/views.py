"""Pages that enrol photos: of a new person, and of somebody who is there. Those that recognise: recognise_views.py."""

import uuid

from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.pages import actor_of, get_visible, tell
from accounts.roles import Role
from faceplatform.errors import DomainError, InvalidInput, NotFound
from faceplatform.web.api import read_upload
from faceplatform.web.webcam import uses_webcam
from gallery.models import Gallery, Identity
from gallery.services import change_settings
from recognition.photos import services
from recognition.photos.forms import AddFacesForm, LivenessForm, MorePhotosForm
from recognition.photos.models import Purpose, RecognitionRequest
from recognition.photos.page_context import enrolment_context, namesake
from recognition.photos.services import Photo
from recognition.photos.waiting import page_later

WAIT = 10.0  # seconds; after that the page asks for the answer again by itself


@uses_webcam
def add_faces(request, slug):
    """Enrols a new person with photos."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    actor_of(request).require_role(gallery, Role.CURATOR)
    if request.method != "POST":
        return render(request, "recognition/add_faces.html", {"gallery": gallery, "form": AddFacesForm(gallery)})
    form = AddFacesForm(gallery, request.POST, request.FILES)
    if form.is_valid():
        try:
            other = None if form.cleaned_data["another"] else namesake(gallery, form.cleaned_data["name"])
            if other is None:
                return _enrol_new(request, gallery, form)
            told = _(
                "There is already a %(name)s in this gallery. Add the photos there, or tick that this is another person."
            )
            form.add_error(None, told % {"name": other.name})
            return _form_error(request, gallery, form, 409, other)
        except DomainError as error:
            form.add_error(None, error.message)
            return _form_error(request, gallery, form, error.status)
    return _form_error(request, gallery, form, 400)


def _enrol_new(request, gallery: Gallery, form: AddFacesForm):
    data = form.cleaned_data
    rows = services.submit_first_photos(
        actor=actor_of(request),
        gallery=gallery,
        photos=_photos(data["photos"]),
        accept_truncated=data["accept_truncated"],
        name=data["name"],
        **form.person(),
    )
    return _enrolment_later(request, gallery, rows)


@require_POST
def add_photos(request, slug, pk):
    """Enrols more photos of a person."""
    person = get_visible(Identity.objects.select_related("gallery"), request, gallery__slug=slug, pk=pk)
    form = MorePhotosForm(request.POST, request.FILES)
    if not form.is_valid():
        message = " ".join(str(error) for errors in form.errors.values() for error in errors)
        return render(request, "_error.html", {"error": message}, status=400)
    try:
        return _enrol(request, person, form.cleaned_data)
    except DomainError as error:
        return render(request, "_error.html", {"error": error.message}, status=error.status)


def _enrol(request, person: Identity, data: dict):
    photos, accepts = _photos(data["photos"]), data["accept_truncated"]
    rows = services.submit_enrolment(actor=actor_of(request), identity=person, photos=photos, accept_truncated=accepts)
    return _enrolment_later(request, person.gallery, rows)


def _enrolment_later(request, gallery: Gallery, rows: list[RecognitionRequest]):
    ids = [row.pk for row in rows]
    return page_later(ids, seconds=WAIT, answer=lambda: _enrolment_page(request, gallery, ids))


@require_safe
def enrolment(request, slug):
    """What became of the photos whose ids are in ?photo=…. While some are waiting, the page asks again by itself."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    return _enrolment_page(request, gallery, photo_ids(request))


def _enrolment_page(request, gallery: Gallery, ids: list):
    own = RecognitionRequest.objects.visible_to(actor_of(request)).enrolments(ids)
    rows = list(own.filter(gallery=gallery, purpose=Purpose.ENROL))
    if not rows:
        raise NotFound(_("There is no such enrolment."))
    template = "recognition/_enrolment.html" if request.htmx else "recognition/enrolment.html"
    return render(request, template, enrolment_context(gallery, rows))


def _form_error(request, gallery: Gallery, form, status: int, other: Identity | None = None):
    context = {"gallery": gallery, "form": form, "namesake": other}
    template = "recognition/_add_faces_errors.html" if request.htmx else "recognition/add_faces.html"
    return render(request, template, context, status=status)


def _photos(uploads) -> list[Photo]:
    return [Photo(*read_upload(upload)) for upload in uploads]


def photo_ids(request) -> list[uuid.UUID]:
    """The requests that an address names in ?photo=…. Raises NotFound."""
    try:
        return [uuid.UUID(text) for text in request.GET.getlist("photo")]
    except ValueError as error:
        raise NotFound(_("There is no such photo.")) from error


# --- Pictures held up to a camera -------------------------------------------------------------------------------------
@require_POST
def set_liveness(request, slug):
    """What the gallery makes of them, from the card in recognition/_liveness.html."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    form = LivenessForm(request.POST)
    if not form.is_valid():
        raise InvalidInput(_("Choose off, hint or refuse."))
    event = change_settings(actor=actor_of(request), gallery=gallery, liveness=form.cleaned_data["liveness"])
    tell(request, _("Saved."), event)
    return redirect("calibration", slug)
