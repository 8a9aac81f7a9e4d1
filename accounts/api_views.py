"""Shared by the API's views: who acts, what they may see, and that a POST sent twice happens once."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts import idempotency
from accounts.actor import Actor, Via
from accounts.compiled_reads import VisibleRow
from accounts.confirmation import require_confirmed
from faceplatform.database.compiled import Row
from faceplatform.errors import NotFound


class ActorMixin(APIView):
    """For views of the API.

    shown_once: fields of the answer to a POST that are never stored, such as a new API key.
    answer_later: the answer about these photos once they are done; for views whose POSTs wait for photos.
    came_to_nothing: whether all of these photos failed for a fault of the server; for the same views.
    """

    answers_with: tuple[str, ...] = ()  # its content types where they are not JSON, for the header Accept
    shown_once: tuple[str, ...] = ()
    happens_once = True  # whether POSTs with the same Idempotency-Key do
    # Methods for which somebody who calls with a session must have signed in lately, or confirmed who they are.
    asks_again: tuple[str, ...] = ()
    answer_later: Callable[[Sequence[UUID]], HttpResponse]
    came_to_nothing: Callable[[Sequence[UUID]], bool]
    post: Callable[..., HttpResponse]

    @property
    def actor(self) -> Actor:
        return Actor.from_request(self.request, Via.API)

    def get_visible(self, queryset: QuerySet[Row], **lookup: Any) -> Row:
        """The row that matches. Raises NotFound if there is none or it is hidden from the actor.

        queryset: one with `visible_to`.
        """
        rows: Any = queryset
        return _found_or_404(rows.visible_to(self.actor).filter(**lookup).first())

    def find_visible(self, read: VisibleRow[Row], value: object) -> Row:
        """The same with a compiled read."""
        return _found_or_404(read.find(self.actor, value))

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method in self.asks_again and request.auth is None:
            require_confirmed()
        key = request.headers.get("Idempotency-Key")
        if request.method == "POST" and key is not None and self.happens_once:
            self.post = partial(self._post_once, key, self.post)

    def _post_once(
        self, key: str, handler: Callable[..., HttpResponse], request: Request, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        user = request.user
        assert user.is_authenticated  # HasScope lets nobody else in
        fingerprint = idempotency.fingerprint_of(request)
        with transaction.atomic():
            row, new = idempotency.claim(user=user, key=key, fingerprint=fingerprint)
            if new or (row.waits_for is not None and idempotency.reopened(row, self.came_to_nothing)):
                response = handler(request, *args, **kwargs)
                idempotency.store(row, response, shown_once=self.shown_once)
                return response
        # REST framework puts these on every answer of the view: on a later one and on an error, too.
        self.headers[idempotency.REPLAYED] = "true"
        if row.waits_for is None:
            return idempotency.replay(row)
        return self.answer_later(row.waits_for)


def _found_or_404(row: Row | None) -> Row:
    if row is None:
        raise NotFound(_("There is nothing here, or you have no access to it."))
    return row
