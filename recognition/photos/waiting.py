"""Views whose answer waits for photos in the queue; see faceplatform/web/later.py."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from faceplatform.web.api import final_answer, seconds_to_wait
from faceplatform.web.later import Later
from recognition.photos import queue
from recognition.photos.faults import is_servers
from recognition.photos.models import RecognitionRequest, Status
from recognition.photos.services import raise_if_unserved


class QueuedResponse(Response):
    """An API answer about requests in the queue.

    waits_for: their ids; a call repeated under its Idempotency-Key is answered anew from these (accounts/idempotency.py).
    later: how the final answer is made, if this one is not final.
    """

    waits_for: Sequence[UUID] | None = None
    later: Later | None = None


class QueuedPage(HttpResponse):
    """The same for a page."""

    later: Later | None = None


class WaitingMixin(APIView):
    """For an API view: `answer(ids)` gives the answer about these requests as they are now."""

    def answer(self, ids: Sequence[UUID]) -> QueuedResponse:
        raise NotImplementedError

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuses a wait that is no sensible number before anything is submitted."""
        super().initial(request, *args, **kwargs)
        seconds_to_wait(request)

    def came_to_nothing(self, ids: Sequence[UUID]) -> bool:
        """Whether all of `ids` failed for a fault of the server, so that nothing came of the call."""
        found = RecognitionRequest.objects.filter(pk__in=ids).values_list("status", "error_code")
        failed = [status == Status.FAILED and is_servers(code) for status, code in found]
        return bool(failed) and all(failed)

    def answer_later(self, ids: Sequence[UUID]) -> QueuedResponse:
        """The answer once all of `ids` are finished, or after as many seconds as the caller prefers to wait."""
        seconds = seconds_to_wait(self.request)
        answer = partial(self.answer, ids)
        response = self.wait_then(ids, seconds, answer) if seconds else answer()
        response.waits_for = ids
        return response

    def raise_if_unserved(self, rows: Iterable[RecognitionRequest]) -> None:
        """Raises Unavailable if one of `rows` lacks a worker with its pack and the caller has waited for it."""
        if seconds_to_wait(self.request):
            for row in rows:
                raise_if_unserved(row)

    def wait_then(self, ids: Sequence[UUID], seconds: float, answer: Callable[[], Response]) -> QueuedResponse:
        """What `answer` returns once all of `ids` are finished, or after `seconds`.

        If the client disconnects before a worker has started, its photos are discarded, unless it sent an Idempotency-Key
        and can ask for the answer again.
        """
        response = QueuedResponse(status=202)
        response.later = Later(partial(queue.arrival_of, ids), seconds, partial(final_answer, self, answer))
        if "Idempotency-Key" not in self.request.headers:
            response.later.abandon = partial(queue.abandon, ids)
        return response


def page_later(ids: Sequence[UUID], *, seconds: float, answer: Callable[[], HttpResponse]) -> QueuedPage:
    """A page's answer once all of `ids` are finished, or after `seconds`."""
    response = QueuedPage(status=202)
    response.later = Later(partial(queue.arrival_of, ids), seconds, answer)
    return response
