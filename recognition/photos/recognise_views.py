"""Recognise, and a recognition with its pictures. See also recognitions_views.py (the list) and correction_views.py."""

from urllib.parse import urlencode

from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts import looks
from accounts.pages import actor_of, get_visible
from accounts.roles import Role
from faceplatform.errors import DomainError, NotFound
from faceplatform.web.api import read_upload
from faceplatform.web.webcam import uses_webcam
from gallery.api import picture
from gallery.models import Gallery, Identity
from recognition.photos import services
from recognition.photos.drawing import kept_photo_to_show, thumbnail
from recognition.photos.forms import RecogniseForm
from recognition.photos.models import RecognitionFace, RecognitionRequest
from recognition.photos.page_context import result_of
from recognition.photos.services import Photo
from recognition.photos.views import WAIT, photo_ids
from recognition.photos.waiting import page_later

FOUND = 12  # people found by a search for who a face is


@uses_webcam
def recognise(request, slug):
    """Finds out who is in photos that are dropped, pasted or chosen. Their results have an address: ?photo=…"""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    if request.method != "POST":
        return _page(request, gallery, RecogniseForm(), _results(request, gallery, photo_ids(request)))
    form = RecogniseForm(request.POST, request.FILES)
    if not form.is_valid():
        message = "; ".join(str(error) for errors in form.errors.values() for error in errors)
        return _page(request, gallery, form, [], [message], 400)
    rows, refused = _submit(request, gallery, form)
    if not rows:
        return _page(request, gallery, form, [], [message for message, _ in refused], refused[0][1])
    local = {row.pk: number for number, row in rows}
    errors = [message for message, _ in refused]

    def answer():
        results = _results(request, gallery, list(local))
        shown = [result | {"local": local[result["recognition"].pk]} for result in results]
        response = _page(request, gallery, form, shown, errors)
        response["HX-Push-Url"] = _address(gallery, list(local))
        return response

    return page_later(list(local), seconds=WAIT, answer=answer)


def _submit(request, gallery: Gallery, form: RecogniseForm):
    """The requests with the number of their photo, and what is wrong with the other photos: message and status."""
    rows, refused = [], []
    uploads = form.cleaned_data["photo"]
    for number, upload in enumerate(uploads):
        try:
            row = services.submit_recognition(
                actor=actor_of(request),
                gallery=gallery,
                photo=Photo(*read_upload(upload)),
                keep_photo=form.cleaned_data["keep_photo"] or None,
            )
            rows.append((number, row))
        except DomainError as error:
            refused.append((f"{upload.name}: {error.message}" if len(uploads) > 1 else error.message, error.status))
    return rows, refused


def _address(gallery: Gallery, ids: list) -> str:
    if len(ids) == 1:
        return reverse("recognition", args=ids)
    return f"{reverse('recognise', args=[gallery.slug])}?{urlencode([('photo', pk) for pk in ids])}"


def _results(request, gallery: Gallery, ids: list) -> list[dict]:
    if not ids:
        return []
    rows = RecognitionRequest.objects.visible_to(actor_of(request)).recognitions().with_results()
    return [result_of(row) for row in rows.filter(gallery=gallery, pk__in=ids).order_by("id")]


def _page(request, gallery: Gallery, form, results: list[dict], errors=(), status: int = 200):
    if request.method != "POST":
        for result in results:  # each is a look of its own, and an answer has one
            seen = looks.Seen(looks.Kind.RECOGNITION, gallery, result["recognition"].pk)
            looks.note(actor_of(request), seen)
    context = {"gallery": gallery, "form": form, "results": results, "errors": errors}
    template = "recognition/_results.html" if request.htmx else "recognition/recognise.html"
    return render(request, template, context | may_enrol(request, gallery), status=status)


def may_enrol(request, gallery: Gallery) -> dict:
    role = actor_of(request).role_in(gallery)
    return {"may_enrol": role is not None and role >= Role.CURATOR}


@require_safe
def recognition(request, pk):
    """A past recognition. While it is still waiting, the page asks for it again by itself.

    ?face=…&q=…: also people of that name, of whom one may be chosen for the face.
    """
    result = shown_result(request, pk)
    gallery = result["recognition"].gallery
    looks.seen(request, looks.Kind.RECOGNITION, gallery=gallery, object_id=pk)
    if query := request.GET.get("q", "").strip():
        people = Identity.objects.filter(gallery=gallery).matching(query).with_portrait().order_by("name", "id")
        result |= {"asked": request.GET.get("face"), "query": query, "people": people[:FOUND]}
    return result_page(request, result)


def shown_result(request, pk, **more) -> dict:
    """A recognition as its page shows it. more: further values of the result. Raises NotFound."""
    row = get_visible(RecognitionRequest.objects.recognitions().with_results(), request, pk=pk)
    local = (request.GET or request.POST).get("local", "")
    return result_of(row) | {"local": int(local) if local.isdecimal() else None} | more


def result_page(request, result: dict, status: int = 200):
    """The page of one recognition, or for HTMX its part of a page."""
    gallery = result["recognition"].gallery
    template = "recognition/_result.html" if request.htmx else "recognition/recognition.html"
    context = {"gallery": gallery, "result": result} | may_enrol(request, gallery)
    return render(request, template, context, status=status)


# --- Pictures ---------------------------------------------------------------------------------------------------------
@require_safe
def face_picture(request, pk, index):
    """A probe face as JPEG."""
    row = get_visible(RecognitionRequest.objects.only("pk", "gallery").select_related("gallery"), request, pk=pk)
    _saw_picture(request, row)
    jpeg = RecognitionFace.objects.filter(request=row, index=index).values_list("crop", flat=True).first()
    if not jpeg:
        raise NotFound(_("There is no such face, or its picture has been deleted."))
    return picture(jpeg)


@require_safe
def photo_picture(request, pk):
    """The kept photo, as it was sent, or as JPEG where browsers would not show it."""
    photo, content_type = kept_photo_to_show(_kept(request, pk))
    response = picture(photo)
    response["Content-Type"] = content_type
    response["X-Content-Type-Options"] = "nosniff"
    return response


@require_safe
def photo_thumbnail(request, pk):
    """The kept photo, small, as JPEG."""
    return picture(thumbnail(_kept(request, pk)))


def _kept(request, pk) -> RecognitionRequest:
    rows = RecognitionRequest.objects.only("photo", "photo_type", "status", "gallery").select_related("gallery")
    row = get_visible(rows, request, pk=pk)
    _saw_picture(request, row)
    return row


def _saw_picture(request, row: RecognitionRequest) -> None:
    if not looks.in_a_page(request):
        looks.seen(request, looks.Kind.RECOGNITION, gallery=row.gallery, object_id=row.pk)
