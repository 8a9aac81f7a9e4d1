"""The base of the views: the API key and its gallery, waiting for a photo's result, and errors in CompreFace's shape."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api_views import ActorMixin
from accounts.compiled_reads import VisibleRow
from faceplatform.errors import NotFound, Unavailable, Unprocessable
from faceplatform.web.api import LONGEST_WAIT
from faceplatform.web.multipart import MultiPartParser
from faceplatform.web.parsers import JSONParser
from gallery.models import FaceSample, Gallery
from gallery.querysets import FaceSampleQuerySet
from recognition.compreface.authentication import CompreFaceAuthentication
from recognition.compreface.errors import compreface_error
from recognition.compreface.parameters import valid_uuids
from recognition.photos.models import RecognitionRequest, Status
from recognition.photos.results.refusals import REFUSALS
from recognition.photos.services import raise_if_failed, raise_if_unserved
from recognition.photos.waiting import WaitingMixin

KEY_WITHOUT_GALLERY = (
    "This API key is for all galleries, but CompreFace's clients do not say which one they mean. "
    "Create a key for one gallery: manage.py api_key create --user NAME --gallery SLUG --scopes recognize read enrol"
)


class CompreFaceView(WaitingMixin, ActorMixin, APIView):
    """Left out of our OpenAPI schema: CompreFace's documentation describes these calls."""

    schema = None
    authentication_classes = [CompreFaceAuthentication]
    parser_classes = [MultiPartParser, JSONParser]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Skips ActorMixin's handling of Idempotency-Key, which CompreFace does not have."""
        APIView.initial(self, request, *args, **kwargs)

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        return compreface_error

    @cached_property
    def gallery(self) -> Gallery:
        """The gallery of the API key. Raises NotFound (key_without_gallery)."""
        key = self.actor.api_key
        if key is None or key.gallery_id is None:
            raise NotFound(KEY_WITHOUT_GALLERY, code="key_without_gallery")
        return self.get_visible(Gallery.objects.all(), pk=key.gallery_id)

    def samples(self) -> FaceSampleQuerySet:
        """The enrolled faces of the gallery."""
        return FaceSample.objects.enrolled().visible_to(self.actor).filter(gallery=self.gallery)

    def sample(self, image_id: str) -> FaceSample:
        """The enrolled face with this id. Raises NotFound (embedding_not_found)."""
        sample = self.samples().filter(pk__in=valid_uuids([image_id])).select_related("identity__gallery").first()
        if sample is None:
            raise NotFound(f"Image {image_id} is not found", code="embedding_not_found")
        return sample

    def answer_when_finished(
        self, submitted: Sequence[RecognitionRequest], read: VisibleRow, answer: Callable[..., Response]
    ) -> Response:
        """Waits until the requests are done or failed, loads them with `read` and returns what `answer` makes of them.

        If that takes longer than LONGEST_WAIT, the answer is 503 (not_finished).
        """

        def final() -> Response:
            rows = [self.find_visible(read, row.pk) for row in submitted]
            if any(row.status not in (Status.DONE, Status.FAILED) for row in rows):
                for row in rows:
                    raise_if_unserved(row)
                message = f"The photo was not processed within {LONGEST_WAIT} s: too many are waiting. Try again."
                raise Unavailable(message, code="not_finished", retry_after=LONGEST_WAIT)
            return answer(*rows)

        return self.wait_then([row.pk for row in submitted], LONGEST_WAIT, final)

    def answer_when_done(
        self, submitted: Sequence[RecognitionRequest], read: VisibleRow, answer: Callable[..., dict[str, Any]]
    ) -> Response:
        """Like `answer_when_finished`, but a photo that could not be used is an error, and `answer` returns only the body."""

        def final(*rows: RecognitionRequest) -> Response:
            for row in rows:
                raise_if_failed(row)
            return Response(answer(*rows))

        return self.answer_when_finished(submitted, read, final)


def require_face(row: RecognitionRequest) -> RecognitionRequest:
    """Returns `row`. Raises Unprocessable (face_not_found) if no face was found in its photo."""
    if not row.faces.all():
        raise Unprocessable(REFUSALS["face_not_found"], code="face_not_found")
    return row
