"""What the views have in common: the key, its gallery, waiting for a photo, and errors in CompreFace's shape."""

from collections.abc import Callable, Sequence
from functools import cached_property

from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.compiled_reads import VisibleRow
from faceplatform.errors import NotFound, Unavailable, Unprocessable
from faceplatform.web.api import LONGEST_WAIT
from faceplatform.web.parsers import JSONParser
from gallery.api import ActorMixin
from gallery.models import FaceSample, Gallery
from recognition.compreface.authentication import CompreFaceAuthentication
from recognition.compreface.errors import compreface_error
from recognition.compreface.parameters import uuids
from recognition.photos.models import RecognitionRequest, Status
from recognition.photos.results.refusals import REFUSALS
from recognition.photos.services import raise_if_failed
from recognition.photos.waiting import WaitingMixin

KEY_WITHOUT_GALLERY = (
    "This API key is for all galleries, and CompreFace's clients do not say which one. "
    "Create a key for one gallery: manage.py api_key create --user NAME --gallery SLUG --scopes recognize read enrol"
)


class CompreFaceView(WaitingMixin, ActorMixin, APIView):
    """Not part of our own schema: CompreFace's documentation describes these calls."""

    schema = None
    authentication_classes = [CompreFaceAuthentication]
    parser_classes = [MultiPartParser, JSONParser]

    def initial(self, request, *args, **kwargs):
        """Without an Idempotency-Key: CompreFace knows none."""
        APIView.initial(self, request, *args, **kwargs)

    def get_exception_handler(self):
        return compreface_error

    @cached_property
    def gallery(self) -> Gallery:
        """The key's. Raises NotFound."""
        if self.request.auth.gallery_id is None:
            raise NotFound(KEY_WITHOUT_GALLERY, code="key_without_gallery")
        return self.get_visible(Gallery.objects.all(), pk=self.request.auth.gallery_id)

    def samples(self):
        """The gallery's faces."""
        return FaceSample.objects.enrolled().visible_to(self.actor).filter(gallery=self.gallery)

    def sample(self, image_id: str) -> FaceSample:
        """Raises NotFound (embedding_not_found)."""
        found = self.samples().filter(pk__in=uuids([image_id])).select_related("identity__gallery").first()
        if found is None:
            raise NotFound(f"Image {image_id} is not found", code="embedding_not_found")
        return found

    def when_finished(
        self, submitted: Sequence[RecognitionRequest], read: VisibleRow, answer: Callable[..., Response]
    ) -> Response:
        """What `answer` makes of the requests when they are done or failed, loaded with `read`.

        503 (not_finished) where they are not by then.
        """

        def final() -> Response:
            found = [self.find_visible(read, row.pk) for row in submitted]
            if any(row.status not in (Status.DONE, Status.FAILED) for row in found):
                message = f"The photo was not looked at within {LONGEST_WAIT} s: too many wait. Try again."
                raise Unavailable(message, code="not_finished", retry_after=LONGEST_WAIT)
            return answer(*found)

        return self.wait_then([row.pk for row in submitted], LONGEST_WAIT, final)

    def when_done(
        self, submitted: Sequence[RecognitionRequest], read: VisibleRow, answer: Callable[..., dict]
    ) -> Response:
        """The same, where a photo that cannot be used is an error."""

        def final(*found: RecognitionRequest) -> Response:
            for row in found:
                raise_if_failed(row)
            return Response(answer(*found))

        return self.when_finished(submitted, read, final)


def require_face(row: RecognitionRequest) -> RecognitionRequest:
    """Raises Unprocessable (face_not_found) where the photo has no face."""
    if not row.faces.all():
        raise Unprocessable(REFUSALS["face_not_found"], code="face_not_found")
    return row
