"""Add faces, recognise, and past recognitions."""

import uuid

from django.contrib import messages
from django.core.paginator import Paginator
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts import looks
from accounts.pages import actor_of, get_visible, offer_undo
from accounts.roles import Role
from faceplatform.errors import DomainError, InvalidInput, NotFound
from faceplatform.text import clean_name
from faceplatform.web.api import read_upload
from faceplatform.web.webcam import uses_webcam
from gallery.api import picture
from gallery.models import Gallery, Identity
from gallery.services import update_gallery
from recognition.photos import services
from recognition.photos.drawing import kept_photo_to_show
from recognition.photos.forms import AddFacesForm, LivenessForm, MorePhotosForm, RecogniseForm, RejectForm
from recognition.photos.models import Purpose, RecognitionFace, RecognitionRequest
from recognition.photos.page_context import enrolment_context, recognition_context
from recognition.photos.rejections import reject_identity
from recognition.photos.services import Photo
from recognition.photos.waiting import page_later

WAIT = 10.0  # seconds; after that the page asks for the answer again by itself


# --- Recognise --------------------------------------------------------------------------------------------------------
@uses_webcam
def recognise(request, slug):
    """Finds out who is in a photo that is dropped, pasted or chosen."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    if request.method != "POST":
        return render(request, "recognition/recognise.html", {"gallery": gallery, "form": RecogniseForm()})
    form = RecogniseForm(request.POST, request.FILES)
    if not form.is_valid():
        message = "; ".join(str(error) for errors in form.errors.values() for error in errors)
        return _recognise_error(request, gallery, form, message, 400)
    try:
        row = services.submit_recognition(
            actor=actor_of(request),
            gallery=gallery,
            photo=Photo(*read_upload(form.cleaned_data["photo"])),
            keep_photo=form.cleaned_data["keep_photo"] or None,
        )
    except DomainError as error:
        return _recognise_error(request, gallery, form, error.message, error.status)
    return page_later([row.pk], seconds=WAIT, answer=lambda: _recognised(request, form, row.pk))


def _recognised(request, form, pk):
    context = _result_context(request, pk) | {"local_photo": 0}
    if request.htmx:
        return render(request, "recognition/_result.html", context)
    return render(request, "recognition/recognise.html", context | {"form": form})


def _recognise_error(request, gallery, form, message: str, status: int):
    context = {"gallery": gallery, "form": form, "error": message}
    template = "_error.html" if request.htmx else "recognition/recognise.html"
    return render(request, template, context, status=status)


@require_safe
def recognition(request, pk):
    """A past recognition. While it is still waiting, the page asks for it again by itself."""
    context = _result_context(request, pk)
    looks.seen(request, looks.Kind.RECOGNITION, gallery=context["gallery"], object_id=pk)
    template = "recognition/_result.html" if request.htmx else "recognition/recognition.html"
    if request.GET.get("local"):
        context["local_photo"] = 0
    return render(request, template, context)


@require_safe
def recognitions(request, slug):
    """The recognitions of a gallery, newest first."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    looks.seen(request, looks.Kind.RECOGNITIONS, gallery=gallery)
    rows = RecognitionRequest.objects.visible_to(actor_of(request)).recognitions().with_results()
    page = Paginator(rows.filter(gallery=gallery).select_related("requested_by"), 25).get_page(request.GET.get("page"))
    return render(request, "recognition/recognitions.html", {"gallery": gallery, "page": page})


@require_safe
def face_picture(request, pk, index):
    """A probe face as JPEG."""
    row = get_visible(RecognitionRequest.objects.only("pk", "gallery").select_related("gallery"), request, pk=pk)
    _saw_picture(request, row)
    jpeg = RecognitionFace.objects.filter(request=row, index=index).values_list("crop", flat=True).first()
    if not jpeg:
        raise NotFound("There is no such face, or its picture has been deleted.")
    return picture(jpeg)


