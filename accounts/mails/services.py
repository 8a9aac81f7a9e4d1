"""E-mails to accounts. Requests only queue them: the job worker sends, so a slow mail server keeps no page waiting."""

import uuid6
from django.conf import settings

from accounts.mails.links import state_of
from accounts.mails.sending import Kind
from accounts.mails.tasks import send_link
from accounts.models import User


def queue_link(*, kind: Kind, user: User | None, site: str) -> None:
    """Has a link to choose a password mailed, where e-mail is set up, once the transaction has committed.

    The link is made when it is sent, so neither it nor the address is stored. user: None for an address that nobody has, which
    takes as long and sends nothing. site: scheme and host of the platform, as `https://faces.example.org`.
    """
    if settings.SENDS_EMAIL and (user is None or user.email):
        send_link.defer(
            kind=kind,
            user_id=str(user.pk) if user else "",
            state=state_of(user or User()),
            site=site,
            number=uuid6.uuid7().hex,
        )


def is_reached(user: User) -> bool:
    """Whether links are also sent to the user."""
    return bool(settings.SENDS_EMAIL and user.email)
