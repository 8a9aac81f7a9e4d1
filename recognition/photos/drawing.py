"""Pictures of a recognition: the kept photo with boxes and "name score" drawn on it."""

from typing import Any

from faceplatform.errors import NotFound, Unprocessable
from recognition.engine.base import Box, PhotoError
from recognition.engine.image import annotate, decode
from recognition.photos.labels import annotations
from recognition.photos.models import RecognitionRequest, Status
from recognition.photos.representation import recognition_as_dict


def draw(photo: bytes, answer: dict[str, Any]) -> bytes:
    """The photo with `answer` (from recognition_as_dict) drawn on it, as JPEG. Raises PhotoError."""
    faces = [(Box(*face["box"]["pixels"].values()), *label) for face, label in annotations(answer)]
    return annotate(decode(photo), faces)


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
        raise Unprocessable(error.message, code=error.code) from error
