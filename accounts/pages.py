"""What the pages of all apps share."""

from django.contrib import messages

from accounts.actor import Actor, Via
from accounts.models import AuditEvent
from faceplatform.errors import NotFound


def actor_of(request) -> Actor:
    """The signed-in user, acting through the pages."""
    return Actor.from_request(request, Via.WEB)


def offer_undo(request, text: str, event: AuditEvent) -> None:
    """Says on the next page what was done, with a button that takes it back."""
    messages.success(request, text, extra_tags=str(event.pk))


def get_visible(queryset, request, **lookup):
    """The row, or NotFound for what is not there and what is hidden alike."""
    found = queryset.visible_to(actor_of(request)).filter(**lookup).first()
    if found is None:
        raise NotFound("There is nothing here, or you have no access to it.")
    return found
