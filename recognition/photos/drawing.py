"""Pictures of a recognition: the kept photo with boxes and "name score" drawn on it."""

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from faceplatform.errors import NotFound, Unprocessable
from faceplatform.web.languages import retold
from recognition.engine.annotate import annotate
from recognition.engine.base import Box, PhotoError
from recognition.engine.image import decode_reduced
from recognition.engine.shown import as_jpeg, as_jpeg_if_needed
from recognition.photos.labels import annotations
from recognition.photos.models import RecognitionRequest, Status
from recognition.photos.representation import recognition_as_dict

THUMBNAIL_SIDE = 192  # px
DRAWN_SIDE = 4096  # px; a JPEG at least twice as large is drawn on at half its size, or less


def draw(photo: bytes, answer: dict[str, Any]) -> bytes:
    """The photo with `answer` (from recognition_as_dict) drawn on it, as JPEG. Raises PhotoError."""
    decoded = decode_reduced(photo, DRAWN_SIDE, max_bytes=len(photo), max_pixels=settings.MAX_PHOTO_PIXELS)
    scale = decoded.image.shape[1] / decoded.width
    faces = [(_box(face, scale), *label) for face, label in annotations(answer)]
    return annotate(decoded.image, faces)


def _box(face: dict[str, Any], scale: float) -> Box:
    return Box(*(value * scale for value in face["box"]["pixels"].values()))


def kept_photo_to_show(request: RecognitionRequest) -> tuple[bytes, str]:
    """The kept photo and its content type, as JPEG where browsers would not show it. Raises NotFound (photo_not_kept).

    A photo that no worker could decode stays as it was sent.
    """
    if request.photo is None or request.status not in (Status.DONE, Status.FAILED):
        raise NotFound(_("The photo was not kept."), code="photo_not_kept")
    photo = bytes(request.photo)
    if request.status == Status.FAILED:
        return photo, request.photo_type
    try:
        jpeg = as_jpeg_if_needed(photo, request.photo_type, max_pixels=settings.MAX_PHOTO_PIXELS)
    except PhotoError as error:
        raise Unprocessable(retold(error.message), code=error.code) from error
    return (photo, request.photo_type) if jpeg is None else (jpeg, "image/jpeg")


def thumbnail(request: RecognitionRequest) -> bytes:
    """The kept photo as a small JPEG. Raises NotFound (photo_not_kept), and Unprocessable if it cannot be read."""
    photo = kept_photo_to_show(request)[0]
    try:
        return as_jpeg(photo, THUMBNAIL_SIDE, max_pixels=settings.MAX_PHOTO_PIXELS)
    except PhotoError as error:
        raise Unprocessable(retold(error.message), code=error.code) from error


def draw_kept_photo(request: RecognitionRequest) -> bytes:
    """The kept photo of a request loaded with `with_results()`, as JPEG. Raises NotFound (photo_not_kept).

    A photo that no worker could decode is not decoded here either.
    """
    photo = RecognitionRequest.objects.values_list("photo", flat=True).get(pk=request.pk)
    if photo is None:
        raise NotFound(
            "The photo was not kept. Send it again with keep_photo=true, or set the gallery to keep photos.",
            code="photo_not_kept",
        )
    if request.status == Status.FAILED:
        raise NotFound("The recognition failed, so there is nothing to draw. The photo itself is on its page.")
    try:
        return draw(bytes(photo), recognition_as_dict(request))
    except PhotoError as error:
        raise Unprocessable(retold(error.message), code=error.code) from error
