"""What the pages of all apps share."""

from django.contrib import messages

from accounts.actor import Actor, Via
from accounts.models import AuditEvent


def actor_of(request) -> Actor:
    """The signed-in user, acting through the pages."""
    return Actor.from_request(request, Via.WEB)


def done(request, text: str, event: AuditEvent) -> None:
    """Says on the next page what was done, with a button that takes it back."""
    messages.success(request, text, extra_tags=str(event.pk))