@require_safe
def photo_picture(request, pk):
    """The kept photo, as it was sent, or as JPEG where browsers would not show it."""
    rows = RecognitionRequest.objects.only("photo", "photo_type", "status", "gallery").select_related("gallery")
    row = get_visible(rows, request, pk=pk)
    _saw_picture(request, row)
    photo, content_type = kept_photo_to_show(row)
    response = picture(photo)
    response["Content-Type"] = content_type
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _saw_picture(request, row: RecognitionRequest) -> None:
    if not looks.in_a_page(request):
        looks.seen(request, looks.Kind.RECOGNITION, gallery=row.gallery, object_id=row.pk)


@require_POST
def reject_face(request, pk, index):
    """The button "not X" beside a candidate."""
    row = get_visible(RecognitionRequest.objects.recognitions().defer("photo"), request, pk=pk)
    face = row.faces.filter(index=index).first()
    form = RejectForm(row.gallery, request.POST)
    if face is None or not form.is_valid():
        raise NotFound("There is no such face, or no such person.")
    identity = form.cleaned_data["identity"]
    try:
        event = reject_identity(actor=actor_of(request), face=face, identity=identity)
    except DomainError as error:
        messages.error(request, error.message)
    else:
        offer_undo(request, f"Saved: this is not {identity.name}.", event)
    return redirect("recognition", pk)


def _result_context(request, pk) -> dict:
    row = _recognition(request, pk)
    role = actor_of(request).role_in(row.gallery)
    return recognition_context(row) | {"may_enrol": role is not None and role >= Role.CURATOR}


def _recognition(request, pk) -> RecognitionRequest:
    return get_visible(RecognitionRequest.objects.recognitions().with_results(), request, pk=pk)


# --- Add faces --------------------------------------------------------------------------------------------------------
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
            namesake = _namesake(gallery, form.cleaned_data)
            if namesake is None:
                return _enrol_new(request, gallery, form)
            form.add_error(
                None,
                f"There is already a {namesake.name} in this gallery. Add the photos there, or tick that this is another person.",
            )
            return _form_error(request, gallery, form, 409, namesake)
        except DomainError as error:
            form.add_error(None, error.message)
            return _form_error(request, gallery, form, error.status)
    return _form_error(request, gallery, form, 400)


def _namesake(gallery: Gallery, data: dict) -> Identity | None:
    if data["another"]:
        return None
    return gallery.identities.filter(name__iexact=clean_name(data["name"])).first()


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
    try:
        ids = [uuid.UUID(text) for text in request.GET.getlist("photo")]
    except ValueError as error:
        raise NotFound("There is no such enrolment.") from error
    return _enrolment_page(request, gallery, ids)


def _enrolment_page(request, gallery: Gallery, ids: list):
    own = RecognitionRequest.objects.visible_to(actor_of(request)).enrolments(ids)
    rows = list(own.filter(gallery=gallery, purpose=Purpose.ENROL))
    if not rows:
        raise NotFound("There is no such enrolment.")
    template = "recognition/_enrolment.html" if request.htmx else "recognition/enrolment.html"
    return render(request, template, enrolment_context(gallery, rows))


def _form_error(request, gallery: Gallery, form, status: int, namesake: Identity | None = None):
    context = {"gallery": gallery, "form": form, "namesake": namesake}
    template = "recognition/_add_faces_errors.html" if request.htmx else "recognition/add_faces.html"
    return render(request, template, context, status=status)


def _photos(uploads) -> list[Photo]:
    return [Photo(*read_upload(upload)) for upload in uploads]


# --- Pictures held up to a camera -------------------------------------------------------------------------------------
@require_POST
def set_liveness(request, slug):
    """What the gallery makes of them, from the card in recognition/_liveness.html."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    form = LivenessForm(request.POST)
    if not form.is_valid():
        raise InvalidInput("Choose off, hint or refuse.")
    update_gallery(actor=actor_of(request), gallery=gallery, liveness=form.cleaned_data["liveness"])
    messages.success(request, "Saved.")
    return redirect("calibration", slug)
