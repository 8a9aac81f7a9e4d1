"""What the API's views share: who acts, what they may see, and that a POST sent twice happens once."""

from functools import partial

from django.db import transaction

from accounts import idempotency
from accounts.actor import Actor, Via
from accounts.compiled_reads import VisibleRow
from faceplatform.errors import NotFound


class ActorMixin:
    """shown_once: fields of a POST's answer that are never kept."""

    shown_once: tuple[str, ...] = ()

    @property
    def actor(self) -> Actor:
        return Actor.from_request(self.request, Via.API)

    def get_visible(self, queryset, **lookup):
        """The row, or NotFound for what is not there and for what is hidden alike."""
        return _found_or_404(queryset.visible_to(self.actor).filter(**lookup).first())

    def find_visible(self, row: VisibleRow, value):
        """The same of a compiled read."""
        return _found_or_404(row.find(self.actor, value))

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        key = request.headers.get("Idempotency-Key")
        if request.method == "POST" and key is not None:
            self.post = partial(self._post_once, key, self.post)

    def _post_once(self, key, handler, request, *args, **kwargs):
        fingerprint = idempotency.fingerprint_of(request)
        with transaction.atomic():
            row, new = idempotency.take(user=request.user, key=key, fingerprint=fingerprint)
            if new:
                response = handler(request, *args, **kwargs)
                idempotency.remember(row, response, shown_once=self.shown_once)
                return response
        if row.waits_for is None:
            return idempotency.replayed(row)
        return self.answer_later(row.waits_for)


def _found_or_404(found):
    if found is None:
        raise NotFound("There is nothing here, or you have no access to it.")
    return found
