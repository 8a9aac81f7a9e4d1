"""Pictures of a recognition: the kept photo with boxes and "name score" drawn on it."""

from faceplatform.errors import NotFound
from recognition.engine.base import Box
from recognition.engine.image import annotate, decode
from recognition.photos.labels import annotations
from recognition.photos.models import RecognitionRequest
from recognition.photos.representation import recognition_as_dict


def draw(photo: bytes, answer: dict) -> bytes:
    """`answer` (see representation.py) drawn on its photo; JPEG."""
    faces = [(Box(*face["box"]["pixels"].values()), *label) for face, label in annotations(answer)]
    return annotate(decode(photo), faces)


def draw_kept_photo(request: RecognitionRequest) -> bytes:
    """Raises NotFound (photo_not_kept) where the photo was cleared. Takes a request with its results."""
    photo = RecognitionRequest.objects.values_list("photo", flat=True).get(pk=request.pk)
    if photo is None:
        raise NotFound(
            "The photo was not kept. Send it with keep_photo=true, or let the gallery keep its photos.",
            code="photo_not_kept",
        )
    return draw(bytes(photo), recognition_as_dict(request))
