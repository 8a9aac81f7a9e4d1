"""Views whose answer waits for photos in the queue; see faceplatform/web/later.py."""

from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

from django.http import HttpResponse
from rest_framework.response import Response

from faceplatform.web.api import seconds_to_wait
from faceplatform.web.later import Later
from recognition.photos import queue


class WaitingMixin:
    """For an API view: `answer(ids)` gives the answer on these requests as it stands."""

    def answer(self, ids: Sequence[UUID]) -> Response:
        raise NotImplementedError

    def answer_later(self, ids: Sequence[UUID]) -> Response:
        """The answer when all of `ids` are finished, or after as long as the caller prefers to wait."""
        seconds = seconds_to_wait(self.request)
        answer = partial(self.answer, ids)
        response = self.wait_then(ids, seconds, answer) if seconds else answer()
        response.waits_for = ids
        return response

    def wait_then(self, ids: Sequence[UUID], seconds: float, answer: Callable[[], Response]) -> Response:
        """What `answer` gives when all of `ids` are finished, or after `seconds`. Photos of a client that hangs up are given
        up, unless it has an Idempotency-Key to ask again with."""
        response = Response(status=202)
        response.later = Later(partial(queue.arrival_of, ids), seconds, partial(self._final_answer, answer))
        if "Idempotency-Key" not in self.request.headers:
            response.later.abandon = partial(queue.abandon, ids)
        return response

    def _final_answer(self, answer: Callable[[], Response]) -> Response:
        """As APIView.dispatch ends: errors become problems, and the answer is rendered."""
        try:
            response = answer()
        except Exception as error:  # noqa: BLE001 - handle_exception raises again what it does not know
            response = self.handle_exception(error)
        return self.finalize_response(self.request, response, *self.args, **self.kwargs).render()


def page_later(ids: Sequence[UUID], *, seconds: float, answer: Callable[[], HttpResponse]) -> HttpResponse:
    """A page's answer when all of `ids` are finished, or after `seconds`."""
    response = HttpResponse(status=202)
    response.later = Later(partial(queue.arrival_of, ids), seconds, answer)
    return response
